"""Propagation over blocks that move: forwards, backwards, out of sight, in growing scenes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from inference.geometric.frames import OpenScene
from inference.geometric.propagation import _without_slivers
from inference.masks import intersection_over_union
from inference.predictor import FramePrediction, load_predictor
from inference.world.drive import make_drive
from tests.inference.geometric.blocks import CAMERA, GROUND, LIDAR, Block, Plain, scene_of

TRACK = 3
MOVING = Block((12, 3), velocity=(6, -1))
PARKED = Block((14, -3))


def followed(
    plain: Plain, number: int, *, known: Sequence[int], frames: Sequence[int]
) -> list[FramePrediction]:
    predictor = load_predictor("geometric")
    masks = {
        frame: {sensor.name: plain.gold(frame, sensor) == number for sensor in plain.sensors}
        for frame in known
    }
    return list(
        predictor.propagate(predictor.open(scene_of(plain)), known={TRACK: masks}, frames=frames)
    )


def agreement(plain: Plain, predicted: FramePrediction, number: int, sensor: str) -> float:
    gold = next(plain.gold(predicted.frame, s) for s in plain.sensors if s.name == sensor)
    masks = {answer.sensor: answer.mask for answer in predicted.masks[TRACK]}
    return intersection_over_union(masks.get(sensor, np.zeros(len(gold), bool)), gold == number)


@pytest.mark.parametrize("number", [0, 1], ids=["moving", "parked"])
@pytest.mark.parametrize("frames", [range(1, 8), range(8, 1, -1)], ids=["forwards", "backwards"])
def test_an_object_is_followed_in_the_order_asked(number: int, frames: range) -> None:
    plain = Plain((MOVING, PARKED), length=10, speed=8)

    answers = followed(plain, number, known=[frames[0] - frames.step], frames=frames)

    assert [answer.frame for answer in answers] == list(frames)
    for answer in answers:
        assert agreement(plain, answer, number, "TOP") > 0.75
        assert agreement(plain, answer, number, "FRONT") > 0.7


def test_the_ground_is_followed_as_ground() -> None:
    plain = Plain((MOVING, PARKED), length=5, speed=10)

    answers = followed(plain, GROUND, known=[0], frames=range(1, 5))

    for answer in answers:
        # The whole plain is known; a patch ends 25 m around.
        found = plain.gold(answer.frame, LIDAR)[_mask(answer, "TOP")]
        assert len(found) > 2000
        assert (found == GROUND).mean() > 0.97


def test_known_frames_are_answered_with_what_is_known() -> None:
    plain = Plain((MOVING, PARKED), length=4)

    answers = followed(plain, 0, known=[0, 2], frames=range(1, 4))

    assert (_mask(answers[1], "TOP") == (plain.gold(2, LIDAR) == 0)).all()
    assert {answer.confidence for answer in answers[1].masks[TRACK]} == {1.0}


def _mask(predicted: FramePrediction, sensor: str) -> npt.NDArray[np.bool_]:
    return next(answer.mask for answer in predicted.masks[TRACK] if answer.sensor == sensor)


def test_two_known_frames_lead_the_way_between_them() -> None:
    fast = Block((30, 3), velocity=(-14, 0))
    plain = Plain((fast, PARKED), length=9)

    answers = followed(plain, 0, known=[0, 8], frames=range(1, 8))

    assert min(agreement(plain, answer, 0, "TOP") for answer in answers) > 0.7


def test_an_object_that_leaves_the_picture_stays_in_the_points_alone() -> None:
    # At 20 m/s the vehicle has passed the block, 14 m ahead, after seven frames.
    plain = Plain((PARKED,), length=12, speed=20)

    last = followed(plain, 0, known=[0], frames=range(1, 12))[-1]

    assert not (plain.gold(11, CAMERA) == 0).any()
    assert not any(answer.mask.any() for answer in last.masks[TRACK] if answer.sensor == "FRONT")
    assert agreement(plain, last, 0, "TOP") > 0.7


def test_a_neighbour_is_not_taken_for_an_object_that_went_out_of_reach() -> None:
    # Gone beyond the 60 m that the LiDAR sees; its twin stands where it last was near.
    leaving, twin = Block((50, 3), velocity=(20, 0)), Block((50, -3))
    plain = Plain((leaving, twin), length=12)

    last = followed(plain, 0, known=[0, 1], frames=range(2, 12))[-1]

    taken = {answer.sensor: answer.mask for answer in last.masks[TRACK]}
    in_points = taken.get("TOP", np.zeros(0, bool))
    assert not in_points.any() or (plain.gold(11, LIDAR)[in_points] != 1).all()


def test_a_picture_alone_is_followed_by_its_own_motion() -> None:
    plain = Plain((Block((12, 3), velocity=(0, -2)),), sensors=(CAMERA,), length=5)

    answers = followed(plain, 0, known=[0], frames=range(1, 5))

    assert min(agreement(plain, answer, 0, "FRONT") for answer in answers) > 0.6


def test_nothing_is_read_before_the_first_answer_is_asked_for() -> None:
    plain = Plain((MOVING,), length=6)
    predictor = load_predictor("geometric")
    known = {0: {"TOP": plain.gold(0, LIDAR) == 0}}
    plain.reads.clear()

    steps = predictor.propagate(
        predictor.open(scene_of(plain)), known={TRACK: known}, frames=range(1, 6)
    )

    assert plain.reads == []
    next(steps)
    assert max(plain.reads) == 1


def test_a_scene_may_grow_while_it_is_open() -> None:
    plain = Plain((MOVING,), length=2)
    predictor = load_predictor("geometric")
    opened = predictor.open(scene_of(plain))
    known = {1: {"TOP": plain.gold(1, LIDAR) == 0}}
    with pytest.raises(IndexError, match="2 frames"):
        list(predictor.propagate(opened, known={TRACK: known}, frames=[2]))

    plain.length = 4
    answers = list(predictor.propagate(opened, known={TRACK: known}, frames=[2, 3]))

    assert [agreement(plain, answer, 0, "TOP") > 0.7 for answer in answers] == [True, True]


def test_a_click_between_two_steps_does_not_disturb_them() -> None:
    from inference.prompts import PointPrompt

    plain = Plain((MOVING, PARKED), length=6)
    alone = followed(plain, 0, known=[0], frames=range(1, 6))
    predictor = load_predictor("geometric")
    opened = predictor.open(scene_of(plain))
    known = {0: {s.name: plain.gold(0, s) == 0 for s in plain.sensors}}

    disturbed = []
    for answer in predictor.propagate(opened, known={TRACK: known}, frames=range(1, 6)):
        disturbed.append(answer)
        predictor.add_prompt(opened, frame=0, prompts=[PointPrompt("TOP", (13.0, -3.0, 1.0))])

    for first, second in zip(alone, disturbed, strict=True):
        assert [a.sensor for a in first.masks[TRACK]] == [a.sensor for a in second.masks[TRACK]]
        for one, other in zip(first.masks[TRACK], second.masks[TRACK], strict=True):
            assert (one.mask == other.mask).all()


def test_the_ground_below_and_slivers_of_other_things_do_not_lead_astray():
    made = make_drive(6, "tiny", 1)
    cloud = OpenScene(made).prepared(0).cloud
    sizes = np.bincount(cloud.cluster[cloud.cluster >= 0])
    first, second = np.argsort(-sizes)[:2]
    own, other = cloud.cluster == first, np.flatnonzero(cloud.cluster == second)
    ground = np.flatnonzero(cloud.is_ground)[:6]
    mask = own.copy()
    mask[ground] = True
    mask[other[: max(1, int(0.1 * own.sum()))][: len(other) // 3]] = True
    assert mask.sum() > own.sum() + len(ground)

    assert np.array_equal(_without_slivers(cloud, mask), own)
    # Two things that are one object, a rider and the bicycle, stay together.
    both = own | (cloud.cluster == second)
    assert np.array_equal(_without_slivers(cloud, both), both)
    # Nothing but ground and a point stays as it is.
    few = np.zeros(len(cloud), bool)
    few[ground] = True
    few[other[0]] = True
    assert np.array_equal(_without_slivers(cloud, few), few)
