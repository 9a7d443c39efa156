"""The vehicle's eyes: rigs of cameras and a spinning LiDAR, and what each sees of one instant.

A picture is exposed at one instant; a turn of the LiDAR may be put together of several (drive.py).
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from inference.geometry import FloatArray, Intrinsics, inverse
from inference.scene import Calibration, Sensor, Sweep
from inference.world import casting, shading
from inference.world.casting import Float32Array, Int32Array, Rays
from inference.world.relief import level
from inference.world.rigs import Rig, Unit
from inference.world.solids import Kind, PackedSolids, Solids, pack
from inference.world.street import Light, Street
from inference.world.surfaces import Paving

CAMERA_RANGE_M = 320.0
SPIN_US = 100_000  # one turn of the LiDAR
_RANGE_NOISE_M = 0.02
_NEAR_M = 0.05
JPEG_QUALITY = 88


@dataclass(frozen=True)
class View:
    """One instant of the street, ready to be looked at."""

    solids: Solids
    packed: PackedSolids
    paving: Paving
    street_from_ego: FloatArray


@dataclass(frozen=True)
class Hits:
    """What the rays of one sensor met; solid_at indexes `solids`, the ones in its field of view."""

    rays: Rays
    distance: Float32Array  # [H, W]
    solid_at: Int32Array  # [H, W]
    solids: PackedSolids

    def gold_ids(self, paving: Paving) -> Int32Array:
        """[H, W] the gold id each ray met, 0 for none."""
        ids = np.empty(self.distance.shape, np.int32)
        shading.gold_ids(self.rays, self.distance, self.solid_at, self.solids, paving, ids)
        return ids

    def gold_parts(self) -> Int32Array:
        """[H, W] which part of its thing each ray met: a `Material`; -1 for none."""
        met = self.solid_at >= 0
        parts = np.full(met.shape, -1, np.int32)
        parts[met] = self.solids.part[self.solid_at[met]]
        return parts


@dataclass
class Noise:
    """Tables the kernels read, made once: texture noise, film grain and the film's curve."""

    texture: Float32Array = field(default_factory=casting.noise_table)
    grain: Float32Array = field(
        default_factory=lambda: np.random.default_rng(11).random((256, 256 + 512), np.float32)
    )
    film: Float32Array = field(default_factory=shading.film_curve)


def paving_of(street: Street) -> Paving:
    lay = street.layout
    relief = level() if street.course is None else street.course.relief()
    return Paving(lay.lane, float(lay.lanes), lay.half, lay.cross_half, lay.crossing_x,
                  lay.sidewalk, street.asphalt, street.terrain, relief)  # fmt: skip


# -- camera ---------------------------------------------------------------------------------


def camera_rays(calibration: Calibration, street_from_ego: FloatArray) -> Rays:
    """Rays through the pixels' centres, depth 1 along the optical axis."""
    lens = calibration.intrinsics
    assert lens is not None
    assert not lens.is_distorted
    street_from_camera = street_from_ego @ calibration.ego_from_sensor
    right, down, forward = street_from_camera[:3, :3].T
    x = (np.arange(lens.width_px) + 0.5 - lens.cx) / lens.fx
    y = (np.arange(lens.height_px) + 0.5 - lens.cy) / lens.fy
    return Rays(
        start=street_from_camera[:3, 3].astype(np.float32),
        step_u=np.zeros(3, np.float32),
        step_v=np.zeros(3, np.float32),
        across=(x[:, None] * right).astype(np.float32),
        down=(y[:, None] * down + forward).astype(np.float32),
        scale=np.ones(lens.height_px, np.float32),
    )


def cast_camera(view: View, camera: Sensor, noise: Noise) -> Hits:
    lens = camera.calibration.intrinsics
    assert lens is not None
    camera_from_street = inverse(view.street_from_ego @ camera.calibration.ego_from_sensor)
    windows, nearest = _camera_windows(view.solids, camera_from_street, lens)
    rays = camera_rays(camera.calibration, view.street_from_ego)
    return _cast(
        view, rays, windows, nearest, CAMERA_RANGE_M, (lens.height_px, lens.width_px), noise
    )


