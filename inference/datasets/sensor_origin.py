"""Where a LiDAR measures from, found out from its own points.

A spinning LiDAR's beams have fixed elevations: seen from where the light is measured, the elevations
of all points crowd on a few values; seen from anywhere else they smear. Some recordings state a pose
that is the vehicle's and not the sensor's (PandaSet), and range views made from there cost a
predictor .15 IoU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.geometry import FloatArray, rotation_from_euler
from inference.scene import Frame, Problem, Scene

_BIN_RAD = np.radians(0.03)
_SMOOTH_BINS = 41  # what the crowding is held against: the same histogram, beams smeared
_NEAR_M, _FAR_M = 4.0, 50.0
_CELL_M, _ABOVE_M = 2.0, 0.35
_MOST_POINTS = 20_000
_LEAST_POINTS = 2_000
# How far from the stated place to look, metres: forwards or backwards, sideways, up or down.
_REACH_M = np.array([1.6, 0.6, 2.4])
# The first round looks from far apart, at some points only, and keeps its best few.
_FIRST_BINS, _FIRST_STEPS_M, _FIRST_POINTS, _KEPT = 3.0, (0.2, 0.04), 5_000, 4
# The others: the histogram's bins, in _BIN_RAD, and the grid's step and reach, metres.
_ROUNDS = ((2.0, 0.05, 0.2), (1.0, 0.02, 0.08), (1.0, 0.005, 0.02))
_TILT_PER_M = 0.06  # radians: how far tilts are searched as against places
_CLEARLY = 0.1  # nats by which another origin must be better to be believed
_NEAR_ENOUGH_M = 0.15


@dataclass(frozen=True)
class Origin:
    """place: [3] metres, in the frame of reference of the points.  rotation: [3, 3], that frame from
    the sensor's axes.  gain: nats by which elevations crowd more there than seen from the stated place.
    is_stated: whether that place is right as far as one can tell: nothing is clearly better, or the
    better one is near it.
    """

    place: FloatArray
    rotation: FloatArray
    gain: float
    is_stated: bool


def find_origin(
    points: npt.NDArray[np.floating],
    stated: npt.ArrayLike = (0.0, 0.0, 0.0),
    *,
    moved: npt.NDArray[np.floating] | None = None,
    ups: Sequence[npt.ArrayLike] = ((0.0, 0.0, 1.0),),
) -> Origin:
    """points: [N, 3] metres, z up, x where the vehicle drives.  stated: where the recording says.

    moved: [N, 3] where the vehicle was, when each point was measured, against where it was for the
    points' frame of reference; None where the sweep was taken standing, or that is not known.
    ups: directions [3] about which the LiDAR may turn, the stated one first; tilts of up to a
    degree from them are found, too.
    With too few points, or beams that do not crowd anywhere, the stated place stays.
    """
    stated = np.asarray(stated, float)
    rotations = [_about(np.asarray(up, float)) for up in ups]
    seen = np.asarray(points, float) - (0 if moved is None else np.asarray(moved, float))
    away = np.linalg.norm(seen - stated, axis=1)
    chosen = np.flatnonzero((away > _NEAR_M) & (away < _FAR_M) & _stands(np.asarray(points, float)))
    if len(chosen) < _LEAST_POINTS:
        return Origin(stated, rotations[0], 0.0, True)
    if len(chosen) > _MOST_POINTS:
        chosen = chosen[np.linspace(0, len(chosen) - 1, _MOST_POINTS).astype(int)]
    seen = seen[chosen]
    before = _crowding(seen @ rotations[0], rotations[0].T @ stated, 1.0)
    most, place, rotation = before, stated, rotations[0]
    for axes in rotations:
        turned, middle = seen @ axes, axes.T @ stated
        for start in [middle, *_first_places(turned, middle)]:
            found, tilt, crowding = _refined(turned, start, middle)
            if crowding > most + 1e-9:
                most, rotation = crowding, axes @ tilt
                place = axes @ found
    gain = most - before
    is_near = float(np.linalg.norm(place - stated)) < _NEAR_ENOUGH_M
    return Origin(place, rotation, float(gain), bool(is_near or gain < _CLEARLY))


def _about(up: FloatArray) -> FloatArray:
    """[3, 3] axes with z along `up` and x as far forward as that allows."""
    z = up / np.linalg.norm(up)
    y = np.cross(z, (1.0, 0.0, 0.0))
    y /= np.linalg.norm(y)
    return np.stack([np.cross(y, z), y, z], axis=1)


def _first_places(seen: FloatArray, stated: FloatArray) -> list[FloatArray]:
    some = seen[:: max(1, len(seen) // _FIRST_POINTS)]
    across, up = (
        np.arange(-reach, reach + step / 2, step)
        for reach, step in zip(_REACH_M[[0, 2]], _FIRST_STEPS_M, strict=True)
    )
    places = [stated + np.array((x, 0.0, z)) for x in across for z in up]
    scores = [_crowding(some, place, _FIRST_BINS) for place in places]
    return [places[k] for k in np.argsort(scores)[: -_KEPT - 1 : -1]]


def _refined(
    seen: FloatArray, start: FloatArray, stated: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """The best place near a start, the best tilt [3, 3] about it, and how much elevations crowd."""
    best, tilt = start, np.eye(3)
    for bins, step, reach in _ROUNDS:
        around = np.arange(-reach, reach + step / 2, step)
        turned = seen @ tilt
        # Height and distance trade with each other, so that they are searched together.
        places = [best + np.array((x, 0.0, z)) for x in around for z in around]
        best = max(places, key=lambda at: _crowding(turned, tilt.T @ at, bins))
        places = [best + np.array((0.0, y, 0.0)) for y in around]
        best = max(places, key=lambda at: _crowding(turned, tilt.T @ at, bins))
        best = stated + np.clip(best - stated, -_REACH_M, _REACH_M)
        angles = around * _TILT_PER_M
        tilts = [tilt, *(tilt @ rotation_from_euler(r, p, 0) for r in angles for p in angles)]
        tilt = max(tilts, key=lambda each: _crowding(seen @ each, each.T @ best, bins))
    found = _crowding(seen @ tilt, tilt.T @ best, 1.0)
    untouched = _crowding(seen, start, 1.0)
    return (best, tilt, found) if found > untouched else (start, np.eye(3), untouched)


def _stands(points: FloatArray) -> npt.NDArray[np.bool_]:
    """Points well above the lowest one near them. Seen from its own height, flat ground would crowd
    on one elevation, more than any beam does.
    """
    cell = np.floor(points[:, :2] / _CELL_M).astype(np.int64)
    cell -= cell.min(axis=0, initial=0)
    flat = cell[:, 0] * (int(cell[:, 1].max(initial=0)) + 1) + cell[:, 1]
    lowest = np.full(int(flat.max(initial=0)) + 1, np.inf)
    np.minimum.at(lowest, flat, points[:, 2])
    return np.asarray(points[:, 2] > lowest[flat] + _ABOVE_M, bool)


def _crowding(points: FloatArray, origin: FloatArray, bins: float) -> float:
    """How much the histogram of elevations differs from itself smeared, nats (Kullback-Leibler)."""
    seen = points - origin
    elevation = np.arctan2(seen[:, 2], np.hypot(seen[:, 0], seen[:, 1]))
    index = ((elevation + np.pi / 2) / (bins * _BIN_RAD)).astype(np.int64)
    share = np.bincount(index, minlength=_SMOOTH_BINS) / len(points)
    smeared = np.convolve(share, np.ones(_SMOOTH_BINS) / _SMOOTH_BINS, mode="same")
    there = share > 0
    return float((share[there] * np.log(share[there] / smeared[there])).sum())


def find_beams(
    points: npt.NDArray[np.floating], origin: Origin, *, most: int = 160
) -> tuple[float, ...]:
    """Elevations of the beams, radians, the top one first; () where none stand out.

    A beam is a peak of the histogram with clear valleys on both sides.
    """
    if len(points) < _LEAST_POINTS:
        return ()
    seen = (np.asarray(points, float) - origin.place) @ origin.rotation
    elevation = np.arctan2(seen[:, 2], np.hypot(seen[:, 0], seen[:, 1]))
    fine = _BIN_RAD / 3
    first = elevation.min(initial=0.0) - 10 * fine
    bins = ((elevation - first) / fine).astype(np.int64)
    counts = np.bincount(bins, minlength=20).astype(float)
    counts = np.convolve(counts, np.array([1, 2, 3, 4, 3, 2, 1]) / 16, mode="same")
    least = 0.0006 * len(points)
    peaks: list[int] = []
    k = 0
    while k < len(counts):
        if counts[k] < least * 0.25:
            k += 1
            continue
        end = k
        while end < len(counts) and counts[end] >= least * 0.25:
            end += 1
        run = counts[k:end]
        if run.sum() >= least:
            peaks += [k + at for at in _tops(run)]
        k = end
    if not 4 <= len(peaks) <= most:
        return ()
    found = first + (np.array(peaks[::-1]) + 0.5) * fine
    return tuple(float(each) for each in found)


def _tops(run: FloatArray) -> list[int]:
    """Highest places of a stretch of the histogram, those apart that a valley parts."""
    tops: list[int] = []
    lowest = 0.0
    for at in range(len(run)):
        is_top = (at == 0 or run[at] >= run[at - 1]) and (
            at + 1 == len(run) or run[at] > run[at + 1]
        )
        if not is_top:
            lowest = min(lowest, run[at])
            continue
        if tops and lowest > 0.6 * min(run[tops[-1]], run[at]):
            if run[at] > run[tops[-1]]:
                tops[-1] = at
        else:
            tops.append(at)
        lowest = run[at]
    return tops


# --- at import -----------------------------------------------------------------------------------

# A driving vehicle shifts the origin forwards while the sweep turns, by half a metre and more; how
# far is not known from one frame. It does not lift it: what is told is what height or side tell.
_TOLD_M, _TOLD_GAIN = np.array([np.inf, 0.5, 0.3]), 0.5


def origin_problems(scene: Scene, frame: Frame) -> list[Problem]:
    """What a frame's sweeps say against the stated places of their LiDARs."""
    found = []
    for lidar in scene.lidars:
        sweep = frame.sweeps.get(lidar.name)
        if sweep is None:
            continue
        pose = lidar.calibration.ego_from_sensor
        origin = find_origin(sweep.points_ego, pose[:3, 3], ups=[pose[:3, 2]])
        off = origin.place - pose[:3, 3]
        if bool((np.abs(off) > _TOLD_M).any()) and origin.gain > _TOLD_GAIN:
            there = ", ".join(f"{value:+.1f}" for value in off)
            found.append(
                Problem(
                    "", frame.index,
                    f"{lidar.name} seems to measure from another place than its calibration says: "
                    f"{there} m forwards, leftwards and upwards of it. Masks will be worse until "
                    "the calibration is corrected and the scene imported again",
                )
            )  # fmt: skip
    return found
