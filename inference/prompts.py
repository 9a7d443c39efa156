"""What a person shows the model: points, boxes and masks, in a picture or in the point cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class PointPrompt:
    """One click: inside the object (positive) or outside it (negative).

    `position` is (u, v) pixels for a camera, (x, y, z) metres in ego for a LiDAR.
    """

    sensor: str
    position: tuple[float, ...]
    positive: bool = True


@dataclass(frozen=True)
class BoxPrompt:
    """An axis-aligned box round the object: two opposite corners, smaller coordinates first.

    (u, v) pixels for a camera; (x, y, z) metres in ego for a LiDAR, or (x, y) for any height.
    """

    sensor: str
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class MaskPrompt:
    """A mask to start from: flat bool over the pixels (row-major) or points of the reading."""

    sensor: str
    mask: npt.NDArray[np.bool_]


Prompt = PointPrompt | BoxPrompt | MaskPrompt


# What is known of a track: frame index -> sensor -> flat mask.
Known = Mapping[int, Mapping[str, npt.NDArray[np.bool_]]]


@dataclass(frozen=True)
class MaskPrediction:
    """A predictor's answer for one reading.

    mask: flat bool, [height x width] row-major or [N] points.
    confidence: the predictor's own estimate of its IoU, 0 ... 1.
    object_score: how sure it is that the object is to be seen there at all, 0 ... 1.
    """

    sensor: str
    mask: npt.NDArray[np.bool_]
    confidence: float
    object_score: float = 1.0


@dataclass(frozen=True)
class FramePrediction:
    """A predictor's answers for one frame, by track; a sensor that does not see the object has none."""

    frame: int
    masks: Mapping[int, list[MaskPrediction]]
