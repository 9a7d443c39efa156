"""Reads a PandaSet sequence: camera/, lidar/ and annotations/ of one drive.

    camera/NAME/{00.jpg ..., intrinsics.json, poses.json, timestamps.json}
    lidar/{00.pkl.gz ..., poses.json, timestamps.json}      tables x, y, z (world), i, t, d
    annotations/cuboids/NN.pkl.gz, annotations/semseg/{NN.pkl.gz, classes.json}

Frames are those that have a LiDAR file; the JSON lists are indexed by the number in its name. The
vehicle's axes are x right, y forward there, ours x forward, y left. The stated LiDAR pose is the
vehicle's on the ground, not the sensor's: where the light is measured is found from the points.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from inference.datasets.files import broken, check_size
from inference.datasets.plain_pickle import BadPickle, Column, load_table
from inference.datasets.sensor_origin import find_beams, find_origin
from inference.geometry import (
    FloatArray,
    Intrinsics,
    interpolate_pose,
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
    MaskLabel,
    Problem,
    Scene,
    Sensor,
    SensorKind,
    ShutterDirection,
    Sweep,
)

SPINNER, FORWARD = "main_pandar64", "front_gt"  # column d: 0 and 1
_MAX_BYTES = 512 * 2**20
# Their vehicle (x right, y forward) from ours (x forward, y left).
_THEIRS_FROM_EGO = rigid(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), (0.0, 0.0, 0.0))


def read_scene(path: Path) -> Scene:
    """One sequence's folder. Raises BadScene."""
    path = Path(path)
    if not (path / "lidar").is_dir() or not (path / "camera").is_dir():
        raise BadScene(
            f"{path.name}: no camera and lidar folders, so no PandaSet sequence", file=path.name
        )
    try:
        drive = _read_drive(path)
        problems: list[Problem] = []
        sensors = [*_cameras(drive), *_lidars(drive, problems)]
    except (KeyError, IndexError, TypeError, ValueError, OSError) as error:
        raise broken(path.name, error) from error
    return Scene(
        name=f"pandaset-{path.name}",
        sensors=sensors,
        frames=_Frames(drive, sensors),
        source_from_world=drive.source_from_world,
        facts={"origin": "PandaSet (CC BY 4.0)"},
        problems=problems,
    )


@dataclass(frozen=True)
class _Drive:
    """numbers: of the frames in the files' names.  poses: world_from_ego at every number [4, 4]."""

    root: Path
    numbers: Sequence[int]
    poses: Sequence[FloatArray]
    times_us: Sequence[int]
    cameras: Mapping[str, Mapping[str, Any]]  # their JSON files
    source_from_world: FloatArray
    classes: Mapping[int, str]

    def world_from_ego(self, timestamp_us: int) -> FloatArray:
        """Between the sweeps' poses; those of the first and last beyond them."""
        inside = min(max(timestamp_us, self.times_us[0]), self.times_us[-1])
        return interpolate_pose(list(self.poses), list(self.times_us), inside)


def _read_drive(root: Path) -> _Drive:
    numbers = sorted(int(file.name[:2]) for file in (root / "lidar").glob("[0-9][0-9].pkl.gz"))
    if not numbers:
        raise BadScene(f"{root.name}: no sweeps in lidar/", file="lidar")
    source_poses = [_pose(each) @ _THEIRS_FROM_EGO for each in _json(root / "lidar/poses.json")]
    times = [round(1e6 * t) for t in _json(root / "lidar/timestamps.json")]
    if len(source_poses) != len(times) or max(numbers) >= len(times):
        raise BadScene(
            f"lidar/: {len(source_poses)} poses, {len(times)} times, sweeps up to {max(numbers)}"
        )
    source_from_world = source_poses[numbers[0]]
    cameras = {
        folder.name: {
            what: _json(folder / f"{what}.json") for what in ("intrinsics", "poses", "timestamps")
        }
        for folder in sorted((root / "camera").iterdir())
        if (folder / "intrinsics.json").is_file()
    }
    classes_file = root / "annotations/semseg/classes.json"
    classes = {int(n): str(name) for n, name in _json(classes_file).items()} if (
        classes_file.is_file()
    ) else {}  # fmt: skip
    world_from_source = inverse(source_from_world)
    return _Drive(root, numbers, [world_from_source @ pose for pose in source_poses], times,
                  cameras, source_from_world, classes)  # fmt: skip


