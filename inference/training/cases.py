"""Objects to ask for and where a tester clicks: what evaluation and benches share.

The protocol is RITM's, as in the paper sheet (1.2): the first click in the middle of the object, every
further one in the middle of the larger error, in the sensor that was clicked first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from inference.masks import intersection_over_union
from inference.prompts import BoxPrompt, MaskPrediction, PointPrompt
from inference.scene import FrameLabels, Scene
from inference.training.simulation import larger_error

BoolArray = npt.NDArray[np.bool_]
Ids = Mapping[str, npt.NDArray[np.int32]]  # sensor -> gold id of each pixel [H, W] or point [N]


@dataclass(frozen=True)
class Clip:
    """Frames of one drive, rendered, and their gold. classes: gold id to its class, things only."""

    scene: Scene
    ids: Sequence[Ids]
    classes: Mapping[int, str]
    moving: frozenset[int]

    @property
    def lidar(self) -> str:
        return self.scene.lidars[0].name


@dataclass(frozen=True)
class Case:
    """An object to ask for: in which frame of which clip, and the camera that looks at it."""

    clip: Clip
    frame: int
    camera: str
    gold: int

    @property
    def label_class(self) -> str:
        return self.clip.classes[self.gold]

    def truth(self, sensor: str, frame: int | None = None) -> BoolArray:
        ids = self.clip.ids[self.frame if frame is None else frame]
        return np.asarray(ids[sensor] == self.gold)


def render(
    seed: int, frames: Sequence[int], rig: str = "demo", *, width_px: int | None = None,
    look: str | None = None,
) -> Clip:  # fmt: skip
    """The frames of a procedural drive, in memory, renumbered from 0. A random look has a winding street."""
    from inference.world.drive import make_drive

    course = "winding" if look == "random" else None
    drive: Any = make_drive(seed, rig, max(frames) + 1, width_px=width_px, look=look, course=course)
    shown, ids = [], []
    for at, index in enumerate(frames):
        shown.append(replace(drive.frames[index], labels=FrameLabels(), index=at))
        ids.append(drive.frames.gold_ids(index))
    gold = drive.frames.gold
    return Clip(
        replace(drive, frames=shown),
        ids,
        {number: track.label_class for number, track in gold.items() if not track.is_stuff},
        frozenset(number for number, track in gold.items() if track.is_moving),
    )


def middle_pixel(region: BoolArray) -> tuple[float, float]:
    """(u, v) of the pixel of a region that is farthest from its border."""
    padded = np.pad(region.astype(np.uint8), 1)
    inner = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    v, u = np.unravel_index(int(inner.argmax()), inner.shape)
    return float(u) + 0.5, float(v) + 0.5


def middle_point(region: BoolArray, points: npt.NDArray[Any]) -> tuple[float, ...]:
    """The point of a region that is nearest to its median."""
    inside = points[region]
    away = np.linalg.norm(inside - np.median(inside, axis=0), axis=1)
    return tuple(float(x) for x in inside[away.argmin()])


def click(case: Case, sensor: str, mask: BoolArray | None) -> PointPrompt | None:
    """The next click in `sensor`, given its present mask (None: no click yet); None: no error."""
    truth = case.truth(sensor)
    mask = np.zeros(truth.shape, bool) if mask is None else mask.reshape(truth.shape)
    found = larger_error(truth, mask)
    if found is None:
        return None
    error, positive = found
    if truth.ndim == 2:
        return PointPrompt(sensor, middle_pixel(error), positive)
    points = case.clip.scene.frames[case.frame].sweeps[sensor].points_ego
    return PointPrompt(sensor, middle_point(error, points), positive)


def tight_box(case: Case) -> BoxPrompt:
    """Round the object in its camera."""
    v, u = np.nonzero(case.truth(case.camera))
    low, high = (float(u.min()), float(v.min())), (float(u.max()) + 1, float(v.max()) + 1)
    return BoxPrompt(case.camera, low, high)


def iou_of(answer: MaskPrediction | None, truth: BoolArray) -> float:
    mask = np.zeros(truth.size, bool) if answer is None else answer.mask
    return intersection_over_union(mask, truth.ravel())
