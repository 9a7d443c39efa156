"""The map's word on whose a point is, and which strands are one thing, on points made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engine.fusion import _in_one_place, _voxels
from inference.engine.pairs import counted
from inference.engine.reconstruction import STATIC, Reconstruction, Strand, _settled


def space_of(frames, *, body=(STATIC,) * 8, centre=None):
    """frames: of each the (voxel, strand) of its points."""
    voxel = [np.array([v for v, _ in points], np.int32) for points in frames]
    strand = [np.array([s for _, s in points], np.int32) for points in frames]
    numbers = {s for points in frames for _, s in points if s > 0}
    strands = {
        n: Strand(
            n, members={p: [0] for p, points in enumerate(frames) if n in {s for _, s in points}}
        )
        for n in numbers
    }
    if centre is None:
        centre = np.zeros((len(body), 3), np.float32)
    return Reconstruction(voxel, strand, np.array(body, np.int32), centre, strands)


def test_a_point_that_stands_is_of_the_strand_that_was_there_most_often():
    space = _settled(space_of([[(0, 1), (1, 2)], [(0, 1), (1, 2)], [(0, 2), (1, 2), (-1, 3)]]))

    assert [own.tolist() for own in space.strand_of] == [[1, 2], [1, 2], [1, 2, 3]]


def test_where_nobody_was_most_often_and_in_what_moves_all_stay_what_they_are():
    undecided = _settled(space_of([[(0, 1), (0, 2), (0, 3)]]))
    moving = _settled(space_of([[(0, 1), (0, 1), (0, 2)]], body=(7,)))

    assert undecided.strand_of[0].tolist() == [1, 2, 3]
    assert moving.strand_of[0].tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    ("far_m", "frame", "together"), [(0.5, 0, True), (30.0, 0, False), (30.0, 1, True)]
)
def test_a_strand_that_stands_elsewhere_at_the_same_time_is_another_thing(far_m, frame, together):
    centre = np.zeros((8, 3), np.float32)
    centre[:, 0] = [0, 0.2, 0.4, 0.6, 0, 0.2, 0, 0]
    centre[4:6, 0] += far_m
    frames = [[(v, 1) for v in range(4)], [(0, 1)] if frame == 0 else []]
    frames[frame] += [(4, 2), (5, 2)]
    if frame == 1:
        frames[1] = [(4, 2), (5, 2)]
    space = space_of(frames, centre=centre)
    group = [("FRONT", 5), ("", 1), ("", 2)]

    parts = _in_one_place(group, space, _voxels(space))

    assert parts == ([group] if together else [[("FRONT", 5), ("", 1)], [("", 2)]])


@given(st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 9)), max_size=40))
def test_pairs_are_counted(pairs):
    one, other = np.array([p for p, _ in pairs], int), np.array([p for _, p in pairs], int)

    found = {(a, b): n for a, b, n in counted(one, other)}

    assert found == {pair: pairs.count(pair) for pair in pairs}
