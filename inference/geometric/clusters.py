"""Objects as connected pieces of range images: neighbours on the image that are near in space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.geometric.kernels import kernel
from inference.geometry import FloatArray
from inference.scene import Calibration, Sweep

Float32Array = npt.NDArray[np.float32]
Int32Array = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]

NOTHING = -1
# Lower than this is the ground itself; nearer than that across is the same upright surface.
_FLAT_M, _FOOT_GAP_M = 0.05, 0.15
# A sweep without rows is sorted into this many, and into columns of this angle.
_BINNED_ROWS, _BINNED_COLUMNS = 96, 2048
_CAR_M, _TRUCK_M = 6.0, 14.0
_CRUMB_POINTS = 10


@dataclass(frozen=True)
class RangeImage:
    """One sweep as its sensor saw it.

    point_at: [H, W] index into the sweep's points, NOTHING where no light came back; where several
    points fall into a cell (second returns), the first one counts.  row, column: [N].
    range_m: [N] from the sensor's own origin.  spacing: [N, 2] radians between neighbouring beams,
    across and up.
    """

    point_at: Int32Array
    row: Int32Array
    column: Int32Array
    range_m: Float32Array
    spacing: Float32Array
    wraps: bool


def range_image(sweep: Sweep, calibration: Calibration) -> RangeImage:
    """The sweep's own rows and columns where it has them, else made from the directions."""
    ego_from_sensor = calibration.ego_from_sensor.astype(np.float32)
    seen = (sweep.points_ego - ego_from_sensor[:3, 3]) @ ego_from_sensor[:3, :3]
    range_m = np.linalg.norm(seen, axis=1)
    azimuth = np.arctan2(seen[:, 1], seen[:, 0])
    elevation = np.arcsin(np.clip(seen[:, 2] / np.maximum(range_m, 1e-6), -1, 1))
    if sweep.row is not None and sweep.column is not None:
        row, column = sweep.row.astype(np.int32), sweep.column.astype(np.int32)
    else:
        row = _rows(elevation, np.array(calibration.beam_elevations))
        share = (np.pi - azimuth) / (2 * np.pi)
        column = np.minimum(share * _BINNED_COLUMNS, _BINNED_COLUMNS - 1).astype(np.int32)
    height, width = (int(axis.max()) + 1 if len(axis) else 1 for axis in (row, column))
    point_at = np.full((height, width), NOTHING, np.int32)
    # Backwards, so that the first of several points of a cell stays.
    point_at[row[::-1], column[::-1]] = np.arange(len(row) - 1, -1, -1)
    turned = np.bincount((np.degrees(azimuth).astype(int)) % 360, minlength=360) > 0
    return RangeImage(
        point_at,
        row,
        column,
        range_m,
        np.stack([_turn_spacing(azimuth, row, column), _beam_spacing(elevation, row, height)], 1),
        wraps=bool(turned.mean() > 0.95),
    )


def _rows(elevation: Float32Array, beams: FloatArray) -> Int32Array:
    """[N] the nearest beam, top first; unknown beams are guessed from where points are dense."""
    if len(beams) > 1:
        descending = np.sort(beams)[::-1]
        between = (descending[1:] + descending[:-1]) / 2
        return np.searchsorted(-between, -elevation).astype(np.int32)
    if not len(elevation):
        return np.zeros(0, np.int32)
    counts, edges = np.histogram(elevation, bins=512)
    # Half by angle and half by count: beams are densest where most of them look.
    share = np.cumsum(counts / counts.sum() + 1 / len(counts)) / 2
    place = np.interp(elevation, edges[1:], share)
    return np.minimum((1 - place) * _BINNED_ROWS, _BINNED_ROWS - 1).astype(np.int32)


