"""Many objects of one picture at once, without anybody's asking: what the data engine begins with.

What is asked for is either a group of points, as geometry finds them, or a pixel. B objects, N points of
the cloud, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch

from inference.geometric.outline import outlined
from inference.nano.decoder import asked_of
from inference.nano.hints import Hints, Kind, as_arrays, guessed, hints_of, meant_by
from inference.nano.predictor import FrameSeen, NanoPredictor, OpenScene, Pair
from inference.nano.refiner import crop_of, pasted, window_of
from inference.nano.tensors import on
from inference.prompts import PointPrompt

BoolArray = npt.NDArray[np.bool_]
Float32Array = npt.NDArray[np.float32]
Pixel = tuple[float, float]

_AT_ONCE = 16  # objects that go through the decoder together
_STABLE_BY = 1.0  # logits by which the threshold is moved to see whether a mask stays


@dataclass(frozen=True)
class Drawn:
    """mask: [H, W].  iou: the model's own estimate.  seen: how sure it is that there is something.

    stability: the share of the mask that stays when its threshold moves.  target: [N] the points that
    were meant.
    """

    mask: BoolArray
    iou: float
    seen: float
    stability: float
    target: BoolArray


def everything(
    predictor: NanoPredictor, opened: OpenScene, frame: int, camera: str,
    asked: Sequence[BoolArray | Pixel], *, above: float = 0.0,
) -> list[Drawn | None]:  # fmt: skip
    """One answer for each group of points [N] or pixel (u, v); None where nothing is drawn.

    above: the logit from which on a pixel is drawn: more than 0 where spilling is worse than missing.
    """
    seen = predictor.seen(opened, frame)
    pair = predictor.pair(seen, camera, np.zeros(len(seen.prepared.cloud), bool), [])
    hints = [_hints(seen, pair, camera, each) for each in asked]
    answers: list[Drawn | None] = []
    for first in range(0, len(hints), _AT_ONCE):
        some = hints[first : first + _AT_ONCE]
        answers += _drawn(predictor, seen, pair, camera, some, above)
    return answers


def _hints(seen: FrameSeen, pair: Pair, camera: str, each: BoolArray | Pixel) -> Hints:
    if isinstance(each, tuple):
        prompts = [PointPrompt(camera, each)]
        return hints_of(pair.glances, prompts, meant_by(seen.prepared, prompts))
    hints = guessed(pair.glances, each, Kind.POSITIVE)
    hints.outline = outlined(seen.prepared, camera, each, [], [])
    return hints


def _drawn(
    predictor: NanoPredictor,
    seen: FrameSeen,
    pair: Pair,
    camera: str,
    hints: Sequence[Hints],
    above: float,
) -> list[Drawn | None]:
    config, prepared = predictor.config, seen.prepared
    arrays = [as_arrays(pair.glances, each, config) for each in hints]
    with predictor.runtime():
        decoded, _ = predictor.model.decode(
            on(predictor.runtime.device, asked_of(arrays, [0] * len(hints))),
            pair.picture,
            pair.sweep,
        )
    assert decoded is not None
    logits = decoded.logits.float().cpu().numpy()
    told = torch.sigmoid(decoded.seen).tolist()
    view = prepared.view(camera)
    windows = [window_of(view, each, camera, own) for each, own in zip(hints, logits, strict=True)]
    rows = [row for row, window in enumerate(windows) if window is not None]
    if not rows:
        return [None] * len(hints)
    crops = [
        crop_of(prepared, camera, hints[row], logits[row], window, config)
        for row in rows
        if (window := windows[row]) is not None
    ]
    with predictor.runtime():
        answered = predictor.model.refiner(
            torch.from_numpy(np.stack(crops)).to(predictor.runtime.device)
        )
    refined, ious, of_outline = (each.float().cpu() for each in answered)
    refined = refined.numpy()
    nothing = np.zeros(len(prepared.cloud), bool)
    answers: list[Drawn | None] = [None] * len(hints)
    for k, row in enumerate(rows):
        window, outline = windows[row], hints[row].outline
        assert window is not None
        stability = _stability(refined[k])
        if outline is not None and outline.any() and of_outline[k] > ious[k]:
            mask, iou = outline, float(torch.sigmoid(of_outline[k]))
        else:
            shape = (view.height_px, view.width_px)
            mask = pasted(refined[k], window, shape) > above
            iou = float(torch.sigmoid(ious[k]))
        if mask.any():
            target = hints[row].target
            answers[row] = Drawn(
                mask, iou, told[row], stability, nothing if target is None else target
            )
    return answers


def _stability(logits: Float32Array) -> float:
    wide, narrow = (logits > -_STABLE_BY).sum(), (logits > _STABLE_BY).sum()
    return float(narrow / max(int(wide), 1))


def spread(free: BoolArray, count: int) -> list[Pixel]:
    """A grid of about `count` pixels (u, v) over a picture, of which those that are `free` are taken."""
    height, width = free.shape
    step = max(8.0, float(np.sqrt(height * width / max(count, 1))))
    inner = cv2.erode(free.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return [
        (float(u), float(v))
        for v in np.arange(step / 2, height, step)
        for u in np.arange(step / 2, width, step)
        if inner[int(v), int(u)]
    ]
