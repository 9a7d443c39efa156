"""Range images: from the compressed matrices of a recording to points in the vehicle frame.

A range image is a LiDAR sweep as the sensor sees it: one row per beam, the highest first; one
column per direction, from straight back over the left side to the front and on (azimuth falls).
"""

from __future__ import annotations

import zlib
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from inference.datasets.protobuf import BadMessage, parse
from inference.geometry import transform
from inference.scene import Float32Array, Float64Array

# The largest known image has 64 x 2650 cells, the deepest matrix six channels.
MAX_CELLS = 2**20
MAX_CHANNELS = 6
MAX_INFLATED_BYTES = MAX_CELLS * MAX_CHANNELS * 4
MAX_RANGE_M = 2000.0

Int32Array = npt.NDArray[np.int32]
IndexArray = npt.NDArray[np.int64]
Number = TypeVar("Number", bound=np.generic)


class BadRangeImage(ValueError):
    """A matrix or a range image that does not decode, or is larger than any sensor's."""


def inflate(compressed: bytes | memoryview) -> bytes:
    """A zlib stream, unpacked up to a limit. Raises BadRangeImage."""
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(compressed, MAX_INFLATED_BYTES)
    except zlib.error as error:
        raise BadRangeImage(f"cannot be unpacked: {error}") from error
    if stream.unconsumed_tail:
        raise BadRangeImage(f"unpacks to more than {MAX_INFLATED_BYTES} bytes")
    if not stream.eof:
        raise BadRangeImage("its compressed data is cut off")
    return data


def float_matrix(compressed: bytes | memoryview, *, channels: int) -> Float32Array:
    """[H, W, channels] float32. Raises BadRangeImage."""
    try:
        message = parse(inflate(compressed))
        shape = message.message(2).integers(1, at_most=3)
        return shaped(message.floats(1), shape, channels=channels)
    except BadMessage as error:
        raise BadRangeImage(str(error)) from error


def integer_matrix(compressed: bytes | memoryview, *, channels: int) -> Int32Array:
    """[H, W, channels] int32. Raises BadRangeImage."""
    try:
        message = parse(inflate(compressed))
        shape = message.message(2).integers(1, at_most=3)
        values = message.integers(1, at_most=MAX_CELLS * MAX_CHANNELS)
        return shaped(values.astype(np.int32), shape, channels=channels)
    except BadMessage as error:
        raise BadRangeImage(str(error)) from error


def shaped(
    values: npt.NDArray[Number], shape: npt.ArrayLike, *, channels: int
) -> npt.NDArray[Number]:
    """Flat values as [H, W, channels]. Raises BadRangeImage when they do not fit."""
    sides = [int(side) for side in np.asarray(shape).ravel()]
    if len(sides) != 3 or sides[2] != channels or min(sides) < 1:
        raise BadRangeImage(f"has shape {sides}, expected [height, width, {channels}]")
    if sides[0] * sides[1] > MAX_CELLS:
        raise BadRangeImage(f"has shape {sides}; more than {MAX_CELLS} cells are not read")
    if sides[0] * sides[1] * channels != len(values):
        raise BadRangeImage(f"has {len(values)} values, its shape {sides} needs another number")
    return values.reshape(sides)


def beam_elevations(
    stated: Float64Array, lowest: float, highest: float, *, height: int
) -> Float64Array:
    """[height] radians, the highest beam first.

    stated: one per beam in ascending order, or empty: then beams are spread evenly from `lowest` to
    `highest`, each in the middle of its share.
    """
    if not len(stated):
        return lowest + (np.arange(height)[::-1] + 0.5) / height * (highest - lowest)
    if len(stated) != height:
        raise BadRangeImage(f"has {height} rows, the calibration names {len(stated)} beams")
    return stated[::-1].copy()


def cells_with_return(ranges_m: Float32Array) -> tuple[IndexArray, IndexArray]:
    """Rows and columns, in row-major order, where a range [H, W] is a measured one."""
    rows, columns = np.nonzero(ranges_m > 0)  # empty cells may hold -1, 0 or NaN
    measured = ranges_m[rows, columns]
    if len(measured) and not float(measured.max()) <= MAX_RANGE_M:
        raise BadRangeImage(f"holds a range of {float(measured.max()):g} m")
    return rows, columns


def points_from_cells(
    ranges_m: Float32Array,
    rows: IndexArray,
    columns: IndexArray,
    *,
    ego_from_lidar: Float64Array,
    elevations: Float64Array,
) -> Float64Array:
    """[N, 3] metres in the vehicle frame of the moment each point was measured.

    ranges_m: [H, W].  rows, columns: [N].  elevations: [H].
    """
    width = ranges_m.shape[1]
    # Columns start straight behind the vehicle, however the sensor is turned on its mount.
    mounting_yaw = np.arctan2(ego_from_lidar[1, 0], ego_from_lidar[0, 0])
    azimuths = ((width - np.arange(width) - 0.5) / width * 2 - 1) * np.pi - mounting_yaw
    distance = ranges_m[rows, columns].astype(np.float64)
    flat = distance * np.cos(elevations)[rows]
    points_lidar = np.stack(
        [
            flat * np.cos(azimuths)[columns],
            flat * np.sin(azimuths)[columns],
            distance * np.sin(elevations)[rows],
        ],
        axis=1,
    )
    return transform(ego_from_lidar, points_lidar)


def points_at_frame_pose(
    points: Float64Array, cell_poses: Float32Array, *, frame_from_world: Float64Array
) -> Float64Array:
    """Undo the vehicle's motion during the sweep: [N, 3] metres at the frame's pose.

    points: [N, 3] in the vehicle frame of their own moment.
    cell_poses: [N, 6] roll, pitch, yaw, x, y, z of the vehicle in the world at that moment.
    """
    roll, pitch, yaw, *position = cell_poses.astype(np.float64).T
    # Rz(yaw) Ry(pitch) Rx(roll), one factor after the other: no [N, 3, 3] is needed.
    x, y, z = points.T
    y, z = y * np.cos(roll) - z * np.sin(roll), y * np.sin(roll) + z * np.cos(roll)
    x, z = x * np.cos(pitch) + z * np.sin(pitch), z * np.cos(pitch) - x * np.sin(pitch)
    x, y = x * np.cos(yaw) - y * np.sin(yaw), x * np.sin(yaw) + y * np.cos(yaw)
    points_world = np.stack([x, y, z], axis=1) + np.stack(position, axis=1)
    return transform(frame_from_world, points_world)
