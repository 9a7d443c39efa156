"""Rigs: which cameras and LiDAR a vehicle carries, and where.

"demo" and "tiny" are the product's own; "waymo", "nuscenes", "kitti" and "pandaset" are like those
data sets' vehicles as far as their published geometry goes, and are kept for measuring; "random"
follows from a seed, and is what models learn from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from inference.geometry import FloatArray, Intrinsics, rigid, rotation_from_euler
from inference.scene import Calibration, Sensor, SensorKind, ShutterDirection

Random = np.random.Generator
# Camera axes (x right, y down, z forward) in a frame that looks along x.
_FORWARD_FROM_CAMERA = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])


@dataclass(frozen=True)
class Unit:
    """One spinning LiDAR.  columns: readings per turn.  reach_m: no light comes back from farther away.

    view_deg: how much of the turn is read, about the unit's own x; 360: all of it.
    """

    lidar: Sensor
    columns: int
    reach_m: float = 90.0
    view_deg: float = 360.0

    @property
    def name(self) -> str:
        return self.lidar.name

    @property
    def span(self) -> tuple[int, int]:
        """The first column that is read, and the one after the last."""
        beside = round(self.columns * (360 - self.view_deg) / 720)
        return beside, self.columns - beside


@dataclass(frozen=True)
class Rig:
    """The sensors on the roof.  units: LiDARs, the one that looks farthest first.

    slices: instants of which a turn is put together, 1 where the world stands still for it; then
    cameras look at the frame's own time, else when the LiDAR sweeps past what they look at.
    has_second_returns: whether a beam that an edge splits comes back twice.
    """

    cameras: tuple[Sensor, ...]
    units: tuple[Unit, ...]
    slices: int = 1
    has_second_returns: bool = False

    @property
    def sensors(self) -> tuple[Sensor, ...]:
        return (*self.cameras, *(unit.lidar for unit in self.units))


RIGS = ("demo", "tiny", "waymo", "nuscenes", "kitti", "pandaset", "random")


def make_rig(name: str, *, seed: int = 0, width_px: int | None = None) -> Rig:
    """seed: of "random".  width_px: of all pictures, which keep their shape; None: the rig's own."""
    if name == "demo":
        rig = _demo(width_px=960, height_px=640, beams=64, columns=2048)
    elif name == "tiny":
        rig = _demo(width_px=96, height_px=64, beams=16, columns=512)
    elif name in _PUBLISHED:
        rig = _PUBLISHED[name]()
    elif name == "random":
        rig = _random(np.random.default_rng([seed, 21]))
    else:
        raise ValueError(f"there is no rig {name!r}; choose from {', '.join(RIGS)}")
    if name not in ("demo", "tiny"):
        rig = replace(rig, slices=8, has_second_returns=True)
    if width_px is None:
        return rig
    return replace(rig, cameras=tuple(_scaled(camera, width_px) for camera in rig.cameras))


def _scaled(camera: Sensor, width_px: int) -> Sensor:
    lens = camera.calibration.intrinsics
    assert lens is not None
    share = width_px / lens.width_px
    height_px = max(1, round(lens.height_px * share))
    down = height_px / lens.height_px
    small = Intrinsics(
        lens.fx * share, lens.fy * down, lens.cx * share, lens.cy * down, width_px, height_px
    )
    return replace(camera, calibration=replace(camera.calibration, intrinsics=small))


# --- the product's own ---------------------------------------------------------------------------


def _demo(*, width_px: int, height_px: int, beams: int, columns: int) -> Rig:
    places = (
        ("FRONT", 0.0, (1.55, 0.0, 1.62), 60.0),
        ("FRONT_LEFT", 55.0, (1.45, 0.25, 1.62), 62.0),
        ("FRONT_RIGHT", -55.0, (1.45, -0.25, 1.62), 62.0),
    )
    cameras = tuple(
        _camera(label, yaw, place, view, width_px, height_px) for label, yaw, place, view in places
    )
    lidar = _lidar("TOP", (1.3, 0.0, 2.15), _dense_ahead(2.4, -17.6, beams))
    return Rig(cameras, (Unit(lidar, columns),))


# --- like published ones -------------------------------------------------------------------------


