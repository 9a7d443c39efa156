"""How far a mask can be trusted: the predictor's own guess of its IoU.

The constants follow the mean IoU on procedural drives (`manage.py bench geometric`): one click in
the point cloud .87, points found from a camera click .65, pictures .6 to .9 by how well the mask
keeps to the object's points.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from inference.geometric.frames import Cloud
from inference.geometric.projection import View

BoolArray = npt.NDArray[np.bool_]

_CLUSTER, _LIFTED, _PICTURE, _PICTURE_ALONE = 0.93, 0.7, 0.85, 0.4
_FEW_POINTS = 4.0
_LARGE_M = 12.0  # what is larger is often several things that touch


def of_points(cloud: Cloud, target: BoolArray, *, from_cloud: bool, prompts: int) -> float:
    """Of a mask over points. from_cloud: something was said in the cloud, not in a camera alone."""
    count = int(target.sum())
    if not count:
        return 0.0
    trust = (_CLUSTER if from_cloud else _LIFTED) * count / (count + _FEW_POINTS)
    if float(np.ptp(cloud.points[target, :2], axis=0).max()) > _LARGE_M:
        trust *= 0.7
    # Each correction repairs a part of what was wrong.
    return float(1 - (1 - trust) * 0.75 ** (prompts - 1))


def of_picture(view: View, own: BoolArray, mask: BoolArray, *, of_points: float) -> float:
    """Of a mask [H, W]: how much it keeps to the object's points, and how many there are.

    own: [M] which of the view's points are the object's.
    """
    if not own.any():
        return _PICTURE_ALONE
    column, row = view.pixels.astype(np.int32).T
    inside = mask[row, column]
    union = int((own | inside).sum())
    agrees = int((own & inside).sum()) / union
    count = int(own.sum())
    return float(_PICTURE * agrees * count / (count + _FEW_POINTS) * (0.5 + 0.5 * of_points))
