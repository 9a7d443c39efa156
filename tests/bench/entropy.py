"""What a sweep's content weighs at least, as far as simple contexts can tell.

An empirical conditional entropy of the 5 mm grid's differences, not a floor for all codecs: one
with better contexts could go below it, by some per cent.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from backend.protocol import binary
from backend.scenes.sweep_codec import decode_view

Codes = npt.NDArray[np.int64]

_EXACT = 32  # differences below are told apart one by one, larger ones by class and three bits
_MOST_CLASS = 9  # of contexts: 2^9 steps are 2.5 m, beyond that all jumps are alike


def bits_per_point(view: bytes) -> float:
    """Of a compact view: each axis after the same axis' last difference and the axis before it."""
    points, extras = decode_view(view)
    step = binary.SWEEP_HEADER.unpack_from(view)[8]
    steps = np.rint((points - points.min(axis=0)) / step).astype(np.int64)
    coded = [_zigzag(np.diff(steps[:, axis], prepend=0)) for axis in range(3)]
    total = 0.0
    neighbour = np.zeros(len(points), np.int64)
    for axis in coded:
        magnitude = _classes(axis)
        total += _difference_bits(axis, _after(magnitude) * (_MOST_CLASS + 1) + neighbour)
        neighbour = magnitude
    for extra in extras.T.astype(np.int64):
        total += conditional_entropy(extra, _after(extra) // 16)
    return total


def _zigzag(differences: Codes) -> Codes:
    return np.where(differences < 0, -2 * differences - 1, 2 * differences)


def _after(values: Codes) -> Codes:
    return np.concatenate(([0], values[:-1]))


def _classes(codes: Codes) -> Codes:
    return np.minimum(_bit_lengths(codes), _MOST_CLASS)


def _bit_lengths(codes: Codes) -> Codes:
    return np.ceil(np.log2(codes + 1)).astype(np.int64)


def _difference_bits(codes: Codes, contexts: Codes) -> float:
    """The class and leading bits by entropy; what is below them is noise and counts in full."""
    length = _bit_lengths(codes)
    below = np.maximum(length - 4, 0)
    symbols = np.where(codes < _EXACT, codes, _EXACT + 8 * length + ((codes >> below) & 7))
    noise = np.where(codes < _EXACT, 0, below).mean()
    return conditional_entropy(symbols, contexts) + float(noise)


def conditional_entropy(symbols: Codes, contexts: Codes) -> float:
    """H(symbol | context) in bits, with Miller and Madow's term for the cells seen too seldom."""
    _, pairs = np.unique(contexts * (symbols.max() + 1) + symbols, return_counts=True)
    _, alone = np.unique(contexts, return_counts=True)
    count = len(symbols)
    bias = (len(pairs) - len(alone)) / (2 * count * np.log(2))
    return _entropy(pairs, count) - _entropy(alone, count) + float(bias)


def _entropy(counts: npt.NDArray[np.int64], total: int) -> float:
    shares = counts / total
    return float(-(shares * np.log2(shares)).sum())
