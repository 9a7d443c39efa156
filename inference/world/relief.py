"""The lie of the land: a street laid out straight and level, then bent and raised as a whole.

Everything is planned along a straight main road (street.py). A `Course` says where the plan's points
lie: the main road bends before and behind the crossing and climbs or falls, the crossing itself and
the side road stay as planned. What stands keeps its shape and is put where its place in the plan
went; the ground is a surface over a grid, from which rays also read what is painted there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from inference.world.kernel import inlined
from inference.world.solids import Float64Array, Kind, Solids, joined, turn_y, turn_z

Float32Array = npt.NDArray[np.float32]
Random = np.random.Generator

STEEPEST = 0.09  # of any course, rise over run
_STEP_M, _CELL_M, _PIECE_M = 0.5, 1.0, 3.0
_FIRST_M, _LAST_M = -240.0, 360.0  # of the plan's main road
_LOW, _HIGH = np.array([-190.0, -230.0]), np.array([330.0, 230.0])  # of the grid
_STRAIGHT_M = 14.0  # to both sides of the crossing


class Relief(NamedTuple):
    """The ground as kernels read it; `is_level` where there is nothing to read.

    height: [rows, columns] metres at the grid's points.  plan: [rows, columns, 2] where in the plan they
    are.  corner: [2] the first point's place, cell: metres between points.  steepest: rise over run
    between the houses, nowhere more.
    """

    is_level: bool
    height: Float32Array
    plan: Float32Array
    corner: Float64Array
    cell: float
    steepest: float


def level() -> Relief:
    return Relief(
        True, np.zeros((1, 1), np.float32), np.zeros((1, 1, 2), np.float32), np.zeros(2), 1.0,
        0.0,
    )  # fmt: skip


@dataclass(frozen=True)
class Course:
    """Where the main road runs, by plan x, every _STEP_M from _FIRST_M on.

    middle: [P, 2] metres.  heading: [P] radians.  height: [P] metres.  grade: [P] rise over run.
    """

    middle: Float64Array
    heading: Float64Array
    height: Float64Array
    grade: Float64Array

    def _place(self, x: float) -> tuple[int, float]:
        place = (x - _FIRST_M) / _STEP_M
        k = min(max(int(place), 0), len(self.heading) - 2)
        return k, place - k

    def at(self, x: float, y: float) -> tuple[Float64Array, float, float]:
        """Of a plan's place: where it is [3], how far it is turned, and its grade along the road."""
        k, share = self._place(x)
        middle = self.middle[k] + share * (self.middle[k + 1] - self.middle[k])
        inside = min(max(share, 0.0), 1.0)
        heading, height, grade = (
            float(values[k] + inside * (values[k + 1] - values[k]))
            for values in (self.heading, self.height, self.grade)
        )
        where = np.array([
            middle[0] - y * math.sin(heading), middle[1] + y * math.cos(heading), height,
        ])  # fmt: skip
        return where, heading, grade

    def relief(self) -> Relief:
        columns, rows = (np.ceil((_HIGH - _LOW) / _CELL_M).astype(int) + 1).tolist()
        x, y = (
            low + _CELL_M * np.arange(count)
            for low, count in zip(_LOW.tolist(), (columns, rows), strict=True)
        )
        points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        plan = self.plan_of(points)
        height = np.interp(plan[:, 0], self._along(), self.height)
        # On the inside of a bend the same rise comes over a shorter way. Behind the houses, where pieces of
        # the plan meet, there may be steps; rays that pass through one end a little too far away.
        steepest = 1.3 * float(np.abs(self.grade).max()) + 1e-3
        return Relief(
            False, height.reshape(rows, columns).astype(np.float32),
            plan.reshape(rows, columns, 2).astype(np.float32), _LOW.copy(), _CELL_M, steepest,
        )  # fmt: skip

    def _along(self) -> Float64Array:
        return np.asarray(_FIRST_M + _STEP_M * np.arange(len(self.heading)), np.float64)

    def plan_of(self, points: Float64Array) -> Float64Array:
        """points: [N, 2].  The place in the plan that lies there: the nearest of the main road, but beside
        the crossing, where the side road runs, the plan's own.
        """
        _, k = cKDTree(self.middle).query(points)
        straight = np.abs(self.heading) < 1e-9
        crossing = self._along()[straight & (np.abs(self.grade) < 1e-9)]
        beside = (points[:, 0] > crossing.min()) & (points[:, 0] < crossing.max())
        away = points - self.middle[k]
        c, s = np.cos(self.heading[k]), np.sin(self.heading[k])
        ahead, aside = away[:, 0] * c + away[:, 1] * s, away[:, 1] * c - away[:, 0] * s
        # Along a bend a step is longer outside than in the middle.
        bend = np.gradient(self.heading, _STEP_M)[k]
        ahead = ahead / np.maximum(1 - bend * aside, 0.2)
        plan = np.stack([self._along()[k] + ahead, aside], axis=1)
        return np.where(beside[:, None], points, plan)


