"""Masklet's own format: what lies where, and the columns of its tables. Both ends use it.

A scene is a folder (or a zip file that holds one):

    scene.json          sensors, calibration, frames with poses, classes, the revision
    tracks.json         every track, deleted ones included
    edits.jsonl         every edit, one a line, oldest first
    masks.parquet       one row group per frame; runs as in inference/masks.py
    cuboids.parquet     ego of their frame
    rectangles.parquet  pixels
    readings/NN_SENSOR/FFFFFF.(jpg|png|parquet)   only with readings

A mask or cuboid holds from `from_revision` until `until_revision` (null: it holds now), so that
every earlier state of the labels can be read back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.geometry import FloatArray, Intrinsics, NotRigid, check_rigid
from inference.scene import (
    BadScene,
    Calibration,
    Sensor,
    SensorKind,
    ShutterDirection,
    Sweep,
)

if TYPE_CHECKING:
    import pyarrow

VERSION = 1
SCENE, TRACKS, EDITS = "scene.json", "tracks.json", "edits.jsonl"
MASKS, CUBOIDS, RECTANGLES = "masks.parquet", "cuboids.parquet", "rectangles.parquet"

# Columns of a sweep that are one array each; points_ego and camera_pixels are split in theirs.
_POINTS = ("x", "y", "z")
_PLAIN = (
    "intensity", "elongation", "time_offset_us", "source_index", "return_number", "row", "column",
    "in_no_label_zone",
)  # fmt: skip
_PIXELS = ("camera_0", "u_0", "v_0", "camera_1", "u_1", "v_1")


@dataclass(frozen=True)
class HistoricTrack:
    number: int
    label_class: str
    name: str
    is_stuff: bool
    draw_order: int
    source: str
    source_key: str
    score: float | None
    from_revision: int
    changed_revision: int
    deleted_revision: int | None


@dataclass(frozen=True)
class HistoricMask:
    frame: int
    sensor: str
    track: int
    runs: bytes
    area: int
    source: str
    confidence: float | None
    from_revision: int
    until_revision: int | None


@dataclass(frozen=True)
class HistoricCuboid:
    """centre_ego and size (length, width, height) in metres, heading in radians about z."""

    frame: int
    track: int
    centre_ego: list[float]
    size: list[float]
    heading: float
    source: str
    from_revision: int
    until_revision: int | None


@dataclass(frozen=True)
class HistoricRectangle:
    """corners_px: (u0, v0, u1, v1)."""

    frame: int
    sensor: str
    track: int
    corners_px: list[float]


@dataclass(frozen=True)
class HistoricEdit:
    """`change` names label classes by name; `by` is whoever did it, as text."""

    revision: int
    operation_id: str
    group: str
    undoes: str | None
    change: dict[str, Any]
    by: str | None
    at: datetime
    tool: str
    model: str
    model_version: str


def reading_folder(number: int, sensor: str) -> str:
    """Where a sensor's readings are; safe as a path whatever the sensor is called."""
    return f"readings/{number:02d}_{re.sub(r'[^A-Za-z0-9-]+', '_', sensor)[:60]}"


def image_extension(encoded: bytes) -> str:
    """What an image is, by its first bytes. Raises BadScene."""
    if encoded.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if encoded.startswith(b"\x89PNG"):
        return "png"
    raise BadScene(f"an image is neither JPEG nor PNG: it starts with {encoded[:4]!r}")


def sensor_record(sensor: Sensor) -> dict[str, Any]:
    """What JSON can hold."""
    calibration = sensor.calibration
    lens = calibration.intrinsics
    return {
        "name": sensor.name,
        "kind": sensor.kind.value,
        "ego_from_sensor": calibration.ego_from_sensor.ravel().tolist(),
        "intrinsics": None if lens is None else asdict(lens),
        "shutter_direction": calibration.shutter_direction.value,
        "beam_elevations": list(calibration.beam_elevations),
    }


def sensor_of(described: Mapping[str, Any]) -> Sensor:
    """The way back. Raises KeyError, TypeError or ValueError for what `sensor_record` did not make."""
    lens = described["intrinsics"]
    what = f"sensor {described['name']}, ego_from_sensor"
    return Sensor(
        name=described["name"],
        kind=SensorKind(described["kind"]),
        calibration=Calibration(
            ego_from_sensor=rigid_of(described["ego_from_sensor"], what),
            intrinsics=Intrinsics(**lens) if lens else None,
            shutter_direction=ShutterDirection(described["shutter_direction"]),
            beam_elevations=tuple(described["beam_elevations"]),
        ),
    )


def rigid_of(values: Sequence[float], what: str) -> FloatArray:
    """[4, 4] of 16 numbers. Raises NotRigid."""
    matrix = np.array(values, dtype=np.float64)
    if matrix.size != 16:
        raise NotRigid(f"{what}: expected 16 numbers, got {matrix.size}")
    return check_rigid(matrix.reshape(4, 4), what=what)


def mask_schema() -> pyarrow.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            ("frame", pa.int32()),
            ("sensor", pa.string()),
            ("track", pa.int32()),
            ("runs", pa.binary()),
            ("area", pa.int64()),
            ("source", pa.string()),
            ("confidence", pa.float64()),
            ("from_revision", pa.int64()),
            ("until_revision", pa.int64()),
        ]
    )


def cuboid_schema() -> pyarrow.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            ("frame", pa.int32()),
            ("track", pa.int32()),
            ("centre_ego", pa.list_(pa.float64(), 3)),
            ("size", pa.list_(pa.float64(), 3)),
            ("heading", pa.float64()),
            ("source", pa.string()),
            ("from_revision", pa.int64()),
            ("until_revision", pa.int64()),
        ]
    )


def rectangle_schema() -> pyarrow.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            ("frame", pa.int32()),
            ("sensor", pa.string()),
            ("track", pa.int32()),
            ("corners_px", pa.list_(pa.float64(), 4)),
        ]
    )


def table_from_sweep(sweep: Sweep) -> pyarrow.Table:
    """All columns of a sweep, bit for bit; those that it lacks are left out."""
    import pyarrow as pa

    columns: dict[str, Any] = dict(zip(_POINTS, sweep.points_ego.T, strict=True))
    columns |= {name: getattr(sweep, name) for name in _PLAIN}
    if sweep.camera_pixels is not None:
        columns |= dict(zip(_PIXELS, sweep.camera_pixels.T, strict=True))
    present = {name: array for name, array in columns.items() if array is not None}
    return pa.table({name: np.ascontiguousarray(array) for name, array in present.items()})


def sweep_from_table(table: pyarrow.Table, *, timestamp_us: int) -> Sweep:
    """The sweep that `table_from_sweep` was given. Raises KeyError when a column is missing."""
    names = set(table.column_names)
    columns = {name: table[name].to_numpy() for name in names}
    pixels = None
    if names.issuperset(_PIXELS):
        pixels = np.stack([columns[name] for name in _PIXELS], axis=1)
    return Sweep(
        points_ego=np.stack([columns[name] for name in _POINTS], axis=1),
        timestamp_us=timestamp_us,
        camera_pixels=pixels,
        **{name: columns.get(name) for name in _PLAIN if name != "intensity"},
        intensity=columns["intensity"],
    )


def rows_of(table: pyarrow.Table) -> Iterator[dict[str, Any]]:
    yield from table.to_pylist()
