"""A predictor for tests: the points within 3 m of the click, and a square of pixels round it.

`before_step` runs before each propagated frame, so that a test can do something meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from inference.predictor import FramePrediction, Known
from inference.prompts import MaskPrediction, PointPrompt, Prompt
from inference.scene import Scene


@dataclass
class StubPredictor:
    name: str = "stub"
    version: str = "1"
    before_step: Callable[[int], None] = field(default=lambda frame: None)
    before_click: Callable[[], None] = field(default=lambda: None)

    def open(self, scene: Scene) -> Scene:
        return scene

    def close(self, opened: Scene) -> None:
        pass

    def add_prompt(
        self, opened: Scene, *, frame: int, prompts: Sequence[Prompt], track: int | None = None
    ) -> list[MaskPrediction]:
        self.before_click()
        answers = []
        readings = opened.frames[frame]
        for prompt in prompts:
            assert isinstance(prompt, PointPrompt)
            if prompt.sensor in readings.sweeps:
                points = readings.sweeps[prompt.sensor].points_ego
                near = np.linalg.norm(points - np.array(prompt.position), axis=1) < 3
                answers.append(MaskPrediction(prompt.sensor, near, 0.9))
            else:
                lens = opened.sensor(prompt.sensor).calibration.intrinsics
                assert lens is not None
                square = np.zeros((lens.height_px, lens.width_px), dtype=bool)
                u, v = (int(value) for value in prompt.position)
                square[max(v - 4, 0) : v + 5, max(u - 4, 0) : u + 5] = True
                answers.append(MaskPrediction(prompt.sensor, square.ravel(), 0.9))
        return answers

    def propagate(
        self, opened: Scene, *, known: Mapping[int, Known], frames: Sequence[int]
    ) -> Iterator[FramePrediction]:
        for frame in frames:
            self.before_step(frame)
            yield FramePrediction(
                frame,
                {
                    track: [
                        MaskPrediction(name, mask, 0.5)
                        for name, mask in masks[
                            min(masks, key=lambda at: abs(at - frames[0]))
                        ].items()
                    ]
                    for track, masks in known.items()
                },
            )

    def remove_track(self, opened: Scene, track: int) -> None:
        pass
