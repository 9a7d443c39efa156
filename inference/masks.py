"""Masks as run lengths over pixels or points: encode, decode, measure, combine.

The canonical form, in the database and on the wire, is `Runs`: the lengths of alternating
background and foreground runs over a flat order, starting with background (0 long when the first
element is foreground), trailing background left out, each an unsigned LEB128 varint.

The flat order is row-major for images (row after row, from the top left) and the stored point
order for sweeps. COCO's column-major order exists at import and export only: `coco_from_mask`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
Runs = bytes


class BadRuns(ValueError):
    """Run lengths that do not decode, or that cover more elements than the reading has."""


def encode_runs(mask: BoolArray) -> Runs:
    """mask: any shape of bool, read in row-major order. An empty mask gives b""."""
    flat = np.asarray(mask, dtype=bool).ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if not len(flat) or (not len(changes) and not flat[0]):
        return b""
    edges = np.concatenate(([0], changes, [len(flat)] if flat[-1] else []))
    lengths = np.diff(edges).astype(np.uint64)
    if flat[0]:
        lengths = np.concatenate((np.zeros(1, np.uint64), lengths))
    return encode_varints(lengths)


def decode_runs(runs: Runs, size: int) -> BoolArray:
    """The mask as flat bool [size]. Raises BadRuns."""
    lengths = run_lengths(runs)
    covered = int(lengths.sum())
    if covered > size:
        raise BadRuns(f"the runs cover {covered} elements, the reading has {size}")
    values = np.zeros(len(lengths) + 1, dtype=bool)
    values[1:-1:2] = True
    return np.repeat(values, np.append(lengths, size - covered))


def check_runs(runs: Runs, size: int) -> int:
    """The area of a mask that came from outside. Raises BadRuns when it is not canonical."""
    lengths = run_lengths(runs)
    if not len(lengths):
        return 0
    if len(lengths) % 2 or (lengths[1:] == 0).any():
        raise BadRuns("the runs are not canonical: they must end in foreground, none may be empty")
    if int(lengths.sum()) > size:
        raise BadRuns(f"the runs cover {int(lengths.sum())} elements, the reading has {size}")
    return int(lengths[1::2].sum())


def run_lengths(runs: Runs) -> npt.NDArray[np.int64]:
    """Lengths of the alternating runs, background first."""
    return decode_varints(runs).astype(np.int64)


def area(runs: Runs) -> int:
    """Number of elements inside the mask."""
    return int(run_lengths(runs)[1::2].sum())


def intersection_over_union(first: BoolArray, second: BoolArray) -> float:
    """IoU of two masks of the same shape; two empty masks agree (1.0)."""
    union = np.count_nonzero(first | second)
    return 1.0 if union == 0 else np.count_nonzero(first & second) / union


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


def encode_varints(values: npt.NDArray[np.uint64]) -> bytes:
    """Unsigned LEB128, without a loop over the values."""
    values = np.asarray(values, dtype=np.uint64)
    if not len(values):
        return b""
    groups = np.arange(10, dtype=np.uint64) * np.uint64(7)
    parts = (values[:, None] >> np.minimum(groups, np.uint64(63))) & np.uint64(0x7F)
    parts[:, 9] = values >> np.uint64(63)
    significant = 10 - (parts[:, ::-1] != 0).argmax(axis=1)
    significant = np.where((parts == 0).all(axis=1), 1, significant)
    column = np.arange(10)
    kept = column < significant[:, None]
    parts |= np.where(column < significant[:, None] - 1, np.uint64(0x80), np.uint64(0))
    return bytes(parts[kept].astype(np.uint8).tobytes())


def decode_varints(data: bytes) -> npt.NDArray[np.uint64]:
    """Unsigned LEB128, vectorised. Raises BadRuns on a truncated or overlong number."""
    raw = np.frombuffer(data, dtype=np.uint8)
    if not len(raw):
        return np.zeros(0, dtype=np.uint64)
    ends = np.flatnonzero(raw < 0x80)
    if not len(ends) or ends[-1] != len(raw) - 1:
        raise BadRuns("a varint is cut off at the end of the data")
    starts = np.concatenate(([0], ends[:-1] + 1))
    if int((ends - starts).max()) > 9:
        raise BadRuns("a varint is longer than 10 bytes")
    place = np.arange(len(raw)) - np.repeat(starts, ends - starts + 1)
    shifted = (raw & 0x7F).astype(np.uint64) << (place * 7).astype(np.uint64)
    return np.add.reduceat(shifted, starts)


def coco_from_mask(mask: BoolArray) -> dict[str, Any]:
    """COCO's compressed RLE of a [H, W] mask: {"size": [H, W], "counts": str}.

    Column-major runs, background first, each run after the third as the difference to the run two
    before, in base 32 with a sign bit, offset by ASCII 48 (cocoapi's `rleToString`).
    A point mask of N points is [N, 1].
    """
    height, width = mask.shape
    flat = np.asarray(mask, dtype=bool).ravel(order="F")
    edges = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [len(flat)]))
    lengths = np.diff(edges).tolist()
    if len(flat) and flat[0]:
        lengths = [0, *lengths]
    return {"size": [height, width], "counts": _coco_string(lengths)}


def mask_from_coco(rle: dict[str, Any]) -> BoolArray:
    """[H, W] bool from COCO's RLE, compressed (str or bytes) or plain (list). Raises BadRuns."""
    height, width = (int(side) for side in rle["size"])
    counts = rle["counts"]
    lengths = counts if isinstance(counts, list) else _coco_lengths(counts)
    if any(length < 0 for length in lengths) or sum(lengths) != height * width:
        raise BadRuns(f"COCO runs sum to {sum(lengths)}, the size is {height}x{width}")
    values = np.arange(len(lengths)) % 2 == 1
    return np.repeat(values, lengths).reshape((height, width), order="F")


def _coco_string(lengths: list[int]) -> str:
    out: list[str] = []
    for index, length in enumerate(lengths):
        value = length - lengths[index - 2] if index > 2 else length
        while True:
            digit = value & 0x1F
            value >>= 5
            done = value == (-1 if digit & 0x10 else 0)
            out.append(chr((digit if done else digit | 0x20) + 48))
            if done:
                break
    return "".join(out)


def _coco_lengths(counts: str | bytes) -> list[int]:
    text = counts.encode() if isinstance(counts, str) else counts
    lengths: list[int] = []
    value = shift = 0
    for byte in text:
        digit = byte - 48
        if not 0 <= digit < 64:
            raise BadRuns(f"COCO runs hold the byte {byte}, which is not one of their digits")
        value |= (digit & 0x1F) << shift
        shift += 5
        if not digit & 0x20:
            if digit & 0x10:
                value |= -1 << shift
            if len(lengths) > 2:
                value += lengths[-2]
            lengths.append(value)
            value = shift = 0
    if shift:
        raise BadRuns("COCO runs are cut off")
    return lengths
