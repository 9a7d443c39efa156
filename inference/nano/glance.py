"""A prepared frame as the small model takes it in: pictures on a grid, the sweep as a range view.

All of it rests on what the geometric predictor prepares for clicks (`geometric.frames`): which
points a camera sees, which are ground. N points of the cloud, h x w px of the model's picture, R x C
cells of the range view.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from inference.geometric.frames import PreparedFrame
from inference.geometric.projection import View, camera_from_ego
from inference.geometry import FloatArray, inverse, project_to_image, rays_from_pixels
from inference.nano.config import PICTURE_STRIDE, SWEEP_STRIDE, NanoConfig
from inference.scene import Scene, Sensor

Float32Array = npt.NDArray[np.float32]
Int32Array = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]

UNKNOWN_M = 25.0  # how far a pixel is taken to be that no beam reached
_FARTHEST_GAP = 4.0  # beams from a point, beyond which it says nothing of a pixel
_LEAST_DEPTH_M = 1.0
MEAN, STD = 110.0, 62.0  # of the pixels of pictures, roughly


@dataclass(frozen=True)
class PictureGlance:
    """One camera's reading. The maps are at stride 4.

    picture: [h, w, 3] uint8 red, green, blue.  depth_m: of the nearest point, 0 where there is none
    near.  near: 1 at a point ... 0 far from any.  point: index into the cloud, or -1.
    token_xyz, token_known: where each token looks, [T, 3] metres in ego and [T].
    camera_from_ego: [4, 4].
    """

    sensor: Sensor
    picture: npt.NDArray[np.uint8]
    depth_m: Float32Array
    near: Float32Array
    point: Int32Array
    token_xyz: Float32Array
    token_known: Float32Array
    camera_from_ego: FloatArray

    @property
    def channels(self) -> Float32Array:
        """[5, h, w] what the encoder takes."""
        height, width = self.picture.shape[:2]
        maps = np.stack([np.where(self.near > 0, 4 / np.maximum(self.depth_m, _LEAST_DEPTH_M), 0),
                         self.near])  # fmt: skip
        colours = (self.picture.astype(np.float32) - MEAN) / STD
        out = np.empty((5, height, width), np.float32)
        out[:3] = colours.transpose(2, 0, 1)
        out[3:] = maps.repeat(4, axis=1).repeat(4, axis=2)
        return out


@dataclass(frozen=True)
class SweepGlance:
    """The sweep of the LiDAR with the most points.

    channels: [C, R, columns].  xyz: [R, columns, 3] in ego, 0 where no light came back.  valid: [R, columns].
    point: [R, columns] the nearest of a cell's points, index into the cloud, or -1.
    cell_of: [N] flat cell of a point, -1 for those of other LiDARs.
    first: which of the turn's columns comes first, where only a sector is kept (see `sector`).
    """

    channels: Float32Array
    xyz: Float32Array
    valid: BoolArray
    point: Int32Array
    cell_of: Int32Array
    token_xyz: Float32Array
    token_known: Float32Array
    first: int = 0


def sector_start(azimuth: float, config: NanoConfig) -> int:
    """The first column of the sector round a direction, radians in ego: whole tokens of the encoder's
    coarsest level.
    """
    middle = int((np.pi - azimuth) / (2 * np.pi) * config.columns)
    step = 2 * SWEEP_STRIDE[1]
    return (middle - config.sector // 2) // step * step % config.columns


def sector(sweep: SweepGlance, first: int, count: int) -> SweepGlance:
    """`count` columns from `first` on, both whole tokens; it may reach over the seam."""
    columns = sweep.valid.shape[1]
    kept = (first + np.arange(count)) % columns
    row, column = np.divmod(sweep.cell_of, columns)
    column = (column - first) % columns
    inside = (sweep.cell_of >= 0) & (column < count)
    tokens = (first // SWEEP_STRIDE[1] + np.arange(count // SWEEP_STRIDE[1])) % (
        columns // SWEEP_STRIDE[1]
    )
    rows = len(sweep.valid) // SWEEP_STRIDE[0]
    return SweepGlance(
        np.ascontiguousarray(sweep.channels[..., kept]),
        sweep.xyz[:, kept],
        sweep.valid[:, kept],
        sweep.point[:, kept],
        np.where(inside, row * count + column, -1).astype(np.int32),
        sweep.token_xyz.reshape(rows, -1, 3)[:, tokens].reshape(-1, 3),
        sweep.token_known.reshape(rows, -1)[:, tokens].ravel(),
        first,
    )


# --- pictures ------------------------------------------------------------------------------------


def glance_at_picture(prepared: PreparedFrame, camera: str, config: NanoConfig) -> PictureGlance:
    height, width = config.picture_px
    view, sensor = prepared.view(camera), prepared.scene.sensor(camera)
    picture = cv2.resize(prepared.picture(camera), (width, height), interpolation=cv2.INTER_AREA)
    owner, near = _owners(view, (height // 4, width // 4))
    depth_m = np.where(owner >= 0, view.depth_m[owner] if len(view.depth_m) else 0, 0)
    point = np.where(owner >= 0, view.point[owner] if len(view.point) else 0, -1)
    pose = camera_from_ego(sensor.calibration, prepared.frame.images.get(camera), prepared.frame)
    xyz, known = _token_places(sensor, pose, depth_m * (near > 0.3), config)
    return PictureGlance(
        sensor,
        np.ascontiguousarray(picture[..., ::-1]),
        depth_m.astype(np.float32),
        near,
        point.astype(np.int32),
        xyz,
        known,
        pose,
    )


def _owners(view: View, shape: tuple[int, int]) -> tuple[Int32Array, Float32Array]:
    """The nearest point that a camera sees for each cell of a map, -1 far from any; and how near."""
    if not len(view.point):
        return np.full(shape, -1, np.int32), np.zeros(shape, np.float32)
    rows, columns = (
        ((np.arange(size) + 0.5) / size * there).astype(int)
        for size, there in zip(shape, view.owner.shape, strict=True)
    )
    owner, gap = view.owner[np.ix_(rows, columns)], view.gap[np.ix_(rows, columns)]
    is_near = gap < _FARTHEST_GAP
    near = np.where(is_near, np.exp(-gap / 1.5), 0).astype(np.float32)
    return np.where(is_near, owner, -1).astype(np.int32), near


def _token_places(
    sensor: Sensor, pose: FloatArray, depth_m: FloatArray, config: NanoConfig
) -> tuple[Float32Array, Float32Array]:
    """Where each token looks: as far as the nearest point in it."""
    height, width = config.picture_tokens
    cells = depth_m.reshape(height, PICTURE_STRIDE // 4, width, PICTURE_STRIDE // 4)
    cells = np.where(cells > 0, cells, np.inf).min(axis=(1, 3)).ravel()
    known = np.isfinite(cells)
    v, u = np.mgrid[:height, :width] + 0.5
    shares = np.stack([u.ravel() / width, v.ravel() / height], axis=1)
    xyz = on_rays(sensor, pose, shares, np.where(known, cells, UNKNOWN_M))
    return xyz, known.astype(np.float32)


def on_rays(
    sensor: Sensor, pose: FloatArray, shares: FloatArray, depth_m: FloatArray
) -> Float32Array:
    """Places in ego of pixels [P, 2], given as shares of the picture, at depths [P]."""
    lens = sensor.calibration.intrinsics
    assert lens is not None
    pixels = shares * np.array([lens.width_px, lens.height_px])
    rays = rays_from_pixels(pixels, lens)
    rays = rays / np.maximum(np.abs(rays[:, 2:]), 1e-6)
    ego_from_camera = inverse(pose)
    places = (rays * np.asarray(depth_m)[:, None]) @ ego_from_camera[:3, :3].T
    return (places + ego_from_camera[:3, 3]).astype(np.float32)


def shares_of_points(glance: PictureGlance, points: FloatArray) -> tuple[Float32Array, BoolArray]:
    """Where a camera sees points [P, 3] of ego, as shares of its picture, and which it does see.

    A point behind a surface that the LiDAR measured is hidden.
    """
    lens = glance.sensor.calibration.intrinsics
    assert lens is not None
    pixels, depth_m, in_view = project_to_image(points, glance.camera_from_ego, lens)
    shares = np.nan_to_num(pixels / np.array([lens.width_px, lens.height_px]))
    in_view = in_view & (shares >= 0).all(axis=1) & (shares < 1).all(axis=1)
    rows, columns = glance.depth_m.shape
    cell = (np.clip(shares, 0, 0.9999) * [columns, rows]).astype(int)
    before = glance.depth_m[cell[:, 1], cell[:, 0]]
    hidden = (before > 0) & (before < 0.85 * depth_m - 0.5)
    return shares.astype(np.float32), in_view & ~hidden


# --- the sweep -----------------------------------------------------------------------------------


def main_lidar(prepared: PreparedFrame) -> str | None:
    """The LiDAR with the most points; None where there are none."""
    sizes = {name: part.stop - part.start for name, part in prepared.cloud.part_of.items()}
    name = max(sizes, key=lambda each: sizes[each], default=None)
    return name if name is not None and sizes[name] else None


def glance_at_sweep(
    prepared: PreparedFrame, pictures: Mapping[str, PictureGlance], config: NanoConfig
) -> SweepGlance | None:
    """pictures: of cameras that lend the points their colours."""
    lidar = main_lidar(prepared)
    if lidar is None:
        return None
    cloud, part = prepared.cloud, prepared.cloud.part_of[lidar]
    origin = _origin(prepared.scene, lidar)
    rows, flat, range_m = _cells(prepared, lidar, origin, config)
    # The nearest point of a cell stands for it: it is written last.
    order = np.argsort(-range_m, kind="stable")
    point = np.full(rows * config.columns, -1, np.int32)
    point[flat[order]] = (part.start + order).astype(np.int32)
    valid = point >= 0
    xyz = np.where(valid[:, None], cloud.points[point], 0).astype(np.float32)
    shape = (rows, config.columns)
    range_at = np.where(valid, np.linalg.norm(xyz - origin, axis=1), 0).astype(np.float32)
    channels = _channels(prepared, point, range_at.reshape(shape), origin)
    channels[10:] = _painted(prepared, pictures, point).reshape(4, *shape)
    cell_of = np.full(len(cloud), -1, np.int32)
    cell_of[part] = flat
    token_xyz, known = token_means(xyz.reshape(*shape, 3), valid.reshape(shape))
    return SweepGlance(channels, xyz.reshape(*shape, 3), valid.reshape(shape),
                       point.reshape(shape), cell_of, token_xyz, known)  # fmt: skip


def _origin(scene: Scene, lidar: str) -> Float32Array:
    return scene.sensor(lidar).calibration.ego_from_sensor[:3, 3].astype(np.float32)


def _cells(
    prepared: PreparedFrame, lidar: str, origin: Float32Array, config: NanoConfig
) -> tuple[int, Int32Array, Float32Array]:
    """How many rows the range view has, the flat cell of each of a LiDAR's points, their ranges."""
    cloud, part = prepared.cloud, prepared.cloud.part_of[lidar]
    seen = cloud.points[part] - origin
    azimuth = np.arctan2(seen[:, 1], seen[:, 0])
    column = ((np.pi - azimuth) / (2 * np.pi) * config.columns).astype(np.int32)
    row = cloud.row[part]
    share = -(-(int(row.max()) + 1) // config.rows)
    multiple = 4 * SWEEP_STRIDE[0]
    rows = -(-(int(row.max()) // share + 1) // multiple) * multiple
    flat = (row // share) * config.columns + np.clip(column, 0, config.columns - 1)
    return rows, flat.astype(np.int32), np.linalg.norm(seen, axis=1).astype(np.float32)


def _channels(
    prepared: PreparedFrame, point: Int32Array, range_m: Float32Array, origin: Float32Array
) -> Float32Array:
    """What can be said of each cell; the last four channels are left for colours."""
    cloud, valid = prepared.cloud, (point >= 0).reshape(range_m.shape)

    def of(values: npt.NDArray[Any]) -> Float32Array:
        return np.where(valid, values[point].reshape(range_m.shape), 0).astype(np.float32)

    height_m = of(cloud.height_m)
    spacing = of(cloud.surface.spacing[: len(cloud), 1]) * range_m
    out = np.zeros((14, *range_m.shape), np.float32)
    out[0] = np.log(np.maximum(range_m, 1)) / 4
    out[1] = range_m / 50
    out[2] = np.clip(height_m, -1, 6) / 3
    out[3] = np.clip(height_m * 2, -1, 2)
    out[4] = of(cloud.points[:, 2] - origin[2]) / 3
    out[5] = valid
    out[6] = of(cloud.is_ground)
    out[7] = np.clip(spacing, 0, 2)
    set_steps(out, range_m, valid)
    return out


def set_steps(channels: Float32Array, range_m: Float32Array, valid: BoolArray) -> None:
    """The two channels of steps in range to a cell's neighbours, left and above."""
    channels[8:10] = 0
    channels[8, :, 1:] = np.clip(np.diff(range_m, axis=1), -3, 3) * (valid[:, 1:] & valid[:, :-1])
    channels[9, 1:] = np.clip(np.diff(range_m, axis=0), -3, 3) * (valid[1:] & valid[:-1])


def _painted(
    prepared: PreparedFrame, pictures: Mapping[str, PictureGlance], point: Int32Array
) -> Float32Array:
    """[4, cells] the colours that cameras see at the cells' points, and whether any does."""
    colours = np.zeros((len(prepared.cloud) + 1, 4), np.float32)
    for name, glance in pictures.items():
        view = prepared.view(name)
        height, width = glance.picture.shape[:2]
        scale = np.array([width / view.width_px, height / view.height_px], np.float32)
        column, row = (view.pixels * scale).astype(np.int32).T
        shown = glance.picture[row.clip(0, height - 1), column.clip(0, width - 1)]
        index = view.point[view.is_real]
        colours[index, :3] = (shown[view.is_real].astype(np.float32) - MEAN) / STD
        colours[index, 3] = 1
    return colours[point].T  # the last row, which -1 takes, is nobody's


def token_means(xyz: Float32Array, valid: BoolArray) -> tuple[Float32Array, Float32Array]:
    """The mean of each token's points: [T, 3]; and which have any: [T]."""
    rows, columns = valid.shape
    high, wide = SWEEP_STRIDE
    shape = (rows // high, high, columns // wide, wide)
    count = valid.reshape(shape).sum(axis=(1, 3)).ravel()
    sums = xyz.reshape(*shape, 3).sum(axis=(1, 3)).reshape(-1, 3)
    return (sums / np.maximum(count, 1)[:, None]).astype(np.float32), (count > 0).astype(np.float32)