def drawn_course(crossing_x: float, random: Random) -> Course:
    """Bends of 70 to 250 m radius and grades of up to 7 % before and behind the crossing."""
    along = np.arange(_FIRST_M, _LAST_M + _STEP_M / 2, _STEP_M)
    bend, crest = np.zeros(len(along)), np.zeros(len(along))
    for side in (-1, 1):
        start = crossing_x + side * _STRAIGHT_M
        away = side * (along - start)
        if random.random() < 0.75:
            # Not farther round than the side road's houses stand.
            radius = random.uniform(70, 250)
            length = min(random.uniform(30, 90), 0.9 * radius)
            begins = random.uniform(0, 8)
            bend += random.choice((-1, 1)) / radius * _bump(away, begins, length, 10.0)
        if random.random() < 0.75:
            grade, begins = random.uniform(-0.07, 0.07), random.uniform(0, 8)
            crest += side * grade * _bump(away, begins, random.uniform(40, 100), 20.0)
    zero = int(np.abs(along - crossing_x).argmin())

    def summed(values: Float64Array) -> Float64Array:
        total = np.concatenate([[0.0], np.cumsum((values[1:] + values[:-1]) / 2) * _STEP_M])
        return np.asarray(total - total[zero])

    heading = summed(bend)
    middle = np.stack([summed(np.cos(heading)) + along[zero], summed(np.sin(heading))], axis=1)
    return Course(middle, heading, summed(crest), crest)


def _bump(away: Float64Array, begins: float, length: float, soft_m: float) -> Float64Array:
    """1 over a stretch, softly from 0 and back to it."""

    def up(x: Float64Array) -> Float64Array:
        return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip(x / soft_m, 0, 1)))

    return up(away - begins) * (1 - up(away - begins - length))


# --- what stands ---------------------------------------------------------------------------------


def put(course: Course, solids: Solids, x: float, y: float, *, leans: bool) -> Solids:
    """Solids that belong together, in the plan, put where (x, y) of it went.  leans: with the grade."""
    where, heading, grade = course.at(x, y)
    rotation = turn_z(heading) @ turn_y(-math.atan(grade)) if leans else turn_z(heading)
    return solids.moved(rotation, where - rotation @ np.array([x, y, 0.0]))


def laid(course: Course, solids: Solids) -> Solids:
    """Pavements: long ones along the main road are cut, and each piece is put by itself."""
    pieces = []
    for k in range(len(solids)):
        one = solids.chosen(np.array([k]))
        length = 2 * float(one.half[0, 0])
        is_long = one.kind[0] == Kind.BOX and length > 2 * _PIECE_M
        count = math.ceil(length / _PIECE_M) if is_long else 1
        for n in range(count):
            shift = (n + 0.5) / count * length - length / 2
            half = one.half.copy()
            if count > 1:
                half[0, 0] = length / count / 2 * 1.03  # the outer sides of a bend stay closed
            x, y = float(one.centre[0, 0] + shift), float(one.centre[0, 1])
            piece = one.replaced(half=half, centre=one.centre + (shift, 0.0, 0.0))
            pieces.append(put(course, piece, x, y, leans=True))
    return joined(pieces)


# --- in kernels ----------------------------------------------------------------------------------


@inlined
def _cell_of(x: float, y: float, relief: Relief) -> tuple[int, int, float, float]:
    """The grid's column and row before a place, and how far it is towards the next ones."""
    rows, columns = relief.height.shape
    a = min(max((x - relief.corner[0]) / relief.cell, 0.0), columns - 1.001)
    b = min(max((y - relief.corner[1]) / relief.cell, 0.0), rows - 1.001)
    i, j = int(a), int(b)
    fa, fb = a - i, b - j
    return i, j, fa, fb


@inlined
def height_at(x: float, y: float, relief: Relief) -> float:
    """Of the ground over a place of the street."""
    if relief.is_level:
        return 0.0
    i, j, fa, fb = _cell_of(x, y, relief)
    map_ = relief.height
    return (map_[j, i] * (1 - fa) + map_[j, i + 1] * fa) * (1 - fb) + (
        map_[j + 1, i] * (1 - fa) + map_[j + 1, i + 1] * fa
    ) * fb


@inlined
def plan_at(x: float, y: float, relief: Relief) -> tuple[float, float]:
    """Where in the plan a place of the street is."""
    if relief.is_level:
        return x, y
    i, j, fa, fb = _cell_of(x, y, relief)
    map_ = relief.plan
    px = (map_[j, i, 0] * (1 - fa) + map_[j, i + 1, 0] * fa) * (1 - fb) + (
        map_[j + 1, i, 0] * (1 - fa) + map_[j + 1, i + 1, 0] * fa
    ) * fb
    py = (map_[j, i, 1] * (1 - fa) + map_[j, i + 1, 1] * fa) * (1 - fb) + (
        map_[j + 1, i, 1] * (1 - fa) + map_[j + 1, i + 1, 1] * fa
    ) * fb
    return px, py


@inlined
def ground_distance(
    sx: float, sy: float, sz: float, dx: float, dy: float, dz: float, largest: float,
    relief: Relief,
) -> float:  # fmt: skip
    """How far along a ray the ground is; `largest` where it is farther.

    No ground is steeper than `steepest`, so that a step of the height above it over how fast that can
    shrink never goes through.
    """
    if relief.is_level:
        if dz < -1e-6:
            return min(-sz / dz, largest)
        return largest
    flat = math.sqrt(dx * dx + dy * dy)
    fastest = relief.steepest * flat - dz
    if fastest <= 1e-6:
        return largest
    length = math.sqrt(flat * flat + dz * dz)
    t = 0.0
    for _ in range(64):
        above = sz + t * dz - height_at(sx + t * dx, sy + t * dy, relief)
        if above < 0.004 + 0.0004 * t * length:
            return max(t + above / max(-dz, 0.02 * length), 1e-3)
        t += above / fastest
        if t >= largest:
            return largest
    return largest
