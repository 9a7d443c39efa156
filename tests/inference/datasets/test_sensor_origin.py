"""Where a LiDAR measures from: found in procedural sweeps whose origin is known."""

from dataclasses import replace

import numpy as np
import pytest

from inference.datasets.sensor_origin import find_beams, find_origin, origin_problems
from inference.geometry import inverse, rigid, rotation_from_euler, transform
from inference.world.drive import DriveFrames, make_drive


@pytest.fixture(scope="module", params=["demo", "nuscenes", "kitti", "pandaset"])
def sweep(request):
    """Of a world that stands still while the LiDAR turns."""
    drive = make_drive(11, request.param, 6, width_px=96)
    assert isinstance(drive.frames, DriveFrames)
    still = replace(drive.frames.rig, slices=1)
    frames = DriveFrames(drive.frames.street, still, 6)
    return frames.sweep(5).points_ego, drive.lidars[0].calibration


def test_a_true_origin_is_left_where_it_is(sweep):
    points, calibration = sweep
    stated = calibration.ego_from_sensor[:3, 3]

    found = find_origin(points, stated)

    assert found.is_stated
    assert np.linalg.norm(found.place - stated) < 0.02


@pytest.mark.parametrize("shift", [(0.9, 0.0, 1.85), (-0.7, 0.3, -0.6)])
def test_a_wrong_origin_is_found_and_told(sweep, shift):
    points, calibration = sweep
    true = calibration.ego_from_sensor[:3, 3]

    found = find_origin(points, true - shift)

    assert not found.is_stated
    assert found.gain > 0.5
    assert np.abs(found.place - true).max() < 0.05


def test_a_tilted_lidar_is_found_with_its_tilt(sweep):
    points, calibration = sweep
    true = calibration.ego_from_sensor[:3, 3]
    tilt = rotation_from_euler(0.004, -0.008, 0)

    found = find_origin((points - true) @ tilt.T + true, true)

    assert np.degrees(np.arccos(min(1.0, found.rotation[:, 2] @ tilt[:, 2]))) < 0.3
    assert np.linalg.norm(found.place - true) < 0.25


@pytest.mark.parametrize("rig", ["waymo", "pandaset"])
def test_a_moving_vehicle_is_allowed_for(rig):
    drive = make_drive(11, rig, 31, width_px=96)
    before, frame = drive.frames[29], drive.frames[30]
    lidar = drive.lidars[0]
    sweep, true = frame.sweeps[lidar.name], lidar.calibration.ego_from_sensor[:3, 3]
    driven = transform(inverse(frame.world_from_ego), before.world_from_ego[None, :3, 3])[0]
    moved = -driven / 0.1 * sweep.time_offset_us[:, None] * 1e-6

    smeared = find_origin(sweep.points_ego, true)
    found = find_origin(sweep.points_ego, true, moved=moved)

    assert np.linalg.norm(driven) > 0.5
    assert np.linalg.norm(smeared.place - true) > 0.2
    assert found.is_stated
    assert np.linalg.norm(found.place - true) < 0.03
    assert origin_problems(drive, frame) == []  # driving is no wrong calibration


def test_beams_are_where_the_calibration_has_them(sweep):
    points, calibration = sweep

    beams = find_beams(points, find_origin(points, calibration.ego_from_sensor[:3, 3]))

    assert len(beams) == len(calibration.beam_elevations)
    assert np.abs(np.array(beams) - calibration.beam_elevations).max() < 1e-3


def test_too_few_points_and_no_beams_change_nothing():
    random = np.random.default_rng(0)

    few = find_origin(random.normal(0, 10, (100, 3)), (1.0, 0.0, 2.0))
    cloud = find_origin(random.uniform(-30, 30, (20_000, 3)), (1.0, 0.0, 2.0))

    assert few.place.tolist() == [1.0, 0.0, 2.0]
    assert few.is_stated
    assert cloud.is_stated
    assert find_beams(random.normal(0, 10, (50, 3)), few) == ()


def test_an_import_is_told_of_a_lidar_that_is_not_where_it_is_said_to_be():
    drive = make_drive(11, "demo", 1, width_px=96)
    frame = drive.frames[0]
    (lidar,) = drive.lidars
    on_the_ground = replace(lidar, calibration=replace(
        lidar.calibration, ego_from_sensor=rigid(np.eye(3), (0.4, 0.0, 0.3))))  # fmt: skip
    wrong = replace(drive, sensors=[*drive.cameras, on_the_ground])

    (problem,) = origin_problems(wrong, frame)

    assert problem.message.startswith("TOP seems to measure from another place")
    assert "says: +0.9, " in problem.message
    assert origin_problems(drive, frame) == []


def test_short_range_units_are_believed():
    drive = make_drive(11, "waymo", 1, width_px=96)

    assert len(drive.lidars) == 5
    assert origin_problems(drive, drive.frames[0]) == []
