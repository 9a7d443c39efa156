"""The `Predictor` face over geometry (see `inference.predictor`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from inference.geometric.frames import OpenScene, PreparedFrame
from inference.geometric.outline import outlined
from inference.geometric.propagation import followed
from inference.geometric.selection import Asked, lifted, selected, sorted_prompts
from inference.prompts import FramePrediction, MaskPrediction, Prompt
from inference.scene import Scene

BoolArray = npt.NDArray[np.bool_]


class GeometricPredictor:
    name = "geometric"
    version = "1"

    def open(self, scene: Scene) -> OpenScene:
        return OpenScene(scene)

    def close(self, opened: OpenScene) -> None:
        opened.forget()

    def add_prompt(
        self, opened: OpenScene, *, frame: int, prompts: Sequence[Prompt]
    ) -> list[MaskPrediction]:
        prepared = opened.prepared(frame)
        asked = sorted_prompts(prepared, prompts)
        target = _target(prepared, asked)
        return _answers(prepared, asked, target)

    def propagate(
        self,
        opened: OpenScene,
        *,
        known: Mapping[int, Mapping[str, BoolArray]],
        frames: Sequence[int],
    ) -> Iterator[FramePrediction]:
        return followed(opened, known, frames)


def _target(prepared: PreparedFrame, asked: Asked) -> BoolArray:
    positive, negative = list(asked.positive), list(asked.negative)
    for camera, pixels in asked.pixels.items():
        for pixel, sign in pixels:
            point = lifted(prepared, camera, pixel)
            if point is not None:
                (positive if sign else negative).append(point)
    return selected(prepared.cloud, positive, negative)


def _answers(prepared: PreparedFrame, asked: Asked, target: BoolArray) -> list[MaskPrediction]:
    answers = [
        MaskPrediction(lidar, target[part], 0.5)
        for lidar, part in prepared.cloud.part_of.items()
        if target[part].any()
    ]
    for camera in prepared.cameras:
        mask = outlined(
            prepared,
            camera,
            target,
            asked.clicks(camera, positive=True),
            asked.clicks(camera, positive=False),
        )
        if mask is not None and mask.any():
            answers.append(MaskPrediction(camera, mask.ravel(), 0.5))
    return answers
