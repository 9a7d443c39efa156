"""A Chromium page with the harness's measurements, on one sweep of the procedural drive."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np

from backend.protocol import binary
from backend.scenes.sweep_codec import decode_view, encode_view
from inference.scene import Sweep
from inference.world.drive import make_drive

CHECKOUT = Path(__file__).parent.parent.parent
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


def write_sweep(folder: Path) -> int:
    """A sweep in every codec that is compared, and its number of points.

    Two of the drive's sweeps, one after the other: about as many points as Waymo's five lasers.
    """
    frames = make_drive(seed=3, rig="demo", length=20).frames
    parts = [next(iter(frames[index].sweeps.values())) for index in (0, 10)]
    sweep = Sweep(
        points_ego=np.concatenate([part.points_ego for part in parts]),
        intensity=np.concatenate([part.intensity for part in parts]),
        timestamp_us=0,
    )
    compact = encode_view(sweep)
    (folder / "sweep_0_0").write_bytes(compact)
    (folder / "p8_0_0").write_bytes(encode_view(sweep, codec=binary.CODEC_P8))
    points, extras = decode_view(compact)
    raw = np.concatenate([points, extras[:, :1].astype(np.float32)], axis=1)
    (folder / "float32_0_0").write_bytes(raw.astype("<f4").tobytes())
    return len(sweep)


@contextmanager
def bench_page() -> Iterator[tuple[Any, dict[str, float]]]:
    """The page, ready to be asked, and the sizes of what it fetches."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        scene, built = Path(folder, "scene"), Path(folder, "page")
        scene.mkdir()
        count = write_sweep(scene)
        _build(built)
        sizes = {
            f"{path.name.split('_')[0]}_bytes_per_point": path.stat().st_size / count
            for path in scene.iterdir()
        }
        with _serving(scene, built) as address:
            flags = [*FLAGS, "--no-sandbox"] if os.getuid() == 0 else FLAGS
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=flags)
            page = browser.new_page(viewport={"width": 1300, "height": 850})
            page.goto(f"{address}/bench.html")
            while not page.evaluate("'bench' in window"):
                sleep(0.05)
            yield page, {"points": float(count), **sizes}
            browser.close()


def _build(out: Path) -> None:
    command = ["npm", "run", "--silent", "harness", "--", "--outDir", str(out)]
    subprocess.run(command, cwd=CHECKOUT / "frontend", check=True, stdout=subprocess.DEVNULL)


@contextmanager
def _serving(scene: Path, built: Path) -> Iterator[str]:
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
