"""Small holes in masks of pictures, which nobody wants to fill by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from scipy import ndimage

from inference.sam4d.answers import Answer

MOST_CELLS = 8  # of stride 4
FILLED = 0.1  # the logit of what was a hole: barely inside


def filled(answer: Answer) -> Answer:
    """One track's answer in a picture, without holes of up to 8 cells that touch by side or corner."""
    logits = answer.low[0].float().cpu().numpy()
    outside = logits <= 0
    labels, count = ndimage.label(outside, structure=np.ones((3, 3)))
    if count <= 1:
        return answer
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = MOST_CELLS + 1
    hole = torch.from_numpy(sizes[labels] <= MOST_CELLS).to(answer.low.device)
    return replace(answer, low=torch.where(hole[None], FILLED, answer.low))
