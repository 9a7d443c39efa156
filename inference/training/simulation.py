"""What people would show: first prompts and corrections, drawn from gold masks.

Paper sheet, section 1: a click, a box or a mask first, in either modality; then clicks where the
answer is wrong. Every function takes its random generator, so that a step can be drawn again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from inference.prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt

BoolArray = npt.NDArray[np.bool_]
Float32Array = npt.NDArray[np.float32]
Random = np.random.Generator

_INNER = 0.6  # of the greatest depth: a click in the middle is at least this deep inside


@dataclass(frozen=True)
class Mix:
    """How often what is shown.  Shares of first prompts: boxes and masks, the rest are clicks.

    central: of clicks, those well inside.  other_modality: of corrections, those made in the modality
    that was not clicked first.
    """

    boxes: float = 0.2
    masks: float = 0.1
    central: float = 0.5
    other_modality: float = 0.25


@dataclass(frozen=True)
class Target:
    """An object as gold has it in one view.

    picture: [H, W] in the recording's pixels, None where no camera is looked at.  points: [N] of the cloud.
    camera, lidar: names.
    """

    picture: BoolArray | None
    points: BoolArray
    camera: str | None
    lidar: str | None


def first_prompt(
    target: Target, places: Float32Array, in_picture: bool, mix: Mix, random: Random,
    parts: Mapping[str, slice],
) -> list[Prompt]:  # fmt: skip
    """places: [N, 3] the cloud's points.  parts: LiDAR -> its slice of them."""
    kind = random.random()
    if in_picture:
        assert target.picture is not None
        assert target.camera is not None
        if kind < mix.boxes:
            return [box_in_picture(target.picture, target.camera, random)]
        if kind < mix.boxes + mix.masks:
            drawn = worn(target.picture, random, 1, 5)
            drawn = drawn if drawn.any() else target.picture
            return [MaskPrompt(target.camera, drawn.ravel())]
        central = random.random() < mix.central
        return [click_in_picture(target.picture, target.camera, random, central=central)]
    if kind < mix.boxes / 2:
        return [box_in_cloud(target.points, places, parts, random)]
    if kind < mix.boxes / 2 + mix.masks:
        return masks_in_cloud(target.points, parts, random)
    central = random.random() < mix.central
    return [click_in_cloud(target.points, places, parts, random, central=central)]


# --- pictures ------------------------------------------------------------------------------------


def click_in_picture(
    region: BoolArray, camera: str, random: Random, *, central: bool, positive: bool = True
) -> PointPrompt:
    """region: [H, W] with something in it; one of its pixels, well inside or any."""
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    top, left = rows[0], columns[0]
    part = region[top : rows[-1] + 1, left : columns[-1] + 1]
    if central:
        depth = cv2.distanceTransform(np.pad(part.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
        part = depth >= _INNER * depth.max()
    v, u = np.nonzero(part)
    k = random.integers(len(v))
    return PointPrompt(camera, (float(left + u[k]) + 0.5, float(top + v[k]) + 0.5), positive)


def box_in_picture(region: BoolArray, camera: str, random: Random) -> BoxPrompt:
    """Tight, with corners off by up to a tenth of its sides and 20 px (paper sheet, 1.2)."""
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    low = np.array([columns[0], rows[0]], float)
    high = np.array([columns[-1], rows[-1]], float) + 1
    reach = np.minimum((high - low) * 0.1, 20)
    low = low + random.uniform(-1, 1, 2) * reach
    high = high + random.uniform(-1, 1, 2) * reach
    size = np.array(region.shape[::-1], float)
    low, high = np.clip(low, 0, size - 2), np.clip(high, 2, size)
    high = np.maximum(high, low + 1)
    return BoxPrompt(camera, (float(low[0]), float(low[1])), (float(high[0]), float(high[1])))


def worn(mask: BoolArray, random: Random, least_px: int, most_px: int) -> BoolArray:
    """As a person or a model may have drawn it: a little too large, or too small, down to nothing."""
    size = int(random.integers(least_px, most_px + 1))
    change = cv2.dilate if random.random() < 0.5 else cv2.erode
    return np.asarray(change(mask.astype(np.uint8), np.ones((size, size), np.uint8)) > 0)


# --- sweeps --------------------------------------------------------------------------------------


def click_in_cloud(
    region: BoolArray, places: Float32Array, parts: Mapping[str, slice], random: Random, *,
    central: bool, positive: bool = True,
) -> PointPrompt:  # fmt: skip
    """region: [N] with something in it; one of its points, near the middle or any."""
    index = np.flatnonzero(region)
    if central:
        away = np.linalg.norm(places[index] - np.median(places[index], axis=0), axis=1)
        index = index[away <= np.quantile(away, 0.3)]
    chosen = int(index[random.integers(len(index))])
    lidar = next(name for name, part in parts.items() if part.start <= chosen < part.stop)
    x, y, z = (float(v) for v in places[chosen])
    return PointPrompt(lidar, (x, y, z), positive)


def box_in_cloud(
    region: BoolArray, places: Float32Array, parts: Mapping[str, slice], random: Random
) -> BoxPrompt:
    """Round the points, corners off by up to a tenth of its sides and 2 m; half of them seen from above."""
    inside = places[region]
    low, high = inside.min(axis=0).astype(float), inside.max(axis=0).astype(float)
    reach = np.minimum((high - low) * 0.1 + 0.05, 2)
    low, high = low - random.uniform(-0.5, 1, 3) * reach, high + random.uniform(-0.5, 1, 3) * reach
    high = np.maximum(high, low + 0.05)
    count = 2 if random.random() < 0.5 else 3
    first = int(np.flatnonzero(region)[0])
    lidar = next(name for name, part in parts.items() if part.start <= first < part.stop)
    return BoxPrompt(lidar, tuple(map(float, low[:count])), tuple(map(float, high[:count])))


def masks_in_cloud(region: BoolArray, parts: Mapping[str, slice], random: Random) -> list[Prompt]:
    """Each LiDAR's part of the points, a few of them missed."""
    kept = region & (random.random(len(region)) > 0.1 * random.random())
    kept = kept if kept.any() else region
    return [MaskPrompt(name, kept[part].copy()) for name, part in parts.items() if kept[part].any()]


# --- corrections ---------------------------------------------------------------------------------


def larger_error(truth: BoolArray, mask: BoolArray) -> tuple[BoolArray, bool] | None:
    """What was missed (True) or what spilled (False), whichever is more; None where all is right."""
    missed, spilled = truth & ~mask, mask & ~truth
    if not missed.any() and not spilled.any():
        return None
    positive = bool(missed.sum() > spilled.sum())
    return (missed if positive else spilled), positive
