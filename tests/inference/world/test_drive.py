"""Drives as wholes: the same from the same seed, and gold that agrees across the sensors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference.geometry import (
    inverse,
    project_to_image,
    rigid,
    rotation_from_euler,
    transform,
    yaw_of,
)
from inference.scene import Frame, Scene, Sensor
from inference.world.drive import DriveFrames, make_drive

VEHICLES = {"car", "truck", "bus"}
MOVERS = VEHICLES | {"pedestrian", "cyclist"}


def content(frame: Frame) -> tuple[object, ...]:
    sweep = frame.sweeps["TOP"]
    return (
        frame.index,
        frame.timestamp_us,
        frame.world_from_ego.tobytes(),
        tuple((name, image.encoded) for name, image in frame.images.items()),
        sweep.points_ego.tobytes(),
        sweep.intensity.tobytes(),
        sweep.source_index is not None and sweep.source_index.tobytes(),
        tuple((m.track, m.sensor, m.label_class, m.mask.tobytes()) for m in frame.labels.masks),
        frame.labels.cuboids,
    )


def frames_of(scene: Scene) -> DriveFrames:
    assert isinstance(scene.frames, DriveFrames)
    return scene.frames


@pytest.fixture(scope="module")
def drive() -> Scene:
    return make_drive(1, rig="tiny", length=40)


@pytest.fixture(scope="module")
def frame(drive: Scene) -> Frame:
    return drive.frames[20]


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = (make_drive(4, rig="tiny", length=3) for _ in range(2))

    assert [content(f) for f in first.frames] == [content(f) for f in second.frames]


def test_another_seed_gives_another_street() -> None:
    first, second = (make_drive(seed, rig="tiny", length=1).frames[0] for seed in (4, 5))

    assert first.images["FRONT"].encoded != second.images["FRONT"].encoded
    assert len(first.sweeps["TOP"]) != len(second.sweeps["TOP"])


def test_a_frame_alone_equals_the_one_met_on_the_way() -> None:
    on_the_way = [content(f) for f in make_drive(2, rig="tiny", length=4).frames]

    alone = make_drive(2, rig="tiny", length=4).frames

    assert content(alone[3]) == on_the_way[3]
    assert content(alone[1]) == on_the_way[1]
    assert content(alone[-1]) == on_the_way[3]


def test_a_longer_drive_begins_like_a_shorter_one() -> None:
    short, long = make_drive(2, rig="tiny", length=2), make_drive(2, rig="tiny", length=230)

    assert len(long.frames) == 230
    assert content(short.frames[1]) == content(long.frames[1])


def test_an_index_outside_the_drive_is_refused(drive: Scene) -> None:
    with pytest.raises(IndexError, match="40 frames"):
        drive.frames[40]
    with pytest.raises(ValueError, match="at least one frame"):
        make_drive(0, length=0)
    with pytest.raises(ValueError, match="there is no rig 'huge'"):
        make_drive(0, rig="huge")


@pytest.mark.parametrize("seed", range(4))
def test_a_street_is_busy(seed: int) -> None:
    frames = frames_of(make_drive(seed, length=1))

    things = frames.street.things
    moving = [t for t in things if t.gold.label_class in MOVERS and t.gold.is_moving]
    parked = [t for t in things if t.gold.label_class in VEHICLES and t.is_static]
    travelled = [np.hypot(*np.subtract(t.pose_at(15.0)[:2], t.pose_at(0.0)[:2])) for t in moving]
    assert sum(metres > 1.0 for metres in travelled) >= 15
    assert len(parked) >= 20
    assert {"pole", "tree", "sign", "pedestrian", "cyclist"} <= {t.gold.label_class for t in things}
    assert {"road", "sidewalk", "building"} <= {g.track for g in frames.gold.values() if g.is_stuff}


def test_the_demo_rig_has_three_large_cameras_and_64_beams() -> None:
    scene = make_drive(0, length=200)

    lenses = {s.name: s.calibration.intrinsics for s in scene.cameras}
    assert list(lenses) == ["FRONT", "FRONT_LEFT", "FRONT_RIGHT"]
    assert all(lens and (lens.width_px, lens.height_px) == (960, 640) for lens in lenses.values())
    (lidar,) = scene.lidars
    elevations = lidar.calibration.beam_elevations
    assert (lidar.name, len(elevations)) == ("TOP", 64)
    assert list(elevations) == sorted(elevations, reverse=True)
    assert len(scene.frames) == 200


def test_ego_starts_at_the_world_s_origin_and_drives_smoothly() -> None:
    street = frames_of(make_drive(6, rig="tiny", length=200)).street  # turns left at the lights
    poses = np.array([street.ego_pose(0.1 * k) for k in range(200)])

    first = make_drive(6, rig="tiny", length=1).frames[0]
    speed = np.hypot(*np.diff(poses[:, :2], axis=0).T) / 0.1
    acceleration = np.diff(speed) / 0.1
    turn_rate = np.diff(poses[:, 2]) / 0.1

    np.testing.assert_allclose(first.world_from_ego, np.eye(4), atol=1e-9)
    assert speed.max() < 12
    assert speed.min() < 0.5  # it waits at the lights
    assert np.abs(acceleration).max() < 3.5
    assert np.abs(turn_rate).max() < 1.0
    assert np.abs(np.diff(turn_rate)).max() / 0.1 < 1.0
    assert poses[-1, 2] == pytest.approx(np.pi / 2, abs=0.02)


def test_labels_and_gold_ids_say_the_same(drive: Scene, frame: Frame) -> None:
    frames = frames_of(drive)
    ids = frames.gold_ids(20)

    number_of = {gold.track: number for number, gold in frames.gold.items()}
    seen: dict[str, set[int]] = {}
    for label in frame.labels.masks:
        gold = frames.gold[number_of[label.track]]
        np.testing.assert_array_equal(
            label.mask, ids[label.sensor].ravel() == number_of[label.track]
        )
        assert (label.label_class, label.is_stuff) == (gold.label_class, gold.is_stuff)
        seen.setdefault(label.sensor, set()).add(number_of[label.track])

    assert seen == {name: set(np.unique(array).tolist()) - {0} for name, array in ids.items()}
    assert ids["FRONT"].shape == (64, 96)
    assert ids["TOP"].shape == (len(frame.sweeps["TOP"]),)


def test_stuff_is_one_track_per_class(frame: Frame) -> None:
    stuff = {m.label_class: m.track for m in frame.labels.masks if m.is_stuff}

    assert stuff == {name: name for name in ("road", "sidewalk", "terrain", "building")
                     if name in stuff}  # fmt: skip
    assert {"road", "building"} <= set(stuff)


def agreement(drive: Scene, camera: Sensor, index: int, tolerance_px: int) -> float:
    """Share of the points in view of a camera whose id is within `tolerance_px` of their pixel."""
    frames = frames_of(drive)
    ids, sweep = frames.gold_ids(index), frames.sweep(index)
    lens = camera.calibration.intrinsics
    assert lens is not None
    pixels, _, in_view = project_to_image(
        sweep.points_ego, inverse(camera.calibration.ego_from_sensor), lens
    )
    u, v = pixels[in_view].astype(int).T
    points = ids["TOP"][in_view]
    padded = np.pad(ids[camera.name], tolerance_px)
    found = np.zeros(len(points), bool)
    for dv in range(2 * tolerance_px + 1):
        for du in range(2 * tolerance_px + 1):
            found |= padded[v + dv, u + du] == points
    return float(found.mean())


def test_points_project_into_the_pixels_of_their_object(drive: Scene) -> None:
    # What the LiDAR sees from its higher place and the camera does not is a few percent.
    for camera in drive.cameras:
        assert agreement(drive, camera, 20, tolerance_px=1) > 0.92
        assert agreement(drive, camera, 20, tolerance_px=0) > 0.85


def test_a_wrong_calibration_would_be_noticed(drive: Scene) -> None:
    camera = drive.sensor("FRONT")
    turned = rigid(rotation_from_euler(0, 0, np.radians(4)), np.zeros(3))
    wrong = replace(
        camera,
        calibration=replace(
            camera.calibration, ego_from_sensor=turned @ camera.calibration.ego_from_sensor
        ),
    )

    right = agreement(drive, camera, 20, tolerance_px=0)

    assert agreement(drive, wrong, 20, tolerance_px=0) < right - 0.1


def test_points_lie_inside_the_cuboid_of_their_object(drive: Scene, frame: Frame) -> None:
    frames = frames_of(drive)
    ids, points = frames.gold_ids(20)["TOP"], frame.sweeps["TOP"].points_ego
    number_of = {gold.track: number for number, gold in frames.gold.items()}

    checked = 0
    for cuboid in frame.labels.cuboids:
        own = points[ids == number_of[cuboid.track]]
        assert len(own) == cuboid.point_count
        ego_from_box = rigid(rotation_from_euler(0, 0, cuboid.heading), cuboid.centre_ego)
        inside = np.abs(transform(inverse(ego_from_box), own)) - np.array(cuboid.size) / 2
        # Range noise is 2 cm; five times that does not happen among a few thousand points.
        assert (inside < 0.1).all(), cuboid.track
        checked += len(own)
    assert checked > 500


def test_points_of_a_car_lie_on_its_outside(drive: Scene, frame: Frame) -> None:
    frames = frames_of(drive)
    ids, points = frames.gold_ids(20)["TOP"], frame.sweeps["TOP"].points_ego
    number_of = {gold.track: number for number, gold in frames.gold.items()}
    cars = [c for c in frame.labels.cuboids if c.label_class == "car" and (c.point_count or 0) > 30]

    for cuboid in cars:
        own = points[ids == number_of[cuboid.track]]
        ego_from_box = rigid(rotation_from_euler(0, 0, cuboid.heading), cuboid.centre_ego)
        to_face = np.array(cuboid.size) / 2 - np.abs(transform(inverse(ego_from_box), own))
        # Bonnets and windscreens are farther from a face than doors, but nothing is in the middle.
        assert np.median(to_face.min(axis=1)) < 0.45

    assert cars


def test_velocities_are_those_of_the_cuboids_from_frame_to_frame(drive: Scene) -> None:
    before, after = drive.frames[20], drive.frames[21]
    later = {c.track: c for c in after.labels.cuboids}

    compared = 0
    for cuboid in before.labels.cuboids:
        if cuboid.label_class not in VEHICLES or cuboid.track not in later:
            continue
        there, here = (
            transform(f.world_from_ego, np.array([c.centre_ego]))[0]
            for f, c in ((after, later[cuboid.track]), (before, cuboid))
        )
        assert cuboid.velocity_world is not None
        np.testing.assert_allclose((there - here) / 0.1, cuboid.velocity_world, atol=0.4)
        compared += 1
    assert compared > 10


def test_headings_are_about_the_ego_vehicle(drive: Scene) -> None:
    frames = frames_of(drive)
    last = drive.frames[39]
    things = {t.gold.track: t for t in frames.street.things}

    for cuboid in last.labels.cuboids:
        street = things[cuboid.track].pose_at(3.9)[3]
        expected = street + yaw_of(frames.world_from_street) - yaw_of(last.world_from_ego)
        assert np.cos(cuboid.heading - expected) == pytest.approx(1.0)


def test_a_sweep_names_the_cell_of_each_point(drive: Scene, frame: Frame) -> None:
    sweep, lidar = frame.sweeps["TOP"], drive.sensor("TOP")
    assert sweep.row is not None
    assert sweep.column is not None
    assert sweep.source_index is not None
    seen_from_lidar = transform(inverse(lidar.calibration.ego_from_sensor), sweep.points_ego)

    elevation = np.arctan2(seen_from_lidar[:, 2], np.hypot(*seen_from_lidar[:, :2].T))
    azimuth = np.arctan2(seen_from_lidar[:, 1], seen_from_lidar[:, 0])

    np.testing.assert_allclose(
        elevation, np.array(lidar.calibration.beam_elevations)[sweep.row], atol=1e-4
    )
    np.testing.assert_allclose(azimuth, np.pi - (sweep.column + 0.5) * 2 * np.pi / 512, atol=1e-4)
    np.testing.assert_array_equal(sweep.source_index, sweep.row.astype(int) * 512 + sweep.column)
    assert (np.diff(sweep.source_index.astype(int)) > 0).all()


def test_parts_lie_inside_their_things(drive: Scene) -> None:
    frames = frames_of(drive)
    ids, parts = frames.gold_ids(20), frames.gold_parts(20)

    for name in ids:
        assert parts[name].shape == ids[name].shape
        met = parts[name] >= 0
        assert (ids[name][met] > 0).all()
        cars = [n for n, track in frames.gold.items() if track.label_class == "car"]
        largest = max(cars, key=lambda n, name=name: (ids[name] == n).sum())
        if (ids[name] == largest).sum() > 100:
            assert len(np.unique(parts[name][ids[name] == largest])) >= 2


def test_what_stands_in_front_hides_what_is_behind(drive: Scene) -> None:
    frames = frames_of(drive)
    hidden = frames.occluded(20, "FRONT")
    ids = frames.gold_ids(20)["FRONT"]

    assert set(hidden) == {n for n in np.unique(ids).tolist() if n >= 10}
    assert all(0 <= share <= 1 for share in hidden.values())
    assert min(hidden.values()) == 0
    assert max(hidden.values()) > 0.2
    with pytest.raises(KeyError, match="no camera 'REAR'; it has FRONT"):
        frames.occluded(20, "REAR")
