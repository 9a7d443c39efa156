"""The sweeps on which the codec is measured: the procedural drive's, and real ones where they are."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np

from backend.launcher.places import CHECKOUT
from inference.datasets import READERS
from inference.scene import Frame, Sweep
from inference.world.drive import make_drive


@cache
def drive_frames() -> tuple[Frame, Frame]:
    """Two frames of the procedural drive, a second apart."""
    frames = make_drive(seed=3, rig="demo", length=20).frames
    return frames[0], frames[10]


def drive_sweep() -> Sweep:
    """Two of the drive's sweeps, one after the other: about as many points as Waymo's five lasers."""
    parts = [next(iter(frame.sweeps.values())) for frame in drive_frames()]
    return Sweep(
        points_ego=np.concatenate([part.points_ego for part in parts]),
        intensity=np.concatenate([part.intensity for part in parts]),
        timestamp_us=0,
    )


def real_sweeps() -> dict[str, Sweep]:
    """By recording, a first sweep of each that is there; none without MASKLET_SHARED's `data`."""
    data = Path(os.environ.get("MASKLET_SHARED", CHECKOUT.parent / "shared"), "data")
    found: dict[str, Sweep] = {}
    for name in ("kitti_raw", "semantickitti"):
        for file in sorted((data / name).glob("**/velodyne*/**/*.bin"))[:1]:
            found[name] = _kitti(file)
    if (data / "waymo_shaped" / "v1").is_dir():
        scene = READERS["waymo"](data / "waymo_shaped" / "v1")
        found["waymo_shaped"] = scene.frames[0].sweeps["LIDAR_TOP"]
    return found


def _kitti(file: Path) -> Sweep:
    """KITTI's own file: float32 x, y, z, reflectance in scan order."""
    points = np.fromfile(file, "<f4").reshape(-1, 4)
    return Sweep(
        points_ego=np.ascontiguousarray(points[:, :3]),
        intensity=np.ascontiguousarray(points[:, 3]),
        timestamp_us=0,
    )
