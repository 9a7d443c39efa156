"""A second look, close up: a mask in a picture drawn again on a crop of the recording itself.

The decoder sees a picture of 480 px, where a person at 30 m is five cells high. The crop is as large
as the object, whatever its distance, so that one small network serves poles, people and buses. It
sees the crop's colours, the first mask, the clicks, and which LiDAR points are the object's.

B objects, S px the crop's side.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.geometric.frames import PreparedFrame
from inference.geometric.projection import View
from inference.nano.config import NanoConfig
from inference.nano.encoders import Conv, Residual
from inference.nano.glance import MEAN, STD
from inference.nano.hints import Hints, Kind

Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

CROP_CHANNELS = 12
# Some of them by name; `crop_of` says what they all are.
FIRST_MASK, POINTS, OUTLINE = 3, slice(4, 7), 11
_MARGIN, _LEAST_PX = 0.2, 24.0


@dataclass(frozen=True)
class Window:
    """A square of a picture, px: its left upper corner and its side."""

    left: float
    top: float
    side: float

    def matrix(self, size: int) -> npt.NDArray[np.float64]:
        """[2, 3] from the picture's pixels (corner at 0) to a crop's of `size`."""
        scale = size / self.side
        return np.array([[scale, 0, -self.left * scale], [0, scale, -self.top * scale]])


def window_of(
    view: View,
    hints: Hints,
    camera: str,
    logits: Float32Array,
    *,
    jitter: tuple[float, float, float] = (0, 0, 0),
) -> Window | None:
    """Round the first mask, the object's points and the clicks; None where there is none of them.

    logits: at stride 4 of the model's picture.  jitter: shifts in sides and a change of scale, for training.
    """
    size = np.array([view.width_px, view.height_px], float)
    places: list[Float32Array] = []
    inside = logits > 0
    if inside.any():
        v, u = np.nonzero(inside)
        scale = size / np.array(logits.shape[::-1])
        # Robust against specks far away: the outer percent does not count.
        low = np.percentile(np.stack([u, v], 1), 1, axis=0) * scale
        high = (np.percentile(np.stack([u, v], 1), 99, axis=0) + 1) * scale
        places += [low, high]
    if hints.target is not None and view.point.size:
        own = hints.target[view.point]
        if own.any():
            pixels = view.pixels[own]
            places += [pixels.min(axis=0), pixels.max(axis=0)]
    if hints.outline is not None and hints.outline.any():
        rows, columns = np.flatnonzero(hints.outline.any(1)), np.flatnonzero(hints.outline.any(0))
        places += [np.array([columns[0], rows[0]]), np.array([columns[-1], rows[-1]]) + 1]
    for hint in hints.points:
        if hint.share is not None and hint.kind is not Kind.NEGATIVE:
            places.append(np.array(hint.share) * size)
    if not places:
        return None
    low, high = np.min(places, axis=0), np.max(places, axis=0)
    side = max(float((high - low).max()) * (1 + 2 * _MARGIN), _LEAST_PX) * (1 + jitter[2])
    middle = (low + high) / 2 + np.array(jitter[:2]) * side
    return Window(float(middle[0] - side / 2), float(middle[1] - side / 2), side)


def crop_of(
    prepared: PreparedFrame,
    camera: str,
    hints: Hints,
    logits: Float32Array,
    window: Window,
    config: NanoConfig,
) -> Float32Array:
    """[12, S, S] what the refiner takes.

    Colours (3), the first mask, object's points against others' and how near, depth against the object's,
    bumps round clicks (positive, negative), the box, what is outside the picture, and geometry's
    outline.
    """
    size = config.refined_px
    view, picture = prepared.view(camera), prepared.picture(camera)
    matrix = window.matrix(size)
    out = np.zeros((CROP_CHANNELS, size, size), np.float32)
    colours = warped(picture, window, size)
    out[:3] = ((colours[..., ::-1].astype(np.float32) - MEAN) / STD).transpose(2, 0, 1)
    grid = _stretch(matrix, (view.width_px / logits.shape[1], view.height_px / logits.shape[0]))
    out[FIRST_MASK] = cv2.warpAffine(np.tanh(logits / 4).astype(np.float32), grid, (size, size),
                            flags=cv2.INTER_LINEAR, borderValue=-1)  # fmt: skip
    if len(view.point):
        _add_points(out, view, hints, matrix)
    size_px = np.array([view.width_px, view.height_px])
    v, u = np.mgrid[:size, :size] + 0.5
    corners = []
    for hint in hints.points:
        if hint.share is None:
            continue
        x, y = matrix[:, :2] @ (np.array(hint.share) * size_px) + matrix[:, 2]
        if hint.kind in (Kind.LOW_CORNER, Kind.HIGH_CORNER):
            corners.append((x, y))
            continue
        channel = 8 if hint.kind is Kind.NEGATIVE else 7
        bump = np.exp(-((u - x) ** 2 + (v - y) ** 2) / (0.05 * size) ** 2)
        out[channel] = np.maximum(out[channel], bump)
    if len(corners) == 2:
        (left, top), (right, bottom) = corners
        out[9] = np.where((u > left) & (u < right) & (v > top) & (v < bottom), 1, -1)
    inside = cv2.warpAffine(np.ones((view.height_px // 8 + 1, view.width_px // 8 + 1), np.float32),
                            _stretch(matrix, (8, 8)), (size, size), flags=cv2.INTER_NEAREST)  # fmt: skip
    out[10] = 1 - inside
    if hints.outline is not None:
        drawn = warped((hints.outline * np.uint8(255)).astype(np.uint8), window, size)
        out[OUTLINE] = drawn.astype(np.float32) / 127.5 - 1
    return out


def warped(picture: npt.NDArray[np.uint8], window: Window, size: int) -> npt.NDArray[np.uint8]:
    """The window of a picture or of a mask [H, W, ...], averaged where it is shrunk."""
    height, width = picture.shape[:2]
    shrink = window.side / size
    if shrink > 1.5:
        # Halve what the window needs, so that the bilinear warp skips no pixel.
        left, top = max(0, int(window.left)), max(0, int(window.top))
        right = min(width, int(window.left + window.side) + 2)
        bottom = min(height, int(window.top + window.side) + 2)
        part = picture[top:bottom, left:right]
        if part.size:
            shape = (max(1, round(part.shape[1] / shrink)), max(1, round(part.shape[0] / shrink)))
            small = cv2.resize(part, shape, interpolation=cv2.INTER_AREA)
            steps = (part.shape[1] / shape[0], part.shape[0] / shape[1])
            moved = Window(window.left - left, window.top - top, window.side)
            warped = cv2.warpAffine(small, _stretch(moved.matrix(size), steps), (size, size))
            return np.asarray(warped, np.uint8)
    warped = cv2.warpAffine(picture, _stretch(window.matrix(size), (1, 1)), (size, size))
    return np.asarray(warped, np.uint8)


def _stretch(
    matrix: npt.NDArray[np.float64], steps: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """The warp of a grid whose cells are `steps` px, pixel centres at whole numbers as OpenCV has them."""
    scaled = matrix[:, :2] * np.array(steps)
    shift = matrix[:, 2] + scaled @ np.array([0.5, 0.5]) - 0.5
    return np.concatenate([scaled, shift[:, None]], axis=1)


def _add_points(
    out: Float32Array, view: View, hints: Hints, matrix: npt.NDArray[np.float64]
) -> None:
    size = out.shape[1]
    shape = view.owner.shape
    steps = (view.width_px / shape[1], view.height_px / shape[0])
    warp = _stretch(matrix, steps)
    # cv2 warps no int32: the owner's facts are looked up first.
    near = np.exp(-view.gap / 1.5).astype(np.float32)
    depth_m = view.depth_m[view.owner]
    own = np.zeros(shape, np.float32)
    if hints.target is not None:
        own = np.where(hints.target[view.point[view.owner]], 1, -1).astype(np.float32)
        meant = hints.target[view.point]
        if meant.any():
            middle = float(np.median(view.depth_m[meant]))
            relative = np.clip((depth_m - middle) / (1 + 0.05 * middle), -3, 3) / 3
            out[6] = cv2.warpAffine((relative * near).astype(np.float32), warp, (size, size))
    out[4] = cv2.warpAffine(own * near, warp, (size, size))
    out[5] = cv2.warpAffine(near, warp, (size, size))


# What a crop says of the mask before anything is learnt, by channel: the first mask and geometry's
# outline, which follows the recording's own edges and so counts for more.
_START = {FIRST_MASK: 1.0, OUTLINE: 2.0}


class Refiner(nn.Module):
    """A small U-Net; its answer is added to what the first mask and geometry's outline say."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        a, b, c, d = config.refiner_widths
        half = (2, 2)
        self.first = Conv(CROP_CHANNELS, a)
        self.down = nn.ModuleList(
            [Conv(a, b, stride=half), Conv(b, c, stride=half), Conv(c, d, stride=half)]
        )
        self.blocks = nn.ModuleList(
            [Residual(b), Residual(c), nn.Sequential(Residual(d), Residual(d))]
        )
        self.up = nn.ModuleList([nn.Conv2d(d, c, 1), nn.Conv2d(c, b, 1), nn.Conv2d(b, a, 1)])
        self.mix = nn.ModuleList([Residual(c), Residual(b), Conv(a, a)])
        self.last = nn.Conv2d(a, 1, 1)
        self.prior = nn.Conv2d(CROP_CHANNELS, 1, 1)
        with torch.no_grad():
            self.prior.weight.zero_()
            self.prior.bias.zero_()  # type: ignore[union-attr]
            for channel, weight in _START.items():
                self.prior.weight[0, channel] = weight
        self.confidence = nn.Linear(d, 1)
        self.outline_confidence = nn.Linear(d, 1)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B, 12, S, S] -> logits [B, S, S], and logits of estimated IoUs [B]: of this mask, and of
        geometry's outline, which may be the better one.
        """
        x = self.first(crops)
        kept = []
        for down, block in zip(self.down, self.blocks, strict=True):
            kept.append(x)
            x = block(down(x))
        said = x.mean(dim=(2, 3))
        iou, outline_iou = self.confidence(said)[:, 0], self.outline_confidence(said)[:, 0]
        for up, mix in zip(self.up, self.mix, strict=True):
            side = kept.pop()
            x = mix(F.relu(F.interpolate(up(x), size=side.shape[-2:], mode="bilinear") + side))
        out: Tensor = (self.last(x) + self.prior(crops))[:, 0].float()
        return out, iou.float(), outline_iou.float()


def pasted(logits: Float32Array, window: Window, shape: tuple[int, int]) -> Float32Array:
    """A crop's logits [S, S] back on the whole picture; far below 0 outside the window."""
    size = logits.shape[0]
    height, width = shape
    out = np.full(shape, -10, np.float32)
    left, top = max(0, int(np.floor(window.left))), max(0, int(np.floor(window.top)))
    right = min(width, int(np.ceil(window.left + window.side)))
    bottom = min(height, int(np.ceil(window.top + window.side)))
    if right <= left or bottom <= top:
        return out
    scale = size / window.side
    x = ((np.arange(left, right) + 0.5 - window.left) * scale - 0.5).astype(np.float32)
    y = ((np.arange(top, bottom) + 0.5 - window.top) * scale - 0.5).astype(np.float32)
    across, down = np.meshgrid(x, y)
    out[top:bottom, left:right] = cv2.remap(
        logits, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return out
