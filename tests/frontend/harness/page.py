"""A Chromium page on the harness: builds it, serves it with a scene, opens it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from backend.launcher.chromium import find_chromium
from backend.launcher.frontend import install_packages
from backend.launcher.places import CHECKOUT

FLAGS = [
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]


@contextmanager
def harness_page(scene: Path, built: Path, name: str, ready: str) -> Iterator[Any]:
    """The page `name` of a built harness on a scene, once the expression `ready` is true.

    Asked by `evaluate` only: waiting inside the page would need eval, which our policy refuses.
    """
    from playwright.sync_api import sync_playwright

    chromium = find_chromium()
    flags = [*FLAGS, "--no-sandbox"] if os.getuid() == 0 else FLAGS
    with sync_playwright() as playwright, serving(scene, built) as address:
        browser = playwright.chromium.launch(
            executable_path=chromium.executable,
            args=flags,
            env={**os.environ, **chromium.variables},
        )
        page = browser.new_page(viewport={"width": 1300, "height": 850})
        page.goto(f"{address}/{name}")
        wait_until(page, ready)
        yield page
        browser.close()


def wait_until(page: Any, expression: str, seconds: float = 60) -> None:
    deadline = monotonic() + seconds
    while not page.evaluate(expression):
        if monotonic() > deadline:
            raise TimeoutError(f"the page did not come to: {expression}")
        sleep(0.05)


def build(out: Path) -> None:
    node = install_packages()
    command = [*node.npm, "run", "--silent", "harness", "--", "--outDir", str(out)]
    environment = {**os.environ, **node.variables}
    done = subprocess.run(
        command, cwd=CHECKOUT / "frontend", env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"the harness does not build:\n{done.stdout}{done.stderr}")


@contextmanager
def serving(
    scene: Path, built: Path, app: str = "tests.frontend.harness.serve:app"
) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--ws-per-message-deflate", "false"]
    # A page may still be waiting for an answer when all has been asked.
    command += ["--timeout-graceful-shutdown", "1"]
    command += ["--port", str(port), "--log-level", "critical", app]
    folders = {"HARNESS_SCENE": str(scene), "HARNESS_PAGE": str(built)}
    server = subprocess.Popen(command, cwd=CHECKOUT, env=os.environ | folders)
    try:
        _wait_for(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = monotonic() + 30
    while monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        sleep(0.05)
    raise RuntimeError(f"the harness's server did not start on port {port}")
