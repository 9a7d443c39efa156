"""What a camera shows without a LiDAR's help: regions round clicks, and how they move."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from inference.geometric.refinement import Rough, refine

BoolArray = npt.NDArray[np.bool_]
Picture = npt.NDArray[np.uint8]
Pixel = tuple[float, float]

_WORK_WIDTH_PX = 320
# Colours this near the click's belong to its region; a region too small to be meant gets more.
_TOLERANCES = (14, 22, 32)
_LEAST_SHARE = 0.002
_FLOW_WIDTH_PX = 480


def region(picture: Picture, positive: list[Pixel], negative: list[Pixel]) -> BoolArray:
    """[H, W] what looks like the clicked places and hangs together with them."""
    height, width = picture.shape[:2]
    scale = min(1.0, _WORK_WIDTH_PX / width)
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    smooth = np.asarray(cv2.medianBlur(small, 5), np.uint8)
    against = [_at(pixel, scale, smooth) for pixel in negative]
    seed = np.zeros(smooth.shape[:2], bool)
    for pixel in positive:
        seed |= _flood(smooth, _at(pixel, scale, smooth), against)
    likely = cv2.resize(seed.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    surely = cv2.erode(likely, np.ones((3, 3), np.uint8), iterations=round(2 / scale))
    rows, columns = np.nonzero(likely)
    side = 0.25 * max(np.ptp(rows), np.ptp(columns)) + 12
    window = (
        max(0, int(columns.min() - side)),
        max(0, int(rows.min() - side)),
        min(width, int(columns.max() + side) + 1),
        min(height, int(rows.max() + side) + 1),
    )
    left, top, right, bottom = window
    inside = likely[top:bottom, left:right] > 0
    far = cv2.dilate(likely, np.ones((3, 3), np.uint8), iterations=max(4, int(side / 2)))
    return refine(
        picture,
        Rough(
            window,
            likely=inside,
            surely=surely[top:bottom, left:right] > 0,
            surely_not=far[top:bottom, left:right] == 0,
            positive=positive,
            negative=negative,
        ),
    )


def _at(pixel: Pixel, scale: float, picture: Picture) -> tuple[int, int]:
    height, width = picture.shape[:2]
    u, v = (int(value * scale) for value in pixel)
    return min(max(u, 0), width - 1), min(max(v, 0), height - 1)


def _flood(picture: Picture, start: tuple[int, int], against: list[tuple[int, int]]) -> BoolArray:
    """[h, w] the connected pixels of the start's colour; never those of a negative click."""
    inside = np.zeros(picture.shape[:2], bool)
    for tolerance in _TOLERANCES:
        mask = np.zeros((picture.shape[0] + 2, picture.shape[1] + 2), np.uint8)
        cv2.floodFill(
            picture.copy(), mask, start, 0, (tolerance,) * 3, (tolerance,) * 3,
            4 | cv2.FLOODFILL_FIXED_RANGE | cv2.FLOODFILL_MASK_ONLY | (1 << 8),
        )  # fmt: skip
        wider = mask[1:-1, 1:-1] > 0
        if inside.any() and any(wider[v, u] for u, v in against):
            break
        inside = wider
        if inside.mean() >= _LEAST_SHARE:
            break
    inside[start[1], start[0]] = True
    return inside


def carried(before: Picture, after: Picture, mask: BoolArray) -> BoolArray:
    """A mask [H, W] of one picture moved into the next one by the flow between them, and trimmed.

    Empty when it has left the picture.
    """
    height, width = mask.shape
    scale = min(1.0, _FLOW_WIDTH_PX / width)
    first, second = (
        cv2.cvtColor(
            cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA),
            cv2.COLOR_BGR2GRAY,
        )
        for picture in (before, after)
    )
    # From the new picture to the old one: each new pixel asks where it was.
    start = np.zeros((*first.shape, 2), np.float32)
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(second, first, start)
    v, u = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    small = cv2.resize(mask.astype(np.float32), first.shape[::-1], interpolation=cv2.INTER_AREA)
    moved = cv2.remap(small, u + flow[..., 0], v + flow[..., 1], cv2.INTER_LINEAR)
    likely = cv2.resize(moved, (width, height)) > 0.5
    if likely.sum() < 12:
        return np.zeros_like(mask)
    return refine(after, around(likely))


def around(likely: BoolArray) -> Rough:
    """A rough region whose outline may be off by a few pixels, in a window of its own."""
    height, width = likely.shape
    rows, columns = np.nonzero(likely)
    thin = max(2, int(0.06 * np.sqrt(len(rows))))
    side = 2 * thin + 4
    left, top = max(0, int(columns.min()) - side), max(0, int(rows.min()) - side)
    right = min(width, int(columns.max()) + side + 1)
    bottom = min(height, int(rows.max()) + side + 1)
    here = likely[top:bottom, left:right]
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * thin + 1, 2 * thin + 1))
    # Beyond the picture's edge the object goes on: the edge must not eat into it.
    padded = cv2.copyMakeBorder(here.astype(np.uint8), thin, thin, thin, thin, cv2.BORDER_REPLICATE)
    core = cv2.erode(padded, kernel)[thin:-thin, thin:-thin] > 0
    reach = cv2.dilate(here.astype(np.uint8), kernel) > 0
    return Rough((left, top, right, bottom), likely=here, surely=core, surely_not=~reach)
