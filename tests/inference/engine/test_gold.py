"""The measures of pre-labels, against numbers worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from inference.engine.fusion import Labels
from inference.engine.gold import agreement, judged
from inference.engine.reading import Glimpse


def drive_of(*frames):
    return SimpleNamespace(frames=frames)


def frame(points=0, glimpse=None):
    part = {"TOP": slice(0, points)} if points else {}
    return SimpleNamespace(part_of=part, glimpses={} if glimpse is None else {"FRONT": glimpse})


def ids(*runs):
    """(id, how many), ..."""
    return np.repeat([n for n, _ in runs], [count for _, count in runs]).astype(np.int32)


def scored(points, gold, things=(7, 8)):
    labels = Labels({}, points, {})
    frames = [frame(len(each)) for each in points]
    return judged(drive_of(*frames), labels, [{"TOP": each} for each in gold], frozenset(things))[
        "points"
    ]


def test_a_perfect_answer_is_perfect():
    gold = ids((0, 10), (7, 20), (8, 30))

    score = scored([ids((0, 10), (1, 20), (2, 30))], [gold])

    assert (score.precision, score.coverage, score.pq, score.matched_iou) == (1, 1, 1, 1)
    assert (score.switches, score.objects) == (0, 2)


def test_precision_coverage_and_quality_by_hand():
    # Object 7 has 40 points. Track 1 has 30 of them and 10 of the ground; object 8 has no track.
    gold = ids((7, 40), (0, 20), (8, 20))
    ours = ids((1, 30), (0, 10), (1, 10), (0, 10), (0, 20))

    score = scored([ours], [gold])

    assert score.precision == pytest.approx(30 / 40)
    assert score.coverage == pytest.approx(30 / 60)
    assert score.matched_iou == pytest.approx(30 / 50)
    # One match of .6, one object missed.
    assert score.pq == pytest.approx(0.6 / 1.5)


def test_labels_on_stuff_do_not_count_for_things():
    gold = ids((7, 20), (1, 80))

    score = scored([ids((1, 20), (2, 80))], [gold])

    assert score.precision == 1


def test_small_objects_do_not_count():
    gold = ids((7, 20), (8, 11), (0, 10))

    assert scored([ids((1, 20), (0, 21))], [gold]).objects == 1


def test_an_object_that_changes_its_track_is_a_switch():
    gold = ids((7, 20))

    score = scored([ids((1, 20)), ids((2, 20)), ids((2, 20))], [gold] * 3)

    assert score.switches == 1
    assert score.coverage == 1


def test_a_track_of_another_objects_points_covers_nothing_of_them():
    # Track 1 is object 7's; where it lies on object 8 it is wrong, and 8 is not covered.
    gold = ids((7, 40), (8, 20))

    score = scored([ids((1, 60))], [gold])

    assert score.precision == pytest.approx(40 / 60)
    assert score.coverage == pytest.approx(40 / 60)


def test_agreement_compares_points_with_the_mask_below_them():
    # A row of 24 points along a picture of 24 x 1; the mask covers 16 of them, the track's points are 20.
    glimpse = Glimpse(
        np.arange(24, dtype=np.int32), np.arange(24, dtype=np.uint16), np.zeros(24, np.uint16),
        owner=np.zeros((1, 1), np.int32), gap=np.zeros((1, 1), np.float16), size=(1, 24),
    )  # fmt: skip
    points = ids((1, 20), (0, 4))
    map_ = ids((1, 16), (0, 8))[None]

    value = agreement(drive_of(frame(24, glimpse)), Labels({}, [points], {"FRONT": {0: map_}}))

    assert value == pytest.approx(16 / 20)
