"""What was recorded, as frozen data: Scene, Sensor, Calibration, Frame, Image, Sweep, and labels.

A `Scene` is a description plus its frames. Frames are read one at a time and never kept: a drive
is a gigabyte, a frame five megabytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from inference.geometry import FloatArray, Intrinsics

Float32Array = npt.NDArray[np.float32]
Float64Array = FloatArray  # float64 by convention: world coordinates need it


class BadScene(ValueError):
    """A recording that cannot be read: says which file, which record, what was wrong, what to do."""

    def __init__(self, message: str, *, file: str = "", record: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.record = record


class SensorKind(StrEnum):
    CAMERA = "camera"
    LIDAR = "lidar"


class ShutterDirection(StrEnum):
    UNKNOWN = "unknown"
    TOP_TO_BOTTOM = "top_to_bottom"
    LEFT_TO_RIGHT = "left_to_right"
    BOTTOM_TO_TOP = "bottom_to_top"
    RIGHT_TO_LEFT = "right_to_left"
    GLOBAL = "global"


@dataclass(frozen=True)
class Calibration:
    """Where a sensor sits and how it sees.

    ego_from_sensor: [4, 4]; the sensor's axes are x right, y down, z forward for a camera and
    z up for a LiDAR, its origin where the light is measured.
    """

    ego_from_sensor: Float64Array
    intrinsics: Intrinsics | None = None  # cameras
    shutter_direction: ShutterDirection = ShutterDirection.UNKNOWN
    # Elevation of each beam, radians, in the row order of `Sweep.row` (top beam first).
    beam_elevations: tuple[float, ...] = ()


@dataclass(frozen=True)
class Sensor:
    name: str
    kind: SensorKind
    calibration: Calibration


@dataclass(frozen=True)
class ShutterTimes:
    """Rolling-shutter facts, kept for later; seconds since the Unix epoch unless said otherwise.

    No per-column solver is built on them: the known one is patented (docs/decisions).
    """

    exposure_s: float
    trigger_s: float
    readout_done_s: float
    velocity_world: tuple[float, float, float]  # m/s
    angular_velocity_ego: tuple[float, float, float]  # rad/s


@dataclass(frozen=True)
class Image:
    """One camera's reading: the file's own JPEG or PNG bytes, never re-encoded."""

    encoded: bytes
    timestamp_us: int
    # Where the vehicle was when this camera looked; None: the frame's own pose is all we have.
    world_from_ego: Float64Array | None = None
    shutter: ShutterTimes | None = None


@dataclass(frozen=True)
class Sweep:
    """One LiDAR's reading, lossless. The order of points is fixed from here on: masks index it.

    points_ego: [N, 3] float32 metres, corrected for the vehicle's motion to the frame's pose.
    intensity: [N] float32, the sensor's own scale.
    The optional columns are [N] (camera_pixels [N, 6]) or None when the format does not have them.
    """

    points_ego: Float32Array
    intensity: Float32Array
    timestamp_us: int
    elongation: Float32Array | None = None
    time_offset_us: npt.NDArray[np.int32] | None = None  # from timestamp_us
    source_index: npt.NDArray[np.uint32] | None = None  # where the point was in its file
    return_number: npt.NDArray[np.uint8] | None = None  # 1, 2
    row: npt.NDArray[np.uint16] | None = None  # of the range image; 0 is the top beam
    column: npt.NDArray[np.uint16] | None = None
    in_no_label_zone: npt.NDArray[np.bool_] | None = None
    # The recorder's own projections, two candidates of (camera number, u, v), as shipped.
    camera_pixels: npt.NDArray[np.int16] | None = None

    def __len__(self) -> int:
        return len(self.points_ego)


@dataclass(frozen=True)
class MaskLabel:
    """A mask that came with the recording. `track` is any key that is stable over the scene."""

    track: str
    label_class: str
    sensor: str
    mask: npt.NDArray[np.bool_]  # flat: [height x width] row-major, or [N] points
    is_stuff: bool = False  # road, building, ...: one track per class and scene, no instances


@dataclass(frozen=True)
class CuboidLabel:
    """A 3D box that came with the recording.

    centre_ego, metres; size (length, width, height); heading about z, counter-clockwise from ego x.
    """

    track: str
    label_class: str
    centre_ego: tuple[float, float, float]
    size: tuple[float, float, float]
    heading: float
    velocity_world: tuple[float, float, float] | None = None
    point_count: int | None = None

    def contains(
        self, points_ego: npt.NDArray[Any], *, margin_m: float = 0.05, floor_m: float = 0.0
    ) -> npt.NDArray[np.bool_]:
        """[N] of points [N, 3]: whether they lie in the box.

        margin_m: it is taken to be larger by, on every side.  floor_m: what is left out above its floor, as
        the ground below a thing is not of it.
        """
        away = points_ego - np.array(self.centre_ego)
        c, s = np.cos(self.heading), np.sin(self.heading)
        along, across = c * away[:, 0] + s * away[:, 1], c * away[:, 1] - s * away[:, 0]
        length, width, height = self.size
        return np.asarray(
            (np.abs(along) < length / 2 + margin_m)
            & (np.abs(across) < width / 2 + margin_m)
            & (np.abs(away[:, 2]) < height / 2 + margin_m)
            & (away[:, 2] > floor_m - height / 2 if floor_m else True),
            bool,
        )


@dataclass(frozen=True)
class RectangleLabel:
    """A 2D box that came with the recording: pixel corners (u0, v0, u1, v1) in one camera.

    `is_projected`: drawn by projecting a cuboid, not by a person.
    """

    track: str
    label_class: str
    sensor: str
    corners_px: tuple[float, float, float, float]
    is_projected: bool = False


@dataclass(frozen=True)
class FrameLabels:
    masks: tuple[MaskLabel, ...] = ()
    cuboids: tuple[CuboidLabel, ...] = ()
    rectangles: tuple[RectangleLabel, ...] = ()


@dataclass(frozen=True)
class Frame:
    """One time step. `images` and `sweeps` hold the readings that exist, by sensor name."""

    index: int
    timestamp_us: int
    world_from_ego: Float64Array  # [4, 4]
    images: Mapping[str, Image] = field(default_factory=dict)
    sweeps: Mapping[str, Sweep] = field(default_factory=dict)
    labels: FrameLabels = field(default_factory=FrameLabels)


@dataclass(frozen=True)
class Problem:
    """Something odd in a recording that was imported all the same, or what was skipped and why."""

    file: str
    record: int | None
    message: str


class Frames(Protocol):
    """A scene's frames: by index, or one after the other. Each access reads from the recording."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Frame: ...

    def __iter__(self) -> Iterator[Frame]:
        for index in range(len(self)):
            yield self[index]


@dataclass(frozen=True)
class Scene:
    """One recorded drive.

    source_from_world: [4, 4], maps the house's world back to the recording's own, for export.
    facts: what else the recording says about itself (weather, place, time of day), plain text.
    problems: grows while frames are read; read it after the last one.
    """

    name: str
    sensors: Sequence[Sensor]
    frames: Frames
    source_from_world: Float64Array = field(default_factory=lambda: np.eye(4))
    facts: Mapping[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def sensor(self, name: str) -> Sensor:
        for sensor in self.sensors:
            if sensor.name == name:
                return sensor
        raise KeyError(
            f"scene {self.name!r} has no sensor {name!r}; it has "
            f"{', '.join(sensor.name for sensor in self.sensors)}"
        )

    @property
    def cameras(self) -> list[Sensor]:
        return [sensor for sensor in self.sensors if sensor.kind is SensorKind.CAMERA]

    @property
    def lidars(self) -> list[Sensor]:
        return [sensor for sensor in self.sensors if sensor.kind is SensorKind.LIDAR]
