"""Single rays with hand-computed answers, and the windows that make casting fast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference.geometry import inverse, rigid
from inference.world import casting, sensors
from inference.world.drive import DriveFrames, make_drive
from inference.world.relief import level
from inference.world.rigs import Rig, make_rig
from inference.world.sensors import Hits, Noise, View
from inference.world.solids import Builder, Kind, Material, Solids, pack, turn_z
from inference.world.street import make_street

GREY = (0.5, 0.5, 0.5)


@pytest.fixture(scope="module")
def noise() -> Noise:
    return Noise()


@pytest.fixture(scope="module")
def rig() -> Rig:
    return make_rig("tiny")


def view_of(solids: Solids) -> View:
    """These solids and the ground, seen from an ego vehicle at the street's origin."""
    paving = sensors.paving_of(make_street(0, 1))
    return View(solids, pack(solids), paving, np.eye(4))


def solid(
    kind: Kind, centre: tuple[float, ...], half: tuple[float, ...], track: int = 77
) -> Solids:
    builder = Builder(track=track)
    builder.add(kind, centre, half, Material.PLAIN, GREY)
    return builder.finished()


def test_a_beam_meets_flat_ground_where_trigonometry_says(rig: Rig, noise: Noise) -> None:
    out_of_the_way = solid(Kind.BALL, (0.0, 0.0, 40.0), (1.0, 1.0, 1.0))

    hits = sensors.cast_lidar(view_of(out_of_the_way), rig.units[0], noise)

    elevations = np.array(rig.units[0].lidar.calibration.beam_elevations)
    # The unit stands 2.15 m above the ground: a beam falling by e meets it after 2.15 / sin(e).
    for row in np.flatnonzero(elevations < np.radians(-2)):
        np.testing.assert_allclose(hits.distance[row], 2.15 / np.sin(-elevations[row]), rtol=1e-4)
    assert (hits.solid_at[elevations > 0] == casting.NOTHING).all()


def test_a_beam_meets_a_wall_at_its_distance(rig: Rig, noise: Noise) -> None:
    wall = solid(Kind.BOX, (21.3, 0.0, 3.0), (1.0, 8.0, 3.0))  # its face is at x = 20.3

    hits = sensors.cast_lidar(view_of(wall), rig.units[0], noise)

    # From the unit at x = 1.3 that is 19 m straight ahead; columns 255 and 256 look half a
    # column (0.3516 degrees) to either side.
    elevations = np.array(rig.units[0].lidar.calibration.beam_elevations)
    row = int(np.abs(elevations).argmin())
    expected = 19.0 / np.cos(elevations[row]) / np.cos(np.radians(360 / 512 / 2))
    np.testing.assert_allclose(hits.distance[row, 255:257], expected, rtol=1e-5)
    # At +-8 m the wall ends: atan(8 / 19) = 22.83 degrees, 32.47 columns to either side.
    columns = np.flatnonzero(hits.solid_at[row] >= 0)
    assert (columns.min(), columns.max()) == (256 - 32, 255 + 32)


def test_where_no_solid_is_near_everything_met_is_ground(rig: Rig, noise: Noise) -> None:
    out_of_reach = solid(Kind.BALL, (0.0, 900.0, 0.0), (1.0, 1.0, 1.0))

    hits = sensors.cast_lidar(view_of(out_of_reach), rig.units[0], noise)

    assert not len(hits.solids.part)
    assert (hits.gold_parts() == -1).all()
    assert (hits.solid_at == casting.GROUND).any()


def test_a_ball_appears_where_the_pinhole_puts_it(rig: Rig, noise: Noise) -> None:
    camera = rig.cameras[0]
    lens, ego_from_camera = camera.calibration.intrinsics, camera.calibration.ego_from_sensor
    assert lens is not None
    # 10 m ahead of the camera, 1.5 m to its right, 0.8 m above its axis; radius 0.7 m.
    centre = ego_from_camera[:3, :3] @ (1.5, -0.8, 10.0) + ego_from_camera[:3, 3]
    view = view_of(solid(Kind.BALL, tuple(centre), (0.7, 0.7, 0.7)))

    hits = sensors.cast_camera(view, camera, noise)
    v, u = np.nonzero(hits.gold_ids(view.paving) == 77)

    # Focal length 48 / tan(30 degrees) = 83.14 px; centre (48.384, 31.616).
    assert u.mean() + 0.5 == pytest.approx(48.384 + 83.138 * 0.15, abs=0.35)
    assert v.mean() + 0.5 == pytest.approx(31.616 - 83.138 * 0.08, abs=0.35)
    assert len(u) == pytest.approx(np.pi * (83.138 * 0.07) ** 2, rel=0.08)
    # Depth along the optical axis to the ball's near side.
    assert hits.distance[hits.solid_at >= 0].min() == pytest.approx(9.3, abs=0.05)


