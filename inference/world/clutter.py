"""What else stands about: heaps of odd shapes, fences, hedges, cones, tables, people in groups.

It is added to streets in a random look, so that models meet things of no class they were told of.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from inference.world import bodies
from inference.world.solids import Builder, Kind, Material, Solids, joined, turn_x, turn_y, turn_z
from inference.world.street import FIRST_THING, KERB_M, GoldTrack, Street, Thing

Random = np.random.Generator
_PLACES = (-25.0, 140.0)  # along the main road


def with_clutter(street: Street, random: Random) -> Street:
    """The street with more things on its sidewalks and beside its parked cars."""
    things = list(street.things)
    gold = dict(street.gold)
    counts: dict[str, int] = {}
    taken = [np.array(t.pose_at(0.0)[:2]) for t in things if t.is_static]
    for _ in range(int(random.integers(10, 60))):
        label_class, make = _KINDS[int(random.choice(len(_KINDS), p=_SHARES))]
        lay = street.layout
        side = float(random.choice((-1, 1)))
        inwards = random.uniform(0.5, lay.sidewalk - 0.3) if random.random() < 0.85 else -0.6
        x = random.uniform(*_PLACES)
        if abs(x - lay.crossing_x) < lay.cross_half + 1:
            continue
        y = side * (lay.half + inwards)
        if any(np.hypot(*(place - (x, y))) < 1.2 for place in taken):
            continue
        for dx, dy in _spread(label_class, random):
            number = FIRST_THING + len(things)
            count = counts[label_class] = counts.get(label_class, 0) + 1
            track = GoldTrack(f"{label_class}-extra-{count:03d}", label_class)
            heading = _heading(label_class, side, random)
            z = KERB_M if inwards > 0 else 0.0
            things.append(_standing(number, track, make(random), (x + dx, y + dy, z, heading)))
            gold[number] = track
            taken.append(np.array([x + dx, y + dy]))
    added = things[len(street.things) :]
    static = joined([street.static, *(thing.solids_at(0.0) for thing in added)])
    return replace(street, things=things, gold=gold, static=static)


def _standing(
    number: int, gold: GoldTrack, body: Solids, pose: tuple[float, float, float, float]
) -> Thing:
    return Thing(number, gold, lambda _: body, lambda _: pose, True)


def _spread(label_class: str, random: Random) -> list[tuple[float, float]]:
    """Where the members of a group stand; most things stand alone."""
    if label_class == "pedestrian":
        count = int(random.integers(1, 6))
        return [(random.normal(0, 0.7), random.normal(0, 0.35)) for _ in range(count)]
    if label_class == "cone":
        return [(1.5 * k, random.normal(0, 0.1)) for k in range(int(random.integers(1, 5)))]
    return [(0.0, 0.0)]


def _heading(label_class: str, side: float, random: Random) -> float:
    if label_class in ("fence", "hedge", "bench"):  # along the road
        return random.normal(0, 0.03) + (math.pi if side > 0 else 0.0)
    return random.uniform(0, 2 * math.pi)


# --- bodies --------------------------------------------------------------------------------------


def heap(random: Random) -> Solids:
    """One to five solids of any shape, one on or beside the other."""
    body = Builder()
    size = random.uniform(0.15, 0.8)
    for k in range(int(random.integers(1, 6))):
        half = size * random.uniform(0.25, 1.0, 3)
        kind = Kind(int(random.choice((Kind.BOX, Kind.BALL, Kind.CYLINDER), p=(0.5, 0.25, 0.25))))
        place = (random.normal(0, size * 0.7) * (k > 0), random.normal(0, size * 0.7) * (k > 0),
                 half.max() * random.uniform(0.7, 1.0) + (k % 2) * size * 0.6)  # fmt: skip
        rotation = turn_z(random.uniform(0, 6.3)) @ turn_x(random.normal(0, 0.3))
        taper = tuple(random.uniform(0, 0.5, 3)) if kind is Kind.BOX else (0.0, 0.0, 0.0)
        body.add(kind, place, half, _any_material(random), random.uniform(0.02, 0.7, 3),
                 taper=taper, rotation=rotation, seed=random.uniform(0, 100), extra=0.3)  # fmt: skip
    return body.finished()


def _any_material(random: Random) -> Material:
    return Material(int(random.choice((
        Material.PLAIN, Material.PAINT, Material.CLOTH, Material.METAL, Material.BARK,
        Material.CARGO, Material.PATTERN,
    ))))  # fmt: skip


def fence(random: Random) -> Solids:
    body = Builder()
    length, height = random.uniform(2, 9), random.uniform(0.7, 1.8)
    colour = random.uniform(0.03, 0.5, 3)
    is_board = random.random() < 0.4
    gap = 0.0 if is_board else random.uniform(0.12, 0.5)
    for z in (0.2 * height, 0.85 * height):
        body.box((0, 0, z), (length / 2, 0.02, 0.03), Material.METAL, colour)
    if is_board:
        body.box((0, 0, height / 2), (length / 2, 0.025, height / 2), Material.PAINT, colour)
    else:
        for x in np.arange(-length / 2, length / 2 + 0.01, gap):
            body.box((x, 0, height / 2), (0.015, 0.015, height / 2), Material.METAL, colour)
    return body.finished()


def hedge(random: Random) -> Solids:
    body = Builder()
    length, height = random.uniform(1.5, 7), random.uniform(0.5, 1.5)
    green = np.array([0.05, 0.12, 0.03]) * random.uniform(0.6, 1.8, 3)
    for x in np.arange(-length / 2, length / 2 + 0.01, 0.45):
        half = np.array([0.42, random.uniform(0.3, 0.45), height / 2 * random.uniform(0.92, 1.05)])
        body.add(Kind.LEAVES, (x, 0, height / 2), half, Material.LEAVES, green,
                 seed=random.uniform(0, 100))  # fmt: skip
    return body.finished()


def cone(random: Random) -> Solids:
    body = Builder()
    height = random.uniform(0.4, 0.95)
    colour = (0.6, 0.12, 0.02) if random.random() < 0.8 else tuple(random.uniform(0.02, 0.7, 3))
    body.box((0, 0, 0.02), (height * 0.26, height * 0.26, 0.02), Material.PLAIN, colour)
    body.box((0, 0, height / 2), (height * 0.18, height * 0.18, height / 2), Material.PAINT, colour,
             (0.8, 0.8, 0.8))  # fmt: skip
    body.box((0, 0, height * 0.6), (height * 0.12, height * 0.12, height * 0.08), Material.PLAIN,
             (0.7, 0.7, 0.7), (0.2, 0.2, 0.2))  # fmt: skip
    return body.finished()


def table(random: Random) -> Solids:
    """A table or a bench, with legs."""
    body = Builder()
    length, width, height = (
        random.uniform(0.5, 1.9), random.uniform(0.35, 0.9), random.uniform(0.4, 0.9),
    )  # fmt: skip
    colour = random.uniform(0.03, 0.5, 3)
    body.box((0, 0, height), (length / 2, width / 2, 0.025), Material.PAINT, colour)
    for x in (-0.42 * length, 0.42 * length):
        for y in (-0.42 * width, 0.42 * width):
            body.add(Kind.CYLINDER, (x, y, height / 2), (0.025, 0.025, height / 2), Material.METAL,
                     colour)  # fmt: skip
    if random.random() < 0.5:
        body.box((0, width / 2, height * 1.4), (length / 2, 0.02, height * 0.35), Material.PAINT,
                 colour)  # fmt: skip
    return body.finished()


def stander(random: Random) -> Solids:
    return bodies.person(bodies.looks(random), random.uniform(0, 6.3), random.uniform(0, 0.4))


def bicycle(random: Random) -> Solids:
    body = bodies.cyclist(bodies.looks(random), 0.0, random.uniform(0.02, 0.5, 3), with_rider=False)
    return body.moved(turn_x(random.normal(0, 0.1)) @ turn_y(0.0), np.zeros(3))


_KINDS: tuple[tuple[str, Callable[[Random], Solids]], ...] = (
    ("other", heap), ("fence", fence), ("hedge", hedge), ("cone", cone), ("bench", table),
    ("pedestrian", stander), ("bicycle", bicycle),
)  # fmt: skip
_SHARES = (0.36, 0.08, 0.08, 0.1, 0.1, 0.18, 0.1)
