"""Rules over labels: each is shown something that is wrong, and something that only looks so."""

from __future__ import annotations

import numpy as np
import pytest

from inference.checks import Checks, FrameLabels, PictureLabels, SweepLabels, Thing
from inference.geometry import Intrinsics, inverse, rigid

LENS = Intrinsics(fx=100, fy=100, cx=80, cy=60, width_px=160, height_px=120)
CAMERA_FROM_EGO = inverse(rigid([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], [0, 0, 0]))
CAR = Thing("car 1", "car", 7.0)


def box(centre, size=(4.0, 2.0, 1.5), count=60, seed=0):
    random = np.random.default_rng(seed)
    return np.asarray(centre) + random.uniform(-0.5, 0.5, (count, 3)) * np.asarray(size)


def frame(index=0, sweeps=(), pictures=(), moved=0.0):
    return FrameLabels(index, 0.1 * index, rigid(np.eye(3), [moved, 0, 0]), sweeps, pictures)


def sweep(tracks):
    """tracks: number -> points."""
    points = np.concatenate([*tracks.values(), box([0, 30, 0])])
    masks, at = {}, 0
    for number, own in tracks.items():
        masks[number] = np.zeros(len(points), bool)
        masks[number][at : at + len(own)] = True
        at += len(own)
    return SweepLabels(1, points, masks)


def picture(tracks):
    """tracks: number -> (first row, end row, first column, end column)."""
    masks = {}
    for number, (top, bottom, left, right) in tracks.items():
        masks[number] = np.zeros((120, 160), bool)
        masks[number][top:bottom, left:right] = True
    return PictureLabels(0, LENS, CAMERA_FROM_EGO, masks)


def found(frames, things):
    checks = Checks(things)
    for each in frames:
        checks.add(each)
    return {(each.rule, each.track): each for each in checks.findings()}


def test_a_car_that_is_where_it_should_be_raises_nothing():
    # 20 m ahead: 4 m are 20 pixels about the middle of the picture.
    frames = [
        frame(k, [sweep({1: box([20, 0, 0], seed=k)})], [picture({1: (50, 70, 70, 90)})])
        for k in range(4)
    ]
    assert found(frames, {1: CAR}) == {}


def test_what_is_too_long_for_its_class():
    frames = [
        frame(0, [sweep({1: box([20, 0, 0], (9, 2, 1.5))})]),
        frame(1, [sweep({1: box([20, 0, 0], (12, 2, 1.5))})]),
    ]
    ((key, finding),) = found(frames, {1: CAR}).items()
    assert (key, finding.frame, finding.frames) == (("size", 1), 1, 2)  # the worst, and how often
    assert "a car is at most 7 m long" in finding.text
    assert found(frames, {1: Thing("truck 1", "truck", 25.0)}) == {}
    assert found(frames, {1: Thing("thing", "thing")}) == {}


def test_points_apart_from_the_others_and_which_to_keep():
    own = np.concatenate([box([20, 0, 0]), box([20, 6, 0], (0.3, 0.3, 0.3), 8)])
    result = found([frame(0, [sweep({1: own})])], {1: Thing("car 1", "car", 20.0)})

    finding = result["floating", 1]

    assert "8 of its 68 points lie" in finding.text
    assert finding.keep.sum() == 60
    assert finding.keep[:60].all()
    assert finding.position == pytest.approx(own[60:].mean(axis=0))


def test_far_away_the_beams_leave_gaps_that_are_no_fault():
    thing = Thing("car 1", "car", 20.0)
    near = np.concatenate([box([10, 0, 0]), box([10, 4.2, 0], (0.3, 0.3, 0.3), 8)])
    far = near + np.array([70, 0, 0])
    assert ("floating", 1) in found([frame(0, [sweep({1: near})])], {1: thing})
    assert found([frame(0, [sweep({1: far})])], {1: thing}) == {}


