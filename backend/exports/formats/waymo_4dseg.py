"""The Waymo-4DSeg layout that SAM4D is trained from. What it leaves open is decided here.

- One cloud a frame: the sweeps of all LiDARs, both returns, in ego of the frame, one after the
  other in the order of the sensors, under the layout's only LiDAR key. The extra array `sensor`
  and the extra entry `lidars` say which point is whose; loaders of the layout ignore both.
- camera2lidar carries the vehicle's motion between the frame's pose and the camera's exposure.
- Images and masks are undistorted to a pinhole of the same matrix and size.
- A pixel or point belongs to the track on top. Points in no-label zones are the object -1.
- object_id is the track's number; `instance` is that too, and 0 for stuff.
- volume: points of the track in all sweeps of the scene, or, when no LiDAR ever saw it, pixels.
- score: what the model said of a mask that nobody judged; the track's own score; else 1.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from django.db.models import Sum

from backend.annotations.models import Source
from backend.exports.formats.undistortion import Undistortion
from backend.exports.ownership import top_owners
from backend.exports.report import SceneReport
from backend.exports.snapshot import Snapshot, SnapshotMask
from inference import scene as sensed
from inference.geometry import inverse
from inference.masks import coco_from_mask

MERGED = "LiDAR_TOP"
IGNORE = -1
STUFF_INSTANCE = 0
HIGHEST_PICKLE = 4  # what Python 3.8 of the layout's users still reads


def write(snapshot: Snapshot, folder: Path, report: SceneReport) -> Iterator[None]:
    """Add one sequence to the data set in `folder`, readings included; yields after each frame."""
    sequence = report.folder
    source = snapshot.source
    report.tracks = len(snapshot.tracks)
    lenses = {
        camera.name: Undistortion(camera.calibration.intrinsics)
        for camera in source.cameras
        if camera.calibration.intrinsics
    }
    volumes = _volumes(snapshot)
    frames: list[dict[str, Any]] = []
    for frame in source.frames:
        masks = snapshot.masks(frame.index)
        described = _write_readings(folder, sequence, source, frame, lenses)
        labels = _labels(frame, source, masks, lenses, volumes, report)
        if labels:
            described["path"]["sam4d_label"] = _write_labels(folder, sequence, frame, labels)
        frames.append(described)
        report.frames += 1
        report.masks += len(masks)
        if not frame.sweeps:
            report.note("frames without a sweep: their cloud is empty")
        yield
    lidars = [lidar.name for lidar in source.lidars]
    meta = {"seq_name": sequence, "lidars": lidars, "frames": frames}
    place = folder / "meta_infos"
    place.mkdir(exist_ok=True)
    # Plain containers and numeric arrays only: our own reader refuses anything else.
    (place / f"{sequence}.pkl").write_bytes(pickle.dumps(_arrays(meta), HIGHEST_PICKLE))
    (place / f"{sequence}.json").write_text(json.dumps(meta, indent=1) + "\n")


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
    source: sensed.Scene,
    frame: sensed.Frame,
    lenses: dict[str, Undistortion],
) -> dict[str, Any]:
    """Write the cloud and the images of a frame; returns its entry in the meta data."""
    cloud = Path("pcds") / sequence / f"{frame.timestamp_us}.npz"
    (folder / cloud).parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / cloud, **merged_cloud(source, frame))
    cameras: dict[str, Any] = {}
    for name, image in frame.images.items():
        relative = (
            Path("undistort_images") / sequence / str(frame.timestamp_us) / f"{_file(name)}.jpg"
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


def merged_cloud(source: sensed.Scene, frame: sensed.Frame) -> dict[str, Any]:
    """data [N, 4] float32 (x, y, z, intensity) of all LiDARs, and sensor [N], whose each is."""
    parts, owners = [np.zeros((0, 4), np.float32)], [np.zeros(0, np.uint8)]
    for number, lidar in enumerate(source.lidars):
        sweep = frame.sweeps.get(lidar.name)
        if sweep is not None:
            parts.append(np.column_stack([sweep.points_ego, sweep.intensity]).astype(np.float32))
            owners.append(np.full(len(sweep), number, np.uint8))
    return {"data": np.concatenate(parts), "sensor": np.concatenate(owners)}


def _labels(
    frame: sensed.Frame,
    source: sensed.Scene,
    masks: Sequence[SnapshotMask],
    lenses: dict[str, Undistortion],
    volumes: dict[int, int],
    report: SceneReport,
) -> dict[str, Any]:
    """The frame's `sensors` entry; empty when nothing is labelled in it."""
    sensors: dict[str, Any] = {}
    lidars = [lidar.name for lidar in source.lidars if lidar.name in frame.sweeps]
    objects = _point_objects(frame, lidars, masks, volumes, report)
    if objects:
        sensors[MERGED] = {"objects": objects}
    for name in frame.images:
        objects = _pixel_objects(name, masks, lenses[name], volumes, report)
        if objects:
            sensors[name] = {"objects": objects}
    return sensors