def _cast(
    view: View, rays: Rays, windows: Int32Array, nearest: Float32Array, largest: float,
    shape: tuple[int, int], noise: Noise,
) -> Hits:  # fmt: skip
    rows = windows[:, 1] > windows[:, 0]
    columns = (windows[:, 3] > windows[:, 2]) | (windows[:, 5] > windows[:, 4])
    seen = np.flatnonzero(rows & columns & (nearest < largest))
    # Near to far: what is hidden is skipped before it is tested.
    seen = seen[np.argsort(nearest[seen], kind="stable")]
    solids = PackedSolids(*(np.ascontiguousarray(column[seen]) for column in view.packed))  # type: ignore[arg-type]  # columns of several dtypes
    distance = np.full(shape, largest, np.float32)
    solid_at = np.full(shape, casting.NOTHING, np.int32)
    casting.cast(
        rays, solids, windows[seen], nearest[seen], noise.texture, distance, solid_at, True,
        view.paving.relief,
    )  # fmt: skip
    return Hits(rays, distance, solid_at, solids)


_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
_EDGES = np.array([(a, b) for a in range(8) for b in range(a + 1, 8)
                   if bin(a ^ b).count("1") == 1])  # fmt: skip


def _corners(solids: Solids) -> FloatArray:
    """[n, 8, 3] corners of a box about each solid, in the frame the solids are given in."""
    grow = np.maximum(0, -solids.taper)
    half = solids.half * np.stack(
        [1 + grow[:, :2].max(axis=1), 1 + grow[:, 2], np.ones(len(solids))], axis=1
    )
    local = _CORNERS[None] * half[:, None, :]
    return np.einsum("nij,nkj->nki", solids.rotation, local) + solids.centre[:, None, :]


def _camera_windows(
    solids: Solids, camera_from_street: FloatArray, lens: Intrinsics
) -> tuple[Int32Array, Float32Array]:
    """Pixel windows [n, 6] that hold each solid's box, and the least depth it can have [n]."""
    rotation, offset = camera_from_street[:3, :3], camera_from_street[:3, 3]
    corners = _corners(solids) @ rotation.T + offset
    depth = corners[:, :, 2]
    # Where a box crosses the near plane its cut edges bound it, not its hidden corners.
    first, second = corners[:, _EDGES[:, 0]], corners[:, _EDGES[:, 1]]
    run = second[:, :, 2] - first[:, :, 2]
    share = (_NEAR_M - first[:, :, 2]) / np.where(np.abs(run) < 1e-12, 1e-12, run)
    is_cut = (first[:, :, 2] < _NEAR_M) != (second[:, :, 2] < _NEAR_M)
    cuts = first + np.clip(share, 0, 1)[:, :, None] * (second - first)
    points = np.concatenate([corners, cuts], axis=1)
    valid = np.concatenate([depth >= _NEAR_M, is_cut], axis=1)
    z = np.maximum(points[:, :, 2], _NEAR_M)
    windows = np.zeros((len(solids), 6), np.int32)
    for place, axis, focal, centre, size in (
        (2, 0, lens.fx, lens.cx, lens.width_px),
        (0, 1, lens.fy, lens.cy, lens.height_px),
    ):
        pixel = points[:, :, axis] / z * focal + centre
        low = np.where(valid, pixel, np.inf).min(axis=1)
        high = np.where(valid, pixel, -np.inf).max(axis=1)
        windows[:, place] = np.clip(np.floor(low - 0.5), 0, size)
        windows[:, place + 1] = np.clip(np.ceil(high + 0.5), 0, size)
    centre_depth = solids.centre @ rotation[2] + offset[2]
    nearest = np.maximum(centre_depth - solids.radius, 0.0) * 0.999
    return windows, nearest.astype(np.float32)


def shade_camera(
    hits: Hits, view: View, camera: Sensor, light: shading.Lighting, noise: Noise, film: Light
) -> npt.NDArray[np.uint8]:
    """The picture [H, W, 3].  film: exposure and grain."""
    lens = camera.calibration.intrinsics
    assert lens is not None
    linear = np.empty((*hits.distance.shape, 3), np.float32)
    shading.shade(hits.rays, 1 / lens.fx, hits.distance, hits.solid_at, hits.solids, view.paving,
                  light, noise.texture, CAMERA_RANGE_M, np.empty(9, np.int32), linear)  # fmt: skip
    picture = np.empty(linear.shape, np.uint8)
    shading.develop(linear, film.exposure, noise.grain, film.grain, noise.film, picture)
    return picture


