"""One laser's range images as a sweep: second returns after the first, each in row-major order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.datasets.range_image import (
    BadRangeImage,
    Int32Array,
    beam_elevations,
    cells_with_return,
    points_at_frame_pose,
    points_from_cells,
)
from inference.datasets.waymo_names import TOP
from inference.datasets.waymo_raw import RawLaserCalibration, RawReturn, RawSweep
from inference.geometry import inverse
from inference.scene import Float32Array, Float64Array, Sweep

_INT16 = np.iinfo(np.int16)


@dataclass(frozen=True)
class _Part:
    """The points of one return."""

    points: Float64Array
    cells: Float32Array  # [N, 4]
    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    number: int
    camera_pixels: npt.NDArray[np.floating] | Int32Array | None
    segmentation: Int32Array | None


def sweep_from_raw(
    raw: RawSweep,
    calibration: RawLaserCalibration,
    *,
    timestamp_us: int,
    world_from_frame: Float64Array,
) -> tuple[Sweep, Int32Array | None, list[str]]:
    """The sweep; the instance and class [N, 2] of its points where labelled; what is odd about it.

    world_from_frame: the frame's pose in the recording's world, in which `raw.cell_poses` are.
    Raises BadRangeImage.
    """
    oddities: list[str] = []
    if raw.laser == TOP and raw.cell_poses is None:
        oddities.append(
            "has no poses of its cells: the vehicle's motion during the sweep stays in its points"
        )
    parts = [
        _part(one, number, raw, calibration, inverse(world_from_frame))
        for number, one in enumerate((raw.first, raw.second), start=1)
        if one is not None
    ]
    cells = np.concatenate([part.cells for part in parts])
    intensity, elongation = cells[:, 1], cells[:, 2]
    if not (np.isfinite(intensity).all() and np.isfinite(elongation).all()):
        oddities.append(
            "intensity or elongation of some points is NaN or infinite; 0 stands for it"
        )
        intensity, elongation = (np.nan_to_num(v, posinf=0, neginf=0) for v in cells.T[1:3])
    sweep = Sweep(
        points_ego=np.concatenate([part.points for part in parts]).astype(np.float32),
        intensity=np.ascontiguousarray(intensity),
        timestamp_us=timestamp_us,
        elongation=np.ascontiguousarray(elongation),
        return_number=np.repeat(
            np.array([part.number for part in parts], np.uint8), [len(p.rows) for p in parts]
        ),
        row=np.concatenate([part.rows for part in parts]).astype(np.uint16),
        column=np.concatenate([part.columns for part in parts]).astype(np.uint16),
        in_no_label_zone=cells[:, 3] == 1,
        camera_pixels=_camera_pixels(parts, oddities),
    )
    return sweep, _segmentation(parts), oddities


def _part(
    one: RawReturn,
    number: int,
    raw: RawSweep,
    calibration: RawLaserCalibration,
    frame_from_world: Float64Array,
) -> _Part:
    ranges_m = one.cells[:, :, 0]
    grid = ranges_m.shape
    if max(grid) > np.iinfo(np.uint16).max:
        raise BadRangeImage(f"has {grid[0]} rows and {grid[1]} columns")
    for name, other in (("camera projections", one.camera_pixels), ("labels", one.segmentation)):
        if other is not None and other.shape[:2] != grid:
            raise BadRangeImage(f"{name} have shape {other.shape[:2]}, the ranges {grid}")
    rows, columns = cells_with_return(ranges_m)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused here
        points = _points(ranges_m, rows, columns, raw, calibration, frame_from_world)
        if not np.isfinite(points.astype(np.float32)).all():
            raise BadRangeImage("the poses of its cells hold NaN or infinity")
    return _Part(
        points,
        one.cells[rows, columns],
        rows,
        columns,
        number,
        None if one.camera_pixels is None else one.camera_pixels[rows, columns],
        None if one.segmentation is None else one.segmentation[rows, columns],
    )


def _points(
    ranges_m: Float32Array,
    rows: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int64],
    raw: RawSweep,
    calibration: RawLaserCalibration,
    frame_from_world: Float64Array,
) -> Float64Array:
    """[N, 3] metres at the frame's pose."""
    points = points_from_cells(
        ranges_m,
        rows,
        columns,
        ego_from_lidar=np.reshape(calibration.vehicle_from_laser, (4, 4)).astype(np.float64),
        elevations=beam_elevations(
            calibration.inclinations,
            calibration.lowest,
            calibration.highest,
            height=ranges_m.shape[0],
        ),
    )
    if raw.cell_poses is None:
        return points
    if raw.cell_poses.shape[:2] != ranges_m.shape:
        raise BadRangeImage(
            f"poses have shape {raw.cell_poses.shape[:2]}, the ranges {ranges_m.shape}"
        )
    return points_at_frame_pose(
        points, raw.cell_poses[rows, columns], frame_from_world=frame_from_world
    )


def _camera_pixels(parts: list[_Part], oddities: list[str]) -> npt.NDArray[np.int16] | None:
    if all(part.camera_pixels is None for part in parts):
        return None
    pixels = np.concatenate(
        [
            np.zeros((len(part.rows), 6)) if part.camera_pixels is None else part.camera_pixels
            for part in parts
        ]
    )
    if not ((pixels >= _INT16.min) & (pixels <= _INT16.max)).all():  # a NaN is neither
        oddities.append("its projections into the cameras are no pixels; left out")
        return None
    return pixels.astype(np.int16)


def _segmentation(parts: list[_Part]) -> Int32Array | None:
    """[N, 2]; a return without labels counts as undefined."""
    if all(part.segmentation is None for part in parts):
        return None
    return np.concatenate(
        [
            np.zeros((len(part.rows), 2), np.int32)
            if part.segmentation is None
            else part.segmentation
            for part in parts
        ]
    )
