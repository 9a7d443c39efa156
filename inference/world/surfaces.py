"""What every surface looks like where a ray meets it: colour, gloss, normal (Numba).

Textures are drawn by formula; every line and window edge is softened over `wide`, the width in
metres that one pixel covers there, so that nothing flickers in the distance.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from inference.world.casting import Float32Array, smooth_noise
from inference.world.kernel import inlined
from inference.world.relief import Relief
from inference.world.solids import PackedSolids

# red, green, blue, gloss (of a lacquer), mirror (of glass), retro (for the LiDAR),
# normal x, y, z in the street's frame
Look = tuple[float, float, float, float, float, float, float, float, float]


class Paving(NamedTuple):
    """The street's layout and colours, as the kernels read them; metres, in the plan."""

    lane: float
    lanes: float
    half: float
    cross_half: float
    crossing_x: float
    sidewalk: float
    asphalt: float
    terrain: npt.NDArray[np.float64]  # [3]
    relief: Relief


@inlined
def band(x: float, half: float, wide: float) -> float:
    """1 where |x| < half, 0 beyond, softened over `wide`."""
    return min(1.0, max(0.0, (half - abs(x)) / max(wide, 1e-4) + 0.5))


@inlined
def wrapped(x: float, period: float) -> float:
    """x less the nearest multiple of `period`: from -period / 2 to period / 2."""
    return x - period * math.floor(x / period + 0.5)


@inlined
def _dice(table: Float32Array, i: float, j: float, k: float) -> float:
    """A random number in 0..1 for a cell."""
    a, b, c = math.floor(i), math.floor(j), math.floor(k)
    return table[(a * 7 + c * 3) & 31, (b * 5 + (a >> 5) * 11) & 31, (c * 13 + a + 2 * b) & 31]


@inlined
def is_road(x: float, y: float, road: Paving) -> bool:
    """Whether (x, y) is asphalt: either road, or the rounded corner between them."""
    past_main, past_side = abs(y) - road.half, abs(x - road.crossing_x) - road.cross_half
    if past_main < 0 or past_side < 0:
        return True
    a, b = road.sidewalk - past_main, road.sidewalk - past_side
    return a > 0 and b > 0 and a * a + b * b > road.sidewalk * road.sidewalk