def encode_jpeg(picture: npt.NDArray[np.uint8], quality: int = JPEG_QUALITY) -> bytes:
    buffer = io.BytesIO()
    PillowImage.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


# -- LiDAR ----------------------------------------------------------------------------------


def beam_directions(unit: Unit) -> tuple[FloatArray, FloatArray]:
    """Elevation of each row and azimuth of each column in the sensor's frame, radians.

    Column 0 looks just right of straight back and the unit turns clockwise, as seen from above.
    """
    azimuths = math.pi - (np.arange(unit.columns) + 0.5) * 2 * math.pi / unit.columns
    return np.array(unit.lidar.calibration.beam_elevations), azimuths


def cast_lidar(
    view: View, unit: Unit, noise: Noise, columns: tuple[int, int] | None = None
) -> Hits:
    """columns: from, to: a part of the turn; None: all that is read."""
    first, last = columns or unit.span
    elevations, azimuths = beam_directions(unit)
    azimuths = azimuths[first:last]
    street_from_lidar = view.street_from_ego @ unit.lidar.calibration.ego_from_sensor
    forward, left, up = street_from_lidar[:3, :3].T
    across = np.cos(azimuths)[:, None] * forward + np.sin(azimuths)[:, None] * left
    rays = Rays(
        start=street_from_lidar[:3, 3].astype(np.float32),
        step_u=np.zeros(3, np.float32),
        step_v=np.zeros(3, np.float32),
        across=across.astype(np.float32),
        down=(np.sin(elevations)[:, None] * up).astype(np.float32),
        scale=np.cos(elevations).astype(np.float32),
    )
    windows, nearest = _lidar_windows(
        view.solids, inverse(street_from_lidar), elevations, unit.columns
    )
    for place in range(2, 6):  # two ranges of columns each, as a solid may lie across the seam
        windows[:, place] = np.clip(windows[:, place], first, last) - first
    shape = (len(elevations), last - first)
    return _cast(view, rays, windows, nearest, unit.reach_m, shape, noise)


def _lidar_windows(
    solids: Solids, lidar_from_street: FloatArray, elevations: FloatArray, columns: int
) -> tuple[Int32Array, Float32Array]:
    """Row and (wrapping) column windows [n, 6], and the least distance [n], metres."""
    rotation, offset = lidar_from_street[:3, :3], lidar_from_street[:3, 3]
    corners = _corners(solids) @ rotation.T + offset
    centre = solids.centre @ rotation.T + offset
    radius = solids.radius
    # How near the sensor's axis the solid comes, in plan: exact for upright boxes.
    upright = np.abs(solids.rotation[:, 2, 2]) > 0.999
    own = np.einsum("nji,nj->ni", solids.rotation, -centre @ rotation)
    beyond = np.maximum(np.abs(own) - solids.half * (1 + np.maximum(0, -solids.taper)), 0)
    in_plan = np.hypot(centre[:, 0], centre[:, 1])
    nearest_in_plan = np.where(
        upright, np.hypot(beyond[:, 0], beyond[:, 1]), np.maximum(in_plan - radius, 0)
    )
    highest, lowest = corners[:, :, 2].max(axis=1), corners[:, :, 2].min(axis=1)
    farthest = np.hypot(corners[:, :, 0], corners[:, :, 1]).max(axis=1)
    top = np.arctan2(highest, np.where(highest > 0, nearest_in_plan, farthest)) + 2e-3
    bottom = np.arctan2(lowest, np.where(lowest < 0, nearest_in_plan, farthest)) - 2e-3
    windows = np.zeros((len(solids), 6), np.int32)
    windows[:, 0] = np.searchsorted(-elevations, -top)
    windows[:, 1] = np.searchsorted(-elevations, -bottom, side="right")
    middle = np.arctan2(centre[:, 1], centre[:, 0])
    turned = np.arctan2(corners[:, :, 1], corners[:, :, 0]) - middle[:, None]
    turned = np.mod(turned + math.pi, 2 * math.pi) - math.pi
    per_column = 2 * math.pi / columns
    first = np.floor((math.pi - middle - turned.max(axis=1)) / per_column - 1).astype(int)
    last = np.ceil((math.pi - middle - turned.min(axis=1)) / per_column + 1).astype(int)
    start = np.mod(first, columns)
    end = start + np.minimum(last - first, columns)
    surrounds = nearest_in_plan <= 0.05
    windows[:, 2] = np.where(surrounds, 0, start)
    windows[:, 3] = np.where(surrounds, columns, np.minimum(end, columns))
    windows[:, 5] = np.where(surrounds, 0, np.maximum(end - columns, 0))
    nearest = np.maximum(np.linalg.norm(centre, axis=1) - radius, 0) * 0.999
    return windows, nearest.astype(np.float32)


