"""Cuboids that came with a recording: what lies in one is one thing, and moves as it does.

N points of a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from inference.geometric.frames import Cloud
from inference.geometry import FloatArray, transform, yaw_of
from inference.scene import CuboidLabel, Frame

_FLOOR_M = 0.1

# A frame's cuboids.
BoxesOf = Callable[[Frame], Sequence[CuboidLabel]]


@dataclass(frozen=True)
class Box:
    """Of one cluster.  name: the cuboid's track.  centre_world: [3] m.  heading: radians, in world."""

    name: str
    label_class: str
    centre_world: FloatArray
    heading: float


def own_boxes(frame: Frame) -> Sequence[CuboidLabel]:
    """Those that the recording's frames carry."""
    return frame.labels.cuboids


def boxed(cloud: Cloud, cuboids: Sequence[CuboidLabel]) -> tuple[Cloud, dict[int, CuboidLabel]]:
    """The cloud with a cluster for what lies in each cuboid, the smaller one's where two overlap; and by
    the number of such a cluster its cuboid. Ground stays ground.
    """
    if not cuboids or not len(cloud):
        return cloud, {}
    cluster = cloud.cluster.copy()
    first = int(cluster.max(initial=-1)) + 1
    order = sorted(cuboids, key=lambda cuboid: -np.prod(cuboid.size))
    points = cloud.points.astype(np.float64)
    for number, cuboid in enumerate(order, first):
        cluster[cuboid.contains(points, floor_m=_FLOOR_M) & ~cloud.is_ground] = number
    there = set(np.unique(cluster[cluster >= first]).tolist())
    known = {number: cuboid for number, cuboid in enumerate(order, first) if number in there}
    return replace(cloud, cluster=cluster), known


def in_world(known: Mapping[int, CuboidLabel], world_from_ego: FloatArray) -> Mapping[int, Box]:
    turn = yaw_of(world_from_ego)
    return {
        number: Box(
            cuboid.track, cuboid.label_class,
            transform(world_from_ego, np.array([cuboid.centre_ego]))[0], cuboid.heading + turn,
        )
        for number, cuboid in known.items()
    }  # fmt: skip
