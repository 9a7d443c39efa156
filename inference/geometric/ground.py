"""Where the ground is: a height map of the street around the vehicle."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]

CELL_M = 0.8
# What a kerb, a slope or a ramp may rise within two cells; more is an object.
_STEP_M = 0.35
_NO_POINT_M = 1e3
_NEAR_M = 8.0  # a street is about level this far around the vehicle


def height_above_ground(points_ego: Float32Array) -> Float32Array:
    """points_ego: [N, 3] metres. Returns [N] metres above the lowest surface thereabouts.

    The lowest point of each cell counts as ground, unless ground much lower is close by: then the
    cell shows only the upper part of an object.
    """
    if not len(points_ego):
        return np.zeros(0, np.float32)
    cell = np.floor(points_ego[:, :2] / CELL_M).astype(np.int64)
    cell -= cell.min(axis=0)
    # A few stray returns kilometres away must not blow up the map.
    cell = np.minimum(cell, 1023)
    columns = int(cell[:, 1].max()) + 1
    rows = int(cell[:, 0].max()) + 1
    flat = cell[:, 0] * columns + cell[:, 1]
    lowest = np.full(rows * columns, _NO_POINT_M, np.float32)
    np.minimum.at(lowest, flat, points_ego[:, 2])
    grid = lowest.reshape(rows, columns)
    around = cv2.erode(grid, np.ones((5, 5), np.uint8))
    ground = np.minimum(grid, around + _STEP_M)
    # Close to the vehicle no beam reaches the ground: somebody who stands there shows no foot.
    reach = np.hypot(points_ego[:, 0], points_ego[:, 1])
    near_cells = np.unique(flat[reach < _NEAR_M])
    if len(near_cells) > 20:
        level = np.percentile(ground.ravel()[near_cells], 10)
        ground.ravel()[near_cells] = np.minimum(ground.ravel()[near_cells], level + _STEP_M)
    height: Float32Array = points_ego[:, 2] - ground.ravel()[flat]
    return height
