"""Transforms and the camera model: numbers by hand, OpenCV as second source, laws for the rest."""

from __future__ import annotations

from math import pi, sqrt

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference import geometry
from inference.geometry import Intrinsics, NotRigid

angles = st.floats(-pi, pi)
metres = st.floats(-1e5, 1e5)
rotations = st.builds(geometry.rotation_from_euler, angles, angles, angles)
poses = st.builds(geometry.rigid, rotations, st.tuples(metres, metres, metres))

PINHOLE = Intrinsics(fx=100, fy=200, cx=50, cy=40, width_px=100, height_px=80)
LENS = Intrinsics(
    fx=900, fy=905, cx=480, cy=322, width_px=960, height_px=640,
    k1=-0.08, k2=0.02, p1=0.001, p2=-0.002, k3=-0.003,
)  # fmt: skip


def test_a_quarter_turn_to_the_left_brings_x_to_y() -> None:
    quarter = geometry.rotation_from_euler(0, 0, pi / 2)

    assert np.allclose(quarter @ [1, 0, 0], [0, 1, 0])
    assert np.allclose(geometry.rotation_from_euler(pi / 2, 0, 0) @ [0, 1, 0], [0, 0, 1])
    assert np.allclose(geometry.rotation_from_euler(0, pi / 2, 0) @ [1, 0, 0], [0, 0, -1])


def test_a_transform_turns_then_moves() -> None:
    a_from_b = geometry.rigid(geometry.rotation_from_euler(0, 0, pi / 2), [10, 0, 1])

    assert np.allclose(geometry.transform(a_from_b, np.array([[2.0, 0, 0]])), [[10, 2, 1]])
    assert geometry.yaw_of(a_from_b) == pytest.approx(pi / 2)


@given(poses)
def test_an_inverse_undoes(pose: np.ndarray) -> None:
    assert np.allclose(geometry.inverse(pose) @ pose, np.eye(4), atol=1e-9)


@given(rotations)
def test_a_quaternion_keeps_the_rotation(rotation: np.ndarray) -> None:
    quaternion = geometry.quaternion_from_rotation(rotation)

    assert np.linalg.norm(quaternion) == pytest.approx(1)
    assert quaternion[0] >= 0
    assert np.allclose(geometry.rotation_from_quaternion(quaternion), rotation, atol=1e-9)
    assert np.allclose(geometry.rotation_from_quaternion(-3 * quaternion), rotation, atol=1e-9)


def test_quaternions_by_hand() -> None:
    quarter = geometry.rotation_from_euler(0, 0, pi / 2)
    half = geometry.rotation_from_euler(0, 0, pi)

    assert np.allclose(geometry.quaternion_from_rotation(quarter), [sqrt(0.5), 0, 0, sqrt(0.5)])
    assert np.allclose(np.abs(geometry.quaternion_from_rotation(half)), [0, 0, 0, 1])


def test_a_pose_halfway_is_halfway_in_place_and_heading() -> None:
    first = geometry.rigid(np.eye(3), [0, 0, 0])
    second = geometry.rigid(geometry.rotation_from_euler(0, 0, 0.6), [2, 4, 0])

    pose = geometry.interpolate_pose([first, second], [1000, 3000], 1500)

    assert np.allclose(pose[:3, 3], [0.5, 1, 0])
    assert geometry.yaw_of(pose) == pytest.approx(0.15)


def test_a_pose_turns_the_short_way_round() -> None:
    first = geometry.rigid(geometry.rotation_from_euler(0, 0, pi - 0.1), [0, 0, 0])
    second = geometry.rigid(geometry.rotation_from_euler(0, 0, -pi + 0.1), [0, 0, 0])

    pose = geometry.interpolate_pose([first, second], [0, 2], 1)

    assert abs(geometry.yaw_of(pose)) == pytest.approx(pi)


def test_poses_are_held_outside_their_times() -> None:
    first, second = geometry.rigid(np.eye(3), [0, 0, 0]), geometry.rigid(np.eye(3), [1, 0, 0])

    assert (geometry.interpolate_pose([first, second], [10, 20], 5) == first).all()
    assert (geometry.interpolate_pose([first, second], [10, 20], 25) == second).all()


@pytest.mark.parametrize(
    ("matrix", "complaint"),
    [
        (np.eye(3), "expected a 4x4"),
        (np.full((4, 4), np.nan), "NaN"),
        (np.diag([1.0, 1, 2, 1]), "determinant 2"),
        (np.diag([1.0, 1, -1, 1]), "determinant -1"),
    ],
)
def test_what_is_not_rigid_is_refused_by_name(matrix: np.ndarray, complaint: str) -> None:
    with pytest.raises(NotRigid, match=f"FRONT: .*{complaint}"):
        geometry.check_rigid(matrix, what="FRONT")


def test_projection_by_hand() -> None:
    # x / z = 0.25, y / z = -0.1: u = 100 * 0.25 + 50, v = 200 * -0.1 + 40.
    points = np.array([[1.0, -0.4, 4], [0, 0, -4], [10, 0, 4]])

    pixels, depth_m, in_view = geometry.project_to_image(points, np.eye(4), PINHOLE)

    assert np.allclose(pixels[0], [75, 20])
    assert depth_m[0] == 4
    assert in_view.tolist() == [True, False, False]


def test_the_picture_ends_before_its_width() -> None:
    # u = 0 and u = 100 (the width) exactly.
    points = np.array([[-0.5, 0, 1], [0.5, 0, 1]])

    _, _, in_view = geometry.project_to_image(points, np.eye(4), PINHOLE)

    assert in_view.tolist() == [True, False]


def test_distortion_is_that_of_opencv() -> None:
    random = np.random.default_rng(3)
    points = random.uniform([-2, -1.2, 4], [2, 1.2, 9], (200, 3))

    pixels, _, in_view = geometry.project_to_image(points, np.eye(4), LENS)

    coefficients = np.array([LENS.k1, LENS.k2, LENS.p1, LENS.p2, LENS.k3])
    expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), LENS.matrix, coefficients)
    assert in_view.sum() > 100
    assert np.allclose(pixels[in_view], expected[:, 0][in_view], atol=1e-6)


def test_points_far_outside_do_not_fold_back_into_the_picture() -> None:
    # With k1 = -0.3 the radius r (1 - 0.3 r2) falls to 0 again at r = 1.83.
    folding = Intrinsics(fx=50, fy=50, cx=50, cy=40, width_px=100, height_px=80, k1=-0.3)

    _, _, in_view = geometry.project_to_image(np.array([[1.8, 0, 1.0]]), np.eye(4), folding)

    assert not in_view[0]


@given(st.floats(0, 959.9), st.floats(0, 639.9), st.floats(0.5, 200))
def test_a_ray_leads_back_to_its_pixel(u: float, v: float, depth_m: float) -> None:
    ray = geometry.rays_from_pixels(np.array([[u, v]]), LENS)

    pixels, depth, _ = geometry.project_to_image(ray * depth_m, np.eye(4), LENS)

    assert depth[0] == pytest.approx(depth_m)
    assert np.allclose(pixels, [[u, v]], atol=1e-4)