def first_hit(
    solids: Solids, noise: Noise, start: tuple[float, ...], direction: tuple[float, ...]
) -> float:
    """How far along one ray the first solid is; FAR for none."""
    nothing = np.zeros(3, np.float32)
    rays = casting.Rays(
        start=np.array(start, np.float32), step_u=nothing, step_v=nothing,
        across=np.zeros((1, 3), np.float32), down=np.array([direction], np.float32),
        scale=np.zeros(1, np.float32),
    )  # fmt: skip
    distance = np.full((1, 1), casting.FAR, np.float32)
    everywhere = np.tile(np.array([0, 1, 0, 1, 0, 0], np.int32), (len(solids), 1))
    casting.cast(rays, pack(solids), everywhere, np.zeros(len(solids), np.float32), noise.texture,
                 distance, np.empty((1, 1), np.int32), False, level())  # fmt: skip
    return float(distance[0, 0])


def test_a_cylinder_s_side_and_lid_are_at_their_distances(noise: Noise) -> None:
    post = solid(Kind.CYLINDER, (5.0, 0.0, 1.0), (0.25, 0.25, 1.0))

    from_the_side = first_hit(post, noise, (0, 0, 1.5), (1, 0, 0))
    from_above = first_hit(post, noise, (5.1, 0, 6), (0, 0, -1))
    beside = first_hit(post, noise, (0, 0.26, 1.5), (1, 0, 0))

    assert from_the_side == pytest.approx(4.75, abs=1e-5)
    assert from_above == pytest.approx(4.0, abs=1e-5)
    assert beside >= casting.FAR / 2


def test_a_tapered_box_leans_in(noise: Noise) -> None:
    builder = Builder()
    builder.box((5.0, 0.0, 1.0), (1.0, 1.0, 1.0), Material.PLAIN, GREY, (0.0, 0.4, 0.0))
    cabin = builder.finished()

    # Its rear face runs from x = 4 at z = 0 to x = 4.4 at z = 2.
    distances = [first_hit(cabin, noise, (0, 0, z), (1, 0, 0)) for z in (0.001, 1.0, 1.999)]

    np.testing.assert_allclose(distances, [4.0, 4.2, 4.4], atol=1e-3)


def cast_everywhere(view: View, hits: Hits, largest: float, noise: Noise) -> Hits:
    """The slow plain way: every solid against every ray, in the order they come."""
    height, width = hits.distance.shape
    windows = np.tile(np.array([0, height, 0, width, 0, 0], np.int32), (len(view.solids), 1))
    distance = np.full((height, width), largest, np.float32)
    solid_at = np.full((height, width), casting.NOTHING, np.int32)
    casting.cast(hits.rays, view.packed, windows, np.zeros(len(view.solids), np.float32),
                 noise.texture, distance, solid_at, True, view.paving.relief)  # fmt: skip
    return Hits(hits.rays, distance, solid_at, view.packed)


@pytest.mark.parametrize("heading", [0.0, 2.0])
def test_windows_lose_no_hit(rig: Rig, noise: Noise, heading: float) -> None:
    frames = make_drive(3, rig="tiny", length=1).frames
    assert isinstance(frames, DriveFrames)
    # Close to parked cars, where boxes reach behind the camera and around the LiDAR.
    pose = rigid(turn_z(heading), (20.0, -frames.street.layout.half + 3.4, 0.0))
    solids = frames.street.static
    view = replace(view_of(solids), street_from_ego=pose)

    for hits, largest in (
        (sensors.cast_camera(view, rig.cameras[0], noise), sensors.CAMERA_RANGE_M),
        (sensors.cast_lidar(view, rig.units[0], noise), rig.units[0].reach_m),
    ):
        plain = cast_everywhere(view, hits, largest, noise)
        np.testing.assert_array_equal(hits.distance, plain.distance)


def test_glass_and_distance_lose_returns(noise: Noise) -> None:
    rig = make_rig("tiny")
    builder = Builder(track=77)
    builder.add(Kind.BOX, (21.3, 0.0, 3.0), (1.0, 8.0, 3.0), Material.CAR_CABIN, GREY, extra=0.5)
    view = view_of(builder.finished())
    hits = sensors.cast_lidar(view, rig.units[0], noise)
    plain = view_of(solid(Kind.BOX, (21.3, 0.0, 3.0), (1.0, 8.0, 3.0)))

    glass = sensors.lidar_returns(hits, view, noise, np.random.default_rng(0))
    wall = sensors.lidar_returns(
        sensors.cast_lidar(plain, rig.units[0], noise), plain, noise, np.random.default_rng(0)
    )

    on_it = np.flatnonzero(hits.solid_at.ravel() >= 0)
    assert np.isin(on_it, wall.cell).mean() > 0.9
    assert np.isin(on_it, glass.cell).mean() < 0.5


def test_camera_axes_are_right_down_forward() -> None:
    left = make_rig("demo").cameras[1].calibration.ego_from_sensor
    assert make_rig("demo").cameras[1].name == "FRONT_LEFT"

    # A point to the front left, ahead of the camera, has positive depth; its right is ego's front.
    ahead = inverse(left) @ np.array(
        [10 * np.cos(np.radians(55)), 10 * np.sin(np.radians(55)), 1.6, 1]
    )
    assert ahead[2] > 7
    assert left[:3, 0] @ (1, 0, 0) > 0.7
    assert left[:3, 1] @ (0, 0, 1) < -0.99
