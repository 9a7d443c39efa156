"""Where an object has gone: its points carried by its velocity, then fitted to the next sweep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from inference.geometric.frames import Cloud
from inference.geometry import FloatArray

BoolArray = npt.NDArray[np.bool_]

# The fastest that an object may be when nothing is known of it; 20 m/s is 72 km/h.
_FASTEST_M_PER_S = 20.0
# A point that finds another one this near counts nearly full; twice as far, not at all.
_FIT_M = 0.2
_MODEL_VOXEL_M = 0.1
_MODEL_POINTS = 400
LEAST_FIT = 0.3
_LEAST_POINTS = 3


@dataclass(frozen=True)
class Sighting:
    """An object at one time: where its points are in the world, and how it moves.

    model_world: [K, 3] metres, what was seen of it lately.  position, velocity: [3], world.
    is_certain: given by the caller, not predicted.  lost: steps since it was last seen.
    """

    time_s: float
    model_world: FloatArray
    position: FloatArray
    velocity: FloatArray | None
    is_certain: bool = True
    lost: int = 0
    is_ground: bool = False

    def predicted_at(self, time_s: float) -> FloatArray:
        """[3] metres, how far it will have moved."""
        if self.velocity is None:
            return np.zeros(3)
        return self.velocity * (time_s - self.time_s)


@dataclass(frozen=True)
class Match:
    """shift: [3] world metres since the sighting.  fit: 0 ... 1.  target: [N] of the cloud."""

    shift: FloatArray
    fit: float
    target: BoolArray


def first_sighting(points_world: FloatArray, time_s: float) -> Sighting:
    return Sighting(time_s, thinned(points_world), _middle(points_world), None)


def _middle(points: FloatArray) -> FloatArray:
    """Of the box around the points: sampling moves it less than it moves the mean."""
    low, high = np.percentile(points, [5, 95], axis=0)
    return np.asarray((low + high) / 2, np.float64)


def thinned(points: FloatArray) -> FloatArray:
    """One point per cell of 0.1 m, and no more than a fit needs."""
    cell = np.floor(points / _MODEL_VOXEL_M).astype(np.int64)
    _, index = np.unique(cell, axis=0, return_index=True)
    if len(index) > _MODEL_POINTS:
        index = index[np.linspace(0, len(index) - 1, _MODEL_POINTS).astype(int)]
    return points[index]


def match(cloud: Cloud, points_world: FloatArray, before: Sighting, time_s: float) -> Match:
    """Find the object of a sighting in a cloud, near where its velocity takes it.

    points_world: [N, 3], the cloud's points in the world.
    """
    predicted = before.predicted_at(time_s)
    step_s = abs(time_s - before.time_s)
    unknown = before.velocity is None
    search_m = min(_FASTEST_M_PER_S * step_s, 4.0) if unknown else 0.4 + 0.3 * before.lost
    model = before.model_world + predicted
    nearby = _near_box(points_world, model, search_m + 2.0) & ~cloud.is_ground
    if nearby.sum() < _LEAST_POINTS:
        return Match(predicted, 0.0, np.zeros(len(cloud), bool))
    tree = cKDTree(points_world[nearby])
    offset, fit = _best_offset(tree, model, search_m, unknown)
    if fit < LEAST_FIT:
        return Match(predicted, fit, np.zeros(len(cloud), bool))
    target = _members(cloud, points_world, nearby, model + offset)
    return Match(predicted + offset, fit, target)


def _near_box(points: FloatArray, around: FloatArray, margin_m: float) -> BoolArray:
    low, high = around.min(axis=0) - margin_m, around.max(axis=0) + margin_m
    return np.asarray(((points > low) & (points < high)).all(axis=1), bool)


def _best_offset(
    tree: cKDTree, model: FloatArray, search_m: float, unknown: bool
) -> tuple[FloatArray, float]:
    """Coarse to fine over horizontal offsets, then nearest points; [3] and the fit there."""
    sample = model[:: max(1, len(model) // 80)]
    centre = np.zeros(3)
    step = 0.5 if search_m > 1 else 0.2
    reach = search_m
    while True:
        ticks = np.arange(-np.ceil(reach / step), np.ceil(reach / step) + 1) * step
        offsets = np.zeros((len(ticks) ** 2, 3))
        offsets[:, 0], offsets[:, 1] = np.repeat(ticks, len(ticks)), np.tile(ticks, len(ticks))
        offsets = offsets[np.hypot(offsets[:, 0], offsets[:, 1]) <= reach * 1.01] + centre
        fits = _fits(tree, sample, offsets, soft_m=max(_FIT_M, 0.7 * step))
        # Standing still, or going on as before, needs no proof; moving does.
        away = np.hypot(offsets[:, 0], offsets[:, 1])
        best = int((fits - (0.04 if unknown else 0.08) * away).argmax())
        centre = offsets[best]
        if step <= 0.11:
            break
        reach, step = step, max(step / 2.5, 0.1)
    for _ in range(3):
        distance, index = tree.query(model + centre, distance_upper_bound=2 * _FIT_M)
        found = np.isfinite(distance)
        if found.sum() < _LEAST_POINTS:
            break
        gap = tree.data[index[found]] - (model[found] + centre)
        centre = centre + np.median(gap, axis=0)
    return centre, float(_fits(tree, model, centre[None], soft_m=2 * _FIT_M)[0])


def _fits(
    tree: cKDTree, model: FloatArray, offsets: FloatArray, *, soft_m: float
) -> npt.NDArray[np.float64]:
    """[len(offsets)] the mean over the model of 1 (touches a point) to 0 (none within soft_m)."""
    moved = (model[None] + offsets[:, None]).reshape(-1, 3)
    distance, _ = tree.query(moved, distance_upper_bound=soft_m)
    near = np.where(np.isfinite(distance), 1 - distance / soft_m, 0.0)
    mean: npt.NDArray[np.float64] = near.reshape(len(offsets), -1).mean(axis=1)
    return mean


def _members(
    cloud: Cloud, points_world: FloatArray, nearby: BoolArray, model: FloatArray
) -> BoolArray:
    """Clusters that lie mostly on the moved object, and of the others what touches it."""
    index = np.flatnonzero(nearby)
    distance, _ = cKDTree(model).query(points_world[index])
    touches = distance < 0.3 + 0.006 * cloud.range_m[index]
    target = np.zeros(len(cloud), bool)
    target[index[touches]] = True
    number = cloud.cluster[index[touches]]
    counts = np.bincount(number[number >= 0], minlength=1)
    sizes = np.bincount(cloud.cluster[cloud.cluster >= 0], minlength=len(counts))
    mostly = np.flatnonzero(counts > 0.5 * sizes[: len(counts)])
    slightly = np.flatnonzero((counts > 0) & (counts <= 0.15 * sizes[: len(counts)]))
    target |= np.isin(cloud.cluster, mostly)
    if len(mostly):
        # A wall or a neighbour that the object only brushes.
        target &= ~np.isin(cloud.cluster, slightly)
    return target


def next_sighting(
    before: Sighting, found: Match, points_world: FloatArray, time_s: float
) -> Sighting:
    """The sighting after a match; unseen objects coast with their last velocity."""
    step_s = time_s - before.time_s
    moved = before.model_world + found.shift
    position = before.position + found.shift
    if not found.target.any():
        return Sighting(time_s, moved, position, before.velocity, False, before.lost + 1)
    measured = found.shift / step_s
    share = 1.0 if before.velocity is None else 0.5
    previous = measured if before.velocity is None else before.velocity
    velocity = share * measured + (1 - share) * previous
    velocity[2] = 0.0
    seen = points_world[found.target]
    distance, _ = cKDTree(seen).query(moved)
    # Keep for a while what is hidden now, so that it is known when it comes out again.
    kept = moved[distance > 0.25][: _MODEL_POINTS // 3]
    return Sighting(time_s, thinned(np.concatenate([seen, kept])), position, velocity, False)
