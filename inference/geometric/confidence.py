"""How far a mask can be trusted: the predictor's own guess of its IoU.

Sums of a few things that can be seen of a mask, with weights fitted (least squares) to the IoU of
one to three clicks on the procedural drives 120 to 145; `manage.py bench geometric` measures them
on others.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from inference.geometric.frames import Cloud
from inference.geometric.projection import View

BoolArray = npt.NDArray[np.bool_]

_PICTURE_ALONE = 0.4
_FEW_POINTS = 8.0
_LARGE_M = 10.0  # what is larger is often several things that touch
_MOST_LIFT = 8.0
_TALL_M = 2.6  # what is taller often goes on above the beams
_LEAST, _MOST = 0.02, 0.98


def of_points(cloud: Cloud, target: BoolArray, *, lift: float = 0.0) -> float:
    """Of a mask over points. lift: beams from a click in a picture to the point it was taken for."""
    count = int(target.sum())
    if not count:
        return 0.0
    across = np.ptp(cloud.points[target, :2], axis=0).max()
    on_objects = target & (cloud.cluster >= 0)
    clusters = np.isin(cloud.cluster, np.unique(cloud.cluster[on_objects]))
    whole = on_objects.sum() / clusters.sum() if clusters.any() else 1.0
    return _bounded(
        1.05 * count / (count + _FEW_POINTS)
        - 0.46 * min(across / _LARGE_M, 1.5)
        + 0.49 * whole
        - 0.33 * min(lift, _MOST_LIFT) / _MOST_LIFT
        - 0.41
    )


def of_picture(
    cloud: Cloud, view: View, target: BoolArray, mask: BoolArray, *, of_points: float
) -> float:
    """Of a mask [H, W] of the picture: how well it keeps to the object's points, and its outline.

    target: [N] of the cloud.
    """
    own = target[view.point]
    if not own.any():
        return _PICTURE_ALONE
    column, row = view.pixels.astype(np.int32).T
    inside = mask[row, column]
    agrees = (own & inside).sum() / (own | inside).sum()
    is_tall = cloud.height_m[target].max() > _TALL_M
    return _bounded(0.53 * of_points - 0.12 * is_tall + 0.31 * agrees + 0.28 * _compact(mask) - 0.1)


def _compact(mask: BoolArray) -> float:
    """1 for a disc, less the longer and the more frayed an outline is."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    length = sum(len(outline) for outline in outlines)
    return float(4 * np.pi * mask.sum() / max(length, 1) ** 2)


def _bounded(guess: float) -> float:
    return float(np.clip(guess, _LEAST, _MOST))
