"""From what a person shows to what the decoder takes in: places in 3D, and maps round them.

Everything is done for one view: a picture (or none) and the sweep (or none) of a frame. K prompts'
points, N points of the cloud, R x C cells of the range view; the picture's maps are at stride 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import cv2
import numpy as np
import numpy.typing as npt

from inference.geometric.frames import PreparedFrame
from inference.geometric.lifting import lifted, rejected
from inference.geometric.predictor import outline_in, target_of
from inference.geometric.selection import Asked as PromptsAsked
from inference.geometric.selection import sorted_prompts
from inference.geometry import distances
from inference.nano.config import SWEEP_STRIDE, NanoConfig
from inference.nano.glance import (
    UNKNOWN_M,
    PictureGlance,
    SweepGlance,
    on_rays,
    shares_of_points,
)
from inference.prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt
from inference.scene import SensorKind

Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


class Kind(IntEnum):
    """What a point says. A box is two corners and the middle of what is in it."""

    NEGATIVE = 0
    POSITIVE = 1
    LOW_CORNER = 2
    HIGH_CORNER = 3
    MIDDLE = 4
    GUESS = 5  # nobody said so: where a track is expected
    PADDING = 6


SPEAKS_FOR = (Kind.POSITIVE, Kind.MIDDLE, Kind.GUESS)  # points that lie in the object


@dataclass(frozen=True)
class Hint:
    """One point.  place: metres in ego.  known: whether its distance is.  in_cloud: whether it was shown there.

    share: where the picture has it, as shares of width and height, or None.  cell: row and column
    of the range view, or None.
    """

    kind: Kind
    place: Float32Array
    known: bool
    in_cloud: bool
    share: tuple[float, float] | None
    cell: tuple[int, int] | None


@dataclass(frozen=True)
class Glances:
    """What a decoder looks at.  picture: of one camera."""

    prepared: PreparedFrame
    picture: PictureGlance | None
    sweep: SweepGlance | None


@dataclass
class Hints:
    """All that is known of one object in one view before the model is asked.

    boxed, prior, given: maps of -1 (outside), 0 (nothing said), 1 (inside): boxes; what geometry
    takes for the object; masks that people gave.  before: the model's own earlier logits.
    target: [N] the points behind `prior`.  outline: [H, W] what geometry draws of the object in the
    view's picture, in the recording's pixels; made only where a mask is refined.
    """

    points: list[Hint] = field(default_factory=list)
    target: BoolArray | None = None
    outline: BoolArray | None = None
    picture_boxed: Float32Array | None = None
    picture_given: Float32Array | None = None
    picture_before: Float32Array | None = None
    sweep_boxed: Float32Array | None = None
    sweep_given: Float32Array | None = None
    sweep_before: Float32Array | None = None

    @property
    def centre(self) -> Float32Array | None:
        """Where the object is thought to be: the first point that speaks for it."""
        for hint in self.points:
            if hint.kind in SPEAKS_FOR:
                return hint.place
        return self.points[0].place if self.points else None


@dataclass(frozen=True)
class Meant:
    """What geometry makes of prompts in a frame, the same for all its views.

    target: [N] the points that are meant.
    """

    prepared: PreparedFrame
    asked: PromptsAsked
    target: BoolArray

    def outline(self, camera: str) -> BoolArray | None:
        """[H, W] what geometry draws in a camera's picture; None where it does not see the object."""
        return outline_in(self.prepared, self.asked, camera, self.target)


def meant_by(prepared: PreparedFrame, prompts: Sequence[Prompt]) -> Meant:
    """Raises KeyError for an unknown sensor, ValueError for a prompt that does not fit it."""
    asked = sorted_prompts(prepared, prompts)
    return Meant(prepared, asked, target_of(prepared, asked))


def hints_of(glances: Glances, prompts: Sequence[Prompt], meant: Meant) -> Hints:
    """meant: by the same prompts."""
    prepared = glances.prepared
    hints = Hints(target=meant.target if meant.target.any() else None)
    for prompt in prompts:
        in_lidar = prepared.scene.sensor(prompt.sensor).kind is SensorKind.LIDAR
        match prompt:
            case PointPrompt():
                kind = Kind.POSITIVE if prompt.positive else Kind.NEGATIVE
                make = _clicked_point if in_lidar else _clicked_pixel
                hints.points.append(make(glances, prompt, kind))
            case BoxPrompt() if in_lidar:
                _box_in_cloud(glances, prompt, hints)
            case BoxPrompt():
                _box_in_picture(glances, prompt, hints)
            case MaskPrompt() if in_lidar:
                _mask_in_cloud(glances, prompt, hints)
            case MaskPrompt():
                _mask_in_picture(glances, prompt, hints)
    if hints.target is not None and hints.centre is None:
        hints.points.append(_middle(glances, hints.target, Kind.MIDDLE))
    return hints


