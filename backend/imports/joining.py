"""Which LiDAR instances and which boxes of a recording are the same object.

Recordings number the instances of their segmentation and the tracks of their boxes apart. An
annotator wants one track per object, so the two are joined where the points leave no doubt, and
only there: a wrong join is worse than two tracks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from inference.geometry import BoolArray, FloatArray
from inference.scene import CuboidLabel

INSIDE_SHARE = 0.8
FEWEST_POINTS = 5

Votes = dict[str, str | None]  # instance -> the one box that holds it, or None for "no box does"


def boxes_of_instances(
    points_ego: FloatArray, instances: Mapping[str, BoolArray], cuboids: Sequence[CuboidLabel]
) -> Votes:
    """For each instance of a sweep the box that holds at least 80 % of its points.

    points_ego: [N, 3] metres.  instances: masks [N].  Fewer than 5 points have no say.
    """
    votes: Votes = {}
    for instance, mask in instances.items():
        points = points_ego[mask]
        if len(points) < FEWEST_POINTS:
            continue
        held = [cuboid.track for cuboid in cuboids if _share_inside(points, cuboid) >= INSIDE_SHARE]
        # Two boxes that both hold it (a rider and the bicycle) leave a doubt.
        votes[instance] = held[0] if len(held) == 1 else None
    return votes


def same_objects(votes_of_frames: Iterable[Votes]) -> dict[str, str]:
    """Instance -> box, where every frame agrees and no other instance wants the same box."""
    said: dict[str, set[str | None]] = {}
    for votes in votes_of_frames:
        for instance, box in votes.items():
            said.setdefault(instance, set()).add(box)
    certain = {
        instance: box
        for instance, boxes in said.items()
        if len(boxes) == 1 and (box := next(iter(boxes))) is not None
    }
    claims = Counter(certain.values())
    return {instance: box for instance, box in certain.items() if claims[box] == 1}


def _share_inside(points_ego: FloatArray, cuboid: CuboidLabel) -> float:
    offset = points_ego - np.array(cuboid.centre_ego)
    cosine, sine = np.cos(cuboid.heading), np.sin(cuboid.heading)
    along = offset[:, 0] * cosine + offset[:, 1] * sine
    across = offset[:, 1] * cosine - offset[:, 0] * sine
    length, width, height = cuboid.size
    inside = (
        (np.abs(along) <= length / 2)
        & (np.abs(across) <= width / 2)
        & (np.abs(offset[:, 2]) <= height / 2)
    )
    return float(np.mean(inside))
