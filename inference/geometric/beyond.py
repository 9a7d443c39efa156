"""What of an object is above the highest beam or below the lowest: the picture alone can tell.

A tree's crown, a lamp's post, a van's side close by. Colours are learnt where the LiDAR looks, from
the object's mask and from what is around it, and applied where it does not.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from inference.geometric.posts import followed_up
from inference.geometric.projection import View

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
Picture = npt.NDArray[np.uint8]
Pixel = tuple[float, float]

_WHOLE = (0, 0, 0, 0)  # not read: the trimap says where
_MAX_PIXELS = 16_000
# A mask that grows to more than this many times its size has flowed out, into a wall of its colour.
_MOST_GROWTH = 4.0
_LEAST_AGREEMENT = 0.4
_MOST_THIN_GROWTH = 15.0  # of a lamp post only the foot may be in the beams


def grown(
    picture: Picture,
    view: View,
    mask: BoolArray,
    own: BoolArray,
    clicks: tuple[list[Pixel], list[Pixel]],
) -> BoolArray:
    """mask [H, W] of the picture with what belongs to it out of the beams' reach.

    own: [M] which of the view's points are the object's.  clicks: positive and negative pixels.
    """
    unseen = _unseen(view)
    small = cv2.resize(
        mask.astype(np.uint8), unseen.shape[::-1], interpolation=cv2.INTER_AREA
    ).astype(bool)
    at_edge = ~unseen & (cv2.dilate(unseen.astype(np.uint8), np.ones((5, 1))) > 0)
    # The last beam before the edge must have hit the object: else it ends in sight.
    touching = at_edge & small & own[view.owner]
    if not touching.any():
        return mask
    out = _flowed(picture, view, mask, (small, unseen, touching), clicks)
    rows = np.nonzero(small & ~unseen)[0]
    is_topmost = np.nonzero(touching)[0].min() <= (rows.min() + rows.max()) / 2
    if is_topmost and _is_thin(view, small & ~unseen, touching):
        out = out | followed_up(picture, mask, clicks[1])
    return out


def _flowed(
    picture: Picture,
    view: View,
    mask: BoolArray,
    maps: tuple[BoolArray, BoolArray, BoolArray],
    clicks: tuple[list[Pixel], list[Pixel]],
) -> BoolArray:
    """mask [H, W] with what has its colours beyond the beams and hangs together with it.

    maps: [h, w] of the view's: the mask, what is out of reach, where the mask touches that.
    """
    small, unseen, touching = maps
    if touching.sum() < 2:
        return mask
    window = _window(view, small, touching, unseen)
    free = _enlarged(unseen, view, window)
    reachable = _enlarged(_reachable(view, small & ~unseen, touching), view, window)
    inside = _flooded(picture, view, mask, (free, reachable), window, clicks)
    if inside is None:
        return mask
    left, top, right, bottom = window
    out = mask.copy()
    here = out[top:bottom, left:right]
    reached = inside & free
    most = _MOST_THIN_GROWTH if _is_thin(view, small & ~unseen, touching) else _MOST_GROWTH
    if reached.sum() > most * max(int((here & ~free).sum()), 1) or _flows_out(reached, free):
        return mask
    here[free] = reached[free]
    return out


def _unseen(view: View) -> BoolArray:
    """[h, w] of the view's map: above the highest and below the lowest return of each column."""
    near = view.gap <= 1.0
    rows = np.arange(near.shape[0])[:, None]
    highest = np.where(near, rows, near.shape[0]).min(axis=0)
    lowest = np.where(near, rows, -1).max(axis=0)
    # Single columns without returns must not leave gaps.
    highest = cv2.erode(highest.astype(np.float32)[None], np.ones((1, 5)))[0]
    lowest = cv2.dilate(lowest.astype(np.float32)[None], np.ones((1, 5)))[0]
    unseen: BoolArray = (rows < highest) | (rows > lowest)
    return unseen


def _window(
    view: View, small: BoolArray, touching: BoolArray, unseen: BoolArray
) -> tuple[int, int, int, int]:
    """Round the object, and as far up or down from where it touches as it may well reach."""
    rows = np.nonzero(small & ~unseen)[0]
    touched_rows, touched = np.nonzero(touching)
    width = int(np.ptp(touched)) + 1
    side = int(0.5 * width) + 6
    wide = int(width * view.scale[1] / view.scale[0])  # the same length in rows of the map
    reach = max(3 * (int(np.ptp(rows)) + 1), 2 * wide, int(80 * view.scale[1]))
    middle = (rows.min() + rows.max()) / 2
    top, bottom = int(rows.min()), int(rows.max()) + 1
    # Colours are learnt near the edge of sight: of a tall object's foot nothing is needed.
    if (touched_rows <= middle).any():
        bottom = min(bottom, top + max(2 * wide, int(60 * view.scale[1])))
        top -= reach
    if (touched_rows > middle).any():
        bottom += reach
    left, right = int(touched.min()) - side, int(touched.max()) + side + 1
    across, down = view.scale
    return (
        max(0, int(left / across)),
        max(0, int(top / down)),
        min(view.width_px, int(right / across)),
        min(view.height_px, int(bottom / down)),
    )


