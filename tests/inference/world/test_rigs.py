import numpy as np
import pytest
from scipy.spatial import cKDTree

from inference.geometry import inverse, transform
from inference.world.drive import make_drive
from inference.world.rigs import RIGS, make_rig
from inference.world.sensors import SPIN_US, slice_starts


@pytest.mark.parametrize("name", RIGS)
def test_every_rig_sees_the_street(name):
    drive = make_drive(3, name, 1, width_px=96)
    frame, ids = drive.frames[0], drive.frames.gold_ids(0)

    assert set(frame.images) == {camera.name for camera in drive.cameras}
    for camera in drive.cameras:
        lens = camera.calibration.intrinsics
        assert lens.width_px == 96
        assert ids[camera.name].shape == (lens.height_px, 96)
    assert [unit.lidar for unit in drive.frames.rig.units] == list(drive.lidars)
    for unit in drive.frames.rig.units:
        sweep, lidar = frame.sweeps[unit.name], unit.lidar
        assert len(sweep) == len(ids[unit.name]) > 1000
        # Each point comes from the beam that its row names, at the instant of its column.
        points = sweep.points_ego.astype(float)
        moved = drive.frames._cast(0).turns[unit.name].ego_from_then
        starts = slice_starts(unit, len(moved))
        for k, ego_from_then in enumerate(moved):
            own = (sweep.column >= starts[k]) & (sweep.column < starts[k + 1])
            points[own] = transform(inverse(ego_from_then), points[own])
        seen = (points - lidar.calibration.ego_from_sensor[:3, 3]) @ (
            lidar.calibration.ego_from_sensor[:3, :3]
        )
        range_m = np.linalg.norm(seen, axis=1)
        elevation = np.arcsin(seen[:, 2] / range_m)
        beams = np.array(lidar.calibration.beam_elevations)
        assert np.abs(elevation - beams[sweep.row]).max() < 1e-3
        assert range_m.max() < unit.reach_m + 0.2
        beside = np.degrees(np.abs(np.arctan2(seen[:, 1], seen[:, 0])))
        assert beside.max() <= unit.view_deg / 2 + 0.5


def test_a_waymo_like_vehicle_sees_what_is_close_to_it_with_four_more_units():
    drive = make_drive(3, "waymo", 1, width_px=96)

    top, *near = drive.frames.rig.units

    assert len(near) == 4
    points = {unit.name: drive.frames[0].sweeps[unit.name].points_ego for unit in near}
    # Each looks to its own side, down to the ground beside the vehicle that the roof hides from TOP.
    assert np.median(points["LIDAR_FRONT"][:, 0]) > 4
    assert np.median(points["LIDAR_REAR"][:, 0]) < -1
    assert np.median(points["LIDAR_SIDE_LEFT"][:, 1]) > 1
    assert np.median(points["LIDAR_SIDE_RIGHT"][:, 1]) < -1
    closest = np.hypot(*drive.frames[0].sweeps[top.name].points_ego[:, :2].T).min()
    beside = points["LIDAR_SIDE_LEFT"]
    assert np.hypot(beside[:, 0] - 3.24, beside[:, 1] - 1.03).min() < closest


def test_width_scales_the_whole_lens():
    whole, small = (make_rig("kitti", width_px=width).cameras[0] for width in (None, 621))

    one, other = whole.calibration.intrinsics, small.calibration.intrinsics
    assert (one.width_px, one.height_px, other.width_px, other.height_px) == (1242, 375, 621, 188)
    assert other.fx == pytest.approx(one.fx / 2)
    assert other.cy / other.height_px == pytest.approx(one.cy / one.height_px)


def test_random_rigs_follow_from_the_seed_and_differ():
    rigs = [make_rig("random", seed=seed) for seed in range(20)]

    assert repr(make_rig("random", seed=7)) == repr(rigs[7])
    assert len({len(rig.cameras) for rig in rigs}) == 3
    assert len({len(rig.units[0].lidar.calibration.beam_elevations) for rig in rigs}) >= 4
    assert len({rig.units[0].columns for rig in rigs}) >= 4
    assert {len(rig.units) for rig in rigs} == {1, 5}
    for rig in rigs:
        beams = np.array(rig.units[0].lidar.calibration.beam_elevations)
        assert (np.diff(beams) < 0).all()  # row 0 is the top beam


def test_an_unknown_rig_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="no rig 'lorry'; choose from demo, tiny"):
        make_rig("lorry")


@pytest.fixture(scope="module")
def rolled():
    return make_drive(3, "waymo", 12, width_px=96)


def test_what_stands_stays_in_the_world_while_the_vehicle_drives(rolled):
    walls = []
    for index in (8, 10):
        frame, ids = rolled.frames[index], rolled.frames.gold_ids(index)["TOP"]
        first = frame.sweeps["TOP"].return_number == 1
        points = frame.sweeps["TOP"].points_ego[(ids == 4) & first]  # buildings
        walls.append(transform(frame.world_from_ego, points.astype(float)))
    driven = np.linalg.norm(
        rolled.frames[10].world_from_ego[:3, 3] - rolled.frames[8].world_from_ego[:3, 3]
    )

    away, _ = cKDTree(walls[0]).query(walls[1])

    assert driven > 0.8
    assert np.median(away) < 0.1


def test_cameras_look_when_the_lidar_sweeps_past(rolled):
    frame = rolled.frames[4]

    after = {name: image.timestamp_us - frame.timestamp_us for name, image in frame.images.items()}

    assert after["FRONT"] == pytest.approx(SPIN_US / 2, abs=10)
    assert after["SIDE_LEFT"] == pytest.approx(SPIN_US / 4, abs=10)
    assert after["SIDE_RIGHT"] == pytest.approx(3 * SPIN_US / 4, abs=10)
    moved = frame.images["SIDE_RIGHT"].world_from_ego[:3, 3] - frame.world_from_ego[:3, 3]
    assert 0.3 < np.linalg.norm(moved) < 1.2


def test_a_second_return_lies_behind_the_first_of_its_cell(rolled):
    sweep = rolled.frames[4].sweeps["TOP"]
    range_m = np.linalg.norm(sweep.points_ego - (1.43, 0, 2.18), axis=1)
    second = np.flatnonzero(sweep.return_number == 2)

    assert 0.002 < len(second) / len(sweep) < 0.1
    first = {cell: k for k, cell in enumerate(sweep.source_index) if sweep.return_number[k] == 1}
    partner = np.array([first[sweep.source_index[k]] for k in second])
    assert (range_m[second] > range_m[partner] + 0.5).all()