def guessed(glances: Glances, target: BoolArray, kind: Kind) -> Hints:
    """Of an object that is followed: where its motion leads.  target: [N] of which some are meant.

    kind: GUESS, or MIDDLE for weights that were not trained on clips.
    """
    return Hints([_middle(glances, target, kind)], target)


# --- points --------------------------------------------------------------------------------------


def at_place(
    glances: Glances, place: Float32Array, kind: Kind, *, in_cloud: bool, index: int | None = None
) -> Hint:
    """A hint at a place in ego.  index: of the cloud's point that it is, where known."""
    share = None
    if glances.picture is not None:
        shares, seen = shares_of_points(glances.picture, place[None])
        share = (float(shares[0, 0]), float(shares[0, 1])) if seen[0] else None
    return Hint(kind, place, True, in_cloud, share, _cell(glances, place, index))


def _cell(glances: Glances, place: Float32Array, index: int | None) -> tuple[int, int] | None:
    """The range view's cell of a point, or the nearest one that has a point near a place."""
    sweep = glances.sweep
    if sweep is None:
        return None
    columns = sweep.valid.shape[1]
    if index is not None and sweep.cell_of[index] >= 0:
        row, column = divmod(int(sweep.cell_of[index]), columns)
        return row, column
    away = ((sweep.xyz - place) ** 2).sum(axis=2)
    away[~sweep.valid] = np.inf
    row, column = divmod(int(away.argmin()), columns)
    return (row, column) if away[row, column] < 1.0 else None


def _clicked_point(glances: Glances, prompt: PointPrompt, kind: Kind) -> Hint:
    cloud = glances.prepared.cloud
    part = cloud.part_of[prompt.sensor]
    place = np.array(prompt.position, np.float32)
    if part.stop == part.start:
        return at_place(glances, place, kind, in_cloud=True)
    away = distances(cloud.points[part], place)
    index = part.start + int(away.argmin())
    return at_place(glances, cloud.points[index], kind, in_cloud=True, index=index)


def _clicked_pixel(glances: Glances, prompt: PointPrompt, kind: Kind) -> Hint:
    prepared = glances.prepared
    pixel = (float(prompt.position[0]), float(prompt.position[1]))
    lift = rejected if kind is Kind.NEGATIVE else lifted
    index = lift(prepared, prompt.sensor, pixel)
    if index is not None:
        hint = at_place(glances, prepared.cloud.points[index], kind, in_cloud=False, index=index)
    else:
        hint = Hint(kind, _on_ray(glances, prompt.sensor, pixel), False, False, None, None)
    return _with_share(glances, hint, prompt.sensor, pixel)


def _with_share(glances: Glances, hint: Hint, camera: str, pixel: tuple[float, float]) -> Hint:
    """The click itself, where this view's camera is the one that was clicked in."""
    picture = glances.picture
    if picture is None or picture.sensor.name != camera:
        return hint
    return Hint(hint.kind, hint.place, hint.known, hint.in_cloud, _share(picture, pixel), hint.cell)


def _share(picture: PictureGlance, pixel: tuple[float, float]) -> tuple[float, float]:
    lens = picture.sensor.calibration.intrinsics
    assert lens is not None
    return pixel[0] / lens.width_px, pixel[1] / lens.height_px


def _on_ray(glances: Glances, camera: str, pixel: tuple[float, float]) -> Float32Array:
    """A place on the ray through a pixel that no beam reached."""
    picture = glances.picture
    if picture is None or picture.sensor.name != camera:
        return np.array([UNKNOWN_M, 0, 0], np.float32)
    share = np.array([_share(picture, pixel)])
    return on_rays(picture.sensor, picture.camera_from_ego, share, np.array([UNKNOWN_M]))[0]


def _middle(glances: Glances, target: BoolArray, kind: Kind) -> Hint:
    """The point of a target that is nearest to its median."""
    index = np.flatnonzero(target)
    points = glances.prepared.cloud.points[index]
    nearest = index[distances(points, np.median(points, axis=0)).argmin()]
    place = glances.prepared.cloud.points[nearest]
    return at_place(glances, place, kind, in_cloud=True, index=int(nearest))


# --- boxes and masks -----------------------------------------------------------------------------


