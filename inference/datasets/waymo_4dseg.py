"""Reads the Waymo-4DSeg layout: undistorted images, one cloud a frame, one mask per object.

    meta_infos/{seq}.json | .pkl    sensors, poses and paths of a sequence
    pcds/{seq}/{timestamp}.npz      data [N, >= 3]: x, y, z (and intensity), LiDAR axes
    undistort_images/{seq}/{timestamp}/{CAM}.jpg
    sam4d_labels/{seq}/{timestamp}.json

The layout knows one cloud a frame. Ours names the LiDARs it was merged from (`lidars` in the meta
data, `sensor` in the cloud): then they are taken apart again. Its LiDAR axes are our ego.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from inference.datasets.files import broken, check_size, file_within
from inference.datasets.plain_pickle import BadPickle, load_plain
from inference.geometry import Intrinsics, check_rigid, inverse
from inference.masks import BadRuns, BoolArray, mask_from_coco
from inference.scene import (
    BadScene,
    Calibration,
    Float64Array,
    Frame,
    FrameLabels,
    Frames,
    Image,
    MaskLabel,
    Scene,
    Sensor,
    SensorKind,
    ShutterDirection,
    Sweep,
)

MERGED = "LiDAR_TOP"
IGNORE = -1
MAX_FILE_BYTES = 512 * 2**20
_SAME_POSE = 1e-9


def read_scene(path: Path) -> Scene:
    """One sequence. path: the data set's folder when it holds one, or a file of meta_infos.

    Raises BadScene.
    """
    path = Path(path)
    meta_file = _meta_file(path)
    root = meta_file.parent.parent
    meta = _read_meta(meta_file)
    try:
        frames = list(meta["frames"])
        if not frames:
            raise BadScene(f"{meta_file.name}: has no frames", file=meta_file.name)
        layout = _layout(root, meta, frames)
        return Scene(
            name=str(meta["seq_name"]),
            sensors=layout.sensors,
            frames=_Frames(layout, frames),
            source_from_world=layout.source_from_world,
        )
    except (KeyError, IndexError, TypeError, ValueError, OSError) as error:
        raise broken(meta_file.name, error) from error


@dataclass(frozen=True)
class _Layout:
    root: Path
    sensors: list[Sensor]
    lidars: list[str]  # in the order of the clouds' `sensor` numbers
    source_from_world: Float64Array

    def file(self, relative: str) -> Path:
        """A file that the meta data names: inside the data set, of a size we read."""
        return file_within(
            self.root, relative, most_bytes=MAX_FILE_BYTES, named_by="the meta data names"
        )


def _meta_file(path: Path) -> Path:
    if path.is_file():
        twin = path.with_suffix(".json")
        return twin if twin.is_file() else path
    folder = path / "meta_infos"
    by_name = {file.stem: file for file in sorted(folder.glob("*.pkl"))}
    by_name |= {file.stem: file for file in sorted(folder.glob("*.json"))}
    if len(by_name) == 1:
        return next(iter(by_name.values()))
    if by_name:
        raise BadScene(
            f"{path.name}: holds {len(by_name)} sequences; name one, such as "
            f"{path / 'meta_infos' / next(iter(by_name.values())).name}",
            file=path.name,
        )
    raise BadScene(
        f"{path.name}: no meta_infos folder with sequences, so not the Waymo-4DSeg layout",
        file=path.name,
    )


def _read_meta(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise BadScene(f"{file} does not exist", file=file.name)
    check_size(file, MAX_FILE_BYTES)
    data = file.read_bytes()
    try:
        meta = json.loads(data) if file.suffix == ".json" else load_plain(data)
    except (BadPickle, ValueError) as error:
        raise broken(file.name, error) from error
    if not isinstance(meta, dict):
        raise BadScene(f"{file.name}: is a {type(meta).__name__}, not a dictionary", file=file.name)
    return meta


def _layout(root: Path, meta: Mapping[str, Any], frames: list[Any]) -> _Layout:
    """Sensors as the first frame that has each camera shows them."""
    lidars = [str(name) for name in meta.get("lidars", [MERGED])]
    first_pose = _pose(frames[0]["lidar2world"], "frame 0, lidar2world")
    start = np.eye(4)
    start[:3, 3] = first_pose[:3, 3]
    layout = _Layout(root, [], lidars, start)
    cameras: dict[str, Mapping[str, Any]] = {}
    for frame in frames:
        for name, camera in frame["cams_info"].items():
            cameras.setdefault(str(name), camera)
    for name, camera in cameras.items():
        layout.sensors.append(_camera(layout, name, camera))
    for name in lidars:
        layout.sensors.append(Sensor(name, SensorKind.LIDAR, Calibration(np.eye(4))))
    return layout


def _camera(layout: _Layout, name: str, described: Mapping[str, Any]) -> Sensor:
    matrix = np.asarray(described["camera_intrinsics"], dtype=np.float64)
    with PillowImage.open(layout.file(described["data_path"]), formats=["JPEG", "PNG"]) as picture:
        width, height = picture.size
    lens = Intrinsics(
        fx=float(matrix[0, 0]), fy=float(matrix[1, 1]), cx=float(matrix[0, 2]),
        cy=float(matrix[1, 2]), width_px=width, height_px=height,
    )  # fmt: skip
    ego_from_camera = _pose(described["camera2lidar"], f"camera {name}, camera2lidar")
    shutter = ShutterDirection.UNKNOWN
    return Sensor(name, SensorKind.CAMERA, Calibration(ego_from_camera, lens, shutter))


class _Frames(Frames):
    def __init__(self, layout: _Layout, rows: list[Any]) -> None:
        self._layout, self._rows = layout, rows
        self._ego_from_sensor = {s.name: s.calibration.ego_from_sensor for s in layout.sensors}

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int, /) -> Frame:
        if not 0 <= index < len(self):
            raise IndexError(f"the sequence has {len(self)} frames, there is no frame {index}")
        row = self._rows[index]
        try:
            return self._frame(index, row)
        except (KeyError, IndexError, TypeError, ValueError, OSError) as error:
            raise broken(f"frame {index}", error, index) from error

    def _frame(self, index: int, row: Mapping[str, Any]) -> Frame:
        cloud = str(row["path"]["pcd"])
        timestamp_us = int(Path(cloud).stem)
        pose = _pose(row["lidar2world"], f"frame {index}, lidar2world")
        world_from_ego = inverse(self._layout.source_from_world) @ pose
        labels = _labels(self._layout, row["path"].get("sam4d_label"))
        points, intensity, sensor = _cloud(self._layout, cloud)
        ignored = _ignored(labels, len(points))
        sweeps = {
            name: Sweep(
                points_ego=points[sensor == number],
                intensity=intensity[sensor == number],
                timestamp_us=timestamp_us,
                in_no_label_zone=None if ignored is None else ignored[sensor == number],
            )
            for number, name in enumerate(self._layout.lidars)
            if (sensor == number).any()
        }
        images = {
            str(name): self._image(str(name), camera, timestamp_us, world_from_ego)
            for name, camera in row["cams_info"].items()
        }
        return Frame(
            index=index,
            timestamp_us=timestamp_us,
            world_from_ego=world_from_ego,
            images=images,
            sweeps=sweeps,
            labels=FrameLabels(masks=tuple(self._masks(labels, sensor, images))),
        )

    def _image(
        self, name: str, camera: Mapping[str, Any], timestamp_us: int, world_from_ego: Float64Array
    ) -> Image:
        """The layout keeps the vehicle's motion until the exposure inside camera2lidar."""
        seen_from = _pose(camera["camera2lidar"], f"camera {name}, camera2lidar")
        moved = seen_from @ inverse(self._ego_from_sensor[name])
        is_still = np.abs(moved - np.eye(4)).max() < _SAME_POSE
        return Image(
            encoded=self._layout.file(camera["data_path"]).read_bytes(),
            timestamp_us=timestamp_us,
            world_from_ego=None if is_still else world_from_ego @ moved,
        )

    def _masks(
        self, labels: Mapping[str, Any], sensor: Any, images: Mapping[str, Image]
    ) -> Iterator[MaskLabel]:
        for name, listed in labels.items():
            for described in listed["objects"]:
                if described["object_id"] == IGNORE:
                    continue
                if name == MERGED:
                    mask = _point_mask(described, len(sensor))
                    for number, lidar in enumerate(self._layout.lidars):
                        part = mask[sensor == number]
                        if part.any():
                            yield _label(described, lidar, part)
                elif name in images:
                    yield _label(described, name, mask_from_coco(described["image_mask"]).ravel())


