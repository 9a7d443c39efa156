"""What a report finds odd."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.annotations.imported import Counts
from backend.imports.report import Tally, gaps, oddities
from inference.geometry import rigid
from inference.scene import Calibration, Problem, Sensor, SensorKind
from tests.builders import build_scene


def camera(**changes: float) -> Sensor:
    sensor = build_scene().sensors[0]
    lens = sensor.calibration.intrinsics
    assert lens is not None
    return replace(
        sensor, calibration=replace(sensor.calibration, intrinsics=replace(lens, **changes))
    )


@pytest.mark.parametrize(
    ("timestamps_ms", "found"),
    [
        ([0, 100, 200, 300], []),
        ([0, 100, 300, 400], [{"after_frame": 1, "milliseconds": 200.0}]),
        ([0, 100, 240, 340], []),  # 1.4 times the usual step
        ([0, 500], []),  # one step says nothing about the usual one
        ([7], []),
        ([], []),
    ],
)
def test_a_gap_is_a_step_of_more_than_one_and_a_half_times_the_usual(timestamps_ms, found):
    assert gaps([1000 * time for time in timestamps_ms]) == found


def test_a_believable_calibration_is_not_odd():
    assert [sentence for sensor in build_scene().sensors for sentence in oddities(sensor)] == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"fx": 0.0}, "focal lengths 0, 60 px"),
        ({"fy": -60.0}, "focal lengths 60, -60 px"),
        ({"fx": 200.0}, "focal lengths 200 and 60 px differ"),
        ({"cx": 90.0}, "centre (90, 24) is outside its 64x48 picture"),
    ],
)
def test_an_odd_lens_is_named(changes, sentence):
    assert oddities(camera(**changes)) == [f"FRONT: {sentence}"]


def test_an_odd_mount_is_named():
    stretched = np.diag([2.0, 1.0, 1.0, 1.0])
    far = rigid(np.eye(3), [0.0, 30.0, 40.0])

    (one,) = oddities(Sensor("TOP", SensorKind.LIDAR, Calibration(stretched)))
    (other,) = oddities(Sensor("TOP", SensorKind.LIDAR, Calibration(far)))

    assert "not a rotation" in one
    assert other == "TOP: sits 50.0 m from the vehicle's origin"


def test_beams_that_are_not_in_order_are_named():
    mixed = Calibration(np.eye(4), beam_elevations=(0.1, -0.2, 0.0))
    ordered = Calibration(np.eye(4), beam_elevations=(0.1, 0.0, -0.2))

    assert len(oddities(Sensor("TOP", SensorKind.LIDAR, mixed))) == 1
    assert oddities(Sensor("TOP", SensorKind.LIDAR, ordered)) == []


def test_a_long_list_of_problems_is_cut_and_counted():
    tally = Tally(build_scene())
    tally.add_problems([Problem("a", number, "odd") for number in range(250)])

    skipped = tally.report(labels=Counts(), joined=0, seconds=1.0)["skipped"]

    assert len(skipped) == 201
    assert skipped[-1]["message"] == "and 50 more of this kind"
