"""Rays against solids, in Numba: one kernel for cameras, LiDARs and the sun's shadow map.

A fan of rays has H rows and W columns. The ray of row v, column u starts at
`start + u * step_u + v * step_v` and points along `across[u] * scale[v] + down[v]`: that form
covers a pinhole (scale 1), a spinning LiDAR (scale = cosine of the elevation) and parallel light
(scale 0). Distances are in lengths of that direction.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from inference.world.kernel import inlined, kernel
from inference.world.relief import Relief, ground_distance
from inference.world.solids import PackedSolids

Float32Array = npt.NDArray[np.float32]
Int32Array = npt.NDArray[np.int32]

NOTHING = -1
GROUND = -2
FAR = 1e9


class Rays(NamedTuple):
    """A fan of rays in the street's frame (see the module)."""

    start: Float32Array  # [3]
    step_u: Float32Array  # [3]
    step_v: Float32Array  # [3]
    across: Float32Array  # [W, 3]
    down: Float32Array  # [H, 3]
    scale: Float32Array  # [H]


def noise_table() -> Float32Array:
    """[32, 32, 32] random numbers in 0..1, the same in every world: textures and leaves read it."""
    return np.random.default_rng(20240229).random((32, 32, 32), dtype=np.float32)


@inlined
def smooth_noise(table: Float32Array, x: float, y: float, z: float) -> float:
    """Noise in 0..1 that changes over distances of about 1, period 32."""
    fx, fy, fz = math.floor(x), math.floor(y), math.floor(z)
    i, j, k = int(fx) & 31, int(fy) & 31, int(fz) & 31
    i1, j1, k1 = (i + 1) & 31, (j + 1) & 31, (k + 1) & 31
    a, b, c = x - fx, y - fy, z - fz
    a, b, c = a * a * (3 - 2 * a), b * b * (3 - 2 * b), c * c * (3 - 2 * c)
    low = (table[i, j, k] * (1 - a) + table[i1, j, k] * a) * (1 - b) + (
        table[i, j1, k] * (1 - a) + table[i1, j1, k] * a
    ) * b
    high = (table[i, j, k1] * (1 - a) + table[i1, j, k1] * a) * (1 - b) + (
        table[i, j1, k1] * (1 - a) + table[i1, j1, k1] * a
    ) * b
    return low * (1 - c) + high * c


@inlined
def _box_distance(
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, taper: Float32Array
) -> float:
    """Where a ray enters the tapered box, or FAR. Its sides lean in by `taper` towards the top."""
    near, far = 0.0, FAR
    front, rear, side = 0.5 * taper[0], 0.5 * taper[1], 0.5 * taper[2]
    for face in range(6):
        # Each face is the half space  normal . p <= 1 - lean:  p moves along d.
        if face == 0:
            gap, speed = 1 - front - (ox + front * oz), dx + front * dz
        elif face == 1:
            gap, speed = 1 - rear - (-ox + rear * oz), -dx + rear * dz
        elif face == 2:
            gap, speed = 1 - side - (oy + side * oz), dy + side * dz
        elif face == 3:
            gap, speed = 1 - side - (-oy + side * oz), -dy + side * dz
        elif face == 4:
            gap, speed = 1 - oz, dz
        else:
            gap, speed = 1 + oz, -dz
        if speed < 0:
            near = max(near, gap / speed)
        elif speed > 0:
            far = min(far, gap / speed)
        elif gap < 0:
            return FAR
        if near > far:
            return FAR
    return near if near > 0 else FAR


@inlined
def _cylinder_distance(ox: float, oy: float, oz: float, dx: float, dy: float, dz: float) -> float:
    near, far = 0.0, FAR
    a = dx * dx + dy * dy
    b = ox * dx + oy * dy
    c = ox * ox + oy * oy - 1
    if a > 1e-12:
        root = b * b - a * c
        if root <= 0:
            return FAR
        root = math.sqrt(root)
        near, far = max(near, (-b - root) / a), (-b + root) / a
    elif c > 0:
        return FAR
    if abs(dz) > 1e-9:
        first, second = (-1 - oz) / dz, (1 - oz) / dz
        near, far = max(near, min(first, second)), min(far, max(first, second))
    elif abs(oz) > 1:
        return FAR
    return near if 0 < near <= far else FAR