def _label(described: Mapping[str, Any], sensor: str, mask: BoolArray) -> MaskLabel:
    return MaskLabel(
        track=str(int(described["object_id"])),
        label_class=str(described.get("semantic") or "other"),
        sensor=sensor,
        mask=mask,
        is_stuff=bool(described.get("is_stuff", False)),
    )


def _labels(layout: _Layout, relative: str | None) -> Mapping[str, Any]:
    if relative is None:
        return {}
    sensors = json.loads(layout.file(relative).read_bytes())["sensors"]
    if not isinstance(sensors, dict):
        raise ValueError(f"{relative}: sensors is a {type(sensors).__name__}")
    return sensors


def _point_mask(described: Mapping[str, Any], count: int) -> BoolArray:
    mask = mask_from_coco(described["lidar_mask"]).ravel()
    if len(mask) != count:
        raise BadRuns(f"a LiDAR mask has {len(mask)} points, the cloud {count}")
    return mask


def _ignored(labels: Mapping[str, Any], count: int) -> BoolArray | None:
    masks = [
        _point_mask(described, count)
        for described in labels.get(MERGED, {"objects": []})["objects"]
        if described["object_id"] == IGNORE
    ]
    return np.logical_or.reduce(masks) if masks else None


def _cloud(layout: _Layout, relative: str) -> tuple[Any, Any, Any]:
    """points [N, 3] float32, intensity [N] float32, number of the LiDAR [N]."""
    with np.load(layout.file(relative), allow_pickle=False) as arrays:
        data = arrays["data"]
        sensor = arrays["sensor"] if "sensor" in arrays else np.zeros(len(data), np.uint8)
    if data.ndim != 2 or data.shape[1] < 3 or len(sensor) != len(data):
        raise ValueError(f"{relative}: data has shape {data.shape}, expected [N, 3 or more]")
    points = np.ascontiguousarray(data[:, :3], dtype=np.float32)
    has_intensity = data.shape[1] > 3
    intensity = data[:, 3] if has_intensity else np.zeros(len(data))
    return points, np.ascontiguousarray(intensity, dtype=np.float32), sensor


def _pose(values: Any, what: str) -> Float64Array:
    return check_rigid(values, what=what)
