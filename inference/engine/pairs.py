"""How often two maps say what in the same place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt


def counted(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> Iterator[tuple[int, int, int]]:
    """Pairs of values in the same place of two arrays of whole numbers, not below -1, and how often each
    comes. As one number a pair is sorted tens of times faster than as a row.
    """
    one, other = one.ravel().astype(np.int64) + 1, other.ravel().astype(np.int64) + 1
    base = int(other.max(initial=0)) + 1
    keys, counts = np.unique(one * base + other, return_counts=True)
    for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
        yield key // base - 1, key % base - 1, count
