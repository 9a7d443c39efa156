"""A post followed up the picture, from the highest beam that hit it to its end.

GrabCut loses what is a few pixels wide; along a post its colour and its two edges are enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
Colour = npt.NDArray[np.float32]  # [3] blue, green, red
Picture = npt.NDArray[np.uint8]
Pixel = tuple[float, float]

_LEARNT_ROWS = 24  # below the highest beam, where the post's axis, width and colour are learnt
_LEAST_ROWS = 6
_WIDENS = 1.6  # a post is hardly wider there than further down
_LIKE = 30.0  # a row's colour may differ this much from the post's
_SHADES = 50.0  # and its lit side from its dark one
_EDGE = 10.0  # and must differ this much from one side's
_MISSES = 5  # rows one after the other that do not look like it: the post has ended
_SURE = 0.6  # of the rows followed must look like it
_STEPS = (0.0, -0.5, 0.5)  # pixels that the axis may shift from row to row


@dataclass(frozen=True)
class Post:
    """What is known of a post at its highest beam. The axis is at u = base + lean * v."""

    top: int
    lean: float
    base: float
    half_px: float
    colour: Colour


def followed_up(picture: Picture, mask: BoolArray, negative: list[Pixel]) -> BoolArray:
    """[H, W] what continues a post's mask [H, W] above its top; empty where nothing does.

    A negative click in its middle ends it there; one beside that is left out.
    """
    out = np.zeros_like(mask)
    post = _learnt(picture, mask)
    if post is None:
        return out
    for v, u, colour in _climbed(picture, post):
        if any(int(y) == v and abs(x - u) <= post.half_px / 2 for x, y in negative):
            break
        left, right = max(round(u - post.half_px), 0), round(u + post.half_px)
        row = picture[v, left:right].astype(np.float32)
        out[v, left:right] = np.abs(row - colour).max(axis=1) < _SHADES
    for x, y in negative:
        out[max(int(y) - 1, 0) : int(y) + 2, max(int(x) - 1, 0) : int(x) + 2] = False
    return out


def _learnt(picture: Picture, mask: BoolArray) -> Post | None:
    """None for what is no post, or shows too little of it."""
    rows = np.flatnonzero(mask.any(axis=1))
    upper = rows[1 : 1 + _LEARNT_ROWS]  # the very first row may be a speck
    if len(upper) < _LEAST_ROWS:
        return None
    width = mask[upper].sum(axis=1)
    if np.median(width) > _WIDENS * np.quantile(mask[rows].sum(axis=1), 0.25):
        return None  # a sign's plate: the object ends here
    middle = (mask[upper] * np.arange(mask.shape[1])).sum(axis=1) / width + 0.5
    lean, base = (float(x) for x in np.polyfit(upper, middle, 1))
    half_px = max(float(np.median(width)) / 2, 1.0)
    colours = [_band(picture, v, base + lean * v, half_px / 2) for v in upper]
    return Post(int(rows[0]), lean, base, half_px, np.median(colours, axis=0))


def _climbed(picture: Picture, post: Post) -> list[tuple[int, float, Colour]]:
    """Row, middle and colour of the post in each row from its top to its end, upwards."""
    found: list[tuple[int, float, Colour]] = []
    colour, shift, seen, misses = post.colour, 0.0, 0, 0
    for v in range(post.top - 1, -1, -1):
        places = [post.base + post.lean * v + shift + step for step in _STEPS]
        contrasts = [_contrast(picture, v, u, post.half_px) for u in places]
        # Moving aside needs a reason.
        best = max(range(len(_STEPS)), key=lambda at: contrasts[at] - abs(_STEPS[at]))
        shift += _STEPS[best]
        if not 0 <= places[best] < picture.shape[1]:
            break
        own = _band(picture, v, places[best], post.half_px / 2)
        looks_like_it = np.abs(own - colour).max() < _LIKE and contrasts[best] > _EDGE
        misses = 0 if looks_like_it else misses + 1
        if misses > _MISSES:
            break
        if looks_like_it:
            colour = 0.9 * colour + 0.1 * own  # light changes along it
            seen += 1
        found.append((v, places[best], colour))
    found = found[: len(found) - min(misses, _MISSES)]
    return found if seen >= max(_SURE * len(found), _LEAST_ROWS) else []


def _band(picture: Picture, v: int, u: float, half_px: float) -> Colour:
    """The mean colour of the pixels of row v that are near u, of at least one."""
    left = int(np.clip(u - half_px, 0, picture.shape[1] - 1))
    right = max(left + 1, int(np.ceil(u + half_px)))
    return np.asarray(picture[v, left:right].mean(axis=0), np.float32)


def _contrast(picture: Picture, v: int, u: float, half_px: float) -> float:
    """How much the colour at u differs from what is beside it, on the side where it does more."""
    own = _band(picture, v, u, half_px / 2)
    sides = [
        _band(picture, v, u + away, half_px / 2 + 0.5)
        for away in (-2 * half_px - 1, 2 * half_px + 1)
    ]
    return float(max(np.abs(own - side).max() for side in sides))
