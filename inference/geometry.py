"""Rigid transforms, poses and the camera model, in the house's conventions.

- ego: x forward, y left, z up.  World: z up, starting at the scene's first pose, so that 32-bit
  floats keep millimetres.  Camera: x right, y down, z forward.
- `a_from_b` is a [4, 4] matrix that maps points in b to points in a; neighbours cancel.
- Points are [N, 3] metres.  Quaternions are (w, x, y, z).  Times are integer microseconds.
- Images are (height, width); pixels are (u, v) from the top left; pixel (0, 0) covers
  [0, 1) x [0, 1) and its centre is (0.5, 0.5).

Poses are float64 throughout: world coordinates of 10^5 m leave float32 only 8 mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]


class NotRigid(ValueError):
    """A matrix that should be a rotation and a translation is not."""


@dataclass(frozen=True)
class Intrinsics:
    """How a camera sees: a pinhole with Brown-Conrady distortion (OpenCV's k1 k2 p1 p2 k3).

    Focal lengths and centre in pixels, with the house's half-pixel rule (see the module).
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width_px: int
    height_px: int
    k1: float = 0.0
    k2: float = 0.0
    p1: float = 0.0
    p2: float = 0.0
    k3: float = 0.0

    @property
    def is_distorted(self) -> bool:
        return any((self.k1, self.k2, self.p1, self.p2, self.k3))

    @property
    def matrix(self) -> FloatArray:
        """[3, 3], without the distortion."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], dtype=np.float64)


def check_rigid(matrix: npt.ArrayLike, *, what: str, tolerance: float = 1e-3) -> FloatArray:
    """`matrix` as float64 [4, 4]; raises NotRigid naming `what` when it is not a rigid transform."""
    rigid = np.asarray(matrix, dtype=np.float64)
    if rigid.shape != (4, 4):
        raise NotRigid(f"{what}: expected a 4x4 matrix, got shape {rigid.shape}")
    if not np.isfinite(rigid).all():
        raise NotRigid(f"{what}: contains NaN or infinity")
    rotation = rigid[:3, :3]
    if (
        np.abs(rotation @ rotation.T - np.eye(3)).max() > tolerance
        or np.linalg.det(rotation) < 0
        or np.abs(rigid[3] - (0, 0, 0, 1)).max() > tolerance
    ):
        raise NotRigid(
            f"{what}: is not a rotation and a translation (determinant "
            f"{np.linalg.det(rotation):.4f})"
        )
    return rigid


def rigid(rotation: npt.ArrayLike, translation: npt.ArrayLike) -> FloatArray:
    """[4, 4] from a [3, 3] rotation and a [3] translation in metres."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = translation
    return matrix


def inverse(a_from_b: FloatArray) -> FloatArray:
    """`b_from_a`, by transposing the rotation: exact where a general inverse is not."""
    rotation = a_from_b[:3, :3].T
    return rigid(rotation, -rotation @ a_from_b[:3, 3])


def transform(a_from_b: FloatArray, points_b: FloatArray) -> FloatArray:
    """points_b: [N, 3] metres. Returns points_a [N, 3], float64."""
    return points_b @ a_from_b[:3, :3].T + a_from_b[:3, 3]


def distances(points: npt.NDArray[Any], place: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """How far each of [..., 3] is from a place: [...]. NumPy's own norm takes five times as long."""
    away = points - place
    return np.asarray(np.sqrt(np.einsum("...i,...i->...", away, away)))


def rotation_from_euler(roll: float, pitch: float, yaw: float) -> FloatArray:
    """[3, 3] = Rz(yaw) Ry(pitch) Rx(roll), radians."""
    cr, sr, cp, sp = np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch)
    cy, sy = np.cos(yaw), np.sin(yaw)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def yaw_of(a_from_b: FloatArray) -> float:
    """Heading of b's x axis in a, radians, counter-clockwise about z."""
    return float(np.arctan2(a_from_b[1, 0], a_from_b[0, 0]))


def quaternion_from_rotation(rotation: FloatArray) -> FloatArray:
    """[3, 3] to a unit quaternion (w, x, y, z) with w >= 0."""
    # The largest of the four components is found first, so that no square root is near zero.
    m = rotation
    squares = np.array(
        [
            1 + m[0, 0] + m[1, 1] + m[2, 2],
            1 + m[0, 0] - m[1, 1] - m[2, 2],
            1 - m[0, 0] + m[1, 1] - m[2, 2],
            1 - m[0, 0] - m[1, 1] + m[2, 2],
        ]
    )
    largest = int(squares.argmax())
    s = 2 * np.sqrt(max(squares[largest], 0.0))
    quaternion = {
        0: (s / 4, (m[2, 1] - m[1, 2]) / s, (m[0, 2] - m[2, 0]) / s, (m[1, 0] - m[0, 1]) / s),
        1: ((m[2, 1] - m[1, 2]) / s, s / 4, (m[0, 1] + m[1, 0]) / s, (m[0, 2] + m[2, 0]) / s),
        2: ((m[0, 2] - m[2, 0]) / s, (m[0, 1] + m[1, 0]) / s, s / 4, (m[1, 2] + m[2, 1]) / s),
        3: ((m[1, 0] - m[0, 1]) / s, (m[0, 2] + m[2, 0]) / s, (m[1, 2] + m[2, 1]) / s, s / 4),
    }[largest]
    unit = np.array(quaternion)
    unit /= np.linalg.norm(unit)
    return unit if unit[0] >= 0 else -unit


def rotation_from_quaternion(quaternion: npt.ArrayLike) -> FloatArray:
    """(w, x, y, z), not necessarily of unit length, to [3, 3]."""
    w, x, y, z = np.asarray(quaternion, dtype=np.float64) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def interpolate_pose(
    world_from_ego: Sequence[FloatArray], timestamps_us: Sequence[int], at_us: int
) -> FloatArray:
    """The pose at a time: linear in position, slerp in rotation, held constant outside the range.

    world_from_ego: T poses [4, 4] at T ascending `timestamps_us`.
    """
    times = np.asarray(timestamps_us)
    after = int(np.searchsorted(times, at_us))
    if after == 0:
        return world_from_ego[0]
    if after == len(times):
        return world_from_ego[-1]
    first, second = world_from_ego[after - 1], world_from_ego[after]
    share = (at_us - times[after - 1]) / (times[after] - times[after - 1])
    q0 = quaternion_from_rotation(first[:3, :3])
    q1 = quaternion_from_rotation(second[:3, :3])
    cosine = float(q0 @ q1)
    if cosine < 0:  # q and -q are the same rotation; take the short way round
        q1, cosine = -q1, -cosine
    angle = np.arccos(min(cosine, 1.0))
    if angle < 1e-6:
        q = q0 + share * (q1 - q0)
    else:
        q = (np.sin((1 - share) * angle) * q0 + np.sin(share * angle) * q1) / np.sin(angle)
    position = first[:3, 3] + share * (second[:3, 3] - first[:3, 3])
    return rigid(rotation_from_quaternion(q), position)


def project_to_image(
    points_ego: FloatArray, camera_from_ego: FloatArray, intrinsics: Intrinsics
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Where each point appears in the image, how far away, and whether it is in view.

    points_ego: [N, 3] metres.  camera_from_ego: [4, 4].
    Returns pixels [N, 2] as (u, v), depth_m [N] along the optical axis, in_view [N] bool.
    Pixels of points out of view are undefined. Model: Brown-Conrady (waymo.md 7).
    """
    points_camera = transform(camera_from_ego, points_ego)
    depth_m = points_camera[:, 2]
    in_front = depth_m > 1e-3
    safe_depth = np.where(in_front, depth_m, 1.0)
    x: FloatArray = points_camera[:, 0] / safe_depth
    y: FloatArray = points_camera[:, 1] / safe_depth
    in_view: BoolArray = in_front
    if intrinsics.is_distorted:
        x, y, believable = _distort(x, y, intrinsics)
        in_view = in_view & believable
    u: FloatArray = intrinsics.fx * x + intrinsics.cx
    v = intrinsics.fy * y + intrinsics.cy
    in_view = in_view & (u >= 0) & (u < intrinsics.width_px) & (v >= 0) & (v < intrinsics.height_px)
    return np.stack([u, v], axis=1), depth_m, in_view


def rays_from_pixels(pixels: FloatArray, intrinsics: Intrinsics) -> FloatArray:
    """The viewing direction of each pixel: camera axes, scaled so that z = 1.

    pixels: [N, 2] as (u, v). Returns [N, 3]. Undoes the distortion by fixed-point iteration.
    """
    x = (pixels[:, 0] - intrinsics.cx) / intrinsics.fx
    y = (pixels[:, 1] - intrinsics.cy) / intrinsics.fy
    if intrinsics.is_distorted:
        goal_x, goal_y = x, y
        for _ in range(20):
            distorted_x, distorted_y, _ = _distort(x, y, intrinsics)
            x, y = x + goal_x - distorted_x, y + goal_y - distorted_y
    return np.stack([x, y, np.ones_like(x)], axis=1)


def _distort(
    x: FloatArray, y: FloatArray, lens: Intrinsics
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Ideal to distorted normalised coordinates, and where the polynomial can be trusted.

    Far outside the image the polynomial folds back and would show points from behind the border;
    a radial factor outside 0.8 ... 1.2 is where that begins.
    """
    r2 = x * x + y * y
    radial = 1 + r2 * (lens.k1 + r2 * (lens.k2 + r2 * lens.k3))
    distorted_x = x * radial + 2 * lens.p1 * x * y + lens.p2 * (r2 + 2 * x * x)
    distorted_y = y * radial + lens.p1 * (r2 + 2 * y * y) + 2 * lens.p2 * x * y
    return distorted_x, distorted_y, (radial > 0.8) & (radial < 1.2)
