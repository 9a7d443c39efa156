"""The face that every predictor shows: from prompts to masks in all sensors, and through time.

The worker keeps one predictor and, for each scene in use, what `open` gave it. Methods are called
by one thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from inference.prompts import FramePrediction, MaskPrediction, Prompt
from inference.scene import Scene

__all__ = ["FramePrediction", "Predictor", "load_predictor"]


class Predictor(Protocol):
    """`opened` is the predictor's own state of a scene; each kind of predictor has its type."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    # Any: what `open` returns belongs to the predictor; callers only hand it back.
    def open(self, scene: Scene) -> Any: ...

    def add_prompt(
        self, opened: Any, *, frame: int, prompts: Sequence[Prompt]
    ) -> list[MaskPrediction]:
        """The object that all `prompts` of one track in one frame mean, in every sensor seeing it.

        Raises KeyError for an unknown sensor, IndexError for a frame that the scene does not have,
        ValueError for a prompt that does not fit its reading.
        """
        ...

    def propagate(
        self,
        opened: Any,
        *,
        known: Mapping[int, Mapping[str, npt.NDArray[np.bool_]]],
        frames: Sequence[int],
    ) -> Iterator[FramePrediction]:
        """One answer per asked frame, in the order asked (ascending or descending).

        known: frame index to sensor name to flat mask. Nothing is computed before the answer is
        asked for, so that the caller may stop, or serve a click, between two frames.
        """
        ...

    def close(self, opened: Any) -> None: ...


@cache
def load_predictor(name: str = "geometric") -> Predictor:
    """The predictor of that name, one per process, warmed up: no click waits for a compiler.

    Raises ValueError for a name there is none of.
    """
    if name == "geometric":
        # Imported here: OpenCV and Numba take a second that a caller of the face need not pay.
        from inference.geometric import GeometricPredictor

        predictor = GeometricPredictor()
        predictor.warm_up()
        return predictor
    raise ValueError(f"there is no predictor {name!r}; choose geometric")
