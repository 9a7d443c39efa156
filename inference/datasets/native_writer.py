"""Writes a scene as Masklet's own archive, frame by frame, without a database.

What labels it has become one revision of imported tracks (see native_layout.py). Reading it back
gives the same frames and labels.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inference.datasets import native_layout as layout
from inference.masks import encode_runs
from inference.scene import Frame, Scene, SensorKind

# Spread over the colour circle by the golden angle, so that neighbours in the list differ.
_TURN_DEG = 137.508


def write_scene(scene: Scene, folder: Path) -> Iterator[Frame]:
    """Fill a folder; yields each frame once it is written, so that the caller sees progress."""
    import pyarrow as pa
    from pyarrow import parquet

    folder.mkdir(parents=True, exist_ok=True)
    tracks = _Tracks()
    frames: list[dict[str, Any]] = []
    cuboids: list[dict[str, Any]] = []
    rectangles: list[dict[str, Any]] = []
    schema = layout.mask_schema()
    with parquet.ParquetWriter(folder / layout.MASKS, schema, compression="zstd") as masks:
        for frame in scene.frames:
            frames.append(_frame(scene, frame, folder))
            rows = [_mask_row(frame.index, label, tracks) for label in frame.labels.masks]
            masks.write_table(pa.Table.from_pylist(rows, schema=schema))
            for box in frame.labels.cuboids:
                cuboids.append(
                    {"frame": frame.index, "track": tracks.number(box.track, box.label_class),
                     "centre_ego": list(box.centre_ego), "size": list(box.size),
                     "heading": box.heading, "source": "import", "from_revision": 1,
                     "until_revision": None}
                )  # fmt: skip
            for drawn in frame.labels.rectangles:
                rectangles.append(
                    {"frame": frame.index, "sensor": drawn.sensor,
                     "track": tracks.number(drawn.track, drawn.label_class),
                     "corners_px": list(drawn.corners_px)}
                )  # fmt: skip
            yield frame
    for name, rows, columns in (
        (layout.CUBOIDS, cuboids, layout.cuboid_schema()),
        (layout.RECTANGLES, rectangles, layout.rectangle_schema()),
    ):
        table = pa.Table.from_pylist(rows, schema=columns)
        parquet.write_table(table, folder / name, compression="zstd")
    _write_json(folder / layout.TRACKS, list(tracks.rows.values()))
    (folder / layout.EDITS).write_text("")
    _write_json(folder / layout.SCENE, _described(scene, frames, tracks))


class _Tracks:
    """Numbers for the keys by which a recording knows its tracks."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}

    def number(self, key: str, label_class: str, *, is_stuff: bool = False) -> int:
        if key not in self.rows:
            number = len(self.rows) + 1
            self.rows[key] = {
                "number": number, "label_class": label_class, "name": key, "is_stuff": is_stuff,
                "draw_order": number, "source": "import", "source_key": key, "score": None,
                "from_revision": 1, "changed_revision": 1, "deleted_revision": None,
            }  # fmt: skip
        return int(self.rows[key]["number"])


def _mask_row(frame: int, label: Any, tracks: _Tracks) -> dict[str, Any]:
    return {
        "frame": frame,
        "sensor": label.sensor,
        "track": tracks.number(label.track, label.label_class, is_stuff=label.is_stuff),
        "runs": encode_runs(label.mask),
        "area": int(label.mask.sum()),
        "source": "import",
        "confidence": None,
        "from_revision": 1,
        "until_revision": None,
    }


def _frame(scene: Scene, frame: Frame, folder: Path) -> dict[str, Any]:
    from pyarrow import parquet

    readings: dict[str, dict[str, Any]] = {}
    for number, sensor in enumerate(scene.sensors):
        place = folder / layout.reading_folder(number, sensor.name)
        sweep, image = frame.sweeps.get(sensor.name), frame.images.get(sensor.name)
        if sensor.kind is SensorKind.LIDAR and sweep is not None:
            place.mkdir(parents=True, exist_ok=True)
            parquet.write_table(layout.table_from_sweep(sweep), place / f"{frame.index:06d}.parquet",
                                compression="zstd", use_dictionary=False)  # fmt: skip
            readings[sensor.name] = _reading(sweep.timestamp_us, len(sweep), "parquet")
        elif sensor.kind is SensorKind.CAMERA and image is not None:
            place.mkdir(parents=True, exist_ok=True)
            extension = layout.image_extension(image.encoded)
            (place / f"{frame.index:06d}.{extension}").write_bytes(image.encoded)
            lens = sensor.calibration.intrinsics
            assert lens is not None
            described = _reading(image.timestamp_us, lens.width_px * lens.height_px, extension)
            if image.world_from_ego is not None:
                described["world_from_ego"] = image.world_from_ego.ravel().tolist()
            if image.shutter is not None:
                described["shutter"] = asdict(image.shutter)
            readings[sensor.name] = described
    return {
        "timestamp_us": frame.timestamp_us,
        "world_from_ego": frame.world_from_ego.ravel().tolist(),
        "readings": readings,
    }


def _reading(timestamp_us: int, size: int, extension: str) -> dict[str, Any]:
    return {"timestamp_us": timestamp_us, "size": size, "extension": extension,
            "world_from_ego": None, "shutter": None}  # fmt: skip


def _described(scene: Scene, frames: list[dict[str, Any]], tracks: _Tracks) -> dict[str, Any]:
    classes = {row["label_class"]: row["is_stuff"] for row in tracks.rows.values()}
    return {
        "masklet_native": layout.VERSION,
        "name": scene.name,
        "facts": dict(scene.facts),
        "revision": 1,
        "next_track": len(tracks.rows) + 1,
        "has_readings": True,
        "source_from_world": scene.source_from_world.ravel().tolist(),
        "sensors": [layout.sensor_record(sensor) for sensor in scene.sensors],
        "label_classes": [
            {"name": name, "colour": _colour(place), "is_stuff": is_stuff, "position": place}
            for place, (name, is_stuff) in enumerate(sorted(classes.items()))
        ],
        "frames": frames,
    }


def _colour(place: int) -> str:
    import colorsys

    rgb = colorsys.hls_to_rgb(place * _TURN_DEG % 360 / 360, 0.6, 0.65)
    return "#" + "".join(f"{round(255 * c):02x}" for c in rgb)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")