def _cameras(drive: _Drive) -> list[Sensor]:
    """Where a camera sits follows from its own pose and the vehicle's at the same time."""
    found = []
    first = drive.numbers[0]
    for name, files in drive.cameras.items():
        picture = drive.root / "camera" / name / f"{first:02d}.jpg"
        others = [drive.root / "camera" / name / f"{n:02d}.jpg" for n in drive.numbers]
        shown = next((file for file in [picture, *others] if file.is_file()), None)
        if shown is None:
            continue
        with PillowImage.open(shown, formats=["JPEG"]) as opened:
            width, height = opened.size
        lens = files["intrinsics"]
        number = int(shown.stem)
        world_from_camera = inverse(drive.source_from_world) @ _pose(files["poses"][number])
        world_from_ego = drive.world_from_ego(round(1e6 * files["timestamps"][number]))
        calibration = Calibration(
            inverse(world_from_ego) @ world_from_camera,
            Intrinsics(float(lens["fx"]), float(lens["fy"]), float(lens["cx"]), float(lens["cy"]),
                       width, height),
            ShutterDirection.UNKNOWN,
        )  # fmt: skip
        found.append(Sensor(name, SensorKind.CAMERA, calibration))
    return found


def _lidars(drive: _Drive, problems: list[Problem]) -> list[Sensor]:
    table = _table(drive.root / "lidar" / f"{drive.numbers[0]:02d}.pkl.gz")
    points, of_lidar, time_us = _points(drive, table, drive.numbers[0])
    found = []
    for name, number in ((SPINNER, 0), (FORWARD, 1)):
        own = of_lidar == number
        if not own.any():
            continue
        calibration = Calibration(np.eye(4))
        if name == SPINNER:
            moved = _moved(drive, drive.numbers[0], time_us[own])
            # The vehicle leans on its springs, or its pose does: the LiDAR may turn about either up.
            world_up = (drive.source_from_world @ drive.poses[drive.numbers[0]])[2, :3]
            origin = find_origin(points[own], moved=moved, ups=((0.0, 0.0, 1.0), world_up))
            if not origin.is_stated:
                place = ", ".join(f"{v:+.2f}" for v in origin.place)
                problems.append(
                    Problem(
                        "lidar/poses.json", None,
                        f"the poses are not {name}'s own: its light is measured {place} m forwards, "
                        "leftwards and upwards of them, which its calibration now says",
                    )
                )  # fmt: skip
            beams = find_beams(points[own] - moved, origin)
            calibration = Calibration(rigid(origin.rotation, origin.place), beam_elevations=beams)
        found.append(Sensor(name, SensorKind.LIDAR, calibration))
    return found


