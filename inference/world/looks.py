"""How a drive looks: its light, its weather, its film, and surfaces that no street has.

Models that are to see real pictures learn more from many odd looks than from one good one, so that the
"random" look draws time of day, weather and exposure, and paints a share of all solids in made-up
patterns (Tobin et al. 2017, domain randomisation).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from inference.world.solids import Material, Solids
from inference.world.street import Light, Street, Thing

Random = np.random.Generator

_KEPT = (
    Material.WHEEL,
    Material.SIGNAL,
)  # what a thing is known by, and lights that mean something


@dataclass(frozen=True)
class Look:
    """made_up: share of solids in made-up patterns.  jpeg_quality: of the pictures."""

    name: str
    light: Light
    wet: float
    made_up: float
    jpeg_quality: int


def plain_look(light: Light) -> Look:
    return Look("day", light, 0.0, 0.0, 88)


def random_look(light: Light, random: Random) -> Look:
    """The street's own light as a start."""
    name = str(random.choice(("day", "dusk", "night", "rain", "glare", "dim"),
                             p=(0.4, 0.12, 0.14, 0.14, 0.1, 0.1)))  # fmt: skip
    tint = random.uniform(0.88, 1.12, 3)
    light = replace(
        light, sun=light.sun * tint, sky=light.sky * random.uniform(0.9, 1.1, 3),
        exposure=light.exposure * random.uniform(0.75, 1.35), grain=random.uniform(3, 12),
    )  # fmt: skip
    wet = 0.0
    if name == "dusk":
        height = random.uniform(0.08, 0.3)
        flat = light.to_sun[:2] / max(float(np.hypot(*light.to_sun[:2])), 1e-6)
        low = np.array([*(flat * math.cos(height)), math.sin(height)])
        light = replace(
            light, to_sun=low, sun=np.array([2.4, 1.3, 0.6]) * random.uniform(0.3, 1.0),
            sky=np.array([0.6, 0.55, 0.75]) * 0.5, sky_scale=random.uniform(0.3, 0.7),
            exposure=light.exposure * random.uniform(1.2, 2.2),
        )  # fmt: skip
    elif name == "night":
        light = replace(
            light, sun=np.array([0.05, 0.06, 0.09]) * random.uniform(0.2, 1.5),
            sky=np.array([0.16, 0.13, 0.1]) * random.uniform(0.3, 1.5),
            sky_scale=random.uniform(0.01, 0.06), head_lamps=random.uniform(0.4, 2.0),
            exposure=light.exposure * random.uniform(1.5, 4.0), grain=random.uniform(10, 30),
        )  # fmt: skip
    elif name == "rain":
        wet = random.uniform(0.3, 1.0)
        light = replace(
            light, sun=light.sun * 0.12, sky=np.array([0.8, 0.85, 0.9]) * random.uniform(0.6, 1.0),
            clouds=0.95, sky_scale=random.uniform(0.5, 0.9), haze_m=random.uniform(60, 200),
        )  # fmt: skip
    elif name == "glare":
        light = replace(light, exposure=light.exposure * random.uniform(1.6, 3.2))
    elif name == "dim":
        light = replace(light, exposure=light.exposure * random.uniform(0.3, 0.6))
    # Few enough that edges between a thing's parts stay rarer than edges of things: with more, the
    # second look of the small model learnt to distrust edges (docs/experiments.md).
    made_up = 0.0 if random.random() < 0.5 else random.uniform(0.05, 0.4)
    return Look(name, light, wet, float(made_up), int(random.integers(55, 96)))


def dressed(street: Street, look: Look, random: Random) -> Street:
    """The same street in another look."""
    # Numbers of the look itself, drawn once, so that a thing looks the same in every frame.
    paint = int(random.integers(1 << 31))
    things = [_painted_thing(thing, look.made_up, paint) for thing in street.things]
    terrain, asphalt = street.terrain, street.asphalt * (1 - 0.4 * look.wet)
    if look.made_up:
        terrain = terrain * random.uniform(0.4, 1.8, 3)
        asphalt *= random.uniform(0.5, 2.2)
    return replace(
        street, light=look.light, terrain=terrain, asphalt=asphalt, things=things,
        static=painted(street.static, look.made_up, paint),
    )  # fmt: skip


def _painted_thing(thing: Thing, share: float, paint: int) -> Thing:
    if not share:
        return thing
    return replace(
        thing, body_at=lambda time_s: painted(thing.body_at(time_s), share, paint, thing.number)
    )


def painted(solids: Solids, share: float, paint: int, number: int | None = None) -> Solids:
    """A share of the solids in made-up patterns or in other colours.

    What a solid gets follows from `paint`, its thing and its place in it, so that it keeps it while
    the thing moves.  number: of the thing; None: each solid's own track, in its order.
    """
    if not share or not len(solids):
        return solids
    track = solids.track.astype(np.int64) if number is None else np.full(len(solids), number)
    place = np.zeros(len(solids), np.int64)
    for each in np.unique(track):
        own = track == each
        place[own] = np.arange(own.sum())
    # Most things are dressed as a whole.
    by_thing = _dice(paint, track, 0 * place, 1) < 0.8
    place = np.where(by_thing, 0, place)
    dice = [_dice(paint, track, place, k) for k in range(2, 9)]
    kept = np.isin(solids.material, [int(each) for each in _KEPT])
    is_leaf = solids.material == Material.LEAVES
    chosen = (dice[0] < share) & ~kept & ~is_leaf
    tinted = (dice[0] < share) & is_leaf
    colour = np.stack(dice[1:4], axis=1) ** 1.8 * 0.8
    grey = colour.mean(axis=1, keepdims=True)
    colour = grey + (colour - grey) * _dice(paint, track, place, 9)[:, None]
    return solids.replaced(
        material=np.where(chosen, int(Material.PATTERN), solids.material).astype(np.int32),
        colour=np.where((chosen | tinted)[:, None], np.where(tinted[:, None], colour * 0.5, colour),
                        solids.colour),
        seed=np.where(chosen, dice[4] * 97.0, solids.seed),
        extra=np.where(chosen, 0.06 * 60.0 ** dice[5], solids.extra),
    )  # fmt: skip


def _dice(paint: int, one: np.ndarray, other: np.ndarray, k: int) -> np.ndarray:
    """[n] numbers in 0 ... 1 that follow from three whole numbers (a mixing of bits, splitmix64)."""
    with np.errstate(over="ignore"):
        x = (one.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
             + other.astype(np.uint64) * np.uint64(0xD1B54A32D192ED03)
             + np.uint64((paint * 1_000_003 + k * 7_919) & (2**64 - 1)))  # fmt: skip
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)).astype(np.float64) / 2.0**53
