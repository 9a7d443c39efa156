"""Cuboids of a recording lead: what lies in one is one track, whatever clusters and masks say."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from inference.engine.boxes import boxed, in_world, own_boxes
from inference.engine.pipeline import run
from inference.engine.recall import recalled
from inference.engine.reconstruction import STATIC, Strand
from inference.geometric.frames import merged_cloud
from inference.geometry import inverse, rigid, transform
from inference.scene import CuboidLabel
from tests.inference.engine.test_pipeline import FromGold, made, result


@pytest.fixture(scope="module")
def found():
    return run(made()[0], FromGold(), boxes=own_boxes)


def test_every_cuboid_with_points_is_one_track_of_its_class_through_time(found):
    tracks_of = defaultdict(set)
    for frame, own in zip(found.drive.frames, found.labels.points, strict=True):
        points = transform(inverse(frame.world_from_ego), frame.points_world.astype(float))
        for cuboid in made()[0].frames[frame.index].labels.cuboids:
            inside = own[cuboid.contains(points, floor_m=0.3, margin_m=-0.1) & ~frame.is_ground]
            if len(inside) >= 12:
                tracks_of[cuboid.track].add(int(np.bincount(inside).argmax()))
    assert len(tracks_of) > 8
    tracks = found.labels.tracks
    classes = {c.track: c.label_class for f in made()[0].frames for c in f.labels.cuboids}
    right = [
        len(numbers) == 1 and tracks[min(numbers)].box == name
        and tracks[min(numbers)].label_class == classes[name]
        for name, numbers in tracks_of.items()
    ]  # fmt: skip
    # Boxes of the world overlap where people pass cars: there the smaller one has the points.
    assert np.mean(right) > 0.9
    assert len({t.box for t in tracks.values() if t.box}) == len(
        [t for t in tracks.values() if t.box]
    )


def test_recall_of_cuboids_is_better_with_them_than_without(found):
    without = recalled(result().drive, result().labels, result().things)
    with_them = recalled(found.drive, found.labels, found.things)

    assert with_them.count == without.count > 50
    assert with_them.recall > max(0.95, without.recall)
    assert with_them.purity > max(0.95, without.purity)


def test_a_cluster_is_made_of_what_lies_in_a_cuboid_and_the_smaller_one_wins():
    scene = made()[0]
    cloud = merged_cloud(scene, scene.frames[0])
    at = cloud.points[~cloud.is_ground][0]
    around = CuboidLabel("large", "truck", tuple(at.tolist()), (9.0, 9.0, 9.0), 0.0)
    within = CuboidLabel("small", "car", tuple(at.tolist()), (1.0, 1.0, 1.0), 0.0)

    ours, known = boxed(cloud, [within, around])

    names = {number: cuboid.track for number, cuboid in known.items()}
    assert names[int(ours.cluster[~cloud.is_ground][0])] == "small"
    assert set(names.values()) == {"small", "large"}
    inside = np.isin(ours.cluster, [*names])
    assert not (inside & cloud.is_ground).any()
    np.testing.assert_array_equal(ours.cluster[~inside], cloud.cluster[~inside])
    assert boxed(cloud, [])[0] is cloud


def test_a_box_turns_with_the_vehicle():
    cuboid = CuboidLabel("a", "car", (10.0, 0.0, 1.0), (4.0, 2.0, 2.0), 0.5)
    left = rigid([[0, -1, 0], [1, 0, 0], [0, 0, 1]], [100.0, 20.0, 0.0])

    box = in_world({3: cuboid}, left)[3]

    np.testing.assert_allclose(box.centre_world, [100.0, 30.0, 1.0])
    assert box.heading == pytest.approx(0.5 + np.pi / 2)


def test_points_of_a_body_that_turns_lie_where_they_were():
    strand = Strand(1, pivot=np.array([5.0, 5.0, 0.0]))
    strand.path = {0: np.zeros(3), 4: np.array([2.0, 0.0, 0.0])}
    strand.turn = {0: 0.0, 4: np.pi / 2}

    # A metre ahead along x at first; after a quarter turn to the left it is ahead along y.
    assert strand.at_first(0, np.array([[6.0, 5.0, 1.0]])).round(9).tolist() == [[6, 5, 1]]
    assert strand.at_first(4, np.array([[7.0, 6.0, 1.0]])).round(9).tolist() == [[6, 5, 1]]


def test_what_drives_has_a_map_of_its_own(found):
    bodies = {n for n, s in _strands(found).items() if s.box and s.moves}

    assert bodies
    assert STATIC not in bodies


def _strands(found):
    from inference.engine.reconstruction import reconstruct

    return reconstruct(found.drive, lambda *_: None).strands
