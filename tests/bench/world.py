"""Bench area `world`: how long a procedural frame takes, on one core.

    python -m tests.bench.world [--full]

Process time, best of several, after compilation; the first compilation is measured apart, in a
process of its own with an empty cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import process_time

import numpy as np

from inference.scene import Sensor
from inference.world import sensors
from inference.world.drive import DriveFrames, make_drive
from tests.bench.report import Report

_FIRST_FRAME = """
from time import perf_counter, process_time
start = perf_counter()
from inference.world.drive import make_drive
make_drive(0, rig="demo", length=1).frames[0]
print(perf_counter() - start, process_time())
"""


def run(report: Report, full: bool) -> None:
    frames = make_drive(0, rig="demo", length=200).frames
    assert isinstance(frames, DriveFrames)
    frames[0]  # compiles
    noise, rig = sensors.Noise(), frames.rig
    cast, shade, jpeg, sweep, light, whole = ([] for _ in range(6))  # type: list[list[float]]
    for index in range(5, 200, 13 if full else 45):
        view = frames._view(index * 0.1)
        light.append(_best_ms(lambda i=index: frames._light(i * 0.1)))
        lit = frames._light(index * 0.1)
        for camera in rig.cameras:
            hits = sensors.cast_camera(view, camera, noise)
            film = frames.street.light
            picture = sensors.shade_camera(hits, view, camera, lit, noise, film)
            cast.append(_best_ms(lambda c=camera, v=view: sensors.cast_camera(v, c, noise)))
            shade.append(
                _best_ms(
                    lambda c=camera, h=hits, v=view, li=lit, f=film: sensors.shade_camera(
                        h, v, c, li, noise, f
                    )
                )
            )
            jpeg.append(_best_ms(lambda p=picture: sensors.encode_jpeg(p)))
        sweep.append(_best_ms(lambda i=index: _anew(frames).sweep(i)))
        whole.append(_best_ms(lambda i=index: _anew(frames)[i], times=2))
    camera_ms = np.add(cast, np.add(shade, jpeg))
    report.row("world", "camera 960x640", float(np.mean(camera_ms)), "ms", target="<=160")
    report.row("world", "camera 960x640, worst", float(np.max(camera_ms)), "ms")
    report.row("world", "of which casting", float(np.mean(cast)), "ms")
    report.row("world", "of which shading", float(np.mean(shade)), "ms")
    for course in ("straight", "winding"):
        name = "camera 480x320" + ("" if course == "straight" else ", winding street")
        report.row("world", name, _small_camera_ms(noise, course), "ms", target="<=40")
    report.row("world", "sweep 64x2048", float(np.mean(sweep)), "ms", target="<=50")
    report.row("world", "four short-range sweeps 56x317", _short_range_ms(noise), "ms")
    report.row("world", "shadows and contact", float(np.mean(light)), "ms")
    report.row("world", "frame with labels", float(np.mean(whole)), "ms")
    start = process_time()
    make_drive(1, rig="demo", length=200)
    report.row("world", "street of a seed", 1e3 * (process_time() - start), "ms")
    wall_s, core_s = _first_frame_s()
    report.row("world", "first frame, nothing compiled", wall_s, "s")
    report.row("world", "first frame, core seconds", core_s, "s", target="<=30")


def _anew(frames: DriveFrames) -> DriveFrames:
    """Without the last frame's rays, which are kept for whoever asks for its gold next."""
    frames._last = None
    return frames


def _short_range_ms(noise: sensors.Noise) -> float:
    frames = make_drive(0, rig="waymo", length=60).frames
    assert isinstance(frames, DriveFrames)
    view, random = frames._view(5.0), np.random.default_rng(0)

    def turns() -> None:
        for unit in frames.rig.units[1:]:
            hits = sensors.cast_lidar(view, unit, noise)
            sensors.lidar_returns(hits, view, noise, random)

    return _best_ms(turns)


def _small_camera_ms(noise: sensors.Noise, course: str) -> float:
    """Casting and shading, the mean over three cameras, as pictures to learn from are made."""
    frames = make_drive(0, rig="demo", length=60, width_px=480, course=course).frames
    assert isinstance(frames, DriveFrames)
    view, lit, film = frames._view(5.0), frames._light(5.0), frames.street.light

    def picture(camera: Sensor) -> object:
        hits = sensors.cast_camera(view, camera, noise)
        return sensors.shade_camera(hits, view, camera, lit, noise, film)

    each = [_best_ms(lambda c=camera: picture(c)) for camera in frames.rig.cameras]
    return float(np.mean(each))


def _best_ms(work: Callable[[], object], times: int = 3) -> float:
    best = float("inf")
    for _ in range(times):
        start = process_time()
        work()
        best = min(best, process_time() - start)
    return best * 1e3


def _first_frame_s() -> tuple[float, float]:
    """Seconds by the clock and of one core, until a fresh machine has its first frame."""
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            [sys.executable, "-c", _FIRST_FRAME],
            check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2],
            env={**os.environ, "NUMBA_CACHE_DIR": cache},
        )  # fmt: skip
    wall_s, core_s = done.stdout.split()
    return float(wall_s), float(core_s)


if __name__ == "__main__":
    report = Report()
    run(report, "--full" in sys.argv)
    print(report.table())