def _reachable(view: View, seen: BoolArray, touching: BoolArray) -> BoolArray:
    """[h, w] of the map: an ellipse round where the object leaves the beams, a strip if thin.

    Colours alone let a crown run into a facade of its own shade.
    """
    rows, columns = np.nonzero(touching)
    width = (int(np.ptp(columns)) + 1) / view.scale[0]
    v = (np.arange(seen.shape[0]) - rows.mean())[:, None] / view.scale[1]
    u = (np.arange(seen.shape[1]) - (columns.min() + columns.max()) / 2)[None] / view.scale[0]
    across = 0.75 * width + 4
    if _is_thin(view, seen, touching):
        return np.broadcast_to(np.abs(u) < 2 * across, seen.shape)
    ellipse: BoolArray = (u / across) ** 2 + (v / (1.2 * width + 12)) ** 2 < 1
    return ellipse


def _is_thin(view: View, seen: BoolArray, touching: BoolArray) -> bool:
    """Whether what is in the beams' reach is a post: three times as high as wide at the edge."""
    height = (int(np.ptp(np.nonzero(seen)[0])) + 1) / view.scale[1]
    width = (int(np.ptp(np.nonzero(touching)[1])) + 1) / view.scale[0]
    return height > 3 * width


def _enlarged(region: BoolArray, view: View, window: tuple[int, int, int, int]) -> BoolArray:
    left, top, right, bottom = window
    u = ((np.arange(left, right) + 0.5) * view.scale[0]).astype(int).clip(0, region.shape[1] - 1)
    v = ((np.arange(top, bottom) + 0.5) * view.scale[1]).astype(int).clip(0, region.shape[0] - 1)
    enlarged: BoolArray = region[v[:, None], u[None]]
    return enlarged


def _flooded(
    picture: Picture,
    view: View,
    mask: BoolArray,
    zones: tuple[BoolArray, BoolArray],
    window: tuple[int, int, int, int],
    clicks: tuple[list[Pixel], list[Pixel]],
) -> BoolArray | None:
    """[h, w] of the window: a cut with colours from the part in sight, connected to the mask.

    None where the colours do not even tell the mask from its surroundings in sight.
    zones: [h, w] of the window, out of the beams' reach, and where the object may go there.
    """
    left, top, right, bottom = window
    width, height = right - left, bottom - top
    shrink = min(1.0, np.sqrt(_MAX_PIXELS / max(width * height, 1)))
    size = (max(4, round(width * shrink)), max(4, round(height * shrink)))
    colours = cv2.resize(picture[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
    known_in = cv2.resize(
        mask[top:bottom, left:right].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST
    ).astype(bool)
    free, reachable = (
        cv2.resize(zone.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool)
        for zone in zones
    )
    known_in &= ~free
    known_out = ~known_in & ~free
    if known_in.sum() < 10 or known_out.sum() < 10 or not free.any():
        return None
    # Beyond its reach the object has ended: this is how the sky, which no beam shows, is learnt.
    ended = ~reachable
    ended[:, :2] |= left > 0
    ended[:, -2:] |= right < view.width_px
    background, foreground = _colours_of(colours[known_in], colours[known_out | (ended & free)])
    trimap = np.where(known_in, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    trimap[free & ended] = cv2.GC_BGD
    for pixels, value in zip(clicks, (cv2.GC_FGD, cv2.GC_BGD), strict=True):
        for u, v in pixels:
            at = (int((u - left) * shrink), int((v - top) * shrink))
            cv2.circle(trimap, at, 2, int(value), -1)
    cv2.grabCut(
        np.ascontiguousarray(colours), trimap, _WHOLE, background, foreground, 1,
        cv2.GC_EVAL_FREEZE_MODEL,
    )  # fmt: skip
    inside = ((trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD)).astype(np.uint8)
    if _agreement(inside > 0, known_in, known_out) < _LEAST_AGREEMENT:
        return None
    inside[~free] = known_in[~free]
    _, label = cv2.connectedComponents(inside, connectivity=8)
    reached = np.unique(label[known_in])
    connected = np.isin(label, reached[reached > 0])
    soft = cv2.resize(connected.astype(np.float32), (width, height))
    grown: BoolArray = soft > 0.5
    return grown


def _colours_of(inside: Picture, outside: Picture) -> tuple[FloatArray, FloatArray]:
    """GrabCut's two mixtures of colours [1, 65], of the background and of the foreground.

    inside: [I, 3], outside: [O, 3]; GrabCut wants a picture, so they are laid out as one.
    """
    pixels = np.concatenate([inside, outside])
    width = 64
    height = -(-len(pixels) // width)
    picture = np.resize(pixels[::-1], (height * width, 3))[::-1].reshape(height, width, 3)
    given = np.full(height * width, cv2.GC_BGD, np.uint8)
    given[height * width - len(pixels) :][: len(inside)] = cv2.GC_FGD
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(1)
    cv2.grabCut(
        np.ascontiguousarray(picture), given.reshape(height, width), _WHOLE, background, foreground,
        1, cv2.GC_INIT_WITH_MASK,
    )  # fmt: skip
    return background, foreground


def _agreement(inside: BoolArray, known_in: BoolArray, known_out: BoolArray) -> float:
    """IoU of the cut and the mask where both are in sight."""
    hit = int((inside & known_in).sum())
    return hit / max(int(known_in.sum()) + int((inside & known_out).sum()), 1)


def _flows_out(reached: BoolArray, free: BoolArray) -> bool:
    """Whether it runs along much of the window's sides, where the object should have ended."""
    sides = np.concatenate([reached[:, 0], reached[:, -1]])
    return bool(sides.sum() > 0.3 * max(int(free[:, 0].sum() + free[:, -1].sum()), 1))
