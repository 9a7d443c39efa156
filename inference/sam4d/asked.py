"""From what a person shows in a recording to what the model takes in.

N points of the merged sweep. A click in a picture goes to the model's square picture, one in a sweep
stays where it is; boxes become their two corners, before the clicks (SAM 2's order).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from inference.prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt
from inference.sam4d.config import Sam4dConfig
from inference.sam4d.prompt_encoder import HIGH_CORNER, LOW_CORNER, NEGATIVE, POSITIVE
from inference.sam4d.sight import SWEEP
from inference.sam4d.sights import Seen
from inference.scene import Scene, SensorKind

BoolArray = npt.NDArray[np.bool_]
Place = tuple[float, ...]


@dataclass(frozen=True)
class Asked:
    """The prompts of one track in one frame, by reading (a camera's name or SWEEP).

    points: [P, 2] px of the model's picture or [P, 3] metres, with labels [P].  masks: 0 and 1,
    [S, S] or [N].
    """

    points: Mapping[str, tuple[Tensor, Tensor]]
    masks: Mapping[str, Tensor]


class Asking:
    """The door for prompts in one frame: what does not fit is refused with words."""

    def __init__(self, config: Sam4dConfig, scene: Scene, seen: Seen) -> None:
        self._config, self._scene, self._seen = config, scene, seen

    def asked(self, prompts: Sequence[Prompt]) -> Asked:
        """Raises KeyError for an unknown sensor, ValueError for a prompt that does not fit."""
        boxes = [prompt for prompt in prompts if isinstance(prompt, BoxPrompt)]
        clicks = [prompt for prompt in prompts if isinstance(prompt, PointPrompt)]
        marks: dict[str, list[tuple[Place, int]]] = {}
        for box in boxes:
            corners = self._corners(box)
            marks.setdefault(self._reading(box), []).extend(
                zip(corners, (LOW_CORNER, HIGH_CORNER), strict=True)
            )
        for click in clicks:
            label = POSITIVE if click.positive else NEGATIVE
            marks.setdefault(self._reading(click), []).append((self._place(click), label))
        return Asked(
            {reading: self._tensors(reading, marked) for reading, marked in marks.items()},
            self._masks([prompt for prompt in prompts if isinstance(prompt, MaskPrompt)]),
        )

    def given(self, masks: Mapping[str, BoolArray]) -> dict[str, Tensor]:
        """Flat masks by sensor -> by reading, as the model takes them; empty ones are left out."""
        given: dict[str, Tensor] = {}
        in_sweeps: dict[str, BoolArray] = {}
        for name, mask in masks.items():
            if mask.any():
                if self._is_lidar(name):
                    in_sweeps[name] = mask
                else:
                    given[name] = self._squeezed(name, mask)
        if in_sweeps:
            given[SWEEP] = torch.from_numpy(self._seen.parts.together(in_sweeps)).float()
        return given

    # --- where -----------------------------------------------------------------------------------

    def _reading(self, prompt: Prompt) -> str:
        """The reading that a prompt speaks of; it must be there in this frame."""
        name = prompt.sensor
        there = self._seen.parts.part_of if self._is_lidar(name) else self._seen.sizes
        if name not in there:
            what = "sweep" if self._is_lidar(name) else "picture"
            raise ValueError(f"{name!r} has no {what} in frame {self._seen.index}")
        return SWEEP if self._is_lidar(name) else name

    def _is_lidar(self, name: str) -> bool:
        return self._scene.sensor(name).kind is SensorKind.LIDAR

    def _place(self, click: PointPrompt) -> Place:
        in_sweep = self._reading(click) == SWEEP
        expected = 3 if in_sweep else 2
        if len(click.position) != expected or not np.isfinite(click.position).all():
            raise ValueError(
                f"a click in {click.sensor!r} has {expected} finite coordinates, not "
                f"{list(click.position)}"
            )
        if not in_sweep:
            height, width = self._seen.sizes[click.sensor]
            u, v = click.position
            if not (0 <= u <= width and 0 <= v <= height):
                raise ValueError(
                    f"the click at ({u:g}, {v:g}) lies outside the picture of {click.sensor!r}, "
                    f"which is {width}x{height}"
                )
        return click.position

    def _corners(self, box: BoxPrompt) -> tuple[Place, Place]:
        in_sweep = self._reading(box) == SWEEP
        allowed = (2, 3) if in_sweep else (2,)
        if len(box.low) not in allowed or len(box.high) != len(box.low):
            raise ValueError(f"a box in {box.sensor!r} cannot be {list(box.low)}, {list(box.high)}")
        if not all(low <= high for low, high in zip(box.low, box.high, strict=True)):
            raise ValueError(
                f"the box in {box.sensor!r} goes from {list(box.low)} to {list(box.high)}: the "
                "smaller coordinates come first"
            )
        if not in_sweep:
            return self._in_picture(box)
        if len(box.low) == 3 and not self._config.quirks.flat_boxes:
            return box.low, box.high
        bottom, top = self._heights(box)
        return (*box.low[:2], bottom), (*box.high[:2], top)

    def _in_picture(self, box: BoxPrompt) -> tuple[Place, Place]:
        height, width = self._seen.sizes[box.sensor]
        low = (max(box.low[0], 0.0), max(box.low[1], 0.0))
        high = (min(box.high[0], float(width)), min(box.high[1], float(height)))
        if low[0] >= high[0] or low[1] >= high[1]:
            raise ValueError(
                f"the box from {list(box.low)} to {list(box.high)} lies outside the picture of "
                f"{box.sensor!r}, which is {width}x{height}"
            )
        return low, high

    def _heights(self, box: BoxPrompt) -> tuple[float, float]:
        """Of the points in a box seen from above."""
        if self._config.quirks.flat_boxes:
            return 0.0, 0.0
        assert self._seen.sight.sweep is not None
        points = self._seen.sight.sweep.points.cpu().numpy()
        inside = ((points[:, :2] >= box.low[:2]) & (points[:, :2] <= box.high[:2])).all(axis=1)
        if not inside.any():
            raise ValueError(f"there are no points in the box from {box.low} to {box.high}")
        heights = points[inside, 2]
        return float(heights.min()), float(heights.max())

    # --- as tensors ------------------------------------------------------------------------------

    def _tensors(self, reading: str, marked: Sequence[tuple[Place, int]]) -> tuple[Tensor, Tensor]:
        where = torch.tensor([place for place, _ in marked], dtype=torch.float32)
        labels = torch.tensor([label for _, label in marked])
        if reading != SWEEP:
            size = self._seen.sizes[reading]
            where = model_pixels(where, size, self._config)
        return where, labels

    def _masks(self, prompts: Sequence[MaskPrompt]) -> dict[str, Tensor]:
        by_sensor: dict[str, BoolArray] = {}
        for prompt in prompts:
            size = self._size(prompt)
            if prompt.mask.size != size:
                raise ValueError(
                    f"the mask for {prompt.sensor!r} has {prompt.mask.size} elements, the reading "
                    f"{size}"
                )
            before = by_sensor.get(prompt.sensor, np.zeros(size, bool))
            by_sensor[prompt.sensor] = before | prompt.mask.ravel()
        if by_sensor and not any(mask.any() for mask in by_sensor.values()):
            raise ValueError("the mask prompt is empty: draw something, or click")
        return self.given(by_sensor)

    def _size(self, prompt: MaskPrompt) -> int:
        if self._reading(prompt) == SWEEP:
            part = self._seen.parts.part_of[prompt.sensor]
            return part.stop - part.start
        height, width = self._seen.sizes[prompt.sensor]
        return height * width

    def _squeezed(self, camera: str, mask: BoolArray) -> Tensor:
        """A flat mask of a picture -> [S, S] of 0 and 1."""
        side = self._config.side_px
        drawn = torch.from_numpy(mask.reshape(1, 1, *self._seen.sizes[camera])).float()
        squeezed = F.interpolate(drawn, size=(side, side), mode="bilinear", antialias=True)
        return (squeezed[0, 0] >= 0.5).float()


def model_pixels(pixels: Tensor, size: tuple[int, int], config: Sam4dConfig) -> Tensor:
    """From pixels [P, 2] of a recording's picture to those of the model's.  size: height, width."""
    height, width = size
    shares = pixels / torch.tensor([width, height], dtype=pixels.dtype)
    if config.quirks.whole_pixels:
        return torch.floor(shares * config.side_px) + 0.5
    return shares * config.side_px
