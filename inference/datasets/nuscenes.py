"""Reads nuScenes: the key frames of one scene, from its JSON tables and the files they name.

    v1.0-SPLIT/*.json       tables of records, joined by tokens
    samples/CHANNEL/*       pictures, and sweeps as float32 x, y, z, intensity, ring

Every file has a vehicle pose of its own; a frame's is that of its sweep. Boxes come as cuboids, with
the category as the label class.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inference.datasets.files import broken, check_size, file_within
from inference.geometry import (
    FloatArray,
    Intrinsics,
    inverse,
    rigid,
    rotation_from_quaternion,
    transform,
    yaw_of,
)
from inference.scene import (
    BadScene,
    Calibration,
    CuboidLabel,
    Frame,
    FrameLabels,
    Frames,
    Image,
    Scene,
    Sensor,
    SensorKind,
    ShutterDirection,
    Sweep,
)

_TABLES = ("scene", "sample", "sample_data", "calibrated_sensor", "sensor", "ego_pose")
_OPTIONAL = ("sample_annotation", "instance", "category")
_MAX_BYTES = 2 * 2**30
_POINT = 5  # float32 numbers of a point
Record = Mapping[str, Any]


def read_scene(path: Path) -> Scene:
    """path: the data set's folder when it holds one scene, or folder/SCENE-NAME. Raises BadScene."""
    path = Path(path)
    root, name = (path, None) if any(path.glob("v1.0-*")) else (path.parent, path.name)
    try:
        drive = _read_drive(root, name)
        return Scene(
            name=str(drive.scene["name"]),
            sensors=drive.sensors,
            frames=_Frames(drive),
            source_from_world=drive.source_from_world,
            facts={"origin": "nuScenes", "description": str(drive.scene.get("description", ""))},
        )
    except (KeyError, IndexError, TypeError, ValueError, OSError) as error:
        raise broken(path.name, error) from error


@dataclass(frozen=True)
class _Drive:
    """samples: in order of time.  files: of a sample, channel -> its sample_data."""

    root: Path
    scene: Record
    samples: Sequence[Record]
    files: Mapping[str, Mapping[str, Record]]
    poses: Mapping[str, FloatArray]  # world_from_ego by token
    source_from_world: FloatArray
    sensors: Sequence[Sensor]
    boxes: Mapping[str, Sequence[Record]]  # by sample
    categories: Mapping[str, str]  # by instance

    def read(self, relative: str) -> bytes:
        """A file that the tables name: inside the data set, of a size we read."""
        path = file_within(self.root, relative, most_bytes=_MAX_BYTES, named_by="the tables name")
        return path.read_bytes()


def _read_drive(root: Path, name: str | None) -> _Drive:
    folders = sorted(root.glob("v1.0-*"))
    if not folders:
        raise BadScene(f"{root.name}: no folder v1.0-... with tables, so not nuScenes")
    tables = {table: _table(folders[0] / f"{table}.json") for table in _TABLES}
    tables |= {
        table: _table(folders[0] / f"{table}.json")
        for table in _OPTIONAL
        if (folders[0] / f"{table}.json").is_file()
    }
    scene = _chosen(tables["scene"], name, root)
    by_token = {each["token"]: each for each in tables["sample"]}
    samples, token = [], scene["first_sample_token"]
    while token:
        samples.append(by_token[token])
        token = by_token[token]["next"] if token != scene["last_sample_token"] else ""
    wanted = {sample["token"] for sample in samples}
    calibrated = {each["token"]: each for each in tables["calibrated_sensor"]}
    channels = {each["token"]: each for each in tables["sensor"]}
    files: dict[str, dict[str, Record]] = defaultdict(dict)
    for each in tables["sample_data"]:
        if each["sample_token"] in wanted and each["is_key_frame"]:
            sensor = channels[calibrated[each["calibrated_sensor_token"]]["sensor_token"]]
            files[each["sample_token"]][sensor["channel"]] = each
    source = {each["token"]: _pose(each) for each in tables["ego_pose"]}
    lidar = next(c["channel"] for c in channels.values() if c["modality"] == "lidar")
    source_from_world = source[files[samples[0]["token"]][lidar]["ego_pose_token"]]
    world_from_source = inverse(source_from_world)
    boxes: dict[str, list[Record]] = defaultdict(list)
    for each in tables.get("sample_annotation", ()):
        boxes[each["sample_token"]].append(each)
    names = {each["token"]: str(each["name"]) for each in tables.get("category", ())}
    categories = {
        each["token"]: names.get(each["category_token"], "other")
        for each in tables.get("instance", ())
    }
    drive = _Drive(
        root, scene, samples, files,
        {token: world_from_source @ pose for token, pose in source.items()},
        source_from_world, [], boxes, categories,
    )  # fmt: skip
    sensors = []
    for channel, file in files[samples[0]["token"]].items():
        described = calibrated[file["calibrated_sensor_token"]]
        modality = channels[described["sensor_token"]]["modality"]
        if modality in ("camera", "lidar"):
            sensors.append(_sensor(drive, channel, modality, described, file))
    return _Drive(**{**vars(drive), "sensors": sensors})


def _sensor(drive: _Drive, channel: str, modality: str, described: Record, file: Record) -> Sensor:
    ego_from_sensor = _pose(described)
    if modality == "lidar":
        beams = _beams(_cloud(drive, file))
        return Sensor(
            channel, SensorKind.LIDAR, Calibration(ego_from_sensor, beam_elevations=beams)
        )
    lens = np.array(described["camera_intrinsic"], float)
    intrinsics = Intrinsics(
        float(lens[0, 0]), float(lens[1, 1]), float(lens[0, 2]), float(lens[1, 2]),
        int(file["width"]), int(file["height"]),
    )  # fmt: skip
    return Sensor(
        channel,
        SensorKind.CAMERA,
        Calibration(ego_from_sensor, intrinsics, ShutterDirection.UNKNOWN),
    )