@inlined
def ground_look(x: float, y: float, wide: float, road: Paving, table: Float32Array) -> Look:
    """Asphalt with markings, or what lies behind the sidewalks."""
    across = x - road.crossing_x
    on_main, on_side = abs(y) < road.half, abs(across) < road.cross_half
    rough = smooth_noise(table, x * 0.23, y * 0.23, 0.5)
    fine = smooth_noise(table, x * 9.0, y * 9.0, 2.5)
    grain = smooth_noise(table, x * 37.0, y * 37.0, 4.5)
    fade = 1.0 / (1.0 + 18.0 * wide)
    if not is_road(x, y, road):
        shade = 0.7 + 0.6 * rough + 0.5 * (fine - 0.5) * fade + 0.4 * (grain - 0.5) * fade
        return (road.terrain[0] * shade, road.terrain[1] * shade, road.terrain[2] * shade,
                0.0, 0.0, 0.1, 0.0, 0.0, 1.0)  # fmt: skip
    shade = 0.85 + 0.3 * rough + (0.28 * (fine - 0.5) + 0.5 * (grain - 0.5)) * fade
    # Repairs: darker rectangles with a seam; cracks where two noises cross.
    patch = _dice(table, x / 5.3, y / 2.1, 3.0)
    if patch > 0.86:
        shade *= 0.78
    crack = abs(smooth_noise(table, x * 0.8 + 3.0 * rough, y * 0.8, 7.5) - 0.5)
    crack += 0.08 * max(0.0, 0.62 - rough)  # only here and there
    shade *= 1.0 - 0.3 * band(crack, 0.004, wide * 0.5 + 0.003) * fade
    along, beside, half, lanes = abs(across) - road.cross_half, y, road.half, road.lanes
    approach = across * y > 0
    if on_main == on_side:  # the crossing itself, or one of its round corners
        along = -1.0
    elif on_side:
        along, beside, half, lanes = abs(y) - road.half, across, road.cross_half, 1.0
        approach = across * y < 0
    paint, yellow = 0.0, 0.0
    if along > 0:
        from_middle = abs(beside)
        in_lane = from_middle - road.lane * (math.floor(from_middle / road.lane) + 0.5)
        if from_middle < lanes * road.lane:
            tracks = math.exp(-((abs(in_lane) - 0.8) ** 2) / 0.08)
            shade *= 1.0 - 0.12 * tracks - 0.16 * math.exp(-(in_lane**2) / 0.06) * rough
        if 1.0 < along < 4.0:
            bars = band(wrapped(beside, 1.0), 0.25, wide)
            paint = bars * band(along - 2.5, 1.45, wide) * band(beside, half - 0.3, wide)
        elif along > 5.0:
            if approach and from_middle < lanes * road.lane:
                paint = band(along - 5.3, 0.2, wide)
            middle = max(band(from_middle - 0.14, 0.06, wide), 0.0)
            paint, yellow = max(paint, middle), middle
            dash = band(wrapped(along - 2.0, 9.0), 1.6, wide)
            if lanes > 1:
                paint = max(paint, band(from_middle - road.lane, 0.06, wide) * dash)
            if along > 8.0:
                paint = max(paint, band(from_middle - lanes * road.lane, 0.05, wide))
                paint = max(paint, band(from_middle - half + 2.25, 0.05, wide))
                bay = band(wrapped(along, 6.4), 0.05, wide)
                paint = max(paint, bay * band(from_middle - half + 1.1, 1.1, wide) * 0.9)
    gutter = half - abs(beside)
    if along > 0 and gutter < 0.45:
        shade *= 0.72 + 0.25 * rough + 0.3 * (fine - 0.5)
    cover_x, cover_y = wrapped(x + 3.7, 17.0), wrapped(y - 1.3, 7.0)
    cover = math.sqrt(cover_x * cover_x + cover_y * cover_y)
    if cover < 0.36:
        shade *= 0.45 + 0.25 * band(wrapped(cover, 0.12), 0.03, wide)
    r, g, b = road.asphalt * shade, road.asphalt * shade, road.asphalt * 1.03 * shade
    worn = paint * min(1.0, max(0.0, (0.55 * fine + 0.6 * rough + 0.25 * grain - 0.22) * 3.5))
    r = r * (1 - worn) + worn * 0.55
    g = g * (1 - worn) + worn * (0.55 - 0.14 * yellow)
    b = b * (1 - worn) + worn * (0.53 - 0.41 * yellow)
    tilt = 0.10 * fade
    return (r, g, b, 0.0, 0.0, 0.1 + 0.6 * worn,
            tilt * (grain - 0.5), tilt * (fine - 0.5), 1.0)  # fmt: skip


