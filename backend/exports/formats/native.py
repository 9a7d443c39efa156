"""Masklet's own format: lossless, with every edit (inference/datasets/native_layout.py)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from backend.annotations.history import named_change
from backend.annotations.models import Track
from backend.exports.report import SceneReport
from backend.exports.snapshot import Snapshot
from backend.scenes import storage, sweep_codec
from backend.scenes.models import Frame, Reading, Sensor
from inference.datasets import native_layout as layout
from inference.scene import SensorKind


def write(
    snapshot: Snapshot, folder: Path, report: SceneReport, with_readings: bool
) -> Iterator[None]:
    """Fill `folder` with one scene; yields after each frame."""
    import pyarrow as pa
    from pyarrow import parquet

    report.tracks = len(snapshot.tracks)
    frames: list[dict[str, Any]] = []
    schema = layout.mask_schema()
    with parquet.ParquetWriter(folder / layout.MASKS, schema, compression="zstd") as masks:
        for frame in snapshot.scene.frames.all():
            readings = list(frame.readings.select_related("sensor").order_by("sensor__number"))
            rows = _mask_rows(snapshot, frame)
            masks.write_table(pa.Table.from_pylist(rows, schema=schema))
            frames.append(_frame(frame, readings, folder if with_readings else None))
            report.frames += 1
            report.masks += sum(row["until_revision"] is None for row in rows)
            yield
    _write_json(folder / layout.SCENE, _scene(snapshot, frames, with_readings))
    tracks = sorted(snapshot.tracks + snapshot.deleted_tracks, key=lambda track: track.number)
    _write_json(folder / layout.TRACKS, [_track(track) for track in tracks])
    _write_edits(folder / layout.EDITS, snapshot)
    for name, rows, columns in (
        (layout.CUBOIDS, _cuboid_rows(snapshot), layout.cuboid_schema()),
        (layout.RECTANGLES, _rectangle_rows(snapshot), layout.rectangle_schema()),
    ):
        table = pa.Table.from_pylist(rows, schema=columns)
        parquet.write_table(table, folder / name, compression="zstd")


def _scene(snapshot: Snapshot, frames: list[dict[str, Any]], with_readings: bool) -> dict[str, Any]:
    scene = snapshot.scene
    return {
        "masklet_native": layout.VERSION,
        "name": scene.source_name,
        "facts": scene.facts,
        "revision": snapshot.revision,
        "next_track": snapshot.next_track,
        "has_readings": with_readings,
        "source_from_world": scene.source_from_world,
        "sensors": [_sensor(row) for row in scene.sensors.select_related("calibration")],
        "label_classes": list(
            scene.project.label_classes.values("name", "colour", "is_stuff", "position")
        ),
        "frames": frames,
    }


def _sensor(row: Sensor) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "ego_from_sensor": row.calibration.ego_from_sensor,
        "intrinsics": row.calibration.intrinsics,
        "shutter_direction": row.calibration.shutter_direction,
        "beam_elevations": row.calibration.beam_elevations,
    }


def _frame(frame: Frame, readings: Sequence[Reading], folder: Path | None) -> dict[str, Any]:
    """A frame's description; its readings are written when there is a folder for them."""
    described: dict[str, Any] = {
        "timestamp_us": frame.timestamp_us,
        "world_from_ego": frame.world_from_ego,
        "readings": {},
    }
    for reading in readings:
        described["readings"][reading.sensor.name] = {
            "timestamp_us": reading.timestamp_us,
            "size": reading.size,
            "extension": _write_reading(folder, frame.index, reading) if folder else None,
            "world_from_ego": reading.world_from_ego,
            "shutter": reading.shutter,
        }
    return described


def _write_reading(folder: Path, index: int, reading: Reading) -> str:
    """An image as it was recorded, or a sweep as a table; returns the file's extension."""
    from pyarrow import parquet

    sensor = reading.sensor
    place = folder / layout.reading_folder(sensor.number, sensor.name)
    place.mkdir(parents=True, exist_ok=True)
    data = storage.get(reading.source_key)
    if sensor.kind == SensorKind.LIDAR:
        table = layout.table_from_sweep(sweep_codec.decode_source(data))
        parquet.write_table(
            table, place / f"{index:06d}.parquet", compression="zstd", use_dictionary=False
        )
        return "parquet"
    extension = layout.image_extension(data)
    (place / f"{index:06d}.{extension}").write_bytes(data)
    return extension


def _mask_rows(snapshot: Snapshot, frame: Frame) -> list[dict[str, Any]]:
    rows = (
        snapshot.mask_rows()
        .filter(reading__frame=frame)
        .order_by("track__number", "reading__sensor__number", "from_revision")
        .values_list(
            "reading__sensor__name", "track__number", "runs", "area", "source", "confidence",
            "from_revision", "until_revision",
        )
    )  # fmt: skip
    return [
        {
            "frame": frame.index,
            "sensor": sensor,
            "track": track,
            "runs": bytes(runs),
            "area": area,
            "source": source,
            "confidence": confidence,
            "from_revision": since,
            "until_revision": snapshot.until(until),
        }
        for sensor, track, runs, area, source, confidence, since, until in rows
    ]


def _cuboid_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    rows = (
        snapshot.cuboid_rows()
        .select_related("frame", "track")
        .order_by("frame__index", "track__number", "from_revision")
    )
    return [
        {
            "frame": row.frame.index,
            "track": row.track.number,
            "centre_ego": row.centre_ego,
            "size": row.size,
            "heading": row.heading,
            "source": row.source,
            "from_revision": row.from_revision,
            "until_revision": snapshot.until(row.until_revision),
        }
        for row in rows
    ]


def _rectangle_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    rows = (
        snapshot.rectangles()
        .select_related("reading__frame", "reading__sensor", "track")
        .order_by("reading__frame__index", "reading__sensor__number", "track__number")
    )
    return [
        {
            "frame": row.reading.frame.index,
            "sensor": row.reading.sensor.name,
            "track": row.track.number,
            "corners_px": row.corners_px,
        }
        for row in rows
    ]


def _track(track: Track) -> dict[str, Any]:
    return {
        "number": track.number,
        "label_class": track.label_class.name,
        "name": track.name,
        "is_stuff": track.is_stuff,
        "draw_order": track.draw_order,
        "source": track.source,
        "source_key": track.source_key,
        "score": track.score,
        "from_revision": track.from_revision,
        "changed_revision": track.changed_revision,
        "deleted_revision": track.deleted_revision,
    }


def _write_edits(path: Path, snapshot: Snapshot) -> None:
    classes = dict(snapshot.scene.project.label_classes.values_list("pk", "name"))
    with path.open("w") as lines:
        for edit in snapshot.edits().iterator():
            change, by = named_change(edit.change, classes)
            row = {
                "revision": edit.revision,
                "operation_id": str(edit.operation_id),
                "group": str(edit.group),
                "undoes": str(edit.undoes) if edit.undoes else None,
                "change": change,
                "by": edit.by.username if edit.by else by,
                "at": edit.at.isoformat(),
                "tool": edit.tool,
                "model": edit.model,
                "model_version": edit.model_version,
            }
            lines.write(json.dumps(row, sort_keys=True) + "\n")


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")