class _Frames(Frames):
    def __init__(self, drive: _Drive) -> None:
        self._drive = drive
        self._sensors = {sensor.name: sensor for sensor in drive.sensors}

    def __len__(self) -> int:
        return len(self._drive.samples)

    def __getitem__(self, index: int, /) -> Frame:
        if not 0 <= index < len(self):
            raise IndexError(f"the scene has {len(self)} frames, there is no frame {index}")
        try:
            return self._frame(index, self._drive.samples[index])
        except (KeyError, IndexError, TypeError, ValueError, OSError) as error:
            raise broken(f"frame {index}", error, index) from error

    def _frame(self, index: int, sample: Record) -> Frame:
        drive = self._drive
        files = drive.files[sample["token"]]
        images, sweeps = {}, {}
        timestamp_us, world_from_ego = int(sample["timestamp"]), None
        for channel, file in files.items():
            sensor = self._sensors.get(channel)
            if sensor is None:
                continue
            pose = drive.poses[file["ego_pose_token"]]
            if sensor.kind is SensorKind.CAMERA:
                images[channel] = Image(drive.read(file["filename"]), int(file["timestamp"]), pose)
            else:
                sweeps[channel] = _sweep(drive, sensor, file)
                timestamp_us, world_from_ego = int(file["timestamp"]), pose
        if world_from_ego is None:
            world_from_ego = drive.poses[next(iter(files.values()))["ego_pose_token"]]
        return Frame(
            index=index,
            timestamp_us=timestamp_us,
            world_from_ego=world_from_ego,
            images=images,
            sweeps=sweeps,
            labels=FrameLabels(cuboids=tuple(self._cuboids(sample, world_from_ego))),
        )

    def _cuboids(self, sample: Record, world_from_ego: FloatArray) -> list[CuboidLabel]:
        ego_from_source = inverse(self._drive.source_from_world @ world_from_ego)
        found = []
        for box in self._drive.boxes.get(sample["token"], ()):
            ego_from_box = ego_from_source @ _pose(box)
            width, length, height = (float(side) for side in box["size"])
            x, y, z = (float(v) for v in ego_from_box[:3, 3])
            found.append(
                CuboidLabel(
                    track=str(box["instance_token"]),
                    label_class=self._drive.categories.get(box["instance_token"], "other"),
                    centre_ego=(x, y, z),
                    size=(length, width, height),
                    heading=yaw_of(ego_from_box),
                    point_count=int(box.get("num_lidar_pts", 0)),
                )
            )
        return found


def _sweep(drive: _Drive, sensor: Sensor, file: Record) -> Sweep:
    points = _cloud(drive, file)
    ego = transform(sensor.calibration.ego_from_sensor, points[:, :3].astype(float))
    rings = points[:, 4].astype(int)
    # Their ring 0 looks down; our row 0 is the top beam.
    return Sweep(
        points_ego=ego.astype(np.float32),
        intensity=np.ascontiguousarray(points[:, 3]),
        timestamp_us=int(file["timestamp"]),
        source_index=np.arange(len(points), dtype=np.uint32),
        row=(rings.max(initial=0) - rings).astype(np.uint16),
        column=_columns(points),
    )


def _beams(points: FloatArray) -> tuple[float, ...]:
    """Where each ring looks, as its points do in the middle; the top one first."""
    elevation = np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1]))
    rings = points[:, 4].astype(int)
    middles = [
        float(np.median(elevation[rings == ring])) if (rings == ring).any() else float("nan")
        for ring in range(int(rings.max(initial=-1)), -1, -1)
    ]
    return tuple(middles) if np.isfinite(middles).all() else ()


def _columns(points: FloatArray) -> Any:
    """By direction: files do not say which column a point is of."""
    azimuth = np.arctan2(points[:, 1], points[:, 0])
    share = (np.pi - azimuth) / (2 * np.pi)
    return np.minimum(share * 1085, 1084).astype(np.uint16)


def _cloud(drive: _Drive, file: Record) -> Any:
    """[N, 5] float32."""
    values = np.frombuffer(drive.read(file["filename"]), np.float32)
    if values.size % _POINT:
        raise ValueError(f"{file['filename']}: {values.size} numbers are no points of {_POINT}")
    return values.reshape(-1, _POINT)


def _chosen(scenes: Sequence[Record], name: str | None, root: Path) -> Record:
    found = [each for each in scenes if name in (None, each["name"])]
    if len(found) == 1:
        return found[0]
    names = ", ".join(str(each["name"]) for each in scenes[:8])
    if not found:
        raise BadScene(f"{root.name}: no scene {name!r}; it has {names}")
    raise BadScene(f"{root.name}: holds {len(found)} scenes; name one: {root / 'NAME'} of {names}")


def _pose(record: Record) -> FloatArray:
    return rigid(rotation_from_quaternion(record["rotation"]), record["translation"])


def _table(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise BadScene(f"{path.parent.name}/{path.name} is missing", file=path.name)
    check_size(path, _MAX_BYTES)
    found = json.loads(path.read_bytes())
    if not isinstance(found, list):
        raise BadScene(f"{path.name} is no table of records", file=path.name)
    return found
