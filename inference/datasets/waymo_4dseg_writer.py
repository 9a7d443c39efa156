"""Writes the Waymo-4DSeg layout that SAM4D is trained from. What it leaves open is decided here.

- One cloud a frame: the sweeps of all LiDARs, both returns, in ego of the frame, one after the
  other in the order of the sensors, under the layout's only LiDAR key. The extra array `sensor`
  and the extra entry `lidars` say which point is whose; loaders of the layout ignore both.
- camera2lidar carries the vehicle's motion between the frame's pose and the camera's exposure.
- Images and masks are undistorted to a pinhole of the same matrix and size.
- A pixel or point belongs to the mask on top. Points in no-label zones are the object -1.
- object_id is the track's number; `instance` is that too, and 0 for stuff.
- volume: points of the track in all sweeps of the scene, or, when no LiDAR ever saw it, pixels.

`waymo_4dseg` reads it.
"""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from inference.datasets.undistortion import Undistortion
from inference.datasets.waymo_4dseg import IGNORE, MERGED
from inference.geometry import inverse
from inference.masks import BoolArray, coco_from_mask, top_owners
from inference.scene import Frame, Scene

STUFF_INSTANCE = 0
HIGHEST_PICKLE = 4  # what Python 3.8 of the layout's users still reads


@dataclass(frozen=True)
class ObjectMask:
    """One object in one reading.  number: > 0, its own throughout the scene.  mask: flat."""

    number: int
    label_class: str
    sensor: str
    mask: BoolArray
    is_stuff: bool = False
    score: float = 1.0


@dataclass
class Told:
    """What was left out.  hidden: pixels and points that lie under another mask.  notes: a sentence, and how
    often it applied.
    """

    hidden: int = 0
    notes: Counter[str] = field(default_factory=Counter)


MasksOf = Callable[[Frame], Sequence[ObjectMask]]


def write_sequence(
    source: Scene, sequence: str, folder: Path, masks_of: MasksOf, told: Told
) -> Iterator[Frame]:
    """Add one sequence to the data set in `folder`, readings included; yields each frame once its
    readings are written. Labels and meta data come last.

    sequence: its name, safe in a path.  masks_of: a frame's masks, bottom to top.
    """
    lenses = {
        camera.name: Undistortion(camera.calibration.intrinsics)
        for camera in source.cameras
        if camera.calibration.intrinsics
    }
    frames: list[dict[str, Any]] = []
    labels: list[tuple[dict[str, Any], str, dict[str, Any]]] = []
    volumes = _Volumes(frozenset(lidar.name for lidar in source.lidars))
    for frame in source.frames:
        masks = masks_of(frame)
        volumes.count(masks)
        described = _write_readings(folder, sequence, source, frame, lenses)
        sensors = _labels(frame, source, masks, lenses, told)
        if sensors:
            name = f"sam4d_labels/{sequence}/{frame.timestamp_us}.json"
            labels.append((described["path"], name, sensors))
        frames.append(described)
        if not frame.sweeps:
            told.notes["frames without a sweep: their cloud is empty"] += 1
        yield frame
    for path, name, sensors in labels:
        for listed in sensors.values():
            for described in listed["objects"]:
                if described["object_id"] != IGNORE:
                    described["volume"] = volumes.of(described["object_id"])
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps({"sensors": sensors}) + "\n")
        path["sam4d_label"] = name
    meta = {
        "seq_name": sequence,
        "lidars": [lidar.name for lidar in source.lidars],
        "frames": frames,
    }
    place = folder / "meta_infos"
    place.mkdir(parents=True, exist_ok=True)
    # Plain containers and numeric arrays only: our own reader refuses anything else.
    (place / f"{sequence}.pkl").write_bytes(pickle.dumps(_arrays(meta), HIGHEST_PICKLE))
    (place / f"{sequence}.json").write_text(json.dumps(meta, indent=1) + "\n")


