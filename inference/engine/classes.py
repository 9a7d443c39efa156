"""What a track may be, from its size and its place above the ground; or nothing.

Priors of the sizes of things on streets, written down as they are; a guess is made only where few
other things have that size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from inference.engine.fusion import Labels
from inference.engine.reading import Drive, FrameRead

_LEAST_POINTS = 15
_MOST_LOOKS = 12  # frames in which a track is measured


@dataclass(frozen=True)
class Shape:
    """The largest that was seen: length, width, height, metres.  bottom_m: above the ground, lowest."""

    length: float
    width: float
    height: float
    bottom_m: float


def classes_of(drive: Drive, labels: Labels) -> dict[int, str]:
    """By track number; tracks without a good guess are not in it."""
    found = {}
    looks: dict[int, list[tuple[int, int]]] = {}
    for position, own in enumerate(labels.points):
        numbers, counts = np.unique(own[own > 0], return_counts=True)
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            if count >= _LEAST_POINTS:
                looks.setdefault(number, []).append((count, position))
    for number, seen in looks.items():
        best = [position for _, position in sorted(seen, reverse=True)[:_MOST_LOOKS]]
        guess = guessed(_shape(drive.frames, labels, number, best))
        if guess is not None:
            found[number] = guess
    return found


def _shape(
    frames: Sequence[FrameRead], labels: Labels, number: int, positions: Sequence[int]
) -> Shape:
    sizes, bottoms = [], []
    for position in positions:
        frame = frames[position]
        inside = labels.points[position] == number
        points, height = frame.points_world[inside], frame.height_m[inside]
        _, (one, other), _ = cv2.minAreaRect(np.ascontiguousarray(points[:, :2], np.float32))
        sizes.append((max(one, other), min(one, other), float(np.ptp(points[:, 2]))))
        bottoms.append(float(height.min()))
    length, width, tall = np.quantile(np.array(sizes), 0.8, axis=0).tolist()
    return Shape(length, width, tall, min(bottoms))


def guessed(shape: Shape) -> str | None:
    """The name of a class, or None where several things look like that."""
    length, width, height = shape.length, shape.width, shape.height
    if shape.bottom_m > 0.8:
        return None  # it hangs, or what is below it is hidden
    if 2.6 < length < 5.8 and 0.9 < width < 2.6 and 0.9 < height < 2.3:
        return "car"
    if 0.38 < length < 1.1 and 0.25 < width < 0.95 and 1.35 < height < 2.0:
        return "pedestrian"
    return None
