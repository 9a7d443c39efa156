"""A Chromium page on the harness: builds it, serves it with a scene, opens it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

CHECKOUT = Path(__file__).parent.parent.parent.parent
FLAGS = [
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]


def find_chromium() -> str | None:
    """`$CHROMIUM`, else the system's; None lets Playwright take its own."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@contextmanager
def harness_page(scene: Path, built: Path, name: str, ready: str) -> Iterator[Any]:
    """The page `name` of a built harness on a scene, once the expression `ready` is true.

    Asked by `evaluate` only: waiting inside the page would need eval, which our policy refuses.
    """
    from playwright.sync_api import sync_playwright

    flags = [*FLAGS, "--no-sandbox"] if os.getuid() == 0 else FLAGS
    with sync_playwright() as playwright, serving(scene, built) as address:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=flags)
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
    command = ["npm", "run", "--silent", "harness", "--", "--outDir", str(out)]
    subprocess.run(command, cwd=CHECKOUT / "frontend", check=True, stdout=subprocess.DEVNULL)


@contextmanager
def serving(scene: Path, built: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--ws-per-message-deflate", "false"]
    command += ["--port", str(port), "--log-level", "error", "tests.frontend.harness.serve:app"]
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
