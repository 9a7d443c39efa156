"""The web server as `manage.py up` starts it, what its process costs, and a scene to look at."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING
from uuid import uuid4

from backend.launcher.children import Child, tail
from backend.launcher.identity import Record
from backend.launcher.places import Data
from backend.launcher.ports import LOOPBACK, listening_socket
from backend.launcher.up import address, answers, programs
from tests.bench.memory import stated_kib

if TYPE_CHECKING:
    from backend.scenes.models import Scene as SceneRow
    from inference.scene import Scene

READY_WITHIN_S = 60.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """A server that is measured (Linux)."""

    pid: int
    port: int

    def cpu_s(self) -> float:
        """Seconds of cores that it has used, in user and in kernel mode."""
        stat = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / TICKS_PER_S

    def memory_mb(self, *, peak: bool = False) -> float:
        """Resident memory now, or the most since `forget_peak`."""
        return stated_kib(self.pid, "VmHWM" if peak else "VmRSS") * 1024 / 1e6

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")


@contextmanager
def web_server() -> Iterator[Process]:
    """The product's, on the services of the environment."""
    data = Data.of_environment().made()
    with listening_socket(LOOPBACK, 0) as listening:
        port = listening.getsockname()[1]
        settings = {**os.environ, "MASKLET_PUBLIC_URL": address(LOOPBACK, port)}
        web = next(
            program
            for program in programs(data, settings, listening.fileno())
            if program.name == "web"
        )
        child = Child(web, Record(data.processes))
        child.start()
        try:
            _wait_for(child, listening)
            assert child.process is not None
            yield Process(child.process.pid, port)
        finally:
            child.stop()


def _wait_for(child: Child, listening: socket.socket) -> None:
    until = monotonic() + READY_WITHIN_S
    while not answers(listening):
        if not child.runs or monotonic() > until:
            raise RuntimeError(f"the web server does not answer: {tail(child.program.log)}")
        sleep(0.1)


@contextmanager
def raw_server(answer: Path | None = None) -> Iterator[Process]:
    """The limit; see tests/bench/raw_server.py."""
    with listening_socket(LOOPBACK, 0) as listening:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.raw_server", str(listening.fileno())]
            + ([str(answer)] if answer else []),
            pass_fds=[listening.fileno()],
        )
        try:
            yield Process(process.pid, listening.getsockname()[1])
        finally:
            process.terminate()
            process.wait(10)


def stored_scene(source: Scene) -> tuple[SceneRow, str]:
    """A scene in a project of its own, and the cookie of a signed-in member."""
    from django.conf import settings

    from tests.builders import build_project, build_stored_scene, build_user, client_of

    project = build_project(f"bench {uuid4()}")
    person = build_user(f"bench-{uuid4()}", project=project)
    name = settings.SESSION_COOKIE_NAME
    cookie = f"{name}={client_of(person).cookies[name].value}"
    return build_stored_scene(project, source), cookie
