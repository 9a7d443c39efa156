"""Recordings of plain blocks on a plain: ray-cast one by one, so that gold masks are exact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from inference.geometry import FloatArray, Intrinsics, inverse, rays_from_pixels, rigid, transform
from inference.scene import Calibration, Frame, Image, Scene, Sensor, SensorKind, Sweep

SKY, GROUND = -2, -1
EGO_FROM_CAMERA = rigid([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], [1.0, 0, 1.6])
LENS = Intrinsics(fx=260, fy=260, cx=160, cy=100, width_px=320, height_px=200)
CAMERA = Sensor("FRONT", SensorKind.CAMERA, Calibration(EGO_FROM_CAMERA, LENS))
LIDAR = Sensor("TOP", SensorKind.LIDAR, Calibration(rigid(np.eye(3), [0.5, 0, 2.0])))
_COLOURS = ((40, 40, 200), (200, 60, 30), (60, 200, 220), (30, 140, 40))


@dataclass(frozen=True)
class Block:
    """An upright box on the ground; centre and velocity (x, y) in the world, size (x, y, z)."""

    centre: tuple[float, float]
    size: tuple[float, float, float] = (4.0, 1.8, 1.6)
    velocity: tuple[float, float] = (0.0, 0.0)

    def bounds_at(self, time_s: float) -> tuple[FloatArray, FloatArray]:
        middle = np.array(self.centre) + time_s * np.array(self.velocity)
        half = np.array(self.size[:2]) / 2
        return np.array([*(middle - half), 0.0]), np.array([*(middle + half), self.size[2]])


@dataclass
class Plain:
    """The frames of a plain with blocks; 10 Hz; ids are block numbers, GROUND or SKY.

    looked_at: the pose each camera had, relative to the frame's ego, in `Image.world_from_ego`.
    """

    blocks: Sequence[Block]
    sensors: Sequence[Sensor] = (CAMERA, LIDAR)
    length: int = 1
    speed: float = 0.0
    with_rows: bool = True
    ego_from_ego_at_picture: FloatArray | None = None
    missing: set[tuple[int, str]] = field(default_factory=set)
    reads: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Frame]:
        return (self[index] for index in range(self.length))

    def world_from_ego(self, index: int) -> FloatArray:
        return rigid(np.eye(3), [0.1 * index * self.speed, 0, 0])

    def __getitem__(self, index: int, /) -> Frame:
        self.reads.append(index)
        images, sweeps = {}, {}
        for sensor in self.sensors:
            if (index, sensor.name) in self.missing:
                continue
            if sensor.kind is SensorKind.CAMERA:
                images[sensor.name] = self._image(index, sensor)
            else:
                sweeps[sensor.name] = self._sweep(index, sensor)
        return Frame(index, 100_000 * index, self.world_from_ego(index), images, sweeps)

    def gold(self, index: int, sensor: Sensor) -> npt.NDArray[np.int64]:
        """[pixels] or [points] the id of what each ray met."""
        if sensor.kind is SensorKind.CAMERA:
            return self._cast(index, *self._camera_rays(index, sensor))[1]
        return self._lidar(index, sensor)[1]

    def _image(self, index: int, sensor: Sensor) -> Image:
        lens = sensor.calibration.intrinsics
        assert lens is not None
        ids = self.gold(index, sensor)
        palette = np.array([*_COLOURS, (230, 190, 150), (90, 95, 90)], np.float64)
        picture = palette[np.where(ids >= 0, ids % len(_COLOURS), ids)]
        picture += np.random.default_rng(index).normal(0, 4, picture.shape)
        shaped = picture.clip(0, 255).astype(np.uint8).reshape(lens.height_px, lens.width_px, 3)
        encoded = cv2.imencode(".png", shaped)[1].tobytes()
        own = self.ego_from_ego_at_picture
        pose = None if own is None else self.world_from_ego(index) @ own
        return Image(encoded, 100_000 * index, world_from_ego=pose)

    def _camera_rays(self, index: int, sensor: Sensor) -> tuple[FloatArray, FloatArray]:
        lens = sensor.calibration.intrinsics
        assert lens is not None
        v, u = np.mgrid[: lens.height_px, : lens.width_px] + 0.5
        rays = rays_from_pixels(np.stack([u.ravel(), v.ravel()], axis=1), lens)
        world_from_ego = self.world_from_ego(index)
        if self.ego_from_ego_at_picture is not None:
            world_from_ego = world_from_ego @ self.ego_from_ego_at_picture
        world_from_camera = world_from_ego @ sensor.calibration.ego_from_sensor
        return world_from_camera[:3, 3], rays @ world_from_camera[:3, :3].T

    def _sweep(self, index: int, sensor: Sensor) -> Sweep:
        points, _, row, column = self._lidar(index, sensor)
        return Sweep(
            points_ego=points.astype(np.float32),
            intensity=np.ones(len(points), np.float32),
            timestamp_us=100_000 * index,
            row=row.astype(np.uint16) if self.with_rows else None,
            column=column.astype(np.uint16) if self.with_rows else None,
        )

    def _lidar(
        self, index: int, sensor: Sensor
    ) -> tuple[FloatArray, npt.NDArray[np.int64], FloatArray, FloatArray]:
        elevation, azimuth = (
            np.radians(np.linspace(3, -24, 48)),
            np.radians(np.arange(180, -180, -0.4)),
        )
        row, column = (part.ravel() for part in np.mgrid[: len(elevation), : len(azimuth)])
        up, round_ = elevation[row], azimuth[column]
        rays = np.stack(
            [np.cos(up) * np.cos(round_), np.cos(up) * np.sin(round_), np.sin(up)], axis=1
        )
        world_from_ego = self.world_from_ego(index)
        world_from_lidar = world_from_ego @ sensor.calibration.ego_from_sensor
        rays = rays @ world_from_lidar[:3, :3].T
        distance, ids = self._cast(index, world_from_lidar[:3, 3], rays)
        hit = (ids != SKY) & (distance < 60)
        points_world = world_from_lidar[:3, 3] + rays[hit] * distance[hit, None]
        points = transform(inverse(world_from_ego), points_world)
        return points, ids[hit], row[hit], column[hit]

    def _cast(
        self, index: int, origin: FloatArray, rays: FloatArray
    ) -> tuple[FloatArray, npt.NDArray[np.int64]]:
        """Distance along each ray and what it meets first; world frame."""
        safe = np.where(np.abs(rays) < 1e-12, 1e-12, rays)
        distance = np.where(safe[:, 2] < 0, -origin[2] / safe[:, 2], np.inf)
        ids = np.where(np.isfinite(distance), GROUND, SKY)
        for number, block in enumerate(self.blocks):
            low, high = block.bounds_at(0.1 * index)
            one, other = (low - origin) / safe, (high - origin) / safe
            enters = np.minimum(one, other).max(axis=1)
            leaves = np.maximum(one, other).min(axis=1)
            meets = (enters < leaves) & (enters > 0) & (enters < distance)
            distance, ids = np.where(meets, enters, distance), np.where(meets, number, ids)
        return distance, ids


def scene_of(plain: Plain) -> Scene:
    return Scene("blocks", plain.sensors, plain)