@inlined
def _facade(
    a: float, z: float, face: int, seed: float, bay: float, wide: float, table: Float32Array,
    r: float, g: float, b: float, x: float, y: float,
) -> tuple[float, float, float, float]:  # fmt: skip
    """A wall at `a` metres along and z up: bricks or plaster, windows, shops. Colour and mirror."""
    fade = 1.0 / (1.0 + 12.0 * wide)
    style = int(seed) % 4
    dirt = smooth_noise(table, x * 0.6, y * 0.6 + z * 0.15, z * 0.6)
    fine = smooth_noise(table, (x + y) * 7.0, z * 7.0, seed)
    shade = 0.8 + 0.3 * dirt + 0.22 * (fine - 0.5) * fade
    shade *= 1.0 - 0.25 * math.exp(-z / 0.5) - 0.08 * smooth_noise(table, a * 3.0, z * 0.25, seed)
    if style == 0 or style == 3:
        row = math.floor(z / 0.08)
        shifted = a + 0.12 * (row % 2)
        joint = max(band(wrapped(z, 0.08), 0.007, wide), band(wrapped(shifted, 0.24), 0.007, wide))
        visible = min(1.0, 0.03 / max(wide, 1e-3))
        tone = _dice(table, shifted / 0.24, row, seed) - 0.5
        shade *= 1.0 + 0.3 * tone * visible
        r += (0.32 - r) * joint * 0.6 * visible
        g += (0.30 - g) * joint * 0.6 * visible
        b += (0.27 - b) * joint * 0.6 * visible
    elif style == 2:
        joint = max(band(wrapped(z, 1.55), 0.012, wide), band(wrapped(a, bay), 0.012, wide))
        shade *= 1.0 - 0.5 * joint
    r, g, b = r * shade, g * shade, b * shade
    floor = math.floor(z / 3.1)
    up, side = z - 3.1 * floor, wrapped(a - bay / 2, bay)
    which = _dice(table, math.floor(a / bay) + 40, floor + 3 * face, seed)
    half_w, low, high = bay * (0.2 + 0.1 * ((seed * 7.3) % 1.0)), 0.95, 2.5
    is_shop = floor < 1 and (seed * 3.7) % 1.0 > 0.35
    if is_shop:
        half_w, low, high = bay * 0.44, 0.45, 2.65
    elif floor < 1 and which > 0.72:
        half_w, low, high = 0.55, 0.0, 2.3  # a door
    middle, tall = (low + high) / 2, (high - low) / 2
    inside = band(side, half_w, wide) * band(up - middle, tall, wide)
    if not is_shop and floor >= 1:
        sill = band(side, half_w + 0.1, wide) * band(up - low + 0.05, 0.05, wide)
        lintel = band(side, half_w + 0.06, wide) * band(up - high - 0.09, 0.09, wide)
        trim = max(sill, lintel * 0.8) * (1 - inside)
        r, g, b = r + (0.42 - r) * trim, g + (0.4 - g) * trim, b + (0.37 - b) * trim
        under = band(side, half_w + 0.06, wide) * band(up - low + 0.3, 0.2, 0.3) * (1 - inside)
        r, g, b = r * (1 - 0.22 * under), g * (1 - 0.22 * under), b * (1 - 0.22 * under)
    if inside <= 0.0:
        return r, g, b, 0.0
    frame = 1.0 - band(side, half_w - 0.06, wide) * band(up - middle, tall - 0.06, wide)
    frame = max(
        frame, band(side, 0.025, wide) if not is_shop else band(wrapped(side, 1.1), 0.03, wide)
    )
    if floor >= 1 and which > 0.4:
        frame = max(frame, band(up - high + 0.55, 0.025, wide))
    is_door = low <= 0.0
    glass = 0.012 + 0.03 * which
    gr, gg, gb = glass, glass * 1.05, glass * 1.1
    if is_shop:
        goods = smooth_noise(table, a * 2.3, z * 2.6, seed + 3.0)
        lit = 0.05 + 0.22 * goods * goods * (0.3 + which)
        gr, gg, gb = lit * 1.15, lit * (0.95 + 0.1 * which), lit * (0.9 - 0.25 * which)
        if up > 2.25:  # the fascia with its name
            text = band(up - 2.43, 0.09, wide) * (
                1.0 if _dice(table, a * 7.0, 1.0, seed) > 0.45 else 0.0
            )
            one, two = (seed * 1.9) % 1.0, (seed * 5.3) % 1.0  # a shop front has one colour
            gr, gg, gb = 0.02 + 0.3 * one * one, 0.02 + 0.16 * two * one, 0.02 + 0.2 * two * two
            gr, gg, gb = gr + 0.5 * text, gg + 0.48 * text, gb + 0.42 * text
    elif is_door:
        panel = band(wrapped(side, 0.5), 0.2, wide) * band(wrapped(up, 0.9), 0.36, wide)
        gr, gg, gb = 0.05 + 0.1 * which, 0.04 + 0.03 * panel, 0.03 + 0.05 * panel
    else:
        drawn = low + (high - low) * (1.0 - 0.75 * ((which * 9.7) % 1.0))
        if up > drawn:  # blinds and curtains
            fold = 0.85 + 0.15 * math.sin(a * 40.0) * fade
            gr, gg, gb = 0.3 * fold, 0.28 * fold, 0.24 * fold
        elif which > 0.6:
            gr, gg, gb = gr + 0.05, gg + 0.04, gb + 0.025
    # The reveal: the wall's thickness shades the top and one side of the opening.
    reveal = max(band(up - high, 0.16, wide), band(side - half_w, 0.09, wide))
    dim = 1.0 - 0.55 * reveal
    edge = 0.5 if ((seed * 5.1) % 1.0) > 0.4 else 0.06
    cr = gr + (edge - gr) * frame
    cg = gg + (edge - gg) * frame
    cb = gb + (edge * 0.97 - gb) * frame
    r = r * (1 - inside) + cr * dim * inside
    g = g * (1 - inside) + cg * dim * inside
    b = b * (1 - inside) + cb * dim * inside
    mirror = 0.0 if is_door else inside * (1 - frame) * (0.3 if is_shop else 0.6)
    return r, g, b, mirror


