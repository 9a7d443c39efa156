"""Light: sun with a shadow map, sky, contact shade, reflections, haze, film (Numba)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from inference.world.casting import (
    GROUND,
    NOTHING,
    Float32Array,
    Int32Array,
    Rays,
    distance_to,
    smooth_noise,
)
from inference.world.kernel import inlined, kernel
from inference.world.relief import ground_distance, height_at, plan_at
from inference.world.solids import PackedSolids
from inference.world.surfaces import Paving, ground_look, is_road, solid_look

Float64Array = npt.NDArray[np.float64]
Colour = tuple[float, float, float]


class Lighting(NamedTuple):
    """One frame's light. The shadow map's axes a, b and depth run in the street's frame."""

    to_sun: Float64Array  # [3]
    sun: Float64Array  # [3] linear colour
    sky: Float64Array  # [3]
    clouds: float
    haze_m: float
    shadow_depth: Float32Array  # [rows, columns] metres along the light
    shadow_origin: Float64Array  # [3]
    shadow_axes: Float64Array  # [3, 3]: a, b, and the direction of the light
    shadow_cell_m: float
    contact: npt.NDArray[np.uint8]  # [rows, columns] how dark the ground is next to things
    contact_corner: Float64Array  # [2]
    contact_cell_m: float
    sky_scale: float  # how bright the sky and the haze are; 1 by day
    head_lamps: float  # how bright they are where ego looks; 0 by day


@inlined
def sky_colour(
    dx: float, dy: float, dz: float, light: Lighting, table: Float32Array, with_detail: bool
) -> Colour:
    """Along a unit direction: gradient, clouds, the sun's glow, far roofs on the horizon."""
    up = max(dz, 0.0)
    mix = math.sqrt(up)
    overcast = light.clouds
    r = 0.95 + (0.16 - 0.95) * mix * (1 - 0.75 * overcast)
    g = 1.02 + (0.34 - 1.02) * mix * (1 - 0.75 * overcast)
    b = 1.12 + (0.85 - 1.12) * mix * (1 - 0.6 * overcast)
    toward = dx * light.to_sun[0] + dy * light.to_sun[1] + dz * light.to_sun[2]
    if toward > 0:
        glow = 0.5 * toward**6 + (1 - overcast) * (1.0 * toward**48 + 14.0 * toward**1800)
        r, g, b = (
            r + glow * light.sun[0] * 0.3,
            g + glow * light.sun[1] * 0.28,
            b + glow * light.sun[2] * 0.24,
        )
    if with_detail and dz > 0.0:
        flat = 1.4 / (dz + 0.12)
        x, y = dx * flat, dy * flat
        cover = 0.55 * smooth_noise(table, x, y, 0.5) + 0.27 * smooth_noise(
            table, x * 2.1, y * 2.1, 3.5
        )
        cover += 0.13 * smooth_noise(table, x * 4.7, y * 4.7, 6.5) + 0.07 * smooth_noise(
            table, x * 10, y * 10, 9.5
        )
        dense = min(1.0, max(0.0, (cover - 0.62 + 0.42 * overcast) * 4.0)) * min(1.0, dz * 8)
        tone = 1.25 - 0.45 * max(0.0, cover - 0.5) * 2 - 0.25 * overcast
        r, g, b = (
            r + (tone - r) * dense,
            g + (tone * 1.01 - g) * dense,
            b + (tone * 1.04 - b) * dense,
        )
        roofs = math.atan2(dy, dx) * 26
        height = 0.012 + 0.05 * smooth_noise(table, math.floor(roofs) * 0.37, 5.5, 2.5)
        if dz < height:
            r, g, b = 0.5 * r + 0.1, 0.5 * g + 0.12, 0.5 * b + 0.14
    return r, g, b


@inlined
def _sunlit(x: float, y: float, z: float, light: Lighting) -> float:
    """The share of the sun that reaches a point: 0 in shadow, 1 in the open."""
    qx, qy, qz = x - light.shadow_origin[0], y - light.shadow_origin[1], z - light.shadow_origin[2]
    axes, depth = light.shadow_axes, light.shadow_depth
    a = (qx * axes[0, 0] + qy * axes[0, 1] + qz * axes[0, 2]) / light.shadow_cell_m - 0.5
    b = (qx * axes[1, 0] + qy * axes[1, 1] + qz * axes[1, 2]) / light.shadow_cell_m - 0.5
    along = qx * axes[2, 0] + qy * axes[2, 1] + qz * axes[2, 2]
    i, j = math.floor(a), math.floor(b)
    if i < 1 or j < 1 or i >= depth.shape[1] - 2 or j >= depth.shape[0] - 2:
        return 1.0
    fa, fb = a - i, b - j
    total = 0.0
    # Three by three cells with the outer ones weighted by where the point lies: a soft edge.
    for row in range(-1, 3):
        weight_b = (1 - fb) if row == -1 else (fb if row == 2 else 1.0)
        for column in range(-1, 3):
            if depth[j + row, i + column] > along - 0.09:
                weight_a = (1 - fa) if column == -1 else (fa if column == 2 else 1.0)
                total += weight_a * weight_b
    return total / 9.0


