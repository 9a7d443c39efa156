"""Waymo's second container: one Parquet file per component and segment.

Everything is joined, from the left, onto `vehicle_pose`, which has one row per frame. Columns are
found by name; sensors may be given as numbers or by name, numbers in either width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from inference.datasets.range_image import BadRangeImage, shaped
from inference.datasets.waymo_names import CAMERAS, LASERS, name_of
from inference.datasets.waymo_parquet import TIMESTAMP, Component, Row, numbers
from inference.datasets.waymo_raw import (
    RawCamera,
    RawCuboid,
    RawFrame,
    RawImage,
    RawLaserCalibration,
    RawPanoptic,
    RawRectangle,
    RawReturn,
    RawSweep,
    RecordedFrame,
    clean,
)
from inference.scene import BadScene

# Component -> rows that are decoded at once: about a frame's worth of what is large.
COMPONENTS = {
    "vehicle_pose": 512,
    "camera_calibration": 64,
    "lidar_calibration": 64,
    "camera_image": 1,
    "lidar": 1,
    "lidar_pose": 1,
    "lidar_camera_projection": 1,
    "lidar_segmentation": 1,
    "camera_segmentation": 1,
    "lidar_box": 512,
    "camera_box": 512,
    "projected_lidar_box": 512,
    "stats": 512,
}
# What is of no use without the other.
NEEDS = {
    "camera_image": "camera_calibration",
    "lidar": "lidar_calibration",
    "lidar_pose": "lidar",
    "lidar_segmentation": "lidar",
    "camera_segmentation": "camera_image",
}
SEGMENT, CAMERA, LASER = "key.segment_context_name", "key.camera_name", "key.laser_name"
CAMERA_OBJECT, LASER_OBJECT = "key.camera_object_id", "key.laser_object_id"

_CAMERA_NUMBERS = {name: number for number, name in CAMERAS.items()}
_LASER_NUMBERS = {name.removeprefix("LIDAR_"): number for number, name in LASERS.items()}
_IMAGE = "[CameraImageComponent]"
_LIDAR = "[LiDARComponent]"
_PANOPTIC = "[CameraSegmentationLabelComponent]"
_LENS = ("f_u", "f_v", "c_u", "c_v", "k1", "k2", "p1", "p2", "k3")


class SegmentV2:
    """The components of one segment. Raises BadScene.

    split: the folder of the components.  context: the segment's name, which names the files.
    """

    def __init__(self, split: Path, context: str) -> None:
        self.file = f"{context}.parquet"
        self._context = context
        self._open: dict[str, Component] = {}
        for component, batch_rows in COMPONENTS.items():
            path = split / component / f"{context}.parquet"
            if path.is_file():
                self._open[component] = Component(path, batch_rows=batch_rows)
        self._check_components()
        self.name = context
        self.notes = self._notes()
        self.cameras = list(self._cameras())
        self.lasers = list(self._lasers())
        self.facts = self._facts()
        self.recorded = list(self._recorded())

    def read(self, frame: RecordedFrame) -> RawFrame:
        at = frame.timestamp_us
        return RawFrame(
            timestamp_us=at,
            world_from_vehicle=frame.world_from_vehicle,
            images=[
                _image(row) for row in self._rows("camera_image", at) if row[f"{_IMAGE}.image"]
            ],
            sweeps=list(self._sweeps(at)),
            cuboids=[_cuboid(row) for row in self._rows("lidar_box", at)],
            rectangles=[
                _rectangle(row, "CameraBoxComponent", CAMERA_OBJECT)
                for row in self._rows("camera_box", at)
            ],
            projected=[
                _rectangle(row, "ProjectedLiDARBoxComponent", LASER_OBJECT)
                for row in self._rows("projected_lidar_box", at)
            ],
            panoptics=[
                _panoptic(row)
                for row in self._rows("camera_segmentation", at)
                if row[f"{_PANOPTIC}.panoptic_label"]
            ],
        )

    def _rows(self, component: str, timestamp_us: int) -> Iterator[_Fields]:
        opened = self._open.get(component)
        if opened is not None:
            for row in opened.at(timestamp_us):
                yield _Fields(row, opened.file)

    def _all(self, component: str) -> Iterator[_Fields]:
        opened = self._open.get(component)
        if opened is not None:
            for row in opened.all():
                yield _Fields(row, opened.file)

    def _check_components(self) -> None:
        if "vehicle_pose" not in self._open:
            raise _missing("vehicle_pose", self._context, "every other component")
        for name, needed in NEEDS.items():
            if name in self._open and needed not in self._open:
                raise _missing(needed, self._context, name)
        # Without them a sweep is smeared by the vehicle's motion, by up to 1.5 m.
        if "lidar" in self._open and "lidar_pose" not in self._open:
            raise _missing("lidar_pose", self._context, "lidar")

    def _notes(self) -> list[str]:
        return [
            f"the component {name} is not there"
            for name in ("camera_image", "lidar")
            if name not in self._open
        ]

    def _recorded(self) -> Iterator[RecordedFrame]:
        cameras = self._sensors_by_time("camera_image", CAMERA, _CAMERA_NUMBERS, ())
        shapes = tuple(f"{_LIDAR}.range_image_return{number}.shape" for number in (1, 2))
        lasers = self._sensors_by_time("lidar", LASER, _LASER_NUMBERS, shapes)
        for record, row in enumerate(self._all("vehicle_pose")):
            if row[SEGMENT] != self._context:
                raise BadScene(
                    f"{row.file}, record {record}: belongs to segment {row[SEGMENT]!r}, the file's "
                    f"name says {self._context!r}",
                    file=row.file,
                    record=record,
                )
            timestamp_us = row[TIMESTAMP]
            if not isinstance(timestamp_us, int) or not 0 < timestamp_us < 2**62:
                raise BadScene(
                    f"{row.file}, record {record}: its time is {timestamp_us!r}",
                    file=row.file,
                    record=record,
                )
            yield RecordedFrame(
                timestamp_us=timestamp_us,
                world_from_vehicle=numbers(
                    row["[VehiclePoseComponent].world_from_vehicle.transform"]
                ),
                record=record,
                cameras=frozenset(cameras.get(timestamp_us, ())),
                lasers=frozenset(lasers.get(timestamp_us, ())),
            )

    def _sensors_by_time(
        self, component: str, key: str, known: Mapping[str, int], content: tuple[str, ...]
    ) -> dict[int, set[int]]:
        """Which sensors have a reading at each time; of `content` one must not be null."""
        found: dict[int, set[int]] = {}
        opened = self._open.get(component)
        if opened is not None:
            for row in opened.keys(TIMESTAMP, key, *content):
                if not content or any(row[name] for name in content):
                    sensor = _sensor(row[key], known, opened.file)
                    found.setdefault(row[TIMESTAMP], set()).add(sensor)
        return found

    def _cameras(self) -> Iterator[RawCamera]:
        prefix = "[CameraCalibrationComponent]"
        for row in self._all("camera_calibration"):
            yield RawCamera(
                camera=row.camera,
                intrinsics=[row.number(f"{prefix}.intrinsic.{name}") for name in _LENS],
                vehicle_from_camera=numbers(row[f"{prefix}.extrinsic.transform"]),
                width_px=row.integer(f"{prefix}.width"),
                height_px=row.integer(f"{prefix}.height"),
                shutter_direction=row.integer(f"{prefix}.rolling_shutter_direction"),
            )

    def _lasers(self) -> Iterator[RawLaserCalibration]:
        prefix = "[LiDARCalibrationComponent]"
        for row in self._all("lidar_calibration"):
            yield RawLaserCalibration(
                laser=row.laser,
                inclinations=numbers(row.get(f"{prefix}.beam_inclination.values")),
                lowest=row.number(f"{prefix}.beam_inclination.min"),
                highest=row.number(f"{prefix}.beam_inclination.max"),
                vehicle_from_laser=numbers(row[f"{prefix}.extrinsic.transform"]),
            )

    def _facts(self) -> dict[str, str]:
        for row in self._all("stats"):
            stated = {
                name: row.get(f"[StatsComponent].{name}")
                for name in ("time_of_day", "location", "weather")
            }
            return {name: clean(str(value)) for name, value in stated.items() if value}
        return {}

    def _sweeps(self, timestamp_us: int) -> Iterator[RawSweep]:
        poses = {row.laser: row for row in self._rows("lidar_pose", timestamp_us)}
        pixels = {row.laser: row for row in self._rows("lidar_camera_projection", timestamp_us)}
        labelled = {row.laser: row for row in self._rows("lidar_segmentation", timestamp_us)}
        for row in self._rows("lidar", timestamp_us):
            laser = row.laser
            try:
                first, second = (
                    _return(number, row, pixels.get(laser), labelled.get(laser))
                    for number in (1, 2)
                )
                cell_poses = _matrix(poses.get(laser), "LiDARPoseComponent", 1, 6)
            except BadRangeImage as error:
                raise BadRangeImage(f"{name_of(laser, LASERS)}: {error}") from error
            if first is not None or second is not None:
                yield RawSweep(laser, first, second, cell_poses)


class _Fields:
    """A row, with errors that name its file."""

    def __init__(self, row: Row, file: str) -> None:
        self._row, self.file = row, file

    def __getitem__(self, column: str) -> Any:
        if column not in self._row:
            raise BadScene(f"{self.file}: has no column {column!r}", file=self.file)
        return self._row[column]

    def get(self, column: str) -> Any:
        return self._row.get(column)

    def number(self, column: str) -> float:
        value = self._row.get(column)
        return 0.0 if value is None else float(value)

    def integer(self, column: str) -> int:
        value = self._row.get(column)
        return 0 if value is None else int(value)

    @property
    def camera(self) -> int:
        return _sensor(self[CAMERA], _CAMERA_NUMBERS, self.file)

    @property
    def laser(self) -> int:
        return _sensor(self[LASER], _LASER_NUMBERS, self.file)


def _sensor(value: int | str | None, known: Mapping[str, int], file: str) -> int:
    """Released files have numbers, older ones names."""
    if isinstance(value, int):
        return value
    if value is not None and value in known:
        return known[value]
    raise BadScene(f"{file}: a sensor is called {value!r}", file=file)


def _missing(component: str, context: str, why: str) -> BadScene:
    file = f"{component}/{context}.parquet"
    return BadScene(f"{file} is missing; {why} cannot be read without it", file=file)


def _image(row: _Fields) -> RawImage:
    shutter, speed = f"{_IMAGE}.rolling_shutter_params", f"{_IMAGE}.velocity"
    return RawImage(
        camera=row.camera,
        encoded=row[f"{_IMAGE}.image"],
        world_from_vehicle=numbers(row[f"{_IMAGE}.pose.transform"]),
        pose_time_s=row.number(f"{_IMAGE}.pose_timestamp"),
        exposure_s=row.number(f"{shutter}.shutter"),
        trigger_s=row.number(f"{shutter}.camera_trigger_time"),
        readout_done_s=row.number(f"{shutter}.camera_readout_done_time"),
        velocity=[
            row.number(f"{speed}.{kind}_velocity.{axis}")
            for kind in ("linear", "angular")
            for axis in "xyz"
        ],
    )


def _matrix(row: _Fields | None, component: str, number: int, channels: int) -> Any:
    """[H, W, channels], or None where the row or its values are missing."""
    prefix = f"[{component}].range_image_return{number}"
    values = None if row is None else row.get(f"{prefix}.values")
    if row is None or values is None or not len(values):
        return None
    try:
        return shaped(values, row[f"{prefix}.shape"], channels=channels)
    except BadRangeImage as error:
        raise BadRangeImage(f"{component}, return {number}: {error}") from error


def _return(
    number: int, row: _Fields, pixels: _Fields | None, labelled: _Fields | None
) -> RawReturn | None:
    cells = _matrix(row, "LiDARComponent", number, 4)
    if cells is None:
        return None
    return RawReturn(
        cells=cells.astype(np.float32, copy=False),
        camera_pixels=_matrix(pixels, "LiDARCameraProjectionComponent", number, 6),
        segmentation=_matrix(labelled, "LiDARSegmentationLabelComponent", number, 2),
    )


def _triple(row: _Fields, prefix: str) -> tuple[float, float, float]:
    x, y, z = (row.number(f"{prefix}.{axis}") for axis in "xyz")
    return x, y, z


def _cuboid(row: _Fields) -> RawCuboid:
    prefix = "[LiDARBoxComponent]"
    is_moving_known = row.get(f"{prefix}.speed.x") is not None
    count = row.get(f"{prefix}.num_lidar_points_in_box")
    return RawCuboid(
        track=clean(str(row[LASER_OBJECT])),
        label_class=row.integer(f"{prefix}.type"),
        centre=_triple(row, f"{prefix}.box.center"),
        size=_triple(row, f"{prefix}.box.size"),
        heading=row.number(f"{prefix}.box.heading"),
        velocity=_triple(row, f"{prefix}.speed") if is_moving_known else None,
        point_count=None if count is None else int(count),
    )


def _rectangle(row: _Fields, component: str, key: str) -> RawRectangle:
    box = f"[{component}].box"
    return RawRectangle(
        camera=row.camera,
        track=clean(str(row[key])),
        label_class=row.integer(f"[{component}].type"),
        centre_px=(row.number(f"{box}.center.x"), row.number(f"{box}.center.y")),
        size_px=(row.number(f"{box}.size.x"), row.number(f"{box}.size.y")),
    )


def _panoptic(row: _Fields) -> RawPanoptic:
    mapping = f"{_PANOPTIC}.instance_id_to_global_id_mapping"
    columns = ("local_instance_ids", "global_instance_ids", "is_tracked")
    listed = [numbers(row.get(f"{mapping}.{column}")).tolist() for column in columns]
    return RawPanoptic(
        camera=row.camera,
        encoded=row[f"{_PANOPTIC}.panoptic_label"],
        divisor=row.integer(f"{_PANOPTIC}.panoptic_label_divisor"),
        sequence=clean(str(row.get(f"{_PANOPTIC}.sequence_id") or "")),
        tracked={
            int(local): int(whole)
            for local, whole, is_tracked in zip(*listed, strict=True)
            if is_tracked
        },
    )
