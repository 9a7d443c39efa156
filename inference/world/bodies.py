"""What each thing on the street is built from, in its own frame: x forward, z up, z = 0 at its feet.

Every function takes the drive's random generator first and returns `Solids` without a track.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from inference.world.solids import (
    Builder,
    Float64Array,
    Kind,
    Material,
    Solids,
    Vector,
    turn_x,
    turn_y,
)

Random = np.random.Generator

BLACK = (0.02, 0.02, 0.022)
STEEL = (0.3, 0.31, 0.32)
# Linear reflectances of the lacquers one sees most, most frequent first.
LACQUERS = (
    (0.62, 0.62, 0.62), (0.03, 0.03, 0.035), (0.22, 0.23, 0.24), (0.38, 0.39, 0.4),
    (0.03, 0.06, 0.2), (0.33, 0.02, 0.02), (0.05, 0.11, 0.22), (0.02, 0.09, 0.06),
    (0.35, 0.27, 0.16), (0.5, 0.16, 0.02), (0.07, 0.2, 0.3),
)  # fmt: skip
SHIRTS = (
    (0.55, 0.55, 0.53), (0.03, 0.03, 0.035), (0.025, 0.035, 0.1), (0.2, 0.2, 0.21),
    (0.38, 0.3, 0.2), (0.09, 0.1, 0.05), (0.2, 0.025, 0.03), (0.2, 0.3, 0.45), (0.45, 0.16, 0.04),
    (0.4, 0.04, 0.04), (0.05, 0.17, 0.17), (0.5, 0.4, 0.12), (0.3, 0.2, 0.26),
)  # fmt: skip
AWNINGS = ((0.3, 0.03, 0.03), (0.04, 0.15, 0.08), (0.03, 0.06, 0.18), (0.45, 0.4, 0.3),
           (0.08, 0.08, 0.08), (0.35, 0.15, 0.03))  # fmt: skip
_LAYING = turn_x(math.pi / 2)


def _pick(random: Random, choices: tuple[Vector, ...]) -> Float64Array:
    return np.asarray(choices[int(random.integers(len(choices)))], float)


def _lacquer(random: Random) -> Float64Array:
    weights = np.array([5, 4, 4, 4, 2, 2, 1.5, 1, 1, 0.7, 1])
    chosen = random.choice(len(LACQUERS), p=weights / weights.sum())
    return np.asarray(LACQUERS[int(chosen)]) * random.uniform(0.8, 1.15)


def _wheels(body: Builder, axles: tuple[float, ...], side: float, radius: float) -> None:
    for x in axles:
        for y in (-side, side):
            body.add(Kind.CYLINDER, (x, y, radius), (radius, radius, 0.11), Material.WHEEL, BLACK,
                     rotation=_LAYING)  # fmt: skip


# Saloon, hatchback, off-roader, van: (length, height) ranges, cabin length share, its place,
# how far windscreen and rear window lean in (in half cabin lengths), ground clearance.
_CARS = (
    ((4.4, 4.9), (1.42, 1.48), 0.60, -0.04, 0.62, 0.50, 0.24),
    ((3.8, 4.3), (1.45, 1.55), 0.70, -0.09, 0.54, 0.20, 0.24),
    ((4.4, 4.8), (1.62, 1.78), 0.73, -0.09, 0.46, 0.16, 0.33),
    ((4.8, 5.4), (1.9, 2.15), 0.84, -0.06, 0.32, 0.04, 0.32),
)


def car(random: Random) -> Solids:
    length_range, height_range, share, place, front, rear, clearance = _CARS[
        int(random.choice(4, p=(0.3, 0.34, 0.26, 0.1)))
    ]
    length, height = random.uniform(*length_range), random.uniform(*height_range)
    width = random.uniform(1.74, 1.9)
    colour, seed = _lacquer(random), random.uniform(0, 100)
    waist = height * random.uniform(0.60, 0.64)
    body = Builder()
    # The sill and bumpers, a little inside and darker, then the painted body, then bonnet height.
    body.box((0, 0, (clearance + 0.52) / 2), (length / 2, width / 2, (0.52 - clearance) / 2),
             Material.CAR_BODY, colour, (-0.03, -0.03, -0.02), seed, 0)  # fmt: skip
    half_cabin = length * share / 2
    windscreen = place * length + half_cabin  # where its foot is
    rear_end = -length / 2 + 0.02
    body.box(((windscreen + rear_end) / 2, 0, (0.5 + waist) / 2),
             ((windscreen - rear_end) / 2, width / 2 + 0.01, (waist - 0.5) / 2),
             Material.CAR_BODY, colour, (0.0, 0.07, 0.06), seed, 1)  # fmt: skip
    # The bonnet falls towards the nose.
    bonnet = length / 2 - windscreen
    body.box((windscreen + bonnet / 2 - 0.03, 0, (0.46 + waist - 0.03) / 2),
             (bonnet / 2 + 0.03, width / 2 + 0.005, (waist - 0.03 - 0.46) / 2),
             Material.CAR_BODY, colour, (0.16, 0.0, 0.08), seed, 2,
             rotation=turn_y(min(0.1, 0.09 / bonnet)))  # fmt: skip
    body.box((place * length, 0, (waist + height) / 2 - 0.01),
             (half_cabin, width / 2 * 0.95, (height - waist) / 2 - 0.03),
             Material.CAR_CABIN, colour, (front, rear, 0.22), seed, front)  # fmt: skip
    roof_front, roof_rear = 1 - front, 1 - rear
    body.box((place * length + half_cabin * (roof_front - roof_rear) / 2, 0, height - 0.035),
             (half_cabin * (roof_front + roof_rear) / 2 * 0.98, width / 2 * 0.75, 0.035),
             Material.PAINT, colour, (0.1, 0.1, 0.08), seed)  # fmt: skip
    wheel = random.uniform(0.31, 0.36)
    axles = (-length * 0.295, length * 0.315)
    for x in axles:
        for y in (-1, 1):
            body.add(Kind.CYLINDER, (x, y * (width / 2 + 0.002), wheel + 0.015),
                     (wheel + 0.055, wheel + 0.055, 0.012), Material.PLAIN, BLACK,
                     rotation=_LAYING)  # fmt: skip
    _wheels(body, axles, width / 2 - 0.085, wheel)
    for y in (-1, 1):
        body.add(Kind.BALL, (place * length + half_cabin * 0.72, y * (width / 2 + 0.09), waist + 0.07),
                 (0.09, 0.12, 0.08), Material.PAINT, colour, seed=seed)  # fmt: skip
    return body.finished()


def lorry(random: Random) -> Solids:
    length, width, height = (
        random.uniform(6.2, 9.0), random.uniform(2.3, 2.5), random.uniform(2.9, 3.5),
    )  # fmt: skip
    cab = random.uniform(1.8, 2.2)
    colour, seed = _lacquer(random), random.uniform(0, 100)
    cargo = _pick(random, ((0.7, 0.7, 0.7), (0.5, 0.5, 0.45), (0.1, 0.2, 0.4), (0.4, 0.12, 0.05)))
    body = Builder()
    body.box((length / 2 - cab / 2, 0, 1.45), (cab / 2, width / 2 * 0.95, 1.0), Material.COACH,
             colour, (0.16, 0.0, 0.05), seed, 0.0)  # fmt: skip
    body.box((-cab / 2 - 0.1, 0, (height + 1.0) / 2), ((length - cab) / 2 - 0.1, width / 2,
             (height - 1.0) / 2), Material.CARGO, cargo, seed=seed)  # fmt: skip
    body.box((0, 0, 0.75), (length / 2 - 0.2, width / 2 * 0.55, 0.15), Material.PLAIN, BLACK)
    for y in (-1, 1):
        body.box((-0.6, y * width * 0.46, 0.62), (length * 0.16, 0.03, 0.2), Material.METAL, STEEL)
        body.box((length / 2 - 0.25, y * (width / 2 + 0.16), 1.9), (0.05, 0.1, 0.22),
                 Material.PLAIN, BLACK)  # fmt: skip
    _wheels(body, (-length * 0.3, length * 0.34), width / 2 - 0.09, 0.47)
    return body.finished()


def bus(random: Random) -> Solids:
    length, width, height = random.uniform(10, 12), 2.52, random.uniform(2.95, 3.2)
    colour = _pick(
        random, ((0.5, 0.05, 0.04), (0.6, 0.6, 0.58), (0.05, 0.25, 0.4), (0.6, 0.4, 0.04))
    )
    seed = random.uniform(0, 100)
    body = Builder()
    body.box((0, 0, height / 2 + 0.15), (length / 2, width / 2, height / 2 - 0.15), Material.COACH,
             colour, (0.02, 0.02, 0.03), seed, 1.0)  # fmt: skip
    body.box((-0.8, 0, height + 0.1), (length * 0.3, width * 0.38, 0.12), Material.PAINT,
             colour * 0.8 + 0.1, (0.1, 0.1, 0.1), seed)  # fmt: skip
    for y in (-1, 1):
        body.box((length / 2 - 0.05, y * (width / 2 + 0.2), 2.3), (0.07, 0.12, 0.22),
                 Material.PLAIN, BLACK)  # fmt: skip
    _wheels(body, (-length * 0.27, length * 0.31), width / 2 - 0.08, 0.48)
    return body.finished()


@dataclass(frozen=True)
class Looks:
    """What one person wears and how tall they are."""

    height: float
    shirt: Float64Array
    trousers: Float64Array
    skin: Float64Array
    hair: Float64Array
    shoes: Float64Array
    has_bag: bool
    bag: Float64Array
    is_wide: float


def looks(random: Random) -> Looks:
    skin = ((0.52, 0.3, 0.2), (0.24, 0.12, 0.07), (0.09, 0.045, 0.03), (0.6, 0.38, 0.27))
    hair = ((0.015, 0.012, 0.01), (0.06, 0.03, 0.015), (0.3, 0.2, 0.08), (0.25, 0.25, 0.25))
    trousers = ((0.02, 0.025, 0.06), (0.025, 0.025, 0.025), (0.16, 0.12, 0.08), (0.04, 0.07, 0.16))
    return Looks(
        height=float(random.choice((random.uniform(1.58, 1.88), random.uniform(1.15, 1.45)),
                                   p=(0.9, 0.1))),
        shirt=_pick(random, SHIRTS) * random.uniform(0.75, 1.25, 3),
        trousers=_pick(random, trousers) * random.uniform(0.7, 1.4),
        skin=_pick(random, skin),
        hair=_pick(random, hair),
        shoes=_pick(random, ((0.02, 0.02, 0.02), (0.6, 0.6, 0.6), (0.15, 0.08, 0.04))),
        has_bag=bool(random.random() < 0.35),
        bag=_pick(random, SHIRTS) * 0.5,
        is_wide=random.uniform(0.92, 1.12),
    )  # fmt: skip


def _limb(
    body: Builder, start: Float64Array, angle: float, length: float, thickness: float,
    material: Material, colour: Vector,
) -> Float64Array:  # fmt: skip
    """A limb hanging from `start`, swung forward by `angle`; returns where it ends."""
    end = start + length * np.array([math.sin(angle), 0, -math.cos(angle)])
    body.add(Kind.BALL, (start + end) / 2, (thickness, thickness * 1.05, length / 2 * 1.14),
             material, colour, rotation=turn_y(-angle), seed=thickness * 90)  # fmt: skip
    return end


def person(looks: Looks, phase: float, swing: float) -> Solids:
    """A standing or walking person. phase: of the gait, radians; swing: 0 standing, 1 walking."""
    body = Builder()
    _person(body, looks, phase, swing)
    return body.finished()


def _person(body: Builder, looks: Looks, phase: float, swing: float) -> None:
    s, wide = looks.height / 1.75, looks.is_wide
    bob = 0.02 * s * swing * math.cos(2 * phase)
    hip_z = 0.9 * s + bob
    for side in (-1, 1):
        stride = side * math.sin(phase) * swing
        hip = np.array([0.0, side * 0.085 * s, hip_z])
        knee = _limb(body, hip, 0.48 * stride, 0.43 * s, 0.085 * s * wide, Material.CLOTH,
                     looks.trousers)  # fmt: skip
        bend = 0.48 * stride - swing * (0.15 + 0.45 * max(0.0, side * math.cos(phase)))
        foot = _limb(body, knee, bend, 0.42 * s, 0.06 * s * wide, Material.CLOTH, looks.trousers)
        body.add(Kind.BALL, foot + (0.06 * s, 0, 0.02), (0.13 * s, 0.05 * s, 0.05 * s),
                 Material.PLAIN, looks.shoes)  # fmt: skip
    _upper_body(body, looks, np.array([0.0, 0.0, hip_z]), 0.03 + 0.04 * swing)
    shoulder_z = hip_z + 0.53 * s
    for side in (-1, 1):
        stride = -side * math.sin(phase) * swing
        shoulder = np.array([0.03 * s, side * 0.215 * s * wide, shoulder_z])
        elbow = _limb(body, shoulder, 0.4 * stride, 0.29 * s, 0.052 * s, Material.CLOTH,
                      looks.shirt)  # fmt: skip
        _limb(body, elbow, 0.4 * stride + 0.25 + 0.2 * swing, 0.28 * s, 0.041 * s,
              Material.CLOTH if looks.has_bag else Material.SKIN,
              looks.shirt if looks.has_bag else looks.skin)  # fmt: skip
    if looks.has_bag:
        body.add(Kind.BALL, (-0.17 * s, 0, hip_z + 0.33 * s), (0.12, 0.15, 0.22), Material.CLOTH,
                 looks.bag, seed=3.0)  # fmt: skip


def _upper_body(body: Builder, looks: Looks, hip: Float64Array, lean: float) -> None:
    s, wide = looks.height / 1.75, looks.is_wide
    rotation = turn_y(lean)
    up = rotation @ np.array([0.0, 0.0, 1.0])
    for share, half in ((0.04, (0.115, 0.155, 0.13)), (0.2, (0.11, 0.15, 0.2)),
                        (0.4, (0.125, 0.195, 0.21))):  # fmt: skip
        material_colour = looks.trousers if share < 0.1 else looks.shirt
        body.add(Kind.BALL, hip + up * share * s, np.array(half) * s * (wide if share < 0.3 else 1),
                 Material.CLOTH, material_colour, rotation=rotation, seed=looks.height * 20)  # fmt: skip
    body.add(Kind.CYLINDER, hip + up * 0.61 * s, (0.045 * s, 0.05 * s, 0.06 * s), Material.SKIN,
             looks.skin, rotation=rotation)  # fmt: skip
    head = hip + up * 0.735 * s
    body.add(Kind.BALL, head + (0.01, 0, 0), (0.088 * s, 0.072 * s, 0.115 * s), Material.SKIN,
             looks.skin)  # fmt: skip
    body.add(Kind.BALL, head + (-0.018, 0, 0.025 * s), (0.09 * s, 0.08 * s, 0.108 * s),
             Material.PLAIN, looks.hair)  # fmt: skip


def cyclist(looks: Looks, phase: float, bicycle: Float64Array, with_rider: bool = True) -> Solids:
    """A bicycle and who rides it. phase: of the pedals, radians."""
    body = Builder()
    for x in (-0.52, 0.52):
        body.add(Kind.CYLINDER, (x, 0, 0.34), (0.34, 0.34, 0.02), Material.WHEEL, BLACK,
                 rotation=_LAYING, extra=1.0)  # fmt: skip
    for centre, length, angle in (
        ((0.12, 0, 0.60), 0.36, 0.95), ((-0.12, 0, 0.62), 0.28, -0.35), ((0.1, 0, 0.84), 0.27, 1.5),
        ((-0.33, 0, 0.36), 0.19, 1.5), ((-0.36, 0, 0.58), 0.28, 0.6), ((0.45, 0, 0.66), 0.33, -0.3),
    ):  # fmt: skip
        body.add(Kind.CYLINDER, centre, (0.02, 0.02, length), Material.PAINT, bicycle,
                 rotation=turn_y(angle))  # fmt: skip
    body.box((0.36, 0, 1.0), (0.03, 0.25, 0.02), Material.PLAIN, BLACK)
    body.box((-0.22, 0, 0.93), (0.13, 0.07, 0.03), Material.PLAIN, BLACK)
    if not with_rider:
        return body.finished()
    s = looks.height / 1.75
    hip = np.array([-0.22, 0.0, 1.0])
    for side in (-1, 1):
        pedal = np.array(
            [0.17 * math.cos(phase) * side, side * 0.1, 0.3 + 0.17 * math.sin(phase) * side]
        )
        knee = (hip + pedal) / 2 + (0.27 * s, side * 0.04, 0.08)
        for start, end, thick in ((hip + (0, side * 0.08, 0), knee, 0.08), (knee, pedal, 0.058)):
            _strut(body, start, end, thick * s, looks.trousers)
        body.add(Kind.BALL, pedal + (0.05, 0, 0), (0.12, 0.045, 0.045), Material.PLAIN, looks.shoes)
        shoulder = hip + (0.36 * s, side * 0.19 * s, 0.42 * s)
        _strut(body, shoulder, np.array([0.38, side * 0.22, 1.03]), 0.045 * s, looks.shirt)
    _upper_body(body, looks, hip, 0.66)
    return body.finished()


def _strut(body: Builder, start: Float64Array, end: Float64Array, thickness: float,
           colour: Vector) -> None:  # fmt: skip
    along = end - start
    length = float(np.linalg.norm(along))
    z = along / length
    x = np.cross((0.0, 1.0, 0.0), z)
    x /= np.linalg.norm(x)
    body.add(Kind.BALL, (start + end) / 2, (thickness, thickness, length / 2 * 1.12),
             Material.CLOTH, colour, rotation=np.stack([x, np.cross(z, x), z], axis=1))  # fmt: skip


def pole(random: Random, *, arm: float = 0.0, signal: int = -1) -> Solids:
    """A lamp post; with `signal` 0 red / 1 amber / 2 green a traffic light facing its x axis."""
    body = Builder()
    grey = _pick(random, ((0.16, 0.17, 0.17), (0.04, 0.05, 0.045), (0.3, 0.3, 0.3)))
    height = random.uniform(6.5, 8.5) if signal < 0 else 3.6
    radius = random.uniform(0.06, 0.09)
    body.add(Kind.CYLINDER, (0, 0, height / 2), (radius, radius, height / 2), Material.METAL, grey)
    body.add(Kind.CYLINDER, (0, 0, 0.35), (radius * 1.6, radius * 1.6, 0.35), Material.METAL, grey)
    if signal >= 0:
        for z in (2.9, *((5.2,) if arm else ())):
            y = arm if z > 5 else 0.0
            body.box((0.16, y, z), (0.12, 0.17, 0.45), Material.SIGNAL, BLACK, extra=signal)
        if arm:
            body.add(Kind.CYLINDER, (0, 0, 4.4), (radius, radius, 1.4), Material.METAL, grey)
            body.box((0, arm / 2, 5.65), (0.05, abs(arm) / 2, 0.05), Material.METAL, grey)
    elif arm:
        body.box((0, arm / 2, height - 0.05), (0.04, abs(arm) / 2, 0.04), Material.METAL, grey)
        body.box((0, arm, height - 0.1), (0.11, 0.32, 0.06), Material.LAMP, grey)
    return body.finished()


def sign(random: Random) -> Solids:
    """A traffic sign on its post, facing along its x axis."""
    body = Builder()
    height = random.uniform(2.2, 2.7)
    colours = ((0.5, 0.02, 0.02), (0.02, 0.08, 0.4), (0.65, 0.45, 0.02), (0.7, 0.7, 0.7))
    face, size = _pick(random, colours), random.uniform(0.3, 0.38)
    body.add(Kind.CYLINDER, (0, 0, height / 2), (0.032, 0.032, height / 2), Material.METAL, STEEL)
    if random.random() < 0.55:
        body.add(Kind.CYLINDER, (0.05, 0, height), (size, size, 0.015), Material.SIGN_FACE, face,
                 rotation=turn_y(math.pi / 2), seed=random.uniform(0, 50))  # fmt: skip
    else:
        body.box((0.05, 0, height), (0.015, size, size * random.uniform(0.8, 1.3)),
                 Material.SIGN_FACE, face, seed=random.uniform(0, 50))  # fmt: skip
    return body.finished()


def tree(random: Random) -> Solids:
    body = Builder()
    trunk, radius = random.uniform(2.2, 3.2), random.uniform(0.11, 0.2)
    crown = random.uniform(1.5, 2.4)
    green = np.array([0.055, 0.11, 0.022]) * random.uniform(0.7, 1.5) + np.array(
        [random.uniform(0, 0.05), random.uniform(0, 0.02), 0]
    )
    body.add(Kind.CYLINDER, (0, 0, trunk / 2 + 0.4), (radius, radius, trunk / 2 + 0.4),
             Material.BARK, (0.1, 0.075, 0.055))  # fmt: skip
    for _ in range(3):
        lean, way = random.uniform(0.4, 0.8), random.uniform(0, 6.3)
        along = np.array(
            [math.sin(lean) * math.cos(way), math.sin(lean) * math.sin(way), math.cos(lean)]
        )
        end = np.array([0, 0, trunk]) + along * crown
        z = along
        x = np.cross((0.0, 1.0, 0.3), z)
        x /= np.linalg.norm(x)
        body.add(Kind.CYLINDER, (np.array([0, 0, trunk]) + end) / 2, (radius / 2, radius / 2, crown / 2),
                 Material.BARK, (0.1, 0.075, 0.055), rotation=np.stack([x, np.cross(z, x), z], axis=1))  # fmt: skip
    for k in range(int(random.integers(5, 8))):
        way, out = k * 2.4 + random.uniform(0, 0.8), crown * random.uniform(0.25, 0.62)
        centre = (
            math.cos(way) * out,
            math.sin(way) * out,
            trunk + crown * random.uniform(0.25, 1.15),
        )
        body.add(Kind.LEAVES, centre, np.array([1, 1, 0.8]) * crown * random.uniform(0.5, 0.72),
                 Material.LEAVES, green * random.uniform(0.85, 1.15), seed=random.uniform(0, 30))  # fmt: skip
    return body.finished()


def bush(random: Random) -> Solids:
    body = Builder()
    green = np.array([0.04, 0.085, 0.02]) * random.uniform(0.8, 1.6)
    for _ in range(int(random.integers(2, 5))):
        body.add(Kind.LEAVES, (random.normal(0, 0.5), random.normal(0, 0.4), 0.42),
                 random.uniform(0.45, 0.75, 3), Material.LEAVES, green, seed=random.uniform(0, 30))  # fmt: skip
    return body.finished()


def bin_or_box(random: Random) -> Solids:
    """A litter bin, a cable box or a letter box."""
    body = Builder()
    colour = _pick(
        random, ((0.03, 0.1, 0.05), (0.03, 0.05, 0.15), (0.06, 0.06, 0.06), (0.4, 0.3, 0.02))
    )
    if random.random() < 0.5:
        body.box((0, 0, 0.6), (0.3, 0.32, 0.6), Material.PAINT, colour, (-0.1, -0.1, -0.1))
    else:
        body.add(Kind.CYLINDER, (0, 0, 0.48), (0.27, 0.27, 0.48), Material.METAL, colour)
        body.add(Kind.CYLINDER, (0, 0, 0.99), (0.29, 0.29, 0.03), Material.PLAIN, colour * 0.5)
    return body.finished()


def building(random: Random, length: float, depth: float, height: float) -> Solids:
    """A house front along x that faces -y, its facade at y = -depth / 2."""
    body = Builder()
    walls = ((0.26, 0.1, 0.06), (0.42, 0.36, 0.26), (0.24, 0.24, 0.25), (0.5, 0.47, 0.42),
             (0.14, 0.07, 0.05), (0.5, 0.38, 0.24), (0.12, 0.17, 0.22), (0.55, 0.53, 0.5),
             (0.4, 0.2, 0.12))  # fmt: skip
    wall, seed = _pick(random, walls) * random.uniform(0.85, 1.15), random.uniform(0, 100)
    wall = 0.8 * wall + 0.2 * wall.mean()
    bay = length / max(1, round(length / random.uniform(1.9, 3.2)))
    trim = wall * 0.5 + 0.2
    body.box((0, 0, height / 2), (length / 2, depth / 2, height / 2), Material.FACADE, wall,
             seed=seed, extra=bay)  # fmt: skip
    body.box(
        (0, 0, height + 0.15), (length / 2 + 0.12, depth / 2 + 0.25, 0.22), Material.PLAIN, trim
    )
    if random.random() < 0.7:
        body.box((0, -depth / 2 - 0.04, 3.45), (length / 2, 0.12, 0.12), Material.PLAIN, trim)
    if random.random() < 0.5:
        for _ in range(int(random.integers(1, 3))):
            x = random.uniform(-0.35, 0.35) * length
            body.box((x, -depth / 2 - 0.55, 2.85), (random.uniform(1.0, 2.0), 0.6, 0.07),
                     Material.CLOTH, _pick(random, AWNINGS), rotation=turn_x(0.25), seed=1.0)  # fmt: skip
    if random.random() < 0.4:
        for level in range(1, int(height / 3.1)):
            for x in np.arange(-length / 2 + bay / 2, length / 2, bay * 2):
                body.box((x, -depth / 2 - 0.4, 3.1 * level + 0.35), (bay * 0.4, 0.4, 0.06),
                         Material.PLAIN, trim)  # fmt: skip
                body.box((x, -depth / 2 - 0.78, 3.1 * level + 0.85), (bay * 0.4, 0.02, 0.5),
                         Material.METAL, trim * 0.4)  # fmt: skip
    if random.random() < 0.5:
        body.box((random.uniform(-0.3, 0.3) * length, 0.5, height + 1.0), (1.4, 1.2, 1.0),
                 Material.PLAIN, wall * 0.8)  # fmt: skip
    body.add(Kind.CYLINDER, (length / 2 - 0.3, -depth / 2 - 0.06, height / 2), (0.05, 0.05, height / 2),
             Material.METAL, wall * 0.35)  # fmt: skip
    return body.finished()