def _waymo() -> Rig:
    views = (
        ("FRONT", 0.0, (1.54, 0.0, 2.11), 50.0, 1280),
        ("FRONT_LEFT", 45.0, (1.49, 0.1, 2.11), 50.0, 1280),
        ("FRONT_RIGHT", -45.0, (1.49, -0.1, 2.11), 50.0, 1280),
        ("SIDE_LEFT", 90.0, (1.43, 0.11, 2.11), 50.0, 886),
        ("SIDE_RIGHT", -90.0, (1.43, -0.11, 2.11), 50.0, 886),
    )
    cameras = tuple(_camera(n, yaw, at, view, 1920, high) for n, yaw, at, view, high in views)
    top = Unit(_lidar("TOP", (1.43, 0.0, 2.18), _dense_ahead(2.4, -17.6, 64)), 2650)
    return Rig(cameras, (top, *_short_range_units()))


def _short_range_units() -> tuple[Unit, ...]:
    """Four that look steeply down round the vehicle, each over its own half."""
    beams = np.linspace(28.0, -82.0, 56)
    return tuple(
        Unit(_lidar(f"LIDAR_{name}", place, beams, yaw_deg=yaw), 600, reach_m=20.0, view_deg=190.0)
        for name, yaw, place in (
            ("FRONT", 0.0, (4.07, 0.0, 0.69)),
            ("SIDE_LEFT", 90.0, (3.24, 1.03, 0.98)),
            ("SIDE_RIGHT", -90.0, (3.24, -1.03, 0.98)),
            ("REAR", 180.0, (-1.15, 0.0, 0.47)),
        )
    )


def _nuscenes() -> Rig:
    views = (
        ("CAM_FRONT", 0.0, (1.7, 0.0, 1.51), 65.0),
        ("CAM_FRONT_LEFT", 55.0, (1.52, 0.49, 1.51), 65.0),
        ("CAM_FRONT_RIGHT", -55.0, (1.55, -0.49, 1.5), 65.0),
        ("CAM_BACK", 180.0, (0.03, 0.0, 1.57), 89.0),
        ("CAM_BACK_LEFT", 110.0, (1.04, 0.48, 1.56), 65.0),
        ("CAM_BACK_RIGHT", -110.0, (1.01, -0.48, 1.56), 65.0),
    )
    cameras = tuple(_camera(n, yaw, at, view, 1600, 900) for n, yaw, at, view in views)
    beams = np.linspace(10.67, -30.67, 32)
    return Rig(cameras, (Unit(_lidar("LIDAR_TOP", (0.94, 0.0, 1.84), beams), 1085),))


def _kitti() -> Rig:
    cameras = tuple(
        _camera(name, 0.0, (1.08, y, 1.65), 81.0, 1242, 375)
        for name, y in (("CAM_LEFT", 0.32), ("CAM_RIGHT", -0.22))
    )
    # An upper and a lower block, the lower with twice the spacing.
    beams = np.concatenate([np.linspace(2.0, -8.33, 32), np.linspace(-8.83, -24.33, 32)])
    return Rig(cameras, (Unit(_lidar("VELODYNE", (0.81, 0.0, 1.73), beams), 2048),))


def _pandaset() -> Rig:
    views = (
        ("front_camera", 0.0, 50.0), ("front_left_camera", 55.0, 50.0),
        ("front_right_camera", -55.0, 50.0), ("left_camera", 110.0, 50.0),
        ("right_camera", -110.0, 50.0), ("back_camera", 180.0, 50.0),
    )  # fmt: skip
    cameras = tuple(
        _camera(n, yaw, (1.0 + 0.9 * math.cos(math.radians(yaw)), 0.4 * math.sin(math.radians(yaw)),
                         1.7), view, 1920, 1080)
        for n, yaw, view in views
    )  # fmt: skip
    # Dense in the middle, a few beams far up and far down.
    beams = np.concatenate([
        [15.0, 11.0, 8.0], np.linspace(5.0, 2.0, 5), np.linspace(1.833, -6.0, 48),
        np.linspace(-7.0, -13.0, 6), [-19.0, -25.0],
    ])  # fmt: skip
    return Rig(cameras, (Unit(_lidar("main_pandar64", (0.9, 0.0, 1.85), beams), 1800),))


_PUBLISHED = {"waymo": _waymo, "nuscenes": _nuscenes, "kitti": _kitti, "pandaset": _pandaset}


# --- random --------------------------------------------------------------------------------------