@inlined
def _contact(x: float, y: float, light: Lighting) -> float:
    """How much light next to and under things reaches the ground, 0..1."""
    a = (x - light.contact_corner[0]) / light.contact_cell_m - 0.5
    b = (y - light.contact_corner[1]) / light.contact_cell_m - 0.5
    i, j = math.floor(a), math.floor(b)
    map_ = light.contact
    if i < 0 or j < 0 or i >= map_.shape[1] - 1 or j >= map_.shape[0] - 1:
        return 1.0
    fa, fb = a - i, b - j
    dark = (map_[j, i] * (1 - fa) + map_[j, i + 1] * fa) * (1 - fb) + (
        map_[j + 1, i] * (1 - fa) + map_[j + 1, i + 1] * fa
    ) * fb
    return 1.0 - dark / 255.0


@inlined
def _mirrored(
    dx: float, dy: float, dz: float, x: float, y: float, light: Lighting, table: Float32Array
) -> Colour:
    """What a reflection along (dx, dy, dz) shows: sky above, a row of houses, then the road."""
    if dz < -0.02:
        return 0.10, 0.10, 0.105
    roofs = 0.16 + 0.3 * smooth_noise(table, dx * 4 + x * 0.12, dy * 4 + y * 0.12, 1.5)
    r, g, b = sky_colour(dx, dy, dz, light, table, False)
    open_sky = min(1.0, max(0.0, (dz - roofs) * 9 + 0.5))
    wall = 0.10 + 0.22 * smooth_noise(table, dx * 9 + x * 0.3, dz * 9, dy * 9)
    return (
        wall + (r - wall) * open_sky,
        wall + (g - wall) * open_sky,
        wall + (b - wall) * open_sky,
    )


@inlined
def _radiance(
    solids: PackedSolids, p: int, t: float,
    sx: float, sy: float, sz: float, dx: float, dy: float, dz: float, pixel: float,
    road: Paving, light: Lighting, table: Float32Array,
) -> Colour:  # fmt: skip
    """The light that comes back along one ray that met solid p (or the ground, or nothing)."""
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    ux, uy, uz = dx / length, dy / length, dz / length
    bright = light.sky_scale
    if p == NOTHING:
        r, g, b = sky_colour(ux, uy, uz, light, table, True)
        return r * bright, g * bright, b * bright
    x, y, z = sx + t * dx, sy + t * dy, sz + t * dz
    wide = t * pixel
    if p == GROUND:
        wide *= 1.0 + 0.35 / max(0.05, -uz)
        px, py = plan_at(x, y, road.relief)
        r, g, b, gloss, mirror, _, nx, ny, nz = ground_look(px, py, wide, road, table)
    else:
        r, g, b, gloss, mirror, _, nx, ny, nz = solid_look(solids, p, x, y, z, wide, road, table)
    facing = -(nx * ux + ny * uy + nz * uz)
    toward = nx * light.to_sun[0] + ny * light.to_sun[1] + nz * light.to_sun[2]
    is_leaf = p >= 0 and solids.material[p] == 12
    if is_leaf:  # leaves let light through
        toward = 0.22 + 0.6 * abs(toward)
    sunny = 0.0
    if toward > 0:
        lift = 0.04 + 0.4 * (1 if is_leaf else 0)
        sunny = _sunlit(x + nx * lift, y + ny * lift, z + nz * lift, light)
    open_ = 1.0
    if p == GROUND or solids.material[p] == 1:
        open_ = _contact(x, y, light)
    else:
        above = max(z - height_at(x, y, road.relief), 0.0)
        open_ = 0.62 + 0.38 * min(1.0, above / 1.1)
    ambient = open_ * (0.58 + 0.42 * nz)
    # Head lamps shine from about where the camera is, and lose themselves in 15 m.
    lamps = 0.0
    if light.head_lamps > 0:
        away = t * length / 15.0
        lamps = light.head_lamps * (0.25 + 0.75 * max(facing, 0.0)) / (1.0 + away * away)
    bounce = 0.16 * (1 - nz) * open_ * bright
    direct = max(toward, 0.0) * sunny
    lr = light.sky[0] * ambient + bounce * 1.0 + light.sun[0] * (direct + bounce * 0.35) + lamps
    lg = light.sky[1] * ambient + bounce * 0.95 + light.sun[1] * (direct + bounce * 0.35) + lamps
    lb = light.sky[2] * ambient + bounce * 0.88 + light.sun[2] * (direct + bounce * 0.35)
    lb += 0.9 * lamps
    r, g, b = r * lr, g * lg, b * lb
    if gloss > 0.02 or mirror > 0.02:
        rx, ry, rz = ux + 2 * facing * nx, uy + 2 * facing * ny, uz + 2 * facing * nz
        er, eg, eb = _mirrored(rx, ry, rz, x, y, light, table)
        grazing = (1 - min(1.0, max(0.0, facing))) ** 5
        share = gloss * (0.045 + 0.6 * grazing) + mirror * (0.13 + 0.8 * grazing)
        share *= 0.5 + 0.5 * open_
        er, eg, eb = er * bright, eg * bright, eb * bright
        r, g, b = (
            r * (1 - share) + er * share,
            g * (1 - share) + eg * share,
            b * (1 - share) + eb * share,
        )
        glint = rx * light.to_sun[0] + ry * light.to_sun[1] + rz * light.to_sun[2]
        if glint > 0 and sunny > 0:
            spark = sunny * (gloss + mirror) * (0.5 * glint**60 + 4.0 * glint**900) * 0.35
            r, g, b = r + spark * light.sun[0], g + spark * light.sun[1], b + spark * light.sun[2]
    far = t * length
    haze = 1 - math.exp(-far / light.haze_m)
    return (r + (0.82 * bright - r) * haze, g + (0.88 * bright - g) * haze,
            b + (0.98 * bright - b) * haze)  # fmt: skip