def _box_in_picture(glances: Glances, prompt: BoxPrompt, hints: Hints) -> None:
    picture = glances.picture
    corners = ((prompt.low[0], prompt.low[1]), (prompt.high[0], prompt.high[1]))
    middle = ((corners[0][0] + corners[1][0]) / 2, (corners[0][1] + corners[1][1]) / 2)
    if hints.target is not None:
        hint = _middle(glances, hints.target, Kind.MIDDLE)
        hint = Hint(hint.kind, hint.place, True, False, hint.share, hint.cell)
    else:
        place = _on_ray(glances, prompt.sensor, middle)
        hint = Hint(Kind.MIDDLE, place, False, False, None, None)
    hints.points.append(_with_share(glances, hint, prompt.sensor, middle))
    if picture is None or picture.sensor.name != prompt.sensor:
        return
    away = float(np.linalg.norm(hint.place - _eye(picture)))
    for kind, corner in zip((Kind.LOW_CORNER, Kind.HIGH_CORNER), corners, strict=True):
        share = _share(picture, corner)
        place = on_rays(
            picture.sensor, picture.camera_from_ego, np.array([share]), np.array([away])
        )[0]
        hints.points.append(Hint(kind, place, False, False, share, None))
    (left, top), (right, bottom) = (_share(picture, corner) for corner in corners)
    height, width = picture.depth_m.shape
    v, u = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    inside = ((v >= top) & (v <= bottom))[:, None] & ((u >= left) & (u <= right))
    hints.picture_boxed = np.where(inside, 1, -1).astype(np.float32)


def _eye(picture: PictureGlance) -> Float32Array:
    return np.linalg.inv(picture.camera_from_ego)[:3, 3].astype(np.float32)


def _box_in_cloud(glances: Glances, prompt: BoxPrompt, hints: Hints) -> None:
    cloud, sweep = glances.prepared.cloud, glances.sweep
    low, high = np.array(prompt.low, np.float32), np.array(prompt.high, np.float32)
    inside = ((cloud.points[:, : len(low)] >= low) & (cloud.points[:, : len(low)] <= high)).all(1)
    if len(low) == 2:
        heights = cloud.points[inside & ~cloud.is_ground, 2]
        bottom, top = (heights.min(), heights.max()) if len(heights) else (0.0, 2.0)
        low, high = np.append(low, bottom), np.append(high, top)
    meant = hints.target if hints.target is not None else np.asarray(inside, bool)
    middle = ((low + high) / 2).astype(np.float32)
    hints.points.append(
        _middle(glances, meant, Kind.MIDDLE)
        if meant.any()
        else at_place(glances, middle, Kind.MIDDLE, in_cloud=True)
    )
    for kind, corner in ((Kind.LOW_CORNER, low), (Kind.HIGH_CORNER, high)):
        hints.points.append(Hint(kind, corner.astype(np.float32), True, True, None, None))
    if sweep is not None:
        within = ((sweep.xyz >= low) & (sweep.xyz <= high)).all(axis=2) & sweep.valid
        hints.sweep_boxed = np.where(within, 1, -1).astype(np.float32)


def _mask_in_cloud(glances: Glances, prompt: MaskPrompt, hints: Hints) -> None:
    sweep = glances.sweep
    if sweep is None:
        return
    given = np.zeros(len(glances.prepared.cloud), bool)
    given[glances.prepared.cloud.part_of[prompt.sensor]] = prompt.mask.ravel()
    hints.sweep_given = _joined(hints.sweep_given, in_cells(sweep, given))


def _mask_in_picture(glances: Glances, prompt: MaskPrompt, hints: Hints) -> None:
    picture = glances.picture
    if picture is None or picture.sensor.name != prompt.sensor:
        return
    lens = picture.sensor.calibration.intrinsics
    assert lens is not None
    drawn = prompt.mask.reshape(lens.height_px, lens.width_px)
    hints.picture_given = _joined(hints.picture_given, in_grid(drawn, picture.depth_m.shape))
    if hints.centre is None:
        # The pixel deepest inside speaks for the mask.
        depth = cv2.distanceTransform(np.pad(drawn.astype(np.uint8), 1), cv2.DIST_L2, 3)
        v, u = np.unravel_index(int(depth[1:-1, 1:-1].argmax()), drawn.shape)
        click = PointPrompt(prompt.sensor, (float(u) + 0.5, float(v) + 0.5))
        hints.points.append(_clicked_pixel(glances, click, Kind.MIDDLE))


def _joined(before: Float32Array | None, now: Float32Array) -> Float32Array:
    return now if before is None else np.maximum(before, now)


def in_grid(mask: BoolArray, shape: tuple[int, ...]) -> Float32Array:
    """A picture's mask on a coarser grid, -1 ... 1: how much of a cell it covers."""
    size = (int(shape[1]), int(shape[0]))
    shares = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(2 * shares - 1, np.float32)


def in_cells(sweep: SweepGlance, mask: BoolArray) -> Float32Array:
    """[N] of the cloud -> -1 or 1 for cells with a point, 0 for the others."""
    inside = mask[sweep.point] & sweep.valid
    return np.where(inside, 1, np.where(sweep.valid, -1, 0)).astype(np.float32)


