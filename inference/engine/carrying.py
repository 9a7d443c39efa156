"""How a map of numbers goes from one picture of a video to the next: by optical flow, unless the provider of
masks has a memory of its own.

H x W are a picture's pixels, h x w those of its map.
"""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

LabelMap = npt.NDArray[np.uint16]
Picture = npt.NDArray[np.uint8]

_FLOW_WIDTH_PX = 480  # at most


class Carrier(Protocol):
    """Takes a map through a video, forwards or backwards, picture by picture."""

    def begin(self, picture: Picture, map_: LabelMap) -> None:
        """picture: [H, W, 3] BGR.  map_: [h, w] what it shows, 0 for nothing."""

    def next(self, picture: Picture) -> LabelMap | None:
        """[h, w] the map in the next picture; None where it cannot be told, as for a picture of another
        size.
        """


class FlowCarrier:
    """Every cell comes from where its pixel was."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._grey: Picture | None = None
        self._map = np.zeros((0, 0), np.uint16)

    def begin(self, picture: Picture, map_: LabelMap) -> None:
        self._grey, self._map = _grey(picture), map_

    def next(self, picture: Picture) -> LabelMap | None:
        grey = _grey(picture)
        if self._grey is None or self._grey.shape != grey.shape:
            return None
        small = np.asarray(self._flow.calc(grey, self._grey, None))  # type: ignore[call-overload]  # it makes its own
        height, width = self._map.shape
        flow = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
        v, u = np.mgrid[:height, :width].astype(np.float32)
        moved = cv2.remap(
            self._map, u + flow[..., 0] * (width / grey.shape[1]),
            v + flow[..., 1] * (height / grey.shape[0]),
            cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0,
        )  # fmt: skip
        self._grey, self._map = grey, np.asarray(moved, np.uint16)
        return self._map


def size_within(size: tuple[int, int], most: int) -> tuple[int, int]:
    """height, width of a picture that is made no wider than `most`."""
    share = min(1.0, most / size[1])
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def _grey(picture: Picture) -> Picture:
    size = size_within((picture.shape[0], picture.shape[1]), _FLOW_WIDTH_PX)
    small = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
