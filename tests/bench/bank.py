"""What following many objects through many frames keeps, for the bench area `sam4d`.

At release size, one camera and the sweep of that area, every object in every reading: the most that
can be kept. Peak memory is

    the process with its model
    + the budget of features (`predictor.Budget.memory_bytes`)
    + objects x bytes of a track, which stops growing when its bank is full
    + the working set of a step, whose size is that of `tracking.TOGETHER` objects, not of all.
"""

from __future__ import annotations

import io
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from inference.geometry import Intrinsics, rigid
from inference.prompts import PointPrompt
from inference.sam4d.model import Sam4d
from inference.sam4d.predictor import Budget, Sam4dPredictor
from inference.sam4d.sights import bytes_of
from inference.scene import Calibration, Frame, Frames, Image, Scene, Sensor, SensorKind, Sweep
from tests.bench.memory import peak_mib
from tests.bench.report import Report

CAMERA, LIDAR = "FRONT", "TOP"
FULL, QUICK = (20, 8), (11, 2)  # frames, objects
DRIVE = (198, 50)
TARGET_MB = 8000
MIB = 2**20 / 1e6


class OneFrame(Frames):
    """A frame again and again, half a metre further on each time."""

    def __init__(self, frame: Frame, count: int) -> None:
        self._frame, self._count = frame, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int, /) -> Frame:
        world_from_ego = rigid(np.eye(3), [0.5 * index, 0, 0])
        return replace(self._frame, index=index, world_from_ego=world_from_ego)


def make_scene(points: np.ndarray, size: tuple[int, int], frames: int) -> Scene:
    """size: width and height of the picture."""
    noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)
    encoded = io.BytesIO()
    PillowImage.fromarray(noise).save(encoded, "JPEG")
    lens = Intrinsics(700, 700, size[0] / 2, size[1] / 2, *size)
    ego_from_camera = rigid([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], [0, 0, 0])
    frame = Frame(
        0, 0, np.eye(4), {CAMERA: Image(encoded.getvalue(), 0)},
        {LIDAR: Sweep(points, np.zeros(len(points), np.float32), 0)},
    )  # fmt: skip
    sensors = [
        Sensor(CAMERA, SensorKind.CAMERA, Calibration(ego_from_camera, lens)),
        Sensor(LIDAR, SensorKind.LIDAR, Calibration(np.eye(4))),
    ]
    return Scene("again and again", sensors, OneFrame(frame, frames))


def fill_bank(
    report: Report, area: str, model: Sam4d, points: np.ndarray, size: tuple[int, int], full: bool
) -> None:
    frames, objects = FULL if full else QUICK
    with tempfile.TemporaryDirectory(prefix="masklet-bench-") as folder:
        budget = Budget(memory_bytes=1 << 28)
        predictor = Sam4dPredictor(
            model, version="random", budget=budget, cache_folder=Path(folder)
        )
        opened = predictor.open(make_scene(points, size, frames))
        idle = peak_mib() * MIB
        known = {
            track: {0: {p.sensor: p.mask for p in predictor.add_prompt(
                opened, frame=0, prompts=[PointPrompt(CAMERA, (300.0 + 20 * track, 400.0))]
            )}}
            for track in range(objects)
        }  # fmt: skip
        kept: list[float] = []
        for _ in predictor.propagate(opened, known=known, frames=range(1, frames)):
            kept.append(bytes_of(list(opened.tracker.tracks.values())) / 1e6)
        peak = peak_mib() * MIB
        features = opened.sights.memory_bytes / 1e6
        predictor.close(opened)
    full_after = predictor.model.config.memory_frames
    each = kept[-1] / objects
    what = f"{frames} frames x {objects} objects"
    report.row(area, f"kept of an object, {what}", each, "MB")
    growth = kept[-1] - kept[full_after]
    report.row(area, f"growth once the bank is full, {what}", growth, "MB", target="<=0")
    report.row(area, f"peak memory, {what}", peak, "MB")
    projected = peak - features + Budget().memory_bytes / 1e6 + (DRIVE[1] - objects) * each
    name = f"projected for {DRIVE[0]} frames x {DRIVE[1]} objects, {idle:.0f} MB of it idle"
    report.row(area, name, projected, "MB", target=f"<={TARGET_MB}")