@inlined
def distance_to(
    solids: PackedSolids, p: int, table: Float32Array,
    sx: float, sy: float, sz: float, rx: float, ry: float, rz: float,
) -> float:  # fmt: skip
    """How far along (rx, ry, rz) from (sx, sy, sz) solid p begins; FAR when it is missed."""
    m = solids.unit_from_street[p]
    ox = m[0, 0] * sx + m[0, 1] * sy + m[0, 2] * sz + m[0, 3]
    oy = m[1, 0] * sx + m[1, 1] * sy + m[1, 2] * sz + m[1, 3]
    oz = m[2, 0] * sx + m[2, 1] * sy + m[2, 2] * sz + m[2, 3]
    dx = m[0, 0] * rx + m[0, 1] * ry + m[0, 2] * rz
    dy = m[1, 0] * rx + m[1, 1] * ry + m[1, 2] * rz
    dz = m[2, 0] * rx + m[2, 1] * ry + m[2, 2] * rz
    kind = solids.kind[p]
    if kind == 0:
        return _box_distance(ox, oy, oz, dx, dy, dz, solids.taper[p])
    if kind == 2:
        return _cylinder_distance(ox, oy, oz, dx, dy, dz)
    a = dx * dx + dy * dy + dz * dz
    b = ox * dx + oy * dy + oz * dz
    c = ox * ox + oy * oy + oz * oz - 1
    root = b * b - a * c
    if root <= 0:
        return FAR
    root = math.sqrt(root)
    near, far = (-b - root) / a, (-b + root) / a
    if kind == 1:
        return near if near > 0 else FAR
    near = max(near, 0.0)
    if far <= near:
        return FAR
    length = math.sqrt(rx * rx + ry * ry + rz * rz)
    steps = min(10, 2 + int((far - near) * length / 0.2))
    step = (far - near) / steps
    for k in range(steps):
        t = near + (k + 0.3) * step
        x, y, z = sx + t * rx, sy + t * ry, sz + t * rz
        ux, uy, uz = ox + t * dx, oy + t * dy, oz + t * dz
        edge = ux * ux + uy * uy + uz * uz
        dense = smooth_noise(table, x * 2.7 + solids.seed[p], y * 2.7, z * 2.7)
        if dense + 0.35 < 0.30 + 0.42 * edge:
            continue
        dense = 0.55 * dense + 0.45 * smooth_noise(table, x * 10.7, y * 10.7, z * 10.7)
        if dense > 0.30 + 0.42 * edge:
            return t
    return FAR


@kernel
def cast(
    rays: Rays,
    solids: PackedSolids,
    windows: Int32Array,
    nearest: Float32Array,
    table: Float32Array,
    distance: Float32Array,
    solid_at: Int32Array,
    has_ground: bool,
    relief: Relief,
) -> None:
    """The first solid along each ray, into `distance` [H, W] and `solid_at` [H, W].

    windows: [n, 6] row range, column range and a second column range (a LiDAR's wraps round),
    outside which the solid cannot be. nearest: [n] no hit can be closer. `distance` comes filled
    with the largest distance of interest, `solid_at` with NOTHING.
    """
    height, width = distance.shape
    if has_ground:
        for v in range(height):
            for u in range(width):
                s = rays.scale[v]
                t = ground_distance(
                    rays.start[0], rays.start[1], rays.start[2],
                    rays.across[u, 0] * s + rays.down[v, 0],
                    rays.across[u, 1] * s + rays.down[v, 1],
                    rays.across[u, 2] * s + rays.down[v, 2],
                    distance[v, u], relief,
                )  # fmt: skip
                if t < distance[v, u]:
                    distance[v, u] = t
                    solid_at[v, u] = GROUND
    for p in range(len(windows)):
        for part in range(2):
            first, last = windows[p, 2 + 2 * part], windows[p, 3 + 2 * part]
            if first >= last:
                continue
            for v in range(windows[p, 0], windows[p, 1]):
                s = rays.scale[v]
                for u in range(first, last):
                    best = distance[v, u]
                    if best <= nearest[p]:
                        continue
                    t = distance_to(
                        solids, p, table,
                        rays.start[0] + u * rays.step_u[0] + v * rays.step_v[0],
                        rays.start[1] + u * rays.step_u[1] + v * rays.step_v[1],
                        rays.start[2] + u * rays.step_u[2] + v * rays.step_v[2],
                        rays.across[u, 0] * s + rays.down[v, 0],
                        rays.across[u, 1] * s + rays.down[v, 1],
                        rays.across[u, 2] * s + rays.down[v, 2],
                    )  # fmt: skip
                    if t < best:
                        distance[v, u] = t
                        solid_at[v, u] = p