def test_points_and_mask_that_are_not_the_same_thing():
    cars = [sweep({1: box([20, 0, 0])})]
    off = frame(0, cars, [picture({1: (50, 70, 100, 120)})])
    within_noise = frame(0, cars, [picture({1: (50, 70, 74, 94)})])

    finding = found([off], {1: CAR})["sensors", 1]

    assert finding.sensor == 0
    assert finding.position == pytest.approx((80, 60), abs=3)
    assert found([within_noise], {1: CAR}) == {}


def test_what_a_nearer_object_hides_is_no_disagreement_and_a_swap_is_one():
    far, near = box([30, 0, 0], (2, 2, 1.5)), box([15, 0, 0], (2, 2, 1.5), seed=1)
    cars = {1: CAR, 2: CAR}
    hidden = frame(
        0, [sweep({1: far, 2: near})], [picture({1: (50, 52, 76, 84), 2: (52, 70, 72, 90)})]
    )
    swapped = frame(
        0, [sweep({1: far, 2: near})], [picture({2: (20, 30, 76, 84), 1: (52, 70, 72, 90)})]
    )

    assert found([hidden], cars) == {}
    assert ("sensors", 2) in found(
        [swapped], cars
    )  # the nearer one's points lie in the other's mask


def test_a_speck_that_is_never_more():
    few = frame(0, [sweep({1: box([20, 0, 0], count=3)})], [picture({1: (50, 55, 70, 76)})])
    assert found([few], {1: CAR})["speck", 1].text == "never has more than 3 points and 30 pixels"
    once = frame(1, [], [picture({1: (50, 60, 70, 80)})])
    assert found([few, once], {1: CAR}) == {}


def test_a_gap_and_an_object_that_was_away_for_long():
    def seen(indices, last, count=60):
        return [
            frame(k, [sweep({1: box([20, 0, 0], count=count)} if k in indices else {})])
            for k in range(last)
        ]

    finding = found(seen({0, 1, 4, 5}, 6), {1: CAR})["gap", 1]
    assert (finding.frame, finding.text) == (1, "is missing in frames 2 to 3, and there again")
    assert found(seen({0, 1, 20}, 21), {1: CAR}) == {}
    # What is hardly seen may have been hidden.
    assert found(seen({0, 1, 4, 5}, 6, count=20), {1: CAR}) == {}


def test_a_track_that_jumps_and_one_that_stands_while_the_vehicle_drives():
    jumps = [frame(k, [sweep({1: box([20 + 9 * (k == 1), 0, 0])})]) for k in range(2)]
    assert "moves by 9.0 m" in found(jumps, {1: CAR})["jump", 1].text
    stands = [frame(k, [sweep({1: box([40 - 9 * k, 0, 0])})], moved=9.0 * k) for k in range(2)]
    assert found(stands, {1: CAR}) == {}


def test_two_tracks_of_one_object():
    points = box([20, 0, 0])
    one = sweep({1: points})
    both = SweepLabels(1, one.points_ego, {1: one.masks[1], 2: one.masks[1]})
    frames = [frame(0, [one]), frame(1, [both]), frame(2, [both])]

    result = found(frames, {1: CAR, 2: Thing("truck 2", "truck", 20.0)})

    assert set(result) == {("double", 2)}  # the one with less
    finding = result["double", 2]
    assert (finding.other, finding.frame, finding.frames) == (1, 1, 2)
    assert finding.text == "is the same as car 1"


def test_neighbours_that_touch_are_two():
    points = box([20, 0, 0])
    mask = np.zeros(len(points), bool)
    one, other = mask.copy(), mask.copy()
    one[:40] = True
    other[25:] = True
    labels = SweepLabels(1, points, {1: one, 2: other})
    assert found([frame(0, [labels])], {1: CAR, 2: CAR}) == {}


def test_no_frames_and_empty_masks_are_nothing():
    assert found([], {1: CAR}) == {}
    empty = SweepLabels(1, np.zeros((0, 3)), {1: np.zeros(0, bool)})
    assert found([frame(0, [empty])], {1: CAR}) == {}
