"""What is handed to the model says where everything was."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest

torch = pytest.importorskip("torch")

from inference.geometric.projection import camera_from_ego  # noqa: E402
from inference.geometry import (  # noqa: E402
    Intrinsics,
    inverse,
    project_to_image,
    rigid,
    rotation_from_euler,
    transform,
)
from inference.sam4d.frames import (  # noqa: E402
    FARTHEST_M,
    MEAN,
    STD,
    Poses,
    camera_of,
    merged_points,
    picture_of,
)
from inference.scene import BadScene, Calibration, Image, Sensor, SensorKind, Sweep  # noqa: E402
from tests.builders import CAMERA, EGO_FROM_CAMERA, LIDAR, build_jpeg, build_scene  # noqa: E402

SIDE_PX = 64
LENS = Intrinsics(
    2060, 2060, 950, 640, 1920, 1280, k1=0.04, k2=-0.34, p1=0.0015, p2=-0.0006
)  # fmt: skip
BARREL_LENS = Intrinsics(
    930, 930, 965, 625, 1920, 1080, k1=-0.59, k2=0.5, p1=-0.0009, p2=-0.0004, k3=-0.25
)  # fmt: skip


def looking_ahead(lens=None, name=CAMERA):
    return Sensor(name, SensorKind.CAMERA, Calibration(EGO_FROM_CAMERA, lens))


def turned(x_m, yaw):
    return rigid(rotation_from_euler(0.01, -0.02, yaw), [x_m, 0.3 * x_m, 0])


def with_poses(*poses):
    """A scene whose vehicle was there; its camera looks 50 ms after each frame, frames are 100 ms
    apart.
    """
    scene = build_scene(len(poses))
    frames = [
        replace(frame, world_from_ego=pose) for frame, pose in zip(scene.frames, poses, strict=True)
    ]
    return replace(scene, frames=frames)


def pixels_of(points_ego, sensor, sweep_from_camera):
    lens = sensor.calibration.intrinsics
    return project_to_image(points_ego, inverse(sweep_from_camera), lens)


def distance_to_rays(camera, lens, pixels, points):
    """Of each point from the ray of its pixel, in metres."""
    squeezed = pixels * (SIDE_PX / lens.width_px, SIDE_PX / lens.height_px)
    rays = camera.rays(torch.from_numpy(squeezed).float())
    depth = (torch.from_numpy(points).float() - rays.origins) @ camera.sweep_from_camera[:3, 2]
    on_ray = rays.origins + depth[:, None] * rays.directions
    return np.linalg.norm(on_ray.numpy() - points, axis=1)


# --- cameras --------------------------------------------------------------------------------------


@pytest.mark.parametrize("lens", [LENS, BARREL_LENS, replace(LENS, k1=0.3, k2=0.1)])
def test_a_point_lies_on_the_ray_of_its_pixel_through_a_distorted_lens(lens):
    scene, sensor = with_poses(np.eye(4)), looking_ahead(lens)
    points = np.random.default_rng(0).uniform([4, -20, -4], [60, 20, 8], (4000, 3))
    pixels, _, in_view = pixels_of(points, sensor, EGO_FROM_CAMERA)
    image = Image(b"", timestamp_us=scene.frames[0].timestamp_us)

    camera = camera_of(sensor, image, scene.frames[0], Poses(scene.frames), SIDE_PX)

    assert in_view.sum() > 500
    assert distance_to_rays(camera, lens, pixels[in_view], points[in_view]).max() < 1e-3


def test_a_distorted_lens_without_distortion_is_the_pinhole():
    scene, lens = with_poses(np.eye(4)), replace(LENS, k1=0.0, k2=0.0, p1=0.0, p2=0.0)
    image = Image(b"", scene.frames[0].timestamp_us)
    camera = camera_of(looking_ahead(lens), image, scene.frames[0], Poses(scene.frames), SIDE_PX)
    pixels = torch.rand(3, 5, 2) * SIDE_PX

    pinhole, through_lens = camera.rays(pixels), replace(camera, distortion=lens).rays(pixels)

    assert camera.distortion is None
    torch.testing.assert_close(through_lens.directions, pinhole.directions, atol=1e-6, rtol=0)
    torch.testing.assert_close(through_lens.origins, pinhole.origins)


def test_a_lens_that_cannot_be_undone_still_gives_numbers():
    lens = Intrinsics(300, 300, 960, 640, 1920, 1280, k1=-0.9, k2=0.9, k3=0.5)
    scene = with_poses(np.eye(4))
    image = Image(b"", scene.frames[0].timestamp_us)
    camera = camera_of(looking_ahead(lens), image, scene.frames[0], Poses(scene.frames), SIDE_PX)

    directions = camera.rays(torch.rand(200, 2) * SIDE_PX).directions

    assert bool(directions.isfinite().all())
    assert float(directions.abs().max()) < 10


def test_a_camera_at_its_own_time_is_where_geometry_says():
    scene = with_poses(turned(0, 0.0), turned(1, 0.2))
    frame, sensor = scene.frames[0], looking_ahead(LENS)
    image = Image(b"", frame.timestamp_us + 30_000, world_from_ego=turned(0.4, 0.1))

    camera = camera_of(sensor, image, frame, Poses(scene.frames), SIDE_PX)

    expected = inverse(camera_from_ego(sensor.calibration, image, frame))
    np.testing.assert_allclose(camera.sweep_from_camera.numpy(), expected, atol=1e-6)
    # A thing that stands still in the world is on its ray although the vehicle has moved.
    points_world = np.array([[20.0, 3.0, 1.0], [15.0, -2.0, 0.5]])
    from_own_ego = transform(inverse(image.world_from_ego), points_world)
    pixels, _, in_view = pixels_of(from_own_ego, sensor, EGO_FROM_CAMERA)
    points = transform(inverse(frame.world_from_ego), points_world)
    assert in_view.all()
    assert distance_to_rays(camera, LENS, pixels, points).max() < 1e-3


def test_a_camera_between_two_frames_is_between_their_poses():
    far = rigid(np.eye(3), [2.0, 0, 0])
    far[:3, :3] = rotation_from_euler(0, 0, 0.2)
    scene = with_poses(np.eye(4), far)
    image = Image(b"", scene.frames[0].timestamp_us + 25_000)

    camera = camera_of(looking_ahead(LENS), image, scene.frames[0], Poses(scene.frames), SIDE_PX)

    quarter = rigid(rotation_from_euler(0, 0, 0.05), [0.5, 0, 0])
    np.testing.assert_allclose(
        camera.sweep_from_camera.numpy(), quarter @ EGO_FROM_CAMERA, atol=1e-6
    )


def test_poses_far_from_the_start_of_the_world_keep_their_millimetres():
    scene = with_poses(turned(90_000, 0.3), turned(90_001, 0.3))
    frame = scene.frames[0]
    image = Image(b"", frame.timestamp_us + 50_000)

    camera = camera_of(looking_ahead(LENS), image, frame, Poses(scene.frames), SIDE_PX)

    halfway = rotation_from_euler(0.01, -0.02, 0.3).T @ [0.5, 0.15, 0]
    expected = EGO_FROM_CAMERA[:3, 3] + halfway
    np.testing.assert_allclose(camera.sweep_from_camera.numpy()[:3, 3], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("index", "later_us"),
    [(0, 0), (0, -20_000), (1, 20_000), (0, 150_000), (1, -(10**15))],
    ids=["same time", "before the first", "after the last", "beyond the neighbour", "other clock"],
)
def test_without_a_pose_round_it_a_camera_has_the_frames_own(index, later_us):
    scene = with_poses(turned(0, 0.0), turned(1, 0.2))
    frame = scene.frames[index]

    pose = Poses(scene.frames).at(frame.timestamp_us + later_us, frame)

    assert pose is frame.world_from_ego


def test_a_neighbour_is_read_once_and_only_when_a_camera_asks():
    scene = build_scene(3)
    first = scene.frames[0]
    scene.frames.reads.clear()
    poses = Poses(scene.frames)

    poses.at(first.timestamp_us, first)
    assert scene.frames.reads == []
    for _ in range(3):
        poses.at(first.timestamp_us + 50_000, first)
    assert scene.frames.reads == [1]


def test_a_neighbour_that_cannot_be_read_leaves_the_frames_own_pose():
    class Broken(list):
        def __getitem__(self, index):
            if index == 1:
                raise BadScene("frame 1 is cut off")
            return super().__getitem__(index)

    frames = Broken(build_scene(2).frames)

    assert Poses(frames).at(1_050_000, frames[0]) is frames[0].world_from_ego


# --- pictures -------------------------------------------------------------------------------------


def test_a_picture_is_squeezed_and_normalised():
    scene = build_scene(1)
    frame = scene.frames[0]
    decoded = PIL.Image.open(io.BytesIO(frame.images[CAMERA].encoded))

    picture = picture_of(scene.sensor(CAMERA), frame.images[CAMERA], frame, 32)

    assert picture.shape == (3, 32, 32)
    assert picture.dtype == torch.float32
    squeezed = np.asarray(decoded.resize((32, 32), PIL.Image.Resampling.BICUBIC)) / 255
    again = picture.permute(1, 2, 0).numpy() * STD + MEAN
    np.testing.assert_allclose(again, squeezed, atol=1e-6)


def test_a_grey_picture_has_three_channels():
    scene = build_scene(1)
    encoded = io.BytesIO()
    PIL.Image.new("L", (64, 48), 100).save(encoded, "PNG")

    picture = picture_of(
        scene.sensor(CAMERA), Image(encoded.getvalue(), 0), scene.frames[0], SIDE_PX
    )

    assert picture.shape == (3, SIDE_PX, SIDE_PX)


def test_a_picture_of_another_size_is_refused_with_both_sizes():
    scene = build_scene(1)
    image = Image(build_jpeg(32, 24), 0)

    with pytest.raises(BadScene, match=r"frame 0.*'FRONT'.*32x24.*64x48.*import"):
        picture_of(scene.sensor(CAMERA), image, scene.frames[0], SIDE_PX)


@pytest.mark.parametrize("encoded", [b"", b"no picture", build_jpeg()[:700]])
def test_a_picture_that_cannot_be_decoded_says_which(encoded):
    scene = build_scene(1)

    with pytest.raises(BadScene, match=r"frame 0.*'FRONT' cannot be decoded.*import"):
        picture_of(scene.sensor(CAMERA), Image(encoded, 0), scene.frames[0], SIDE_PX)


def test_a_camera_without_intrinsics_is_refused_by_name():
    scene = build_scene(1)

    with pytest.raises(BadScene, match="'FRONT' has no intrinsics"):
        picture_of(looking_ahead(), Image(b"", 0), scene.frames[0], SIDE_PX)


# --- sweeps ---------------------------------------------------------------------------------------


def sweep(points):
    points = np.asarray(points, np.float32).reshape(-1, 3)
    return Sweep(points, np.zeros(len(points), np.float32), timestamp_us=0)


def with_sweeps(**sweeps):
    """A frame with these, in a scene with LiDARs TOP, LEFT and RIGHT."""
    scene = build_scene(1)
    others = [replace(scene.sensor(LIDAR), name=name) for name in ("LEFT", "RIGHT")]
    scene = replace(scene, sensors=[*scene.sensors, *others])
    return scene, replace(scene.frames[0], sweeps=sweeps)


def test_sweeps_are_merged_in_the_order_of_the_sensors_and_come_apart_again():
    left, top = np.arange(6).reshape(2, 3), np.arange(9).reshape(3, 3) + 50
    scene, frame = with_sweeps(LEFT=sweep(left), TOP=sweep(top))

    points, parts = merged_points(scene, frame)

    assert points.dtype == np.float32
    np.testing.assert_array_equal(points, np.concatenate([top, left]))
    assert parts.part_of == {"TOP": slice(0, 3), "LEFT": slice(3, 5)}
    apart = parts.apart(np.array([True, False, True, False, True]))
    assert {name: mask.tolist() for name, mask in apart.items()} == {
        "TOP": [True, False, True],
        "LEFT": [False, True],
    }
    assert parts.together(apart).tolist() == [True, False, True, False, True]
    assert parts.together({"LEFT": apart["LEFT"]}).tolist() == [False, False, False, False, True]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30, FARTHEST_M])
def test_a_point_that_is_nowhere_is_not_seen_and_never_in_a_mask(bad):
    top = np.ones((4, 3))
    top[1, 2] = bad
    scene, frame = with_sweeps(TOP=sweep(top), RIGHT=sweep([[bad, 0, 0], [1, 2, 3]]))

    points, parts = merged_points(scene, frame)

    assert len(points) == 4
    assert np.isfinite(points).all()
    masks = parts.apart(np.ones(4, bool))
    assert masks["TOP"].tolist() == [True, False, True, True]
    assert masks["RIGHT"].tolist() == [False, True]
    assert parts.together({name: np.ones(len(m), bool) for name, m in masks.items()}).all()


def test_a_sweep_of_no_points_and_no_sweep_differ():
    scene, frame = with_sweeps(TOP=sweep([]), LEFT=sweep([[1, 2, 3]]))

    points, parts = merged_points(scene, frame)
    assert points.shape == (1, 3)
    assert {name: len(mask) for name, mask in parts.apart(np.zeros(1, bool)).items()} == {
        "TOP": 0,
        "LEFT": 1,
    }

    points, parts = merged_points(scene, replace(frame, sweeps={}))
    assert points.shape == (0, 3)
    assert parts.apart(np.zeros(0, bool)) == {}
