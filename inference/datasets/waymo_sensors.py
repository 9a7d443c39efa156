"""The sensors of a Waymo segment: calibrations checked and turned to the house's axes.

- Cameras: x forward, y left, z up in the recording; x right, y down, z forward from here on.
- Pixels: Waymo counts from the image's left and top edge, as we do (its boxes reach from 0 to the
  width), so nothing moves by half a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference.datasets.waymo_names import CAMERAS, LASERS, SHUTTER_DIRECTIONS, name_of
from inference.datasets.waymo_raw import RawCamera, RawLaserCalibration, RecordedFrame, Segment
from inference.geometry import Intrinsics, NotRigid, check_rigid
from inference.scene import (
    BadScene,
    Calibration,
    Float64Array,
    Problem,
    Sensor,
    SensorKind,
    ShutterDirection,
)

_CAMERA_AXES = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
MAX_IMAGE_PIXELS = 50_000_000
FARTHEST_M = 1e8


class Report:
    """What is odd, each thing once however often a frame is read."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._said: set[tuple[int | None, str]] = set()
        self.problems: list[Problem] = []

    def __call__(self, record: int | None, message: str) -> None:
        if (record, message) not in self._said:
            self._said.add((record, message))
            self.problems.append(Problem(self._file, record, message))


@dataclass(frozen=True)
class Laser:
    sensor: Sensor
    raw: RawLaserCalibration


def cameras_of(segment: Segment, report: Report) -> dict[int, Sensor]:
    """By number, in the order of the panorama."""
    stated = {camera.camera: camera for camera in segment.cameras}
    for number in sorted(stated.keys() - CAMERAS.keys()):
        report(None, f"camera number {number} is not one of the five; left out")
    return {
        number: _camera(segment, stated[number], name)
        for number, name in CAMERAS.items()
        if number in stated
    }


def _camera(segment: Segment, raw: RawCamera, name: str) -> Sensor:
    lens = [float(value) for value in raw.intrinsics]
    if len(lens) != 9 or not np.isfinite(lens).all() or min(lens[:2], default=0) <= 0:
        raise BadScene(f"{segment.file}: camera {name} has intrinsics {lens}", file=segment.file)
    if min(raw.width_px, raw.height_px) < 1 or raw.width_px * raw.height_px > MAX_IMAGE_PIXELS:
        size = f"{raw.width_px}x{raw.height_px}"
        raise BadScene(f"{segment.file}: camera {name} has {size} pixels", file=segment.file)
    fx, fy, cx, cy, k1, k2, p1, p2, k3 = lens
    mount = checked_pose(segment, raw.vehicle_from_camera, f"the extrinsic of camera {name}")
    intrinsics = Intrinsics(
        fx=fx, fy=fy, cx=cx, cy=cy, width_px=raw.width_px, height_px=raw.height_px,
        k1=k1, k2=k2, p1=p1, p2=p2, k3=k3,
    )  # fmt: skip
    direction = SHUTTER_DIRECTIONS.get(raw.shutter_direction, ShutterDirection.UNKNOWN)
    return Sensor(
        name, SensorKind.CAMERA, Calibration(mount @ _CAMERA_AXES.T, intrinsics, direction)
    )


def lasers_of(
    segment: Segment, recorded: Sequence[RecordedFrame], report: Report
) -> dict[int, Laser]:
    """Those that have measured something and whose mount is known, by number."""
    stated = {laser.laser: laser for laser in segment.lasers}
    filled = set().union(*(frame.lasers for frame in recorded))
    lasers: dict[int, Laser] = {}
    for number in sorted(filled | stated.keys()):
        name = name_of(number, LASERS)
        if number not in LASERS:
            report(None, f"laser number {number} is not one of the five; left out")
        elif number not in stated:
            report(None, f"{name} has range images but no calibration; left out")
        elif number not in filled:
            report(None, f"{name} is calibrated, but empty in every frame; left out")
        else:
            lasers[number] = _laser(segment, stated[number], name)
    return lasers


def _laser(segment: Segment, raw: RawLaserCalibration, name: str) -> Laser:
    mount = checked_pose(segment, raw.vehicle_from_laser, f"the extrinsic of {name}")
    if not np.isfinite((*raw.inclinations, raw.lowest, raw.highest)).all():
        raise BadScene(f"{segment.file}: {name} has inclinations of NaN", file=segment.file)
    elevations = tuple(float(angle) for angle in raw.inclinations[::-1])
    calibration = Calibration(mount, beam_elevations=elevations)
    return Laser(Sensor(name, SensorKind.LIDAR, calibration), raw)


def checked_pose(
    segment: Segment, numbers: Float64Array, what: str, record: int | None = None
) -> Float64Array:
    """`matrix_of`, with an error that names the file and the record. Raises BadScene."""
    try:
        return matrix_of(numbers, what)
    except NotRigid as error:
        where = segment.file if record is None else f"{segment.file}, record {record}"
        raise BadScene(f"{where}: {error}", file=segment.file, record=record) from error


def matrix_of(numbers: Float64Array, what: str) -> Float64Array:
    """Sixteen numbers, row by row, as a rigid [4, 4]. Raises NotRigid."""
    if np.size(numbers) != 16:
        raise NotRigid(f"{what} has {np.size(numbers)} numbers, not 16")
    with np.errstate(over="ignore", invalid="ignore"):  # absurd numbers are not rigid, no surprise
        matrix = check_rigid(np.reshape(numbers, (4, 4)), what=what)
    if np.abs(matrix[:3, 3]).max() > FARTHEST_M:
        raise NotRigid(f"{what} is more than {FARTHEST_M:g} m from the origin")
    return matrix