def _point_objects(
    frame: sensed.Frame,
    lidars: Sequence[str],
    masks: Sequence[SnapshotMask],
    volumes: dict[int, int],
    report: SceneReport,
) -> list[dict[str, Any]]:
    owners = np.zeros(0, np.int64)
    ignored = np.zeros(0, bool)
    for name in lidars:
        sweep = frame.sweeps[name]
        part, hidden = _owners(masks, name, len(sweep))
        report.hidden += hidden
        owners = np.concatenate([owners, part])
        zone = sweep.in_no_label_zone
        ignored = np.concatenate([ignored, np.zeros(len(sweep), bool) if zone is None else zone])
    in_lidar = [mask for mask in masks if mask.sensor in lidars]
    objects = [
        {**described, "lidar_mask": coco_from_mask((owners == number)[:, None])}
        for number, described in _described(in_lidar, volumes)
        if (owners == number).any()
    ]
    if ignored.any() and masks:  # alone it is no label
        objects.append({"object_id": IGNORE, "lidar_mask": coco_from_mask(ignored[:, None])})
    return objects


def _pixel_objects(
    camera: str,
    masks: Sequence[SnapshotMask],
    undistortion: Undistortion,
    volumes: dict[int, int],
    report: SceneReport,
) -> list[dict[str, Any]]:
    lens = undistortion.lens
    mine = [mask for mask in masks if mask.sensor == camera]
    if not mine:
        return []
    owners, hidden = _owners(mine, camera, lens.width_px * lens.height_px)
    report.hidden += hidden
    straight = undistortion.labels(owners.reshape(lens.height_px, lens.width_px))
    gone = set(np.unique(owners)) - set(np.unique(straight))
    report.note("masks that lie outside of the undistorted image", len(gone))
    return [
        {**described, "image_mask": coco_from_mask(straight == number)}
        for number, described in _described(mine, volumes)
        if (straight == number).any()
    ]


def _owners(masks: Sequence[SnapshotMask], sensor: str, size: int) -> tuple[Any, int]:
    return top_owners(
        ((mask.track.number, mask.mask) for mask in masks if mask.sensor == sensor), size
    )


def _described(
    masks: Sequence[SnapshotMask], volumes: dict[int, int]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each track of `masks` once, with the layout's fields."""
    seen: dict[int, dict[str, Any]] = {}
    for mask in masks:
        track = mask.track
        if track.number not in seen:
            seen[track.number] = {
                "object_id": track.number,
                "instance": STUFF_INSTANCE if track.is_stuff else track.number,
                "is_stuff": track.is_stuff,
                "semantic": track.label_class.name,
                "volume": volumes[track.number],
                "score": _score(mask),
            }
    yield from seen.items()


def _score(mask: SnapshotMask) -> float:
    if mask.source == Source.MODEL and mask.confidence is not None:
        return mask.confidence
    return 1.0 if mask.track.score is None else mask.track.score


def _volumes(snapshot: Snapshot) -> dict[int, int]:
    areas = (
        snapshot.current_masks()
        .values_list("track__number", "reading__sensor__kind")
        .annotate(Sum("area"))
    )
    volumes: dict[int, int] = {}
    for number, _, area in sorted(areas, key=lambda row: row[1] == sensed.SensorKind.LIDAR):
        volumes[number] = area  # LiDAR comes last and replaces the pixels
    return volumes


def _write_labels(folder: Path, sequence: str, frame: sensed.Frame, sensors: dict[str, Any]) -> str:
    relative = Path("sam4d_labels") / sequence / f"{frame.timestamp_us}.json"
    (folder / relative).parent.mkdir(parents=True, exist_ok=True)
    (folder / relative).write_text(json.dumps({"sensors": sensors}) + "\n")
    return relative.as_posix()


def _file(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
