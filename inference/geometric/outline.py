"""From an object's points to its mask in a picture, and from a pixel alone where no light helps."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from inference.geometric.alone import region
from inference.geometric.beyond import grown
from inference.geometric.frames import PreparedFrame
from inference.geometric.projection import View
from inference.geometric.refinement import Rough, Window, refine

BoolArray = npt.NDArray[np.bool_]
Pixel = tuple[float, float]

_BEYOND = 0.7  # beams
_ALOFT = 1.5  # beams from the nearest return
_MOST_OF_PICTURE = 0.25  # a region larger than that has flowed into what is behind


def outlined(
    prepared: PreparedFrame,
    camera: str,
    target: BoolArray,
    positive: list[Pixel],
    negative: list[Pixel],
) -> BoolArray | None:
    """[H, W] the target's mask in a picture; None where the camera does not see it.

    target: [N] points of the cloud.
    """
    view = prepared.view(camera)
    own = target[view.point]
    # Points that nearer ones cover wholly own no cell of the map: the object is not seen.
    if own.sum() < 2 or not (own[view.owner] & (view.gap <= 1.0)).any():
        return region(prepared.picture(camera), positive, negative) if positive else None
    rough = rough_from_points(view, own, positive, negative)
    mask = refine(prepared.picture(camera), rough)
    mask = grown(prepared.picture(camera), view, mask, own, (positive, negative))
    aloft = [
        pixel
        for pixel in positive
        if view.gaps_to(pixel).min() > _ALOFT and not _hangs_on(mask, view, own, pixel)
    ]
    if aloft:
        # What was clicked above the beams belongs to it, whatever the colours in sight are.
        shown = region(prepared.picture(camera), aloft, negative)
        if shown.mean() < _MOST_OF_PICTURE:
            mask |= shown & _out_of_reach(view)
    return mask


def _hangs_on(mask: BoolArray, view: View, own: BoolArray, pixel: Pixel) -> bool:
    """Whether the mask [H, W] leads from a pixel straight down to the object's highest point."""
    column, row = int(pixel[0]), int(pixel[1])
    path = mask[row : max(row + 1, int(view.pixels[own, 1].min())), column]
    return bool(path.mean() > 0.7)


def _out_of_reach(view: View) -> BoolArray:
    """[H, W] of the picture: farther from every return than neighbouring beams are apart."""
    whole = (0, 0, view.width_px, view.height_px)
    return _full_size(view.gap > 1.0, view, whole)


def rough_from_points(
    view: View, own: BoolArray, positive: list[Pixel], negative: list[Pixel]
) -> Rough:
    """own: [M] which of the view's points are the object's."""
    is_own = own[view.owner] if len(own) else np.zeros(view.owner.shape, bool)
    near = is_own & (view.gap <= 1.0)
    reach = (
        int(np.ceil(float(np.median(view.reach_px[own, 0])) * view.scale[0])) if own.any() else 1
    )
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    likely = cv2.morphologyEx(near.astype(np.uint8), cv2.MORPH_CLOSE, kernel) > 0
    likely &= is_own | (view.gap > 0.7)
    other = ~is_own & (view.gap <= 1.0)
    small = np.ones((3, 3), np.uint8)
    surely = cv2.erode(likely.astype(np.uint8), small) > 0
    surely |= is_own & (view.gap <= 0.35)
    surely_not = cv2.erode((other & ~likely).astype(np.uint8), small) > 0
    # An outline lies less than a beam beyond the outermost points, whatever a window shows there.
    side = 2 * max(1, round(_BEYOND * reach)) + 1
    within = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    surely_not |= cv2.dilate(likely.astype(np.uint8), within) == 0
    window = _window(view, likely, positive)
    return Rough(
        window,
        likely=_full_size(likely, view, window),
        surely=_full_size(surely, view, window),
        surely_not=_full_size(surely_not, view, window),
        positive=positive,
        negative=negative,
    )


def _window(view: View, likely: BoolArray, positive: list[Pixel]) -> Window:
    rows, columns = np.nonzero(likely)
    u = np.concatenate([(columns + 0.5) / view.scale[0], [p[0] for p in positive]])
    v = np.concatenate([(rows + 0.5) / view.scale[1], [p[1] for p in positive]])
    pad = 0.15 * max(np.ptp(u), np.ptp(v), 8.0) + 8
    return (
        max(0, int(u.min() - pad)),
        max(0, int(v.min() - pad)),
        min(view.width_px, int(u.max() + pad) + 1),
        min(view.height_px, int(v.max() + pad) + 1),
    )


def _full_size(region: BoolArray, view: View, window: Window) -> BoolArray:
    """The window of a map region, at the picture's size."""
    left, top, right, bottom = window
    # Map pixel i covers [i, i+1) / scale; sample at the picture's pixel centres.
    u = ((np.arange(left, right) + 0.5) * view.scale[0]).astype(int).clip(0, region.shape[1] - 1)
    v = ((np.arange(top, bottom) + 0.5) * view.scale[1]).astype(int).clip(0, region.shape[0] - 1)
    enlarged: BoolArray = region[v[:, None], u[None]]
    return enlarged