def _beam_spacing(elevation: Float32Array, row: Int32Array, height: int) -> Float32Array:
    """[N] radians between the beam of each point and its neighbours."""
    count = np.bincount(row, minlength=height)
    mean = np.bincount(row, weights=elevation, minlength=height) / np.maximum(count, 1)
    fired = np.flatnonzero(count)
    if len(fired) < 2:
        return np.full(len(row), 0.005, np.float32)
    gap = np.abs(np.gradient(mean[fired], fired))
    spacing = np.zeros(height, np.float32)
    spacing[fired] = np.clip(gap, 1e-3, 0.05)
    return spacing[row]


def lowest_in_column(image: RangeImage) -> Int32Array:
    """Index of the lowest point of each column, where it comes from the lowest beams.

    Below it nothing was measured: not because nothing is there, but because no beam looks there.
    """
    height = len(image.point_at)
    has_point = image.point_at[::-1] >= 0
    from_below = has_point.argmax(axis=0)
    column = np.flatnonzero(has_point.any(axis=0) & (from_below < max(2, height // 16)))
    lowest: Int32Array = image.point_at[height - 1 - from_below[column], column]
    return lowest


def pieces(whole: Int32Array, parts: Int32Array, points_ego: Float32Array) -> Int32Array:
    """[N] clusters of a loose reach, broken up into those of a tight one where they are too large.

    whole, parts: [N] from `connected`, loose and tight. What is no longer than a car, or long and
    mostly in one piece (a truck, a wall), stays whole.
    """
    inside = np.flatnonzero(whole >= 0)
    if not len(inside):
        return whole
    count = int(whole.max()) + 1
    size = np.bincount(whole[inside], minlength=count)
    length = np.zeros(count)
    for axis in (0, 1):
        low, high = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(low, whole[inside], points_ego[inside, axis])
        np.maximum.at(high, whole[inside], points_ego[inside, axis])
        length = np.maximum(length, high - low)
    part_size = np.bincount(parts[inside])
    home = np.zeros(len(part_size), np.int32)
    home[parts[inside]] = whole[inside]
    main = np.zeros(count, np.int64)
    np.maximum.at(main, home, part_size)
    stays = (length <= _CAR_M) | ((length <= _TRUCK_M) & (main >= 0.8 * size))
    broken = inside[~stays[whole[inside]]]
    # Crumbs fall to the largest piece of what they came from.
    is_crumb = part_size[parts[broken]] < _CRUMB_POINTS
    largest = np.zeros(count, np.int64)
    by_size = np.argsort(part_size, kind="stable")
    largest[home[by_size]] = by_size
    out = whole.copy()
    out[broken] = count + np.where(is_crumb, largest[whole[broken]], parts[broken])
    out[inside] = _renumbered(out[inside])
    return out


def _renumbered(numbers: Int32Array) -> Int32Array:
    """The same groups, counted from 0 without gaps."""
    used = np.bincount(numbers) > 0
    place = np.cumsum(used, dtype=np.int32) - 1
    renumbered: Int32Array = place[numbers]
    return renumbered


def connected(
    image: RangeImage, points_ego: Float32Array, is_object: BoolArray, scale: float = 1.0
) -> Int32Array:
    """[N] the cluster of each point, from 0; NOTHING for ground and lone leftovers.

    Points join when they are nearer than 0.28 m + 1.8 % of their range, times `scale`.
    """
    reach = (scale * (0.28 + 0.018 * image.range_m)).astype(np.float32)
    parent = np.arange(len(points_ego), dtype=np.int32)
    _join(image.point_at, points_ego, is_object, reach, image.wraps, parent)
    _adopt(image.point_at, image.row, image.column, points_ego, is_object, reach, parent)
    root = _roots(parent)
    numbers = np.full(len(points_ego), NOTHING, np.int32)
    numbers[is_object] = _renumbered(root[is_object])
    return numbers


def with_feet(
    image: RangeImage, points_ego: Float32Array, height_m: Float32Array, cluster: Int32Array
) -> Int32Array:
    """[N] the clusters, joined by the low points straight under them: tyres, shoes, kerb-high feet.

    The ground's threshold cuts these off; they are told from it by what is above them.
    """
    cluster = cluster.copy()
    low = np.flatnonzero((cluster < 0) & (height_m > _FLAT_M))
    low = low[np.argsort(-height_m[low])]
    for rise in (1, 1, 2, 1):
        low = low[(cluster[low] < 0) & (image.row[low] >= rise)]
        above = image.point_at[image.row[low] - rise, image.column[low]]
        gap = np.linalg.norm(points_ego[low, :2] - points_ego[above, :2], axis=1)
        joins = (above >= 0) & (cluster[above] >= 0) & (gap < _FOOT_GAP_M)
        cluster[low[joins]] = cluster[above[joins]]
    return cluster


def _turn_spacing(azimuth: Float32Array, row: Int32Array, column: Int32Array) -> Float32Array:
    """[N] radians from one column to the next, as the median over neighbours in a row."""
    neighbours = (np.diff(row) == 0) & (np.abs(np.diff(column)) == 1)
    steps = np.abs(np.diff(azimuth))[neighbours]
    steps = steps[(steps > 1e-4) & (steps < 0.05)]
    usual = float(np.median(steps)) if len(steps) else 2 * np.pi / _BINNED_COLUMNS
    return np.full(len(row), usual, np.float32)


@kernel
def _root(parent: Int32Array, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def _unite(parent: Int32Array, i: int, j: int) -> None:
    a, b = _root(parent, i), _root(parent, j)
    parent[max(a, b)] = min(a, b)


@kernel
def _roots(parent: Int32Array) -> Int32Array:
    out = np.empty_like(parent)
    for i in range(len(parent)):
        out[i] = _root(parent, i)
    return out


@kernel
def _join(
    point_at: Int32Array,
    points: Float32Array,
    is_object: BoolArray,
    reach: Float32Array,
    wraps: bool,
    parent: Int32Array,
) -> None:
    """Union of each point with the neighbours to the right and below, over small gaps."""
    height, width = point_at.shape
    steps = (
        (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, -1), (1, 2), (1, -2), (2, 0), (2, 1), (2, -1),
        (3, 0),
    )  # fmt: skip
    for row in range(height):
        for column in range(width):
            i = point_at[row, column]
            if i < 0 or not is_object[i]:
                continue
            for down, right in steps:
                r, c = row + down, column + right
                if r >= height:
                    continue
                if c < 0 or c >= width:
                    if not wraps:
                        continue
                    c %= width
                j = point_at[r, c]
                if j < 0 or not is_object[j]:
                    continue
                x = points[i, 0] - points[j, 0]
                y = points[i, 1] - points[j, 1]
                z = points[i, 2] - points[j, 2]
                if x * x + y * y + z * z < reach[i] * reach[i]:
                    a, b = _root(parent, i), _root(parent, j)
                    if a < b:
                        parent[b] = a
                    elif b < a:
                        parent[a] = b


@kernel
def _adopt(
    point_at: Int32Array,
    row: Int32Array,
    column: Int32Array,
    points: Float32Array,
    is_object: BoolArray,
    reach: Float32Array,
    parent: Int32Array,
) -> None:
    """Union of each point that shares a cell (a second return) with a near one thereabouts."""
    height, width = point_at.shape
    for i in range(len(points)):
        if not is_object[i] or point_at[row[i], column[i]] == i:
            continue
        nearest, found = reach[i] * reach[i], -1
        for r in range(max(0, row[i] - 1), min(height, row[i] + 2)):
            for c in range(max(0, column[i] - 2), min(width, column[i] + 3)):
                j = point_at[r, c]
                if j < 0 or not is_object[j]:
                    continue
                x = points[i, 0] - points[j, 0]
                y = points[i, 1] - points[j, 1]
                z = points[i, 2] - points[j, 2]
                distance = x * x + y * y + z * z
                if distance < nearest:
                    nearest, found = distance, j
        if found >= 0:
            _unite(parent, i, found)