class _Frames(Frames):
    def __init__(self, drive: _Drive, sensors: Sequence[Sensor]) -> None:
        self._drive = drive
        self._sensors = {sensor.name: sensor for sensor in sensors}

    def __len__(self) -> int:
        return len(self._drive.numbers)

    def __getitem__(self, index: int, /) -> Frame:
        if not 0 <= index < len(self):
            raise IndexError(f"the sequence has {len(self)} frames, there is no frame {index}")
        try:
            return self._frame(index)
        except (KeyError, IndexError, TypeError, ValueError, OSError) as error:
            raise broken(f"frame {index}", error, index) from error

    def _frame(self, index: int) -> Frame:
        drive = self._drive
        number = drive.numbers[index]
        table = _table(drive.root / "lidar" / f"{number:02d}.pkl.gz")
        points, of_lidar, time_us = _points(drive, table, number)
        timestamp_us = drive.times_us[number]
        sweeps = {}
        for name, which in ((SPINNER, 0), (FORWARD, 1)):
            own = of_lidar == which
            if name in self._sensors and own.any():
                sweeps[name] = Sweep(
                    points_ego=points[own].astype(np.float32),
                    intensity=np.asarray(table["i"], np.float32)[own],
                    timestamp_us=timestamp_us,
                    time_offset_us=(time_us[own] - timestamp_us).astype(np.int32),
                    source_index=np.flatnonzero(own).astype(np.uint32),
                )
        return Frame(
            index=index,
            timestamp_us=timestamp_us,
            world_from_ego=drive.poses[number],
            images=self._images(number),
            sweeps=sweeps,
            labels=FrameLabels(
                masks=tuple(self._masks(number, of_lidar)), cuboids=tuple(self._cuboids(number))
            ),
        )

    def _images(self, number: int) -> dict[str, Image]:
        drive, images = self._drive, {}
        for name, files in drive.cameras.items():
            path = drive.root / "camera" / name / f"{number:02d}.jpg"
            if name not in self._sensors or not path.is_file():
                continue
            world_from_camera = inverse(drive.source_from_world) @ _pose(files["poses"][number])
            ego_from_camera = self._sensors[name].calibration.ego_from_sensor
            images[name] = Image(
                _read(path),
                round(1e6 * files["timestamps"][number]),
                world_from_camera @ inverse(ego_from_camera),
            )
        return images

    def _masks(self, number: int, of_lidar: FloatArray) -> list[MaskLabel]:
        """The classes of the points, each as one piece of stuff."""
        path = self._drive.root / "annotations/semseg" / f"{number:02d}.pkl.gz"
        if not path.is_file():
            return []
        classes = np.asarray(_table(path)["class"])
        if len(classes) != len(of_lidar):
            raise ValueError(f"{path.name}: {len(classes)} classes for {len(of_lidar)} points")
        found = []
        for value in np.unique(classes).tolist():
            label = self._drive.classes.get(int(value))
            if label is None:
                continue
            for name, which in ((SPINNER, 0), (FORWARD, 1)):
                mask = (classes == value)[of_lidar == which]
                if name in self._sensors and mask.any():
                    found.append(MaskLabel(f"class {value}", label, name, mask, is_stuff=True))
        return found

    def _cuboids(self, number: int) -> list[CuboidLabel]:
        path = self._drive.root / "annotations/cuboids" / f"{number:02d}.pkl.gz"
        if not path.is_file():
            return []
        table = _table(path)
        drive = self._drive
        source_from_ego = drive.source_from_world @ drive.poses[number]
        centres = transform(inverse(source_from_ego), _columns(table, "position.", "xyz"))
        sizes = _columns(table, "dimensions.", "yxz")  # their x is the width
        yaw = np.asarray(table["yaw"], float) + np.pi / 2 - yaw_of(source_from_ego)
        yaw = np.arctan2(np.sin(yaw), np.cos(yaw))
        sensor = np.asarray(table.get("cuboids.sensor_id", np.full(len(yaw), -1)))
        # An object that both LiDARs see comes twice; the spinner's is the one we keep.
        return [
            CuboidLabel(
                track=str(table["uuid"][row]),
                label_class=str(table["label"][row]),
                centre_ego=_three(centres[row]),
                size=_three(sizes[row]),
                heading=float(yaw[row]),
            )
            for row in range(len(yaw))
            if sensor[row] != 1
        ]


# --- parts ---------------------------------------------------------------------------------------


def _points(
    drive: _Drive, table: Mapping[str, Column], number: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """[N, 3] in ego, the LiDAR's number [N], and when [N], microseconds."""
    source_from_ego = drive.source_from_world @ drive.poses[number]
    points = transform(inverse(source_from_ego), _columns(table, "", "xyz"))
    count = len(points)
    of_lidar = np.asarray(table.get("d", np.zeros(count, int)))
    return points, of_lidar, np.round(1e6 * np.asarray(table["t"], float)).astype(np.int64)


def _moved(drive: _Drive, number: int, time_us: FloatArray) -> FloatArray:
    """[N, 3] where the vehicle was when each point was measured, in ego at the frame's pose."""
    steps = np.linspace(time_us.min(), time_us.max(), 9)
    ego_from_world = inverse(drive.poses[number])
    places = np.array([(ego_from_world @ drive.world_from_ego(int(t)))[:3, 3] for t in steps])
    return np.stack([np.interp(time_us, steps, places[:, axis]) for axis in range(3)], axis=1)


def _columns(table: Mapping[str, Column], prefix: str, names: str) -> FloatArray:
    return np.stack([np.asarray(table[prefix + name], float) for name in names], axis=1)


def _three(values: FloatArray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def _pose(described: Mapping[str, Any]) -> FloatArray:
    place, heading = described["position"], described["heading"]
    rotation = rotation_from_quaternion([heading[k] for k in "wxyz"])
    return rigid(rotation, [place[k] for k in "xyz"])


def _read(path: Path) -> bytes:
    check_size(path, _MAX_BYTES)
    return path.read_bytes()


def _json(path: Path) -> Any:
    if not path.is_file():
        raise BadScene(f"{path.parent.name}/{path.name} is missing", file=path.name)
    return json.loads(_read(path))


@lru_cache(maxsize=4)
def _table(path: Path) -> dict[str, Column]:
    try:
        with gzip.open(path) as opened:
            return load_table(opened.read(_MAX_BYTES))
    except (BadPickle, EOFError) as error:
        raise BadScene(f"{path.parent.name}/{path.name}: {error}", file=path.name) from error