def write_labelled(scene: Scene, sequence: str, folder: Path, told: Told) -> Iterator[Frame]:
    """A scene with the masks that its frames carry. Tracks are numbered as they come."""
    numbers: dict[str, int] = {}

    def masks_of(frame: Frame) -> list[ObjectMask]:
        return [
            ObjectMask(
                numbers.setdefault(each.track, len(numbers) + 1), each.label_class, each.sensor,
                each.mask, each.is_stuff,
            )
            for each in frame.labels.masks
        ]  # fmt: skip

    return write_sequence(scene, sequence, folder, masks_of, told)


def is_in(out: Path, sequence: str) -> bool:
    """Whether a data set holds a sequence."""
    return (out / "meta_infos" / f"{sequence}.json").exists()


def may_gather(out: Path) -> bool:
    """Whether a folder is a data set of this layout, or may become one."""
    return not out.exists() or not any(out.iterdir()) or (out / "meta_infos").is_dir()


def gather(aside: Path, out: Path) -> None:
    """Move what was written aside into the data set `out`, the meta data last: until it is there, nobody
    reads the rest.
    """
    for place in sorted(aside.iterdir(), key=lambda place: place.name == "meta_infos"):
        (out / place.name).mkdir(parents=True, exist_ok=True)
        for thing in place.iterdir():
            thing.rename(out / place.name / thing.name)
        place.rmdir()
    aside.rmdir()


@dataclass
class _Volumes:
    lidars: frozenset[str]
    points: Counter[int] = field(default_factory=Counter)
    pixels: Counter[int] = field(default_factory=Counter)

    def count(self, masks: Sequence[ObjectMask]) -> None:
        for each in masks:
            kind = self.points if each.sensor in self.lidars else self.pixels
            kind[each.number] += int(np.count_nonzero(each.mask))

    def of(self, number: int) -> int:
        return self.points[number] if number in self.points else self.pixels[number]


def _arrays(meta: dict[str, Any]) -> dict[str, Any]:
    """Loaders of the layout index its matrices as arrays: that is what they are in the pickle."""
    return {
        **meta,
        "frames": [
            {
                **frame,
                "lidar2world": np.array(frame["lidar2world"]),
                "cams_info": {
                    name: {
                        **camera,
                        "camera_intrinsics": np.array(camera["camera_intrinsics"]),
                        "camera2lidar": np.array(camera["camera2lidar"]),
                    }
                    for name, camera in frame["cams_info"].items()
                },
            }
            for frame in meta["frames"]
        ],
    }


def _write_readings(
    folder: Path,
    sequence: str,
    source: Scene,
    frame: Frame,
    lenses: Mapping[str, Undistortion],
) -> dict[str, Any]:
    """Write the cloud and the images of a frame; returns its entry in the meta data."""
    cloud = Path("pcds") / sequence / f"{frame.timestamp_us}.npz"
    (folder / cloud).parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / cloud, **merged_cloud(source, frame))
    cameras: dict[str, Any] = {}
    for name, image in frame.images.items():
        relative = (
            Path("undistort_images") / sequence / str(frame.timestamp_us) / f"{safe_name(name)}.jpg"
        )
        (folder / relative).parent.mkdir(parents=True, exist_ok=True)
        (folder / relative).write_bytes(lenses[name].jpeg(image.encoded))
        seen_from = frame.world_from_ego if image.world_from_ego is None else image.world_from_ego
        ego_from_camera = source.sensor(name).calibration.ego_from_sensor
        cameras[name] = {
            "data_path": relative.as_posix(),
            "camera_intrinsics": lenses[name].lens.matrix.tolist(),
            "camera2lidar": (inverse(frame.world_from_ego) @ seen_from @ ego_from_camera).tolist(),
        }
    return {
        "cams_info": cameras,
        "path": {"pcd": cloud.as_posix()},
        "lidar2world": (source.source_from_world @ frame.world_from_ego).tolist(),
    }


