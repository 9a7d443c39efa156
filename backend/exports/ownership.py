"""One owner for each pixel or point, for formats that cannot hold overlapping masks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from inference.masks import BoolArray


def top_owners(
    masks: Iterable[tuple[int, BoolArray]], size: int
) -> tuple[npt.NDArray[np.int64], int]:
    """The number of the topmost mask at each element, 0 where there is none, and what was hidden.

    masks: (number > 0, flat bool [size]), bottom to top. Returns owners [size] and how many
    elements of masks lie under another mask.
    """
    owners = np.zeros(size, dtype=np.int64)
    hidden = 0
    for number, mask in masks:
        hidden += int(np.count_nonzero(owners[mask]))
        owners[mask] = number
    return owners, hidden