def _random(random: Random) -> Rig:
    """One to three cameras of one make, looking anywhere, and one LiDAR."""
    count = int(random.integers(1, 4))
    aspect = float(random.choice((1.33, 1.5, 1.78, 2.2, 3.2), p=(0.2, 0.35, 0.25, 0.1, 0.1)))
    view_deg = random.uniform(45, 95)
    height_m = random.uniform(1.3, 2.2)
    first = random.normal(0, 25) if random.random() < 0.7 else random.uniform(-180, 180)
    step = random.uniform(0.7, 1.0) * view_deg * float(random.choice((-1, 1)))
    width_px = 1280
    cameras = []
    for k in range(count):
        yaw = (first + k * step + 180) % 360 - 180
        turned = math.radians(yaw)
        place = (1.0 + 0.6 * math.cos(turned), 0.5 * math.sin(turned), height_m)
        tilt = random.normal(1.0, 2.0), random.normal(0, 1.0)
        cameras.append(
            _camera(f"CAMERA_{k}", yaw, place, view_deg, width_px, round(width_px / aspect), tilt)
        )
    columns = int(random.choice((900, 1085, 1440, 1800, 2048, 2650)))
    place = (random.uniform(0.4, 1.6), 0.0, random.uniform(1.6, 2.4))
    lidar = _lidar("LIDAR", place, _beams(random), tilt_deg=random.normal(0, 0.7))
    units = [Unit(lidar, columns)]
    if random.random() < 0.2:
        units += _short_range_units()
    return Rig(tuple(cameras), tuple(units))


def _beams(random: Random) -> FloatArray:
    """Elevations in degrees, highest first."""
    count = int(random.choice((32, 40, 64, 96, 128), p=(0.3, 0.1, 0.42, 0.08, 0.1)))
    kind = random.random()
    top = random.uniform(1.5, 5.0) if kind < 0.6 else random.uniform(5.0, 16.0)
    bottom = random.uniform(-32.0, -16.0)
    if kind < 0.3:
        return _dense_ahead(top, bottom, count)
    if kind < 0.6:
        return np.linspace(top, bottom, count)
    if kind < 0.75:
        upper = count // 2
        middle = top + (bottom - top) * random.uniform(0.3, 0.45)
        return np.concatenate([
            np.linspace(top, middle, upper, endpoint=False), np.linspace(middle, bottom, count - upper)
        ])  # fmt: skip
    # Densest about the horizon, thinner to both sides.
    share = np.linspace(-1, 1, count)
    horizon = random.uniform(-6, 0)
    reach = np.where(share < 0, top - horizon, horizon - bottom)
    return horizon - np.sign(share) * reach * np.abs(share) ** random.uniform(1.2, 1.9)


# --- parts ---------------------------------------------------------------------------------------


def _dense_ahead(top: float, bottom: float, beams: int) -> FloatArray:
    """Denser towards the horizon, as on real 64-beam units."""
    share = np.linspace(0, 1, beams)
    return top + (bottom - top) * (0.55 * share + 0.45 * share**2)


def _lidar(
    name: str, place: tuple[float, float, float], beams_deg: Sequence[float] | FloatArray, *,
    tilt_deg: float = 0.0, yaw_deg: float = 0.0,
) -> Sensor:  # fmt: skip
    rotation = rotation_from_euler(0, math.radians(tilt_deg), math.radians(yaw_deg))
    elevations = tuple(float(e) for e in np.radians(np.asarray(beams_deg)))
    return Sensor(
        name, SensorKind.LIDAR, Calibration(rigid(rotation, place), beam_elevations=elevations)
    )


def _camera(
    name: str, yaw_deg: float, place: tuple[float, float, float], view_deg: float, width: int,
    height: int, tilt_deg: tuple[float, float] = (1.0, 0.0),
) -> Sensor:  # fmt: skip
    """tilt_deg: pitch and roll."""
    focal = width / 2 / math.tan(math.radians(view_deg) / 2)
    pitch, roll = (math.radians(angle) for angle in tilt_deg)
    rotation = rotation_from_euler(roll, pitch, math.radians(yaw_deg))
    calibration = Calibration(
        rigid(rotation @ _FORWARD_FROM_CAMERA, place),
        Intrinsics(focal, focal, width / 2 + 0.004 * width, height / 2 - 0.006 * height,
                   width, height),
        ShutterDirection.GLOBAL,
    )  # fmt: skip
    return Sensor(name, SensorKind.CAMERA, calibration)