@dataclass(frozen=True)
class Returns:
    """Which rays of a LiDAR came back: flat indices into [rows x columns], and how strong.

    met: [N] the ray whose hit it is; another than the cell's own where an edge split the beam.
    number: [N] 1, or 2 for what came back second.
    """

    cell: npt.NDArray[np.int64]  # [N]
    range_m: Float32Array  # [N], with noise
    intensity: Float32Array  # [N]
    met: npt.NDArray[np.int64]
    number: npt.NDArray[np.uint8]


def lidar_returns(hits: Hits, view: View, noise: Noise, random: np.random.Generator) -> Returns:
    """Drop-outs by range, angle and glass, and range noise: what a real unit would report."""
    shape = hits.distance.shape
    strength, passes = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    shading.reflect(hits.rays, hits.distance, hits.solid_at, hits.solids, view.paving,
                    noise.texture, strength, passes)  # fmt: skip
    signal = strength * np.exp(-hits.distance / 45.0) * 60
    lost = np.clip(0.015 + 0.6 * np.exp(-signal) + 0.8 * (passes > 0.25), 0, 0.97)
    dice, jitter = random.random(shape, np.float32), random.standard_normal(shape, np.float32)
    cell = np.flatnonzero((hits.solid_at != casting.NOTHING) & (dice > lost))
    range_m = hits.distance.ravel()[cell] + _RANGE_NOISE_M * jitter.ravel()[cell]
    glow = strength.ravel()[cell] + 0.02 * jitter[:, ::-1].ravel()[cell]
    glow = np.clip(glow, 0, 1).astype(np.float32)
    return Returns(cell, range_m, glow, cell, np.ones(len(cell), np.uint8))


_SPLIT_STEP_M, _SPLIT_SHARE = 0.8, 0.4  # what counts as an edge; how often a beam there is split


def with_second_returns(returns: Returns, hits: Hits, random: np.random.Generator) -> Returns:
    """Beams that pass close by an edge come back from what lies behind it, too."""
    columns = hits.distance.shape[1]
    row, column = np.divmod(returns.cell, columns)
    side = np.where(random.random(len(row)) < 0.5, 1, -1)
    beside = row * columns + np.clip(column + side, 0, columns - 1)
    behind_m = hits.distance.ravel()[beside]
    is_met = hits.solid_at.ravel()[beside] != casting.NOTHING
    split = is_met & (behind_m > returns.range_m + _SPLIT_STEP_M)
    split &= random.random(len(row)) < _SPLIT_SHARE
    range_m = behind_m[split] + _RANGE_NOISE_M * random.standard_normal(split.sum())
    return Returns(
        np.concatenate([returns.cell, returns.cell[split]]),
        np.concatenate([returns.range_m, range_m.astype(np.float32)]),
        np.concatenate([returns.intensity, 0.4 * returns.intensity[split]]).astype(np.float32),
        np.concatenate([returns.met, beside[split]]),
        np.concatenate([returns.number, np.full(split.sum(), 2, np.uint8)]),
    )


def on_whole_turn(returns: Returns, first: int, width: int, columns: int) -> Returns:
    """Of a part of the turn that is `width` columns wide and begins at `first`."""
    row, column = np.divmod(returns.cell, width)
    return replace(returns, cell=row * columns + column + first)


