"""Two labellings against each other: cases small enough to be worked out by hand."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from inference.agreement import Agreement, Side, Track, boundary_f

CAR, PERSON, ROAD = Track("car"), Track("person"), Track("road", is_stuff=True)


def some(size: int, *ranges: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size, bool)
    for first, end in ranges:
        mask[first:end] = True
    return mask


def sweep(agreement, judged, reference, frame=0, size=20, range_m=None):
    range_m = np.full(size, 5.0) if range_m is None else range_m
    agreement.add_sweep(frame, "TOP", Side(judged), Side(reference), range_m)


def test_the_same_labels_agree_in_everything():
    agreement = Agreement({1: CAR, 2: ROAD}, {7: CAR, 8: ROAD})
    masks = some(20, (0, 5)), some(20, (5, 12))
    sweep(agreement, [(1, masks[0]), (2, masks[1])], [(7, masks[0]), (8, masks[1])])

    result = agreement.result()

    points = result.figures["points"]
    assert (points.iou, points.miou, points.pq, points.lstq) == (1, 1, 1, 1)
    assert points.by_class == {"car": (1.0, 1), "road": (1.0, 1)}
    assert (result.found, result.missing, result.extra, result.worst) == (1, (), (), ())


def test_a_mask_that_is_off_by_some_points():
    # 8 points of a car, of which 6 are found, and 2 that are not the car's.
    agreement = Agreement({1: CAR}, {7: CAR})
    sweep(agreement, [(1, some(20, (2, 10)))], [(7, some(20, (0, 8)))])

    points = agreement.result().figures["points"]

    assert points.iou == pytest.approx(6 / 10)
    assert points.miou == pytest.approx(6 / 10)
    assert points.pq == pytest.approx(6 / 10)  # one found, nothing left
    assert points.lstq == pytest.approx(sqrt(0.6 * (6 / 8) * 0.6))


def test_what_is_missing_what_is_too_much_and_what_is_named_otherwise():
    agreement = Agreement({1: CAR, 2: CAR, 3: PERSON}, {5: CAR, 6: CAR, 7: CAR})
    sweep(
        agreement,
        [(1, some(20, (0, 4))), (2, some(20, (10, 12))), (3, some(20, (12, 15)))],
        [(5, some(20, (0, 4))), (6, some(20, (5, 9))), (7, some(20, (12, 15)))],
    )

    result = agreement.result()

    assert result.found == 2
    assert result.missing == (6,)
    assert result.extra == (2,)
    assert result.other_class == ((3, 7),)
    # car: 4 shared of 4 + 2 + 4 + 3 that either calls so; person: none of 3.
    assert result.figures["points"].miou == pytest.approx((4 / 13 + 0) / 2)
    # cars: 1 found with IoU 1; left: 1 of ours, 2 of theirs. Persons: 1 left.
    assert result.figures["points"].pq == pytest.approx((1 / 2.5 + 0) / 2)
    assert {(place.track, place.is_judged) for place in result.worst} == {(6, False), (2, True)}


def test_a_track_that_is_cut_in_two_loses_association_alone():
    agreement = Agreement({1: CAR, 2: CAR}, {5: CAR})
    whole = some(20, (0, 10))
    for frame in range(4):
        sweep(agreement, [(1 if frame < 3 else 2, whole)], [(5, whole)], frame)

    points = agreement.result().figures["points"]

    assert (points.miou, points.pq) == (1, 1)
    # 30 elements x IoU 30/40 and 10 x 10/40, by 40.
    assert points.lstq == pytest.approx(sqrt((30 * 0.75 + 10 * 0.25) / 40))
    assert points.iou == pytest.approx(30 / 40)


def test_points_count_where_they_are():
    agreement = Agreement({1: CAR}, {5: CAR, 6: CAR})
    away = np.where(np.arange(20) < 10, 5.0, 50.0)
    sweep(
        agreement, [(1, some(20, (0, 4)))], [(5, some(20, (0, 4))), (6, some(20, (10, 14)))],
        range_m=away,
    )  # fmt: skip

    assert agreement.result().figures["points"].by_range == {"0-20 m": 1.0, "from 40 m": 0.0}


def test_the_upper_track_owns_what_two_cover():
    agreement = Agreement({1: CAR, 2: PERSON}, {5: CAR, 6: PERSON})
    car, person = some(20, (0, 10)), some(20, (4, 6))
    sweep(agreement, [(1, car), (2, person)], [(6, person), (5, car)])

    points = agreement.result().figures["points"]

    assert points.by_class == {"car": (8 / 10, 1)}  # the reference's person is under its car


def test_one_object_is_the_same_in_pictures_and_sweeps():
    # In the sweep track 1 looks like object 5, in the picture more clearly like 6.
    agreement = Agreement({1: CAR}, {5: CAR, 6: CAR})
    sweep(agreement, [(1, some(20, (0, 10)))], [(5, some(20, (0, 5))), (6, some(20, (6, 10)))])
    picture = some(100, (0, 50))
    agreement.add_picture(0, "F", Side([(1, picture)]), Side([(6, picture)]), width=10, height=10)

    assert agreement.pairs() == {1: 6}
    assert agreement.result().figures["pixels"].boundary == 1


def test_outlines_agree_within_the_tolerance():
    one, other = np.zeros((60, 60), bool), np.zeros((60, 60), bool)
    one[10:40, 10:40] = True
    other[10:40, 12:42] = True

    assert boundary_f(one, other, 2) == 1
    assert boundary_f(one, one, 1) == 1
    assert boundary_f(one, np.zeros_like(one), 1) == 0
    # Off by more than the tolerance allows: the two upright sides, 28 of each outline's 116 pixels twice.
    assert 0.5 < boundary_f(one, other, 1) < 0.6


def test_nothing_on_both_sides_is_agreement():
    agreement = Agreement({}, {})
    sweep(agreement, [], [])

    result = agreement.result()

    assert result.figures["points"].iou == 1
    assert result.figures["points"].boundary is None


@pytest.mark.parametrize("measure", ["iou", "miou", "pq", "lstq", "boundary"])
def test_annotators_with_more_error_are_ranked_below(measure):
    """Simulated: masks that are wider by more and more pixels, and a growing share of lost objects."""
    random = np.random.default_rng(4)
    gold = [np.zeros((80, 120), bool) for _ in range(8)]
    for k, mask in enumerate(gold):
        row, column = 4 + 38 * (k // 4), 4 + 28 * (k % 4)
        mask[row : row + 20, column : column + 16] = True
    values = []
    for error in range(4):
        judged = dict.fromkeys(range(1, 9), CAR)
        agreement = Agreement(judged, dict.fromkeys(range(1, 9), CAR))
        for frame in range(6):
            kept = [k for k in range(8) if random.random() > 0.12 * error]
            ours = [(k + 1, np.roll(gold[k], 2 * error, axis=1).ravel()) for k in kept]
            theirs = [(k + 1, mask.ravel()) for k, mask in enumerate(gold)]
            agreement.add_picture(frame, "F", Side(ours), Side(theirs), width=120, height=80)
        values.append(getattr(agreement.result().figures["pixels"], measure))

    assert values[0] == pytest.approx(1)
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == 4
