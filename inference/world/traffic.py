"""How vehicles and people move: routes, a car-following simulation with traffic lights, walkers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from inference.world.solids import Float64Array

STEP_S = 0.1  # of the simulation, and the time between frames


@dataclass(frozen=True)
class Route:
    """A line to drive along: positions [P, 2], headings [P], every `spacing` metres."""

    positions: Float64Array
    headings: Float64Array
    spacing: float = 0.25

    @property
    def length(self) -> float:
        return (len(self.positions) - 1) * self.spacing

    def at(self, s: float) -> tuple[float, float, float]:
        """x, y, heading after s metres; goes straight on beyond either end."""
        place = s / self.spacing
        k = min(max(int(math.floor(place)), 0), len(self.positions) - 2)
        share = place - k
        inside = min(max(share, 0.0), 1.0)
        x, y = self.positions[k] + share * (self.positions[k + 1] - self.positions[k])
        heading = self.headings[k] + inside * (self.headings[k + 1] - self.headings[k])
        return float(x), float(y), float(heading)

    def project(self, points: Float64Array) -> tuple[Float64Array, Float64Array]:
        """points [N, 2]. Where along the route each is nearest, and how far beside it."""
        squared = ((points[:, None, :] - self.positions[None, ::4]) ** 2).sum(axis=2)
        nearest = squared.argmin(axis=1)
        return nearest * 4 * self.spacing, np.sqrt(squared[np.arange(len(points)), nearest])


def straight_route(x: float, y: float, heading: float, length: float) -> Route:
    return bent_route(x, y, heading, ((length, 0.0),))


def bent_route(x: float, y: float, heading: float, pieces: Sequence[tuple[float, float]]) -> Route:
    """From a start along pieces of (length, angle turned over it), corners smoothed over 5 m."""
    spacing = 0.25
    curvature = np.concatenate(
        [np.full(round(length / spacing), angle / length) for length, angle in pieces]
    )
    window = np.ones(21) / 21
    curvature = np.convolve(np.pad(curvature, 10, mode="edge"), window, mode="valid")
    headings = heading + np.concatenate(([0.0], np.cumsum(curvature) * spacing))
    steps = spacing * np.stack([np.cos(headings[:-1]), np.sin(headings[:-1])], axis=1)
    positions = np.concatenate(([[x, y]], [x, y] + np.cumsum(steps, axis=0)))
    return Route(positions, headings, spacing)


@dataclass
class Driver:
    """One moving vehicle or cyclist: where on which route, how fast, and where it must wait.

    stop_at: metres along the route of its stop line; red_s: (from, to) seconds of red light.
    slow_at: (from, to, speed): a bend to be taken slowly.
    """

    route: Route
    s: float
    speed: float
    cruise: float
    length: float
    stop_at: float = math.inf
    red_s: tuple[float, float] = (0.0, 0.0)
    slow_at: tuple[float, float, float] | None = None
    track_s: list[float] = field(default_factory=list)  # s at each step
    track_speed: list[float] = field(default_factory=list)


_COMFORT = 2.2  # m/s^2, braking
_PULL = 1.8  # m/s^2, accelerating
_HALF_LANE = 1.35  # who is farther beside the route than this is not in the way


def simulate(drivers: list[Driver], steps: int) -> None:
    """Fill `track_s` and `track_speed` of every driver with `steps` samples, STEP_S apart.

    The intelligent-driver model (Treiber et al. 2000): gaps are kept, queues form at red lights.
    Each step depends on earlier ones only, so that a longer drive begins like a shorter one.
    """
    for step in range(steps):
        where = np.array([driver.route.at(driver.s) for driver in drivers])
        pulls = [_acceleration(driver, drivers, where, step * STEP_S) for driver in drivers]
        for driver, pull in zip(drivers, pulls, strict=True):
            driver.track_s.append(driver.s)
            driver.track_speed.append(driver.speed)
            speed = max(0.0, driver.speed + STEP_S * pull)
            driver.s += STEP_S * (driver.speed + speed) / 2
            driver.speed = speed


def _acceleration(
    driver: Driver, drivers: list[Driver], where: Float64Array, time_s: float
) -> float:
    cruise = _allowed_speed(driver)
    pull = _PULL * (1 - (driver.speed / cruise) ** 4)
    gap, closing = _gap_ahead(driver, drivers, where)
    is_red = driver.red_s[0] <= time_s < driver.red_s[1]
    to_line = driver.stop_at - driver.s - driver.length / 2
    # Who could no longer stop in comfort drives on through.
    can_stop = to_line > driver.speed**2 / (2 * 3.5) - 0.5
    if is_red and -0.5 < to_line < gap and can_stop:
        gap, closing = max(to_line + 1.2, 0.3), driver.speed
    wanted = 2.0 + max(
        0.0, 1.2 * driver.speed + driver.speed * closing / (2 * math.sqrt(_PULL * _COMFORT))
    )
    return max(-6.0, pull - _PULL * (wanted / max(gap, 0.3)) ** 2)


def _allowed_speed(driver: Driver) -> float:
    if driver.slow_at is None or driver.s > driver.slow_at[1]:
        return driver.cruise
    start, _, slow = driver.slow_at
    return min(driver.cruise, math.sqrt(slow**2 + 2 * 1.2 * max(0.0, start - driver.s)))


def _gap_ahead(driver: Driver, drivers: list[Driver], where: Float64Array) -> tuple[float, float]:
    """Free road in front, bumper to bumper, and how fast it shrinks (m/s)."""
    along, beside = driver.route.project(where[:, :2])
    gap, closing = math.inf, 0.0
    heading = driver.route.at(driver.s)[2]
    for other, s, lateral, pose in zip(drivers, along, beside, where, strict=True):
        ahead = float(s) - driver.s
        if other is driver or lateral > _HALF_LANE or not 0.5 < ahead < 80:
            continue
        free = ahead - (driver.length + other.length) / 2
        if free < gap:
            gap = free
            closing = driver.speed - other.speed * math.cos(pose[2] - heading)
    return gap, closing


@dataclass(frozen=True)
class Walk:
    """A person walking straight on, then standing: start [2], heading, m/s, and how far, metres."""

    start: tuple[float, float]
    heading: float
    speed: float
    phase: float
    distance: float = math.inf

    def walked(self, time_s: float) -> float:
        return min(self.speed * time_s, self.distance)

    def is_walking(self, time_s: float) -> bool:
        return self.speed > 0 and self.speed * time_s < self.distance

    def at(self, time_s: float) -> tuple[float, float, float]:
        x, y = self.start
        s = self.walked(time_s)
        return x + s * math.cos(self.heading), y + s * math.sin(self.heading), self.heading

    def gait(self, time_s: float) -> float:
        """Phase of the steps, radians: one double step takes about 1.45 m."""
        return self.phase + 2 * math.pi * self.walked(time_s) / 1.45