def sweep_of(
    returns: Returns, unit: Unit, timestamp_us: int, ego_from_then: Sequence[FloatArray] = ()
) -> Sweep:
    """The LiDAR's reading in range-image order, at the frame's pose.

    ego_from_then: of each slice of the turn, from ego at its instant; () where all are the frame's.
    """
    elevations, azimuths = beam_directions(unit)
    row, column = np.divmod(returns.cell, unit.columns)
    flat = np.cos(elevations)[row]
    directions = np.stack([
        flat * np.cos(azimuths)[column], flat * np.sin(azimuths)[column], np.sin(elevations)[row],
    ], axis=1)  # fmt: skip
    ego_from_lidar = unit.lidar.calibration.ego_from_sensor
    points = (directions * returns.range_m[:, None]) @ ego_from_lidar[:3, :3].T
    points = points + ego_from_lidar[:3, 3]
    starts = slice_starts(unit, len(ego_from_then))
    for k, moved in enumerate(ego_from_then):
        own = (column >= starts[k]) & (column < starts[k + 1])
        points[own] = points[own] @ moved[:3, :3].T + moved[:3, 3]
    return Sweep(
        points_ego=points.astype(np.float32),
        intensity=returns.intensity,
        timestamp_us=timestamp_us,
        time_offset_us=(column * SPIN_US // unit.columns).astype(np.int32),
        source_index=returns.cell.astype(np.uint32),
        return_number=returns.number,
        row=row.astype(np.uint16),
        column=column.astype(np.uint16),
    )


def slice_starts(unit: Unit, slices: int) -> list[int]:
    """The first column of each slice of what is read of a turn, and the last one's end."""
    first, last = unit.span
    return [first + k * (last - first) // max(slices, 1) for k in range(slices + 1)]


def looks_after_s(rig: Rig, camera: Sensor) -> float:
    """How long after the turn's start the LiDAR sweeps past where a camera looks, seconds."""
    if rig.slices == 1:
        return 0.0
    forward = camera.calibration.ego_from_sensor[:3, 2]
    share = (math.pi - math.atan2(forward[1], forward[0])) / (2 * math.pi)
    return share % 1.0 * SPIN_US * 1e-6


# -- light ----------------------------------------------------------------------------------

_SHADOW_CELL_M, _CONTACT_CELL_M = 0.12, 0.125
_LIT_LOW, _LIT_HIGH = np.array([-45.0, -85.0]), np.array([160.0, 85.0])


class Sunlight:
    """Shadow and contact maps of everything that stands, completed each frame by what moves."""

    def __init__(self, street: Street, noise: Noise) -> None:
        self._street, self._noise = street, noise
        to_sun = street.light.to_sun
        across = np.cross(to_sun, (0.0, 0.0, 1.0))
        across /= np.linalg.norm(across)
        self._axes = np.stack([across, np.cross(-to_sun, across), -to_sun])
        plan = np.array([[x, y, 0.0] for x in (_LIT_LOW[0], _LIT_HIGH[0])
                         for y in (_LIT_LOW[1], _LIT_HIGH[1])])  # fmt: skip
        reach = plan @ self._axes[:2].T
        low, size = reach.min(axis=0), np.ptp(reach, axis=0)
        self._origin = self._axes[0] * low[0] + self._axes[1] * low[1]
        columns, rows = np.ceil(size / _SHADOW_CELL_M).astype(int)
        self._depth = np.full((rows, columns), casting.FAR, np.float32)
        self._cast(street.static, self._depth)
        contact_size = np.ceil((_LIT_HIGH - _LIT_LOW) / _CONTACT_CELL_M).astype(int)
        self._contact = np.zeros((contact_size[1], contact_size[0]), np.uint8)
        _shade_contact(street, self._contact, is_static=True, time_s=0.0)

    def at(self, moving: Solids, time_s: float) -> shading.Lighting:
        """The light of one instant. moving: the moving things' solids, street's frame."""
        depth, contact = self._depth.copy(), self._contact.copy()
        self._cast(moving, depth)
        _shade_contact(self._street, contact, is_static=False, time_s=time_s)
        light = self._street.light
        return shading.Lighting(
            light.to_sun, light.sun, light.sky, light.clouds, light.haze_m, depth, self._origin,
            self._axes, _SHADOW_CELL_M, contact, _LIT_LOW, _CONTACT_CELL_M,
            light.sky_scale, light.head_lamps,
        )  # fmt: skip

    def _cast(self, solids: Solids, depth: Float32Array) -> None:
        """Lower `depth` to the first solid that parallel light meets, per cell."""
        above = 60.0  # the light starts higher than any roof
        rows, columns = depth.shape
        a, b, light = self._axes
        start = self._origin + _SHADOW_CELL_M * 0.5 * (a + b) - above * light
        none = np.zeros(3)
        rays = Rays(*(np.asarray(x, np.float32) for x in (
            start, a * _SHADOW_CELL_M, b * _SHADOW_CELL_M, np.tile(none, (columns, 1)),
            np.tile(light, (rows, 1)), np.zeros(rows),
        )))  # fmt: skip
        places = (_corners(solids) - self._origin) @ self._axes.T
        cells = places[:, :, :2] / _SHADOW_CELL_M
        windows = np.zeros((len(solids), 6), np.int32)
        for place, axis, size in ((0, 1, rows), (2, 0, columns)):
            windows[:, place] = np.clip(np.floor(cells[:, :, axis].min(axis=1)), 0, size)
            windows[:, place + 1] = np.clip(np.ceil(cells[:, :, axis].max(axis=1)) + 1, 0, size)
        nearest = (places[:, :, 2].min(axis=1) + above).astype(np.float32)
        order = np.argsort(nearest, kind="stable")
        order = order[windows[order, 1] > windows[order, 0]]
        packed = pack(solids.chosen(order))
        depth += np.float32(above)
        casting.cast(rays, packed, windows[order], nearest[order], self._noise.texture, depth,
                     np.empty(depth.shape, np.int32), False, level())  # fmt: skip
        depth -= np.float32(above)


def _shade_contact(
    street: Street, contact: npt.NDArray[np.uint8], *, is_static: bool, time_s: float
) -> None:
    """Darken the ground under and beside things, as the sky's light cannot get there."""
    for thing in street.things:
        if thing.is_static != is_static or thing.gold.label_class in ("pole", "sign"):
            continue
        low, high = thing.bounds_at(time_s)
        x, y, _, heading = thing.stands_at(time_s)
        middle, half = (low + high)[:2] / 2, (high - low)[:2] / 2
        is_vehicle = thing.gold.label_class in ("car", "truck", "bus")
        if thing.gold.label_class == "tree":
            half, middle = np.array([0.2, 0.2]), np.zeros(2)
        c, s = math.cos(heading), math.sin(heading)
        place = np.array([x + c * middle[0] - s * middle[1], y + s * middle[0] + c * middle[1]])
        strength = 0.93 if is_vehicle else 0.6
        _stamp(contact, place, heading, half * (0.97 if is_vehicle else 0.7), 0.3, strength)
    if is_static:
        is_front = (street.static.track == 4) & (street.static.half[:, 2] > 3)
        for k in np.flatnonzero(is_front & (street.static.kind == Kind.BOX)):
            rotation = street.static.rotation[k]
            heading = math.atan2(rotation[1, 0], rotation[0, 0])
            _stamp(
                contact, street.static.centre[k, :2], heading, street.static.half[k, :2], 0.7, 0.55
            )


def _stamp(
    contact: npt.NDArray[np.uint8], place: FloatArray, heading: float, half: FloatArray,
    soft_m: float, strength: float,
) -> None:  # fmt: skip
    """Darken a turned rectangle and, fading over `soft_m`, what is around it."""
    reach = float(np.hypot(*half)) + 3 * soft_m
    first = np.floor((place - reach - _LIT_LOW) / _CONTACT_CELL_M).astype(int).clip(0)
    last = np.ceil((place + reach - _LIT_LOW) / _CONTACT_CELL_M).astype(int)
    window = contact[first[1] : max(last[1], 0), first[0] : max(last[0], 0)]
    if not window.size:
        return
    x = (np.arange(window.shape[1]) + first[0] + 0.5) * _CONTACT_CELL_M + _LIT_LOW[0] - place[0]
    y = (np.arange(window.shape[0]) + first[1] + 0.5) * _CONTACT_CELL_M + _LIT_LOW[1] - place[1]
    c, s = math.cos(heading), math.sin(heading)
    along = np.abs(c * x[None] + s * y[:, None]) - half[0]
    beside = np.abs(-s * x[None] + c * y[:, None]) - half[1]
    outside = np.hypot(np.maximum(along, 0), np.maximum(beside, 0))
    inside = np.minimum(np.maximum(along, beside), 0)
    # Darkest in the middle, half as dark at the outline, nothing three fades away.
    dark = np.where(
        outside > 0, 0.62 * np.exp(-outside / soft_m), 1 - 0.38 * np.exp(inside / soft_m)
    )
    np.maximum(window, (255 * strength * dark).astype(np.uint8), out=window)