@inlined
def _pattern(
    hx: float, hy: float, hz: float, nx: float, ny: float, nz: float, seed: float, scale: float,
    wide: float, table: Float32Array,
) -> float:  # fmt: skip
    """How much of its second colour a made-up surface shows at a point on it, 0 ... 1.

    hx, hy, hz: metres in the solid's axes.  scale: metres that the pattern repeats after.
    """
    if abs(nz) > max(abs(nx), abs(ny)):
        a, c = hx, hy
    elif abs(nx) > abs(ny):
        a, c = hy, hz
    else:
        a, c = hx, hz
    turn = seed * 1.7
    u = (math.cos(turn) * a - math.sin(turn) * c) / scale
    v = (math.sin(turn) * a + math.cos(turn) * c) / scale
    soft = wide / scale + 0.02
    rough = smooth_noise(table, u * 1.3 + seed, v * 1.3, seed)
    kind = int(seed * 13.7) % 8
    share = 0.0
    if kind == 0:  # stripes
        share = band(wrapped(u, 1.0), 0.1 + 0.3 * ((seed * 3.1) % 1.0), soft)
    elif kind == 1:  # checks
        one, other = band(wrapped(u, 1.0), 0.25, soft), band(wrapped(v, 1.0), 0.25, soft)
        share = one + other - 2 * one * other
    elif kind == 2:  # bricks
        row = math.floor(v * 2)
        joint = max(band(wrapped(v * 2, 1.0), 0.06, 2 * soft),
                    band(wrapped(u + 0.5 * (row % 2), 1.0), 0.03, soft))  # fmt: skip
        share = min(1.0, joint + 0.5 * _dice(table, u + 0.5 * (row % 2), row, seed))
    elif kind == 3:  # spots
        du, dv = wrapped(u, 1.0), wrapped(v + 0.5 * (math.floor(u + 0.5) % 2), 1.0)
        share = band(math.sqrt(du * du + dv * dv), 0.15 + 0.25 * ((seed * 3.1) % 1.0), soft)
    elif kind == 4:  # a gradient
        share = 0.5 + 0.5 * math.sin(u)
    elif kind == 5:  # patches with sharp edges
        share = band(rough - 0.8, 0.3, 0.05 + soft)
    elif kind == 6:  # clouds
        share = rough
    else:  # grain
        share = smooth_noise(table, u * 9, v * 9, seed + 3.0)
    return min(1.0, max(0.0, share * (0.8 + 0.4 * rough)))


