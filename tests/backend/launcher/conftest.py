"""What the launcher's tests share: folders and processes of their own, never the project's."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.launcher.places import Data


@pytest.fixture
def data() -> Iterator[Data]:
    """An empty data folder that also the user `nobody` may reach, as PostgreSQL may need it."""
    folder = Path(tempfile.mkdtemp(prefix="masklet-launcher-"))
    folder.chmod(0o711)
    yield Data(folder / "data").made()
    shutil.rmtree(folder, ignore_errors=True)


Spawn = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Starts a Python program that says a line when it is ready; kills it after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
