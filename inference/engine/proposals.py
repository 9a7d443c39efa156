"""What providers propose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Proposal:
    """Something in one picture.  mask: [H, W].  score: 0 ... 1, how good the mask is thought to be.

    cluster: of the frame's points that it was drawn for, or -1.  label_class: where the provider knows it.
    """

    mask: BoolArray
    score: float
    cluster: int = -1
    label_class: str | None = None


def without_doubles(proposals: Sequence[Proposal], most: float = 0.7) -> list[Proposal]:
    """Non-maximum suppression: of masks that overlap by more than `most` (IoU) the best one stays."""
    kept: list[Proposal] = []
    small = [proposal.mask[::4, ::4] for proposal in proposals]
    chosen: list[BoolArray] = []
    for place in sorted(range(len(proposals)), key=lambda k: -proposals[k].score):
        own = small[place]
        is_double = False
        for other in chosen:
            inter = int((own & other).sum())
            if inter and inter > most * int((own | other).sum()):
                is_double = True
                break
        if not is_double:
            kept.append(proposals[place])
            chosen.append(own)
    return kept