# Where inside an edge pixel the three more rays pass; the first went through its middle.
_EXTRA_RAYS = ((-0.31, -0.17), (0.17, -0.31), (0.06, 0.34))


@inlined
def _others_around(solid_at: Int32Array, u: int, v: int, near: Int32Array) -> int:
    """How many other solids the eight pixels about (u, v) show; `near` takes their numbers."""
    p, count = solid_at[v, u], 0
    for row in range(v - 1, v + 2):
        for column in range(u - 1, u + 2):
            q = solid_at[row, column]
            if q == p:
                continue
            is_new = True
            for k in range(count):
                if near[k] == q:
                    is_new = False
            if is_new:
                near[count] = q
                count += 1
    return count


@kernel
def shade(
    rays: Rays, pixel: float, distance: Float32Array, solid_at: Int32Array, solids: PackedSolids,
    road: Paving, light: Lighting, table: Float32Array, largest: float, near: Int32Array,
    out: Float32Array,
) -> None:  # fmt: skip
    """Light per pixel into out [H, W, 3], linear. Pixels on an outline are averaged of four rays.

    pixel: the angle a pixel covers, radians. largest: range of `distance`. near: [9], scratch.
    """
    height, width = distance.shape
    sx, sy, sz = rays.start[0], rays.start[1], rays.start[2]
    for v in range(height):
        s = rays.scale[v]
        for u in range(width):
            p = solid_at[v, u]
            dx = rays.across[u, 0] * s + rays.down[v, 0]
            dy = rays.across[u, 1] * s + rays.down[v, 1]
            dz = rays.across[u, 2] * s + rays.down[v, 2]
            count = 0
            if 0 < u < width - 1 and 0 < v < height - 1:
                count = _others_around(solid_at, u, v, near)
            red, green, blue, best, who = 0.0, 0.0, 0.0, distance[v, u], p
            ray_count = 4 if count > 0 else 1
            for ray in range(ray_count):
                ex, ey, ez = dx, dy, dz
                if ray > 0:
                    du, dv = _EXTRA_RAYS[ray - 1]
                    ex += du * (rays.across[u + 1, 0] - rays.across[u, 0])
                    ey += du * (rays.across[u + 1, 1] - rays.across[u, 1])
                    ez += du * (rays.across[u + 1, 2] - rays.across[u, 2])
                    ex += dv * (rays.down[v + 1, 0] - rays.down[v, 0])
                    ey += dv * (rays.down[v + 1, 1] - rays.down[v, 1])
                    ez += dv * (rays.down[v + 1, 2] - rays.down[v, 2])
                    best, who = largest, NOTHING
                    t = ground_distance(sx, sy, sz, ex, ey, ez, best, road.relief)
                    if t < best:
                        best, who = t, GROUND
                    for k in range(-1, count):
                        q = p if k < 0 else near[k]
                        if q >= 0:
                            t = distance_to(solids, q, table, sx, sy, sz, ex, ey, ez)
                            if t < best:
                                best, who = t, q
                r, g, b = _radiance(solids, who, best, sx, sy, sz, ex, ey, ez, pixel,
                                    road, light, table)  # fmt: skip
                red, green, blue = red + r, green + g, blue + b
            share = 1.0 / ray_count
            out[v, u, 0], out[v, u, 1], out[v, u, 2] = red * share, green * share, blue * share


