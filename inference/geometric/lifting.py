"""From a camera to the cloud: which points a pixel, a rectangle or a drawn mask means."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from inference.geometric.frames import Cloud, PreparedFrame

Int32Array = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]
Picture = npt.NDArray[np.uint8]
Pixel = tuple[float, float]
Rectangle = tuple[float, float, float, float]

# Pieces of one object are at most this far apart: a car's mirror, a tree's crown and trunk.
_PIECES_GAP_M = 0.8
_MOSTLY = 0.6
_FIRST_ROWS = 2.5  # beams below the highest return of a column
_SKY_WIDTH_PX = 160
# Beams round a negative click: its own point, where all points are of one object, and where they
# lie on all sides of it, so many radians apart at most.
_UNDER, _ALIKE, _AMID, _MOST_GAP = 0.8, 1.4, 2.0, 2.0


def lifted(prepared: PreparedFrame, camera: str, pixel: Pixel) -> int | None:
    """The point of the cloud under a pixel; None where no light came back (sky, far away).

    Objects go before the ground behind them; in a window, the points on both sides of it decide.
    """
    view, cloud = prepared.view(camera), prepared.cloud
    if not len(view.point):
        return None
    away = view.gaps_to(pixel)
    near = np.flatnonzero(away < 1.5)
    if len(near):
        near = near[np.argsort(away[near])][:5]
        objects = near[~cloud.is_ground[view.point[near]]]
        return int(view.point[(objects if len(objects) else near)[0]])
    around = np.flatnonzero(away < 6)
    around = around[np.argsort(away[around])][:24]
    number = cloud.cluster[view.point[around]]
    if not (number >= 0).any():
        return standing_below(prepared, camera, pixel)
    common = np.bincount(number[number >= 0]).argmax()
    own = around[number == common]
    side = np.sign(view.pixels[own] - np.array(pixel, np.float32))
    encloses = ((side.min(axis=0) < 0) & (side.max(axis=0) > 0)).all()
    if len(own) < _MOSTLY * len(around) or not encloses:
        return standing_below(prepared, camera, pixel)
    return int(view.point[own[0]])


def standing_below(prepared: PreparedFrame, camera: str, pixel: Pixel) -> int | None:
    """The point where what is seen above the beams comes down into them: a post, a crown.

    Straight below the pixel, the nearest object among the first rows of returns; None where the
    picture shows sky from the pixel to its upper edge.
    """
    view, cloud = prepared.view(camera), prepared.cloud
    beside = np.abs(view.pixels[:, 0] - pixel[0]) / view.reach_px[:, 0]
    column = np.flatnonzero((beside < 0.8) & view.is_real)
    column = column[cloud.cluster[view.point[column]] >= 0]
    if not len(column) or (view.pixels[column, 1] < pixel[1]).any():
        return None
    if is_sky(prepared.picture(camera), pixel):
        return None
    down = (view.pixels[column, 1] - view.pixels[column, 1].min()) / view.reach_px[column, 1]
    first = column[down < _FIRST_ROWS]
    return int(view.point[first[view.depth_m[first].argmin()]])


def is_sky(picture: Picture, pixel: Pixel) -> bool:
    """Whether a pixel looks like the smooth, bright band along the upper edge of a picture."""
    scale = _SKY_WIDTH_PX / picture.shape[1]
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    u = min(int(pixel[0] * scale), small.shape[1] - 1)
    v = min(int(pixel[1] * scale), small.shape[0] - 1)
    around = small[max(0, v - 1) : v + 2, max(0, u - 1) : u + 2].astype(np.float32)
    above = small[: v + 1, u].astype(np.float32)
    own = around.mean(axis=(0, 1))
    is_bright = own.mean() >= small.mean() and own[0] >= own[2] - 4  # not redder than blue
    is_plain = float(around.std(axis=(0, 1)).max()) < 6
    return bool(is_bright and is_plain and np.abs(above - own).max() < 40)


def rejected(prepared: PreparedFrame, camera: str, pixel: Pixel) -> int | None:
    """The point a negative click means: one right under it, amid others of the same object.

    By an outline the nearest point may well be the clicked track's own: there the click is about
    the picture, whose spills are often narrower than beams are apart.
    """
    view, cloud = prepared.view(camera), prepared.cloud
    if not len(view.point):
        return None
    away = view.gaps_to(pixel)
    nearest = int(away.argmin())
    around = np.flatnonzero(away < _AMID)
    number = cloud.cluster[view.point]
    is_amid = (
        away[nearest] < _UNDER
        and (number[around[away[around] < _ALIKE]] == number[nearest]).all()
        and _widest_gap(view.pixels[around], pixel) < _MOST_GAP
    )
    return int(view.point[nearest]) if is_amid else None


def _widest_gap(pixels: npt.NDArray[np.float32], pixel: Pixel) -> float:
    """Radians between neighbouring directions in which points [K, 2] lie from a pixel."""
    u, v = (pixels - np.array(pixel, np.float32)).T
    turn = np.sort(np.arctan2(v, u))
    return float(np.diff(turn, append=turn[0] + 2 * np.pi).max())


def agreeing(cloud: Cloud, points: list[int], anchors: list[int]) -> list[int]:
    """Of the points lifted from several clicks, those on one object.

    That is the anchors' (points clicked in the cloud itself), or else the one most clicks mean, of
    which the first counts twice: later ones go where the picture's mask is wrong, by the outline
    or where something is in the way. A click on something else is about the picture, not the points.
    """
    numbers = [int(cloud.cluster[point]) for point in points]
    anchored = {int(cloud.cluster[point]) for point in anchors} - {-1}
    objects = [number for number in numbers if number >= 0]
    if not anchored:
        if not objects:
            return points[:1] if not anchors else []
        anchored = {Counter([objects[0], *objects]).most_common(1)[0][0]}
    near = {number for number in set(objects) if touches(cloud, number, anchored)}
    return [point for point, number in zip(points, numbers, strict=True) if number in near]


def touches(cloud: Cloud, number: int, others: set[int]) -> bool:
    """Whether a cluster is a piece of the same object as one of the others, by distance."""
    if number in others:
        return True
    own = cloud.points[cloud.cluster == number]
    their = cloud.points[np.isin(cloud.cluster, list(others))]
    distance, _ = cKDTree(their).query(own[:: max(1, len(own) // 500)])
    return bool(distance.min() < _PIECES_GAP_M)


def in_rectangle(prepared: PreparedFrame, camera: str, rectangle: Rectangle) -> BoolArray:
    """[N] the object that a rectangle in a picture is drawn round."""
    view = prepared.view(camera)
    left, top, right, bottom = rectangle
    u, v = view.pixels[:, 0], view.pixels[:, 1]
    inside = (u >= left) & (u < right) & (v >= top) & (v < bottom)
    return _mostly_inside(prepared.cloud, view.point, inside)


def in_drawn(
    prepared: PreparedFrame, camera: str, drawn: BoolArray, *, mostly: float = _MOSTLY
) -> BoolArray:
    """[N] the object that a mask [H, W] of a picture shows.

    mostly: the share of an object's points in view that must lie in it.
    """
    view = prepared.view(camera)
    # A pixel less: at an outline the points of what is behind begin.
    core = cv2.erode(drawn.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    column, row = view.pixels.astype(np.int32).T
    return _mostly_inside(prepared.cloud, view.point, core[row, column], mostly)


def _mostly_inside(
    cloud: Cloud, point: Int32Array, inside: BoolArray, mostly: float = _MOSTLY
) -> BoolArray:
    """Clusters seen mostly inside, as far as they are pieces of the main one; parts of others
    only where nothing is mostly inside; the ground only where there is nothing else.

    point: [M] the points in view.  inside: [M].
    """
    target = np.zeros(len(cloud), bool)
    number = cloud.cluster[point]
    is_object = number >= 0
    if not (inside & is_object).any():
        target[point[inside]] = True
        return target
    seen = np.bincount(number[is_object])
    counted = np.bincount(number[inside & is_object], minlength=len(seen))
    share = counted / np.maximum(seen, 1)
    whole = np.flatnonzero(share >= mostly)
    if counted[whole].sum() < 0.3 * counted.sum():
        main = int(counted.argmax())
        target[point[inside & (number == main)]] = True
        return target
    main = int(whole[counted[whole].argmax()])
    pieces = [n for n in whole.tolist() if n == main or touches(cloud, n, {main})]
    target |= np.isin(cloud.cluster, pieces)
    return target