@inlined
def solid_look(
    solids: PackedSolids, p: int, x: float, y: float, z: float, wide: float,
    road: Paving, table: Float32Array,
) -> Look:  # fmt: skip
    """The surface of solid p at a point (x, y, z) on it, street's frame."""
    m = solids.unit_from_street[p]
    lx = m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]
    ly = m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]
    lz = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
    taper, half = solids.taper[p], solids.half[p]
    kind, material, seed, extra = (
        solids.kind[p], solids.material[p], solids.seed[p], solids.extra[p],
    )  # fmt: skip
    hx, hy, hz = lx * half[0], ly * half[1], lz * half[2]
    nx, ny, nz, face = lx, ly, lz, 0
    if kind == 0:
        best = 1e9
        front, rear, side = 0.5 * taper[0], 0.5 * taper[1], 0.5 * taper[2]
        for k in range(6):
            if k == 0:
                gap = (1 - front - lx - front * lz) * half[0]
            elif k == 1:
                gap = (1 - rear + lx - rear * lz) * half[0]
            elif k == 2:
                gap = (1 - side - ly - side * lz) * half[1]
            elif k == 3:
                gap = (1 - side + ly - side * lz) * half[1]
            elif k == 4:
                gap = (1 - lz) * half[2]
            else:
                gap = (1 + lz) * half[2]
            if abs(gap) < best:
                best, face = abs(gap), k
        nx = 1.0 if face == 0 else (-1.0 if face == 1 else 0.0)
        ny = 1.0 if face == 2 else (-1.0 if face == 3 else 0.0)
        nz = (
            front
            if face == 0
            else (rear if face == 1 else (side if face < 4 else (1.0 if face == 4 else -1.0)))
        )
    elif kind == 2:
        if abs(lz) * half[2] > half[2] - 0.004 and lx * lx + ly * ly < 0.999:
            nx, ny, nz, face = 0.0, 0.0, (1.0 if lz > 0 else -1.0), 4
        else:
            nz = 0.0
    wx = m[0, 0] * nx + m[1, 0] * ny + m[2, 0] * nz
    wy = m[0, 1] * nx + m[1, 1] * ny + m[2, 1] * nz
    wz = m[0, 2] * nx + m[1, 2] * ny + m[2, 2] * nz
    length = 1.0 / math.sqrt(wx * wx + wy * wy + wz * wz + 1e-20)
    wx, wy, wz = wx * length, wy * length, wz * length
    r, g, b = solids.colour[p, 0], solids.colour[p, 1], solids.colour[p, 2]
    gloss, mirror, retro = 0.0, 0.0, 0.3
    fade = 1.0 / (1.0 + 12.0 * wide)
    if material == 2 or material == 15 or material == 6 or material == 3:
        # Pressed metal has no flat faces: the normal turns towards the edges.
        bx, by, bz = lx**5 * half[0] * 0.4, ly**5 * half[1] * 0.5, lz**3 * half[2] * 0.6
        wx += bx * m[0, 0] + by * m[1, 0] + bz * m[2, 0]
        wy += bx * m[0, 1] + by * m[1, 1] + bz * m[2, 1]
        wz += bx * m[0, 2] + by * m[1, 2] + bz * m[2, 2]
        gloss = 1.0
    if material == 1:  # paving: slabs, and a lighter kerb stone along the road
        main, cross = abs(y) - road.half, abs(x - road.crossing_x) - road.cross_half
        slab = 0.5
        rough = smooth_noise(table, x * 0.5, y * 0.5, 1.5)
        fine = smooth_noise(table, x * 11.0, y * 11.0, 6.5)
        grain = smooth_noise(table, x * 41.0, y * 41.0, 3.5)
        shade = 0.78 + 0.3 * rough + (0.25 * (fine - 0.5) + 0.3 * (grain - 0.5)) * fade
        shade *= 0.9 + 0.2 * _dice(table, x / slab, y / slab, 2.0)
        if 0 <= min(main, cross) < 0.22:
            shade *= 1.22 - 0.5 * band(wrapped(x + y, 1.0), 0.012, wide)
        else:
            joint = max(band(wrapped(x, slab), 0.008, wide), band(wrapped(y, slab), 0.008, wide))
            shade *= 1.0 - 0.45 * joint * fade
            stain = smooth_noise(table, x * 1.7, y * 1.7, 9.5)
            if stain > 0.74:
                shade *= 1.0 - (stain - 0.74) * 1.2
        if face < 4 and kind == 0:
            shade *= 0.8
        r, g, b, retro = r * shade, g * shade, b * shade, 0.3
    elif material == 2:  # car body
        sides = face == 2 or face == 3
        if extra < 0.5 and hz < -half[2] * 0.45:
            r, g, b, gloss = 0.018, 0.018, 0.018, 0.1
        if sides and extra == 1.0:
            seam = max(
                band(hx - 0.93 * half[0], 0.007, wide),
                max(band(hx - 0.12 * half[0], 0.007, wide), band(hx + 0.6 * half[0], 0.007, wide)),
            )
            handle = band(hz - 0.55 * half[2], 0.016, wide) * max(
                band(hx - 0.24 * half[0], 0.08, wide), band(hx + 0.48 * half[0], 0.08, wide)
            )
            crease = band(hz - 0.2 * half[2], 0.012, wide)
            shade = (1 - 0.55 * seam) * (1 - 0.4 * handle) * (1 - 0.15 * crease)
            r, g, b = r * shade, g * shade, b * shade
        elif face == 0:
            if extra > 0.5:
                lamp = band(abs(ly) - 0.76, 0.16, wide) * band(lz - 0.1, 0.42, wide)
                grille = band(ly, 0.5, wide) * band(lz + 0.2, 0.5, wide)
                bars = 0.4 + 0.6 * band(wrapped(hz, 0.06), 0.018, wide)
                r, g, b = (r * (1 - grille) + 0.03 * bars * grille, g * (1 - grille) + 0.03 * bars * grille,
                           b * (1 - grille) + 0.03 * bars * grille)  # fmt: skip
                r, g, b = r + (0.8 - r) * lamp, g + (0.82 - g) * lamp, b + (0.85 - b) * lamp
                retro = 0.9 if lamp > 0.5 else 0.4
            else:
                intake = band(ly, 0.62, wide) * band(lz + 0.1, 0.4, wide)
                plate = band(hy, 0.26, wide) * band(lz - 0.45, 0.35, wide)
                r, g, b = (
                    r * (1 - intake) + 0.015 * intake,
                    g * (1 - intake) + 0.015 * intake,
                    b * (1 - intake) + 0.015 * intake,
                )
                r, g, b = r + (0.7 - r) * plate, g + (0.7 - g) * plate, b + (0.66 - b) * plate
                retro = 1.0 if plate > 0.5 else 0.3
        elif face == 1:
            if extra > 0.5:
                lamp = band(abs(ly) - 0.8, 0.15, wide) * band(lz - 0.3, 0.45, wide)
                plate = band(hy, 0.26, wide) * band(hz + 0.02, 0.06, wide)
                text = band(wrapped(hy, 0.07), 0.02, wide) * band(hz + 0.02, 0.035, wide) * fade
                r, g, b = r + (0.35 - r) * lamp, g + (0.01 - g) * lamp, b + (0.012 - b) * lamp
                white = 0.68 * (1 - 0.8 * text)
                r, g, b = r + (white - r) * plate, g + (white - g) * plate, b + (white - b) * plate
                gap = band(hz - half[2] * 0.9, 0.008, wide) + band(ly, 0.72, wide) * band(
                    hz + 0.55 * half[2], 0.006, wide
                )
                r, g, b = (
                    r * (1 - 0.5 * min(1.0, gap)),
                    g * (1 - 0.5 * min(1.0, gap)),
                    b * (1 - 0.5 * min(1.0, gap)),
                )
                retro = 1.0 if max(lamp, plate) > 0.5 else 0.4
            else:
                r, g, b = r * 0.85, g * 0.85, b * 0.85
    elif material == 3:  # car cabin: panes between pillars
        if face < 4:
            pane = band(lz - 0.02, 0.86, wide / half[2])
            if face >= 2:
                roof = hx - (0.5 * taper[1] - 0.5 * taper[0]) * half[0] * (lz + 1)
                pane *= 1 - band(roof - 0.04 * half[0], 0.035, wide)
                pane *= 1 - band(roof + 0.62 * half[0], 0.03, wide)
                lean = 0.5 * (taper[0] if lx > 0 else taper[1]) * (lz + 1)
                pane *= band(abs(lx) / max(0.2, 1 - lean), 0.93, 0.02 + wide)
            else:
                narrow = max(0.3, 1 - 0.5 * taper[2] * (lz + 1))
                pane *= band(ly / narrow, 0.9, 0.02 + wide)
            tint = 0.012 + 0.02 * smooth_noise(table, hx * 2 + seed, hy * 2, hz * 2)
            seat = 0.03 * band(lz + 0.5, 0.5, 0.3)
            r, g, b = (
                r + (tint + seat - r) * pane,
                g + (tint * 1.05 + seat - g) * pane,
                b + (tint * 1.1 + seat - b) * pane,
            )
            mirror = 0.75 * pane
            gloss = 1.0 - pane
            if pane < 0.5 and lz < 0.75:
                r, g, b = r * 0.3, g * 0.3, b * 0.3
    elif material == 4:  # wheel
        radius = math.sqrt(lx * lx + ly * ly)
        retro = 0.05
        if face == 4:
            if extra > 0.5:  # a bicycle's
                spoke = band(math.sin(math.atan2(ly, lx) * 9), 0.15, 0.2)
                if radius < 0.9:
                    r, g, b = 0.12 + 0.2 * spoke, 0.12 + 0.2 * spoke, 0.12 + 0.2 * spoke
            elif radius < 0.66:
                spoke = math.cos(math.atan2(ly, lx) * 5 + seed)
                metal = 0.34 if (spoke > -0.1 or radius < 0.16 or radius > 0.6) else 0.02
                r, g, b, gloss = metal, metal, metal * 1.02, 0.3
    elif material == 5:  # cargo box
        shade = 0.9 + 0.14 * smooth_noise(table, x * 2 + seed, y * 2, z * 2)
        if face == 2 or face == 3:
            shade *= 1 - 0.2 * band(wrapped(hx, 0.6), 0.012, wide)
            stripe = band(lz + 0.1, 0.28, wide / half[2]) * band(lx, 0.62, wide / half[0])
            letters = band(lz + 0.1, 0.12, wide / half[2]) * band(wrapped(hx, 0.42), 0.14, wide)
            ink = 0.85 * stripe * (1 - 0.8 * letters * band(lx, 0.45, wide / half[0]))
            r = r * (1 - ink) + ink * (0.05 + 0.5 * (seed % 1.0))
            g = g * (1 - ink) + ink * (0.05 + 0.3 * ((seed * 3) % 1.0))
            b = b * (1 - ink) + ink * (0.1 + 0.4 * ((seed * 7) % 1.0))
        elif face == 1:
            shade *= (
                1 - 0.5 * band(hy, 0.012, wide) - 0.25 * band(abs(hy) - half[1] * 0.5, 0.03, wide)
            )
            if hz < -half[2] + 0.12:
                r, g, b, retro = (
                    0.6,
                    0.05 if wrapped(hy, 0.4) > 0 else 0.6,
                    0.05 if wrapped(hy, 0.4) > 0 else 0.6,
                    1.0,
                )
        r, g, b, retro = r * shade, g * shade, b * shade, max(retro, 0.5)
    elif material == 6:  # bus or lorry cab
        if face < 4:
            pane = band(lz - 0.32, 0.42 if extra > 0.5 else 0.5, wide)
            if face >= 2:
                if extra > 0.5:
                    pane *= 1 - band(wrapped(hx, 1.35), 0.05, wide)
                    if abs(wrapped(hx - half[0] * 0.62, half[0] * 0.9)) < 0.55:
                        pane = max(
                            pane,
                            band(lz + 0.1, 0.8, wide) * (1 - band(wrapped(hx, 0.55), 0.03, wide)),
                        )
                else:
                    pane *= band(lx - 0.25, 0.55, wide)
            else:
                pane = max(pane, band(lz - 0.2, 0.55, wide)) * band(ly, 0.92, wide)
            tint = 0.014 + 0.02 * smooth_noise(table, hx * 2 + seed, hy * 2, hz * 2)
            r, g, b = r + (tint - r) * pane, g + (tint - g) * pane, b + (tint * 1.1 - b) * pane
            mirror, gloss = 0.7 * pane, 0.8 * (1 - pane)
            if face == 0:
                lamp = band(abs(ly) - 0.76, 0.12, wide) * band(lz + 0.78, 0.09, wide)
                r, g, b = r + (0.8 - r) * lamp, g + (0.8 - g) * lamp, b + (0.8 - b) * lamp
                if extra > 0.5 and lz > 0.8 and abs(ly) < 0.6:
                    on = 1.0 if _dice(table, hy * 14, hz * 14, seed) > 0.55 else 0.0
                    r, g, b, mirror = 0.02 + 0.9 * on, 0.02 + 0.45 * on, 0.02, 0.0
            elif face == 1:
                lamp = band(abs(ly) - 0.86, 0.08, wide) * band(lz + 0.55, 0.14, wide)
                r, g, b = r + (0.4 - r) * lamp, g + (0.01 - g) * lamp, b + (0.01 - b) * lamp
        if lz < -0.86:
            r, g, b, gloss = 0.02, 0.02, 0.02, 0.1
    elif material == 7:  # cloth: folds, now and then a pattern
        fold = smooth_noise(table, hx * 9 + seed * 3, hy * 9, hz * 6)
        shade = 0.7 + 0.6 * fold
        if seed % 4 > 3.2:
            shade *= 0.65 + 0.5 * band(wrapped(hz, 0.1), 0.025, wide)
        r, g, b = r * shade, g * shade, b * shade
        wx, wy = wx + 0.5 * (fold - 0.5), wy + 0.4 * (fold - 0.5)
    elif material == 8:
        r, g, b = r * 1.02, g, b
        if half[0] > 0.07 and lx > 0.72 and abs(lz) < 0.5:  # a hint of a face
            eyes = band(abs(ly) - 0.4, 0.13, 0.1) * band(lz - 0.08, 0.09, 0.1)
            r, g, b = r * (1 - 0.7 * eyes), g * (1 - 0.7 * eyes), b * (1 - 0.7 * eyes)
    elif material == 9:
        shade = 0.85 + 0.3 * smooth_noise(table, hx * 5 + x, hy * 5 + y, hz * 3)
        r, g, b, gloss, retro = r * shade, g * shade, b * shade, 0.25, 0.5
    elif material == 10:  # sign
        retro = 1.0
        if kind == 2:
            rim, front_side = math.sqrt(lx * lx + ly * ly), lz > 0
            u, v = ly, -lx
        else:
            rim, front_side = max(abs(ly), abs(lz)), lx > 0
            u, v = ly, lz
        if not front_side:
            r, g, b, retro = 0.2, 0.2, 0.2, 0.3
        elif rim > 0.84 and rim < 0.95:
            r, g, b = 0.7, 0.7, 0.7
        elif (seed % 3) < 1:
            bar = band(u, 0.6, 0.03) * band(v, 0.16, 0.03)
            r, g, b = r + (0.75 - r) * bar, g + (0.75 - g) * bar, b + (0.75 - b) * bar
        elif (seed % 3) < 2:
            ink = 1.0 if rim < 0.7 else 0.0
            glyph = band(wrapped(u + 0.2, 0.6), 0.12, 0.04) * band(v, 0.35, 0.04)
            tone = 0.75 * (1 - glyph) + 0.02
            r, g, b = r + (tone - r) * ink, g + (tone - g) * ink, b + (tone - b) * ink
        else:
            arrow = max(
                band(u, 0.1, 0.03) * band(v, 0.5, 0.03),
                band(abs(u) + v - 0.35, 0.14, 0.03) * band(v - 0.2, 0.3, 0.03),
            )
            r, g, b = r + (0.75 - r) * arrow, g + (0.75 - g) * arrow, b + (0.75 - b) * arrow
    elif material == 11:
        shade = 0.5 + smooth_noise(table, x * 12, y * 12, z * 2.5)
        r, g, b = r * shade, g * shade, b * shade
    elif material == 12:  # leaves: light and dark clumps, bright towards the outside
        clump = smooth_noise(table, x * 2.7 + seed, y * 2.7, z * 2.7)
        leaf = smooth_noise(table, x * 19, y * 19, z * 19)
        depth = lx * lx + ly * ly + lz * lz
        shade = (0.25 + 0.4 * clump + 0.8 * leaf) * (0.4 + 0.6 * depth)
        r, g, b, retro = r * shade * (0.75 + 0.4 * leaf), g * shade, b * shade, 0.4
        wx, wy, wz = wx + 1.4 * (leaf - 0.5), wy + 1.4 * (clump - 0.5), wz + 0.8 * (leaf - 0.3)
    elif material == 13:
        if face < 4:
            a = hx if face >= 2 else hy
            bay = extra if face >= 2 else 2.7
            up = max(hz + half[2], 0.0)  # houses on a slope have floors of their own
            r, g, b, mirror = _facade(a + (half[0] if face >= 2 else half[1]), up, face, seed, bay,
                                      wide, table, r, g, b, x, y)  # fmt: skip
            retro = 0.35 if mirror < 0.3 else 0.05
        else:
            r, g, b = 0.08, 0.08, 0.08
    elif material == 14:  # traffic light
        if face == 0:
            for k in range(3):
                dz = hz - 0.28 + 0.28 * k
                if hy * hy + dz * dz < 0.011:
                    on = k == int(extra)
                    r = (1.9 if k < 2 else 0.1) if on else 0.04
                    g = (0.08 if k == 0 else (0.8 if k == 1 else 1.7)) if on else 0.04
                    b = (0.05 if k < 2 else 0.9) if on else 0.04
    elif material == 16 and face == 5:
        r, g, b = 0.7, 0.68, 0.6
    elif material == 18:
        share = _pattern(hx, hy, hz, nx, ny, nz, seed, extra, wide, table)
        # The other colour, from the seed: what the share mixes in.
        r += ((seed * 7.31) % 1.0 * 0.7 - r) * share
        g += ((seed * 3.77) % 1.0 * 0.7 - g) * share
        b += ((seed * 5.19) % 1.0 * 0.7 - b) * share
        gloss, retro = (seed * 2.3) % 1.0 * 0.6, (seed * 1.7) % 1.0 * 0.6
    length = 1.0 / math.sqrt(wx * wx + wy * wy + wz * wz + 1e-20)
    return r, g, b, gloss, mirror, retro, wx * length, wy * length, wz * length
