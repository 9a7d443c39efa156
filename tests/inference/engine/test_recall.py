"""Recall of cuboids, against numbers worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from inference.engine.fusion import Labels
from inference.engine.recall import recalled
from inference.geometry import rigid
from inference.scene import CuboidLabel, FrameLabels


def box(x, heading=0.0):
    return CuboidLabel(f"at {x}", "car", (x, 0.0, 1.0), (4.0, 2.0, 2.0), heading)


def drive_of(points_ego, cuboids):
    world_from_ego = rigid([[0, -1, 0], [1, 0, 0], [0, 0, 1]], [100.0, 20.0, 0])
    points = points_ego @ world_from_ego[:3, :3].T + world_from_ego[:3, 3]
    read = SimpleNamespace(
        index=0, world_from_ego=world_from_ego, points_world=points.astype(np.float32),
        is_ground=points_ego[:, 2] < 0.05,
    )  # fmt: skip
    read = type("Read", (), {**vars(read), "__len__": lambda self: len(points)})()
    frame = SimpleNamespace(labels=FrameLabels(cuboids=tuple(cuboids)))
    return SimpleNamespace(frames=[read], scene=SimpleNamespace(frames=[frame]))


def row(count, x, z=1.0):
    return np.column_stack([np.full(count, x), np.linspace(-0.9, 0.9, count), np.full(count, z)])


def test_recall_and_purity_by_hand():
    # The first box: 20 points, 18 of track 1, which has 2 elsewhere. The second: 20, of which 8 have
    # track 2, and that has 4 elsewhere. The third has too few points. Ground below the first is nobody's.
    points = np.concatenate([row(20, 10), row(20, 30), row(5, 50), row(6, 70), row(9, 10, z=0.0)])
    tracks = np.repeat([1, 0, 2, 0, 1, 2, 0], [18, 2, 8, 12, 2, 4, 14])
    tracks = np.concatenate([tracks[:40], [0] * 5, [1, 1, 2, 2, 2, 2], [0] * 9])

    found = recalled(
        drive_of(points, [box(10), box(30), box(50)]), Labels({}, [tracks], {}), frozenset((1, 2))
    )

    assert found.count == 2
    assert found.recall == pytest.approx(1 / 2)  # IoU 18 / 22, and 8 / 24
    assert found.purity == pytest.approx((18 / 20 + 8 / 12) / 2)


def test_a_turned_box_holds_what_lies_along_it():
    along = np.column_stack([np.zeros(3), [-1.9, 0.0, 1.9], np.ones(3)])

    assert box(0.0, np.pi / 2).contains(along).all()
    assert box(0.0).contains(along).tolist() == [False, True, False]
    assert box(0.0).contains(np.array([[0, 0, 0.1]]), floor_m=0.25).tolist() == [False]


def test_without_cuboids_there_is_nothing_to_recall():
    assert (
        recalled(drive_of(row(20, 10), []), Labels({}, [np.ones(20, int)], {}), frozenset((1,)))
        is None
    )
