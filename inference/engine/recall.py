"""How many of a recording's cuboids have a track of their own: a measure where nobody has drawn masks.

What lies in a cuboid and 0.25 m or more above its floor counts as the object's points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.engine.fusion import Labels
from inference.engine.gold import LEAST_POINTS
from inference.engine.reading import Drive
from inference.geometry import inverse, transform

_FLOOR_M, _IOU = 0.25, 0.5


@dataclass(frozen=True)
class Recall:
    """count: cuboids with 12 points or more, frame by frame.  recall: share of them with a track whose points
    overlap theirs by IoU 0.5 or more.  purity: the share of the points of a cuboid's best track that lie in it,
    the mean over those that have one.
    """

    count: int
    recall: float
    purity: float


def recalled(drive: Drive, labels: Labels, things: frozenset[int]) -> Recall | None:
    """things: tracks that are handed on. None for a recording without cuboids. Ground has no track, so that it counts on neither side."""
    count = found = 0
    purities: list[float] = []
    for frame, every in zip(drive.frames, labels.points, strict=True):
        cuboids = drive.scene.frames[frame.index].labels.cuboids
        if not cuboids or not len(frame):
            continue
        points = transform(inverse(frame.world_from_ego), frame.points_world.astype(np.float64))
        tracks = np.where(np.isin(every, [*things]), every, 0)
        sizes = np.bincount(tracks)
        for cuboid in cuboids:
            truth = cuboid.contains(points, floor_m=_FLOOR_M) & ~frame.is_ground
            if truth.sum() < LEAST_POINTS:
                continue
            count += 1
            both = np.bincount(tracks[truth], minlength=len(sizes))
            both[0] = 0
            best = int(both.argmax())
            if not both[best]:
                continue
            purities.append(both[best] / sizes[best])
            found += bool(both[best] / (truth.sum() + sizes[best] - both[best]) >= _IOU)
    return Recall(count, found / count, float(np.mean(purities or [0]))) if count else None
