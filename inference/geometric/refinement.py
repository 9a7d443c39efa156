"""From a rough region to a mask with the picture's own edges: GrabCut, small and clean."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
Picture = npt.NDArray[np.uint8]
Pixel = tuple[float, float]
Window = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom beyond the last

# GrabCut costs about a microsecond per pixel and round; the region is shrunk to this many.
_MAX_PIXELS = 14_000
_ROUNDS = 2
_CLICK_RADIUS_PX = 2
_SMALL = np.ones((3, 3), np.uint8)


@dataclass
class Rough:
    """What geometry says of a window of a picture, at the picture's own size.

    likely: [h, w] where the object probably is.  surely, surely_not: [h, w], taken as given.
    """

    window: Window
    likely: BoolArray
    surely: BoolArray
    surely_not: BoolArray
    positive: list[Pixel] = field(default_factory=list)
    negative: list[Pixel] = field(default_factory=list)


def refine(picture: Picture, rough: Rough) -> BoolArray:
    """[H, W] of the whole picture. Positive pixels are inside, negative ones are not."""
    left, top, right, bottom = rough.window
    mask = np.zeros(picture.shape[:2], bool)
    if right <= left or bottom <= top:
        return mask
    width, height = right - left, bottom - top
    shrink = min(1.0, np.sqrt(_MAX_PIXELS / (width * height)))
    size = (max(4, round(width * shrink)), max(4, round(height * shrink)))
    trimap = _trimap(rough, size)
    small = picture[top:bottom, left:right]
    if size != (width, height):
        small = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_AREA), np.uint8)
    inside = _grab_cut(np.ascontiguousarray(small), trimap)
    if size != (width, height):
        inside = np.asarray(cv2.resize(inside.astype(np.float32), (width, height))) > 0.5
    mask[top:bottom, left:right] = cleaned(inside, rough)
    return mask


def _trimap(rough: Rough, size: tuple[int, int]) -> Picture:
    def shrunk(region: BoolArray, share: float) -> BoolArray:
        soft = cv2.resize(region.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        return np.asarray(np.asarray(soft) > share, bool)

    trimap = np.full((size[1], size[0]), cv2.GC_PR_BGD, np.uint8)
    trimap[shrunk(rough.likely, 0.4)] = cv2.GC_PR_FGD
    trimap[shrunk(rough.surely_not, 0.5)] = cv2.GC_BGD
    trimap[shrunk(rough.surely, 0.3)] = cv2.GC_FGD
    left, top, right, bottom = rough.window
    scale = np.array([size[0] / (right - left), size[1] / (bottom - top)])
    for pixels, value in ((rough.negative, cv2.GC_BGD), (rough.positive, cv2.GC_FGD)):
        for pixel in pixels:
            u, v = (int(x) for x in (np.array(pixel) - (left, top)) * scale)
            cv2.circle(trimap, (u, v), _CLICK_RADIUS_PX, int(value), -1)
    return trimap


def _grab_cut(picture: Picture, trimap: Picture) -> BoolArray:
    is_front: BoolArray = (trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD)
    # GrabCut wants both sides and more pixels than its mixtures have parts.
    if is_front.sum() < 8 or (~is_front).sum() < 8:
        return is_front
    cv2.setRNGSeed(1)
    whole = (0, 0, 0, 0)  # not read: the trimap says where
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(
        picture, trimap, whole, background, foreground, _ROUNDS, cv2.GC_INIT_WITH_MASK
    )  # fmt: skip
    inside: BoolArray = (trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD)
    return inside


def cleaned(inside: BoolArray, rough: Rough) -> BoolArray:
    """Without speckles and pinholes; clicks hold: positive pixels inside, negative ones not."""
    left, top, right, bottom = rough.window
    here = [
        [
            (int(u) - left, int(v) - top)
            for u, v in pixels
            if left <= int(u) < right and top <= int(v) < bottom
        ]
        for pixels in (rough.positive, rough.negative)
    ]
    tidy: Picture = inside.astype(np.uint8)
    short = min(inside.shape)
    if short >= 24 and inside.sum() > 200:
        tidy = np.asarray(cv2.morphologyEx(tidy, cv2.MORPH_OPEN, _SMALL), np.uint8)
    for value, pixels in ((1, here[0]), (0, here[1])):
        for pixel in pixels:
            cv2.circle(tidy, pixel, _CLICK_RADIUS_PX, value, -1)
    tidy = _without_specks(tidy, (rough.surely & (tidy > 0)), here[0])
    tidy = _without_pinholes(tidy, here[1])
    for value, pixels in ((0, here[1]), (1, here[0])):
        for u, v in pixels:
            tidy[v, u] = value
    return tidy.astype(bool)


def _without_specks(tidy: Picture, surely: BoolArray, positive: list[tuple[int, int]]) -> Picture:
    """Keep the pieces that hold evidence, and of those no crumbs."""
    count, label, stats, _ = cv2.connectedComponentsWithStats(tidy, connectivity=8)
    if count <= 2:
        return tidy
    area = stats[:, cv2.CC_STAT_AREA]
    area[0] = 0
    evidence = np.bincount(label[surely], minlength=count) > 0
    keep = evidence & (area >= 0.03 * area.max())
    keep |= area == area.max()
    keep[0] = False
    for u, v in positive:
        keep[label[v, u]] = True
    keep[0] = False
    kept: Picture = keep[label].astype(np.uint8)
    return kept


def _without_pinholes(tidy: Picture, negative: list[tuple[int, int]]) -> Picture:
    """Fill holes smaller than 3 % of the mask, unless a negative click asks for one."""
    _, label, stats, _ = cv2.connectedComponentsWithStats(1 - tidy, connectivity=4)
    area = stats[:, cv2.CC_STAT_AREA]
    height, width = tidy.shape
    touches = (
        (stats[:, cv2.CC_STAT_LEFT] == 0)
        | (stats[:, cv2.CC_STAT_TOP] == 0)
        | (stats[:, cv2.CC_STAT_LEFT] + stats[:, cv2.CC_STAT_WIDTH] == width)
        | (stats[:, cv2.CC_STAT_TOP] + stats[:, cv2.CC_STAT_HEIGHT] == height)
    )
    fill = (area <= max(12, 0.03 * int(tidy.sum()))) & ~touches
    fill[0] = False
    for u, v in negative:
        fill[label[v, u]] = False
    filled: Picture = tidy | fill[label].astype(np.uint8)
    return filled
