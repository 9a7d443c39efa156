"""What both Waymo containers hold, as recorded: their readers fill these in, nothing is converted.

Poses and extrinsics are 16 numbers, row by row; cameras and lasers go by Waymo's numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from inference.datasets.range_image import Int32Array
from inference.scene import Float32Array, Float64Array


@dataclass(frozen=True)
class RawCamera:
    camera: int
    intrinsics: Sequence[float]  # f_u, f_v, c_u, c_v, k1, k2, p1, p2, k3
    vehicle_from_camera: Float64Array
    width_px: int
    height_px: int
    shutter_direction: int


@dataclass(frozen=True)
class RawLaserCalibration:
    laser: int
    inclinations: Float64Array  # radians, ascending; empty: evenly from lowest to highest
    lowest: float
    highest: float
    vehicle_from_laser: Float64Array


@dataclass(frozen=True)
class RawImage:
    camera: int
    encoded: bytes
    world_from_vehicle: Float64Array
    pose_time_s: float
    exposure_s: float
    trigger_s: float
    readout_done_s: float
    velocity: Sequence[float]  # x, y, z m/s in the world, then x, y, z rad/s in the vehicle


@dataclass(frozen=True)
class RawReturn:
    """One return of one laser: [H, W, channels] each."""

    cells: Float32Array  # range, intensity, elongation, no-label zone
    camera_pixels: npt.NDArray[np.floating] | Int32Array | None = None
    segmentation: Int32Array | None = None  # instance, class


@dataclass(frozen=True)
class RawSweep:
    laser: int
    first: RawReturn | None
    second: RawReturn | None
    cell_poses: Float32Array | None = None  # [H, W, 6]


@dataclass(frozen=True)
class RawCuboid:
    track: str
    label_class: int
    centre: tuple[float, float, float]
    size: tuple[float, float, float]  # length, width, height
    heading: float
    velocity: tuple[float, float, float] | None
    point_count: int | None


@dataclass(frozen=True)
class RawRectangle:
    camera: int
    track: str
    label_class: int
    centre_px: tuple[float, float]
    size_px: tuple[float, float]


@dataclass(frozen=True)
class RawPanoptic:
    camera: int
    encoded: bytes  # PNG of 16 bits
    divisor: int
    sequence: str
    # Instance in this image -> instance over the sequence, for those that are tracked.
    tracked: Mapping[int, int]


@dataclass
class RawFrame:
    timestamp_us: int
    world_from_vehicle: Float64Array
    images: list[RawImage] = field(default_factory=list)
    sweeps: list[RawSweep] = field(default_factory=list)
    cuboids: list[RawCuboid] = field(default_factory=list)
    rectangles: list[RawRectangle] = field(default_factory=list)
    projected: list[RawRectangle] = field(default_factory=list)
    panoptics: list[RawPanoptic] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # what it has and we do not keep


@dataclass(frozen=True)
class RecordedFrame:
    """What can be known of a frame without reading it."""

    timestamp_us: int
    world_from_vehicle: Float64Array
    record: int  # its number in the container, for messages
    cameras: frozenset[int]  # with an image
    lasers: frozenset[int]  # with a range image


def clean(text: str) -> str:
    """Text from outside without the one character that databases refuse."""
    return text.replace("\0", "\ufffd")


class Segment(Protocol):
    """One segment in one container."""

    @property
    def file(self) -> str:
        """The name of the file, for messages."""

    @property
    def name(self) -> str: ...
    @property
    def cameras(self) -> Sequence[RawCamera]: ...
    @property
    def lasers(self) -> Sequence[RawLaserCalibration]: ...
    @property
    def facts(self) -> Mapping[str, str]: ...
    @property
    def recorded(self) -> Sequence[RecordedFrame]:
        """In the order of the container."""

    @property
    def notes(self) -> Sequence[str]:
        """What is odd about the segment as a whole."""

    def read(self, frame: RecordedFrame) -> RawFrame:
        """All of one frame."""