def merged_cloud(source: Scene, frame: Frame) -> dict[str, Any]:
    """data [N, 4] float32 (x, y, z, intensity) of all LiDARs, and sensor [N], whose each is."""
    parts, owners = [np.zeros((0, 4), np.float32)], [np.zeros(0, np.uint8)]
    for number, lidar in enumerate(source.lidars):
        sweep = frame.sweeps.get(lidar.name)
        if sweep is not None:
            parts.append(np.column_stack([sweep.points_ego, sweep.intensity]).astype(np.float32))
            owners.append(np.full(len(sweep), number, np.uint8))
    return {"data": np.concatenate(parts), "sensor": np.concatenate(owners)}


def _labels(
    frame: Frame, source: Scene, masks: Sequence[ObjectMask], lenses: Mapping[str, Undistortion],
    told: Told,
) -> dict[str, Any]:  # fmt: skip
    """The frame's `sensors` entry; empty when nothing is labelled in it."""
    sensors: dict[str, Any] = {}
    lidars = [lidar.name for lidar in source.lidars if lidar.name in frame.sweeps]
    objects = _point_objects(frame, lidars, masks, told)
    if objects:
        sensors[MERGED] = {"objects": objects}
    for name in frame.images:
        objects = _pixel_objects(name, masks, lenses[name], told)
        if objects:
            sensors[name] = {"objects": objects}
    return sensors


def _point_objects(
    frame: Frame, lidars: Sequence[str], masks: Sequence[ObjectMask], told: Told
) -> list[dict[str, Any]]:
    owners = np.zeros(0, np.int64)
    ignored = np.zeros(0, bool)
    for name in lidars:
        sweep = frame.sweeps[name]
        owners = np.concatenate([owners, _owners(masks, name, len(sweep), told)])
        zone = sweep.in_no_label_zone
        ignored = np.concatenate([ignored, np.zeros(len(sweep), bool) if zone is None else zone])
    objects = [
        {**described, "lidar_mask": coco_from_mask((owners == number)[:, None])}
        for number, described in _described(mask for mask in masks if mask.sensor in lidars)
        if (owners == number).any()
    ]
    if ignored.any() and masks:  # alone it is no label
        objects.append({"object_id": IGNORE, "lidar_mask": coco_from_mask(ignored[:, None])})
    return objects


def _pixel_objects(
    camera: str, masks: Sequence[ObjectMask], undistortion: Undistortion, told: Told
) -> list[dict[str, Any]]:
    lens = undistortion.lens
    mine = [mask for mask in masks if mask.sensor == camera]
    if not mine:
        return []
    owners = _owners(mine, camera, lens.width_px * lens.height_px, told)
    straight = undistortion.labels(owners.reshape(lens.height_px, lens.width_px))
    gone = set(np.unique(owners)) - set(np.unique(straight))
    if gone:
        told.notes["masks that lie outside of the undistorted image"] += len(gone)
    return [
        {**described, "image_mask": coco_from_mask(straight == number)}
        for number, described in _described(mine)
        if (straight == number).any()
    ]


def _owners(masks: Sequence[ObjectMask], sensor: str, size: int, told: Told) -> Any:
    owners, hidden = top_owners(
        ((mask.number, mask.mask) for mask in masks if mask.sensor == sensor), size
    )
    told.hidden += hidden
    return owners


def _described(masks: Iterable[ObjectMask]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each object of `masks` once, with the layout's fields but for its volume."""
    seen: dict[int, dict[str, Any]] = {}
    for mask in masks:
        if mask.number not in seen:
            seen[mask.number] = {
                "object_id": mask.number,
                "instance": STUFF_INSTANCE if mask.is_stuff else mask.number,
                "is_stuff": mask.is_stuff,
                "semantic": mask.label_class,
                "volume": 0,
                "score": mask.score,
            }
    yield from seen.items()


def safe_name(name: str) -> str:
    """A name as a file's."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