# --- as arrays -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class HintArrays:
    """What the decoder takes of one object; see `decoder.Asked` for a batch of them.

    points: [K, ...] see Hint.  first_column: of the window, a multiple of a token's columns; it may
    reach over the range view's seam.  picture_maps: [6, h/4, w/4] boxed, prior, relative depth,
    given, before and whether there is one.  sweep_maps: [5, R, window] the same without depth.
    """

    kind: npt.NDArray[np.int64]
    place: Float32Array
    known: Float32Array
    in_cloud: Float32Array
    share: Float32Array
    has_share: Float32Array
    cell: Float32Array
    has_cell: Float32Array
    first_column: int
    picture_maps: Float32Array | None
    sweep_maps: Float32Array | None


def as_arrays(glances: Glances, hints: Hints, config: NanoConfig, *, shift: int = 0) -> HintArrays:
    """shift: columns by which the window is moved, for training."""
    points = hints.points
    column = _first_column(glances, hints, config, shift)
    cells = [hint.cell for hint in points]
    return HintArrays(
        np.array([hint.kind for hint in points], np.int64),
        np.array([hint.place for hint in points], np.float32).reshape(-1, 3),
        np.array([hint.known for hint in points], np.float32),
        np.array([hint.in_cloud for hint in points], np.float32),
        np.array([hint.share or (0, 0) for hint in points], np.float32).reshape(-1, 2),
        np.array([hint.share is not None for hint in points], np.float32),
        np.array([cell or (0, 0) for cell in cells], np.float32).reshape(-1, 2),
        np.array([cell is not None for cell in cells], np.float32),
        column,
        None if glances.picture is None else _picture_maps(glances.picture, hints),
        None if glances.sweep is None else _sweep_maps(glances.sweep, hints, column, config),
    )


def _first_column(glances: Glances, hints: Hints, config: NanoConfig, shift: int) -> int:
    """The window's, with the object's centre in the middle."""
    wide = SWEEP_STRIDE[1]
    middle = next((hint.cell[1] for hint in hints.points if hint.cell is not None), None)
    if middle is None:
        centre = hints.centre
        azimuth = 0.0 if centre is None else float(np.arctan2(centre[1], centre[0]))
        middle = int((np.pi - azimuth) / (2 * np.pi) * config.columns)
        middle -= 0 if glances.sweep is None else glances.sweep.first
    first = (middle + shift - config.window // 2) // wide * wide % config.columns
    columns = config.columns if glances.sweep is None else glances.sweep.valid.shape[1]
    if columns == config.columns:
        return first
    return min(first, columns - config.window) if first < (config.columns + columns) // 2 else 0


def _picture_maps(picture: PictureGlance, hints: Hints) -> Float32Array:
    maps = np.zeros((6, *picture.depth_m.shape), np.float32)
    if hints.picture_boxed is not None:
        maps[0] = hints.picture_boxed
    if hints.target is not None:
        maps[1] = np.where(hints.target[picture.point], picture.near, -picture.near)
    depth_m = _depth_of(picture, hints)
    if depth_m is not None:
        relative = np.clip((picture.depth_m - depth_m) / (1 + 0.05 * depth_m), -3, 3) / 3
        maps[2] = np.where(picture.near > 0, relative, 0)
    if hints.picture_given is not None:
        maps[3] = hints.picture_given
    if hints.picture_before is not None:
        maps[4] = np.tanh(hints.picture_before / 4)
        maps[5] = 1
    return maps


def _depth_of(picture: PictureGlance, hints: Hints) -> float | None:
    """How far the object is from the camera."""
    if hints.target is not None:
        shown = (picture.point >= 0) & hints.target[picture.point]
        if shown.any():
            return float(np.median(picture.depth_m[shown]))
    for hint in hints.points:
        if hint.kind in SPEAKS_FOR and hint.known:
            pose = picture.camera_from_ego
            return float(pose[2, :3] @ hint.place + pose[2, 3])
    return None


def _sweep_maps(
    sweep: SweepGlance, hints: Hints, first_column: int, config: NanoConfig
) -> Float32Array:
    columns = window_columns(first_column, sweep.valid.shape[1], config)
    maps = np.zeros((5, len(sweep.valid), config.window), np.float32)
    if hints.sweep_boxed is not None:
        maps[0] = hints.sweep_boxed[:, columns]
    if hints.target is not None:
        valid = sweep.valid[:, columns]
        inside = hints.target[sweep.point[:, columns]]
        maps[1] = np.where(valid, np.where(inside, 1, -1), 0)
    if hints.sweep_given is not None:
        maps[2] = hints.sweep_given[:, columns]
    if hints.sweep_before is not None:
        maps[3] = np.tanh(hints.sweep_before[:, columns] / 4)
        maps[4] = 1
    return maps


def window_columns(first_column: int, columns: int, config: NanoConfig) -> npt.NDArray[np.int64]:
    return (first_column + np.arange(config.window)) % columns
