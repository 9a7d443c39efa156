"""Where the masks of stage 1 come from: one small face, and our own weights behind it by default.

`foundation` has larger models behind the same face.

H x W are a picture's pixels, N a frame's points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from inference.engine.carrying import Carrier, FlowCarrier
from inference.engine.proposals import Proposal, without_doubles
from inference.geometric.frames import PreparedFrame
from inference.geometric.projection import View

if TYPE_CHECKING:  # PyTorch is loaded by whoever uses the model
    from inference.nano.everything import Drawn
    from inference.nano.predictor import OpenScene

BoolArray = npt.NDArray[np.bool_]
Int32Array = npt.NDArray[np.int32]

_LEAST_SHOWN = 5  # points of a cluster that a camera must see to be asked about it
_SURE_IOU, _LARGEST = 0.6, 0.1  # of a mask without points; of the picture
_FREE_GRID = 60  # pixels of a picture that are asked about, where nothing was drawn


class Provider(Protocol):
    """Finds everything in a picture. It is asked for key frames alone, camera by camera."""

    name: str
    version: str

    def propose(self, prepared: PreparedFrame, camera: str) -> list[Proposal]: ...

    def carrier(self) -> Carrier:
        """What takes the masks of one camera from key frame to key frame."""


PROVIDERS = ("nano", "sam2", "grounded-sam2")


def load_provider(name: str, folder: Path | None = None, classes: Sequence[str] = ()) -> Provider:
    """folder: that of the larger models (`foundation`).  classes: names to look for, where the provider does.

    Raises ValueError for a name that is none, and for a model that is not there.
    """
    if name == "nano":
        return NanoProvider()
    if name not in PROVIDERS:
        raise ValueError(f"there is no provider {name!r}; choose {', '.join(PROVIDERS)}")
    if folder is None:
        raise ValueError(f"{name} comes from a folder of models; say which")
    from inference.engine.foundation import GroundedSam2, Sam2Automatic

    return Sam2Automatic(folder) if name == "sam2" else GroundedSam2(folder, classes)


class NanoProvider:
    """Our own small model in everything-mode: asked about every cluster, then about a grid of pixels
    where nothing was drawn.
    """

    name = "nano"

    def __init__(self, *, least_iou: float = 0.3, least_stability: float = 0.5) -> None:
        from inference.nano.predictor import NanoPredictor
        from inference.predictor import load_predictor

        predictor = load_predictor("nano")
        assert isinstance(predictor, NanoPredictor)
        self._predictor = predictor
        self.version = predictor.version
        self._least_iou, self._least_stability = least_iou, least_stability
        self._opened: tuple[PreparedFrame, OpenScene] | None = None

    def propose(self, prepared: PreparedFrame, camera: str) -> list[Proposal]:
        from inference.nano.everything import everything, spread

        opened = self._open(prepared)
        view = prepared.view(camera)
        shown = prepared.cloud.cluster[view.point[view.is_real]]
        numbers, counts = np.unique(shown[shown >= 0], return_counts=True)
        clusters = numbers[counts >= _LEAST_SHOWN].tolist()
        targets = [prepared.cloud.cluster == number for number in clusters]
        found = [
            Proposal(drawn.mask, drawn.iou * drawn.seen, number)
            for number, drawn in zip(
                clusters, everything(self._predictor, opened, 0, camera, targets), strict=True
            )
            if drawn is not None and self._is_good(drawn.iou, drawn.stability)
        ]
        free = np.ones((view.height_px, view.width_px), bool)
        for proposal in found:
            free &= ~proposal.mask
        # Where light came back everything has been asked about.
        pixels = [
            p for p in spread(free, _FREE_GRID) if view.point.size == 0 or _is_beyond(view, p)
        ]
        for drawn in everything(self._predictor, opened, 0, camera, pixels):
            if drawn is not None and self._is_sure(drawn):
                found.append(Proposal(drawn.mask, 0.8 * drawn.iou * drawn.seen))
        return without_doubles(found)

    def carrier(self) -> Carrier:
        return FlowCarrier()

    def _is_good(self, iou: float, stability: float) -> bool:
        return iou >= self._least_iou and stability >= self._least_stability

    def _is_sure(self, drawn: Drawn) -> bool:
        """Of what nobody measured a point of."""
        sure = drawn.seen > 0.5 and drawn.iou > _SURE_IOU and drawn.mask.mean() < _LARGEST
        return sure and self._is_good(drawn.iou, drawn.stability)

    def _open(self, prepared: PreparedFrame) -> OpenScene:
        """The frame as a scene of its own, opened once for all its cameras."""
        if self._opened is None or self._opened[0] is not prepared:
            frame = replace(prepared.frame, index=0)
            opened = self._predictor.open(replace(prepared.scene, frames=[frame]))
            self._opened = prepared, opened
        return self._opened[1]


def _is_beyond(view: View, pixel: tuple[float, float]) -> bool:
    row, column = int(pixel[1] * view.scale[1]), int(pixel[0] * view.scale[0])
    rows, columns = view.gap.shape
    return bool(view.gap[min(row, rows - 1), min(column, columns - 1)] > 2.0)
