"""The whole platform for a browser test: own database, web server and workers, a short drive."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from backend.launcher.children import Child
from backend.launcher.chromium import find_chromium
from backend.launcher.environment import python_here
from backend.launcher.frontend import BUILT, build_frontend
from backend.launcher.identity import Record
from backend.launcher.places import CHECKOUT, Data
from backend.launcher.ports import LOOPBACK, listening_socket
from backend.launcher.services import embedded, settings_of
from backend.launcher.supervisor import Supervisor
from backend.launcher.up import STOPPED_FIRST, answers, programs
from tests.frontend.harness.page import FLAGS

# What of the caller's surroundings would lead to services that are not ours.
FOREIGN = ("DATABASE_URL", "REDIS_URL", "MASKLET_DATA", "MASKLET_DEBUG", "MASKLET_PUBLIC_URL")
PATIENCE_S = 90.0
# Casting rays is compiled on the first run, which takes a busy machine minutes.
DRIVE_WITHIN_S = 400.0


@dataclass
class Platform:
    """A running platform. Its processes are looked after while somebody waits."""

    url: str
    passwords: dict[str, str]
    data: Data
    supervisor: Supervisor
    children: dict[str, Child]

    def wait_until(self, true: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
        """Raises CannotGoOn when it takes too long."""
        self.supervisor.wait_until(true, within_s=within_s, what=what)

    def kill(self, name: str) -> None:
        """As if the power had gone; it is started again while somebody waits."""
        process = self.children[name].process
        assert process is not None
        os.killpg(process.pid, signal.SIGKILL)  # it leads a session of its own
        process.wait()

    def log(self, name: str) -> str:
        path = self.data.logs / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""


@contextmanager
def platform(folder: Path, *, frames: int) -> Iterator[Platform]:
    """Everything on a free port, with the demo accounts and a drive of `frames` frames, complete."""
    build_frontend()
    data = Data(folder).made()
    surroundings = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    services = embedded(data, environment=surroundings, lasting=False)
    supervisor = Supervisor()
    try:
        services.start()
        with listening_socket(LOOPBACK, 0) as listening:
            url = f"http://{LOOPBACK}:{listening.getsockname()[1]}"
            settings = settings_of(
                data, services.database_url, services.redis_url, environment=surroundings
            )
            settings["MASKLET_PUBLIC_URL"] = url
            # A copy: the server keeps a list of its files, and others may build meanwhile.
            settings["MASKLET_FRONTEND"] = str(shutil.copytree(BUILT, data.folder / "frontend"))
            passwords = _prepare(data, settings, frames)
            children = {}
            record = Record(data.processes)
            for program in programs(data, settings, listening.fileno()):
                children[program.name] = Child(program, record)
                supervisor.start(children[program.name])
            made = Platform(url, passwords, data, supervisor, children)
            made.wait_until(
                lambda: answers(listening) and "ready." in made.log("model"), "the platform"
            )
            supervisor.starting = False
            made.wait_until(
                lambda: _has_made_the_drive(made.log("worker")), "the drive", DRIVE_WITHIN_S
            )
            yield made
    finally:
        supervisor.stop(STOPPED_FIRST[:1])
        services.stop()


def _prepare(data: Data, settings: dict[str, str], frames: int) -> dict[str, str]:
    python = str(python_here())
    for command in (
        ["migrate", "-v0"],
        ["setup_demo", "--passwords", str(data.passwords), "--frames", str(frames)],
    ):
        subprocess.run(
            [python, "manage.py", *command], cwd=CHECKOUT, env=settings, check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
    passwords: dict[str, str] = json.loads(data.passwords.read_text())
    return passwords


def _has_made_the_drive(log: str) -> bool:
    return re.search(r"run_demo\[\S+\] succeeded", log) is not None


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; give each person a context of his own."""
    from playwright.sync_api import sync_playwright

    found = find_chromium()
    flags = [*FLAGS, "--no-sandbox"] if os.getuid() == 0 else FLAGS
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found.executable, args=flags, env={**os.environ, **found.variables}
        )
        yield browser
        browser.close()


def sign_in(browser: Any, running: Platform, username: str) -> Any:
    """A window of this person, signed in by the page as people do it."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(f"{running.url}/sign-in")
    page.get_by_label("Name").fill(username)
    page.get_by_label("Password").fill(running.passwords[username])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Projects").wait_for()
    return page


def until(true: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
    deadline = monotonic() + within_s
    while not true():
        if monotonic() > deadline:
            raise TimeoutError(what)
