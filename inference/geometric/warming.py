"""Clicks in a made-up frame, so that the first person's click waits for no compiler.

Geometry's kernels are compiled there, or loaded: seconds the first time, half a second from then on.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from inference.geometry import Intrinsics, rigid
from inference.prompts import PointPrompt, Prompt
from inference.scene import Calibration, Frame, Image, Scene, Sensor, SensorKind, Sweep

_ROWS, _COLUMNS = 24, 96
_LIDAR_HEIGHT_M, _WALL_M = 1.8, 8.0
_LENS = Intrinsics(fx=80, fy=80, cx=48, cy=32, width_px=96, height_px=64)
_CAMERA = Sensor(
    "CAMERA",
    SensorKind.CAMERA,
    Calibration(rigid([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], [0, 0, _LIDAR_HEIGHT_M]), _LENS),
)
_LIDAR = Sensor("LIDAR", SensorKind.LIDAR, Calibration(rigid(np.eye(3), [0, 0, _LIDAR_HEIGHT_M])))


def small_scene() -> Scene:
    """Two frames of a plain with a low wall ahead, in one camera and one LiDAR."""
    frames = [
        Frame(index, 100_000 * index, np.eye(4), {"CAMERA": _image()}, {"LIDAR": _sweep()})
        for index in range(2)
    ]
    return Scene("small", (_CAMERA, _LIDAR), frames)


def clicks() -> Sequence[Prompt]:
    """In both sensors, and a negative one that parts the wall."""
    return (
        PointPrompt("LIDAR", (_WALL_M, 0.5, 1.0)),
        PointPrompt("CAMERA", (45.0, 40.0)),
        PointPrompt("LIDAR", (_WALL_M, -1.5, 1.0), positive=False),
    )


def _sweep() -> Sweep:
    row, column = (axis.ravel() for axis in np.mgrid[:_ROWS, :_COLUMNS])
    up = np.linspace(0.02, -0.35, _ROWS)[row]
    side = np.linspace(0.5, -0.5, _COLUMNS)[column]
    ahead = np.where(np.abs(side) < 0.25, _WALL_M, 40.0)
    ahead = np.minimum(ahead, _LIDAR_HEIGHT_M / np.maximum(-up, 1e-3))
    points = np.stack([ahead, ahead * side, _LIDAR_HEIGHT_M + ahead * up], axis=1)
    return Sweep(
        points.astype(np.float32),
        np.ones(len(points), np.float32),
        timestamp_us=0,
        row=row.astype(np.uint16),
        column=column.astype(np.uint16),
    )


def _image() -> Image:
    picture = np.full((64, 96, 3), 90, np.uint8)
    picture[20:50, 28:68] = (40, 40, 200)
    return Image(cv2.imencode(".jpg", picture)[1].tobytes(), timestamp_us=0)