_BRIGHTEST = 16.0  # linear light beyond which film is white all the same


def film_curve() -> Float32Array:
    """[4096] grey levels 0..255 by the square root of linear light, 0.._BRIGHTEST.

    Narkowicz's fit of the ACES film curve, then gamma 2.2; the root keeps the steps in the dark small.
    """
    e = _BRIGHTEST * np.linspace(0, 1, 4096) ** 2
    film = e * (2.51 * e + 0.03) / (e * (2.43 * e + 0.59) + 0.14)
    return (255 * np.clip(film, 0, 1) ** (1 / 2.2)).astype(np.float32)


@kernel
def develop(
    light: Float32Array, exposure: float, grain: Float32Array, coarse: float, curve: Float32Array,
    out: npt.NDArray[np.uint8],
) -> None:  # fmt: skip
    """Linear light [H, W, 3] to an 8-bit picture: vignette, film curve, grain [256, >= 768].

    coarse: how strong the grain is, grey levels.
    """
    height, width = out.shape[:2]
    for v in range(height):
        for u in range(width):
            x, y = (u - width / 2) / width, (v - height / 2) / height
            k = exposure * (1 - 0.45 * (x * x + y * y)) / _BRIGHTEST
            noise = (grain[v & 255, (u & 255) + 97 * ((v >> 8) & 3)] - 0.5) * coarse + 0.5
            for c in range(3):
                e = math.sqrt(min(1.0, max(0.0, light[v, u, c] * k)))
                out[v, u, c] = int(min(255.0, max(0.0, curve[int(e * 4095 + 0.5)] + noise)))


@kernel
def reflect(
    rays: Rays, distance: Float32Array, solid_at: Int32Array, solids: PackedSolids, road: Paving,
    table: Float32Array, strength: Float32Array, passes: Float32Array,
) -> None:  # fmt: skip
    """What a LiDAR gets back: strength [H, W] 0..1, and how much glass let through, `passes`."""
    height, width = distance.shape
    for v in range(height):
        s = rays.scale[v]
        for u in range(width):
            p = solid_at[v, u]
            if p == NOTHING:
                continue
            dx = rays.across[u, 0] * s + rays.down[v, 0]
            dy = rays.across[u, 1] * s + rays.down[v, 1]
            dz = rays.across[u, 2] * s + rays.down[v, 2]
            t = distance[v, u]
            x, y, z = rays.start[0] + t * dx, rays.start[1] + t * dy, rays.start[2] + t * dz
            if p == GROUND:
                px, py = plan_at(x, y, road.relief)
                r, g, b, _, mirror, retro, nx, ny, nz = ground_look(px, py, 0.02, road, table)
            else:
                r, g, b, _, mirror, retro, nx, ny, nz = solid_look(
                    solids, p, x, y, z, 0.02, road, table
                )
            facing = min(1.0, abs(nx * dx + ny * dy + nz * dz))
            # Infrared sees dyes paler than we do; retro-reflectors outshine everything.
            bright = 0.12 + 0.55 * (0.5 * r + 0.3 * g + 0.2 * b) + 0.12 * retro
            strength[v, u] = min(
                1.0, bright * (0.25 + 0.75 * facing) + (0.6 if retro > 0.85 else 0.0)
            )
            passes[v, u] = mirror


@kernel
def gold_ids(
    rays: Rays, distance: Float32Array, solid_at: Int32Array, solids: PackedSolids, road: Paving,
    out: Int32Array,
) -> None:  # fmt: skip
    """The track id each ray met, into out [H, W]: 0 sky, 1 road, 3 terrain, else the solid's."""
    height, width = distance.shape
    for v in range(height):
        for u in range(width):
            p = solid_at[v, u]
            if p >= 0:
                out[v, u] = solids.track[p]
            elif p == GROUND:
                t, s = distance[v, u], rays.scale[v]
                x = rays.start[0] + t * (rays.across[u, 0] * s + rays.down[v, 0])
                y = rays.start[1] + t * (rays.across[u, 1] * s + rays.down[v, 1])
                px, py = plan_at(x, y, road.relief)
                out[v, u] = 1 if is_road(px, py, road) else 3
            else:
                out[v, u] = 0
