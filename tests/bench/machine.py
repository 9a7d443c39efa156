"""What this machine does at best, measured before and after the areas.

A machine that others use at the same time changes; where it did, times of different areas (or of
another day) cannot be compared, ratios measured in turns still can.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import zstandard

from tests.bench.crowd import BINARY, Address, Crowd, frame
from tests.bench.report import Report, split_unit
from tests.bench.serving import raw_server

AREA = "machine"
REPETITIONS = 7
COPIED_BYTES, PACKED_BYTES, FRAME_BYTES = 64 << 20, 4 << 20, 600_000
MOVED = 0.2


def before(report: Report) -> None:
    """The first rows; those of a run that was broken off stay."""
    if not any(row.area == AREA for row in report.rows):
        report.figures(AREA, limits())


def after(report: Report) -> None:
    """Rows only for what has moved by more than a fifth, with the first figure as limit."""
    remark_moves(report, limits())


def remark_moves(report: Report, now: dict[str, float]) -> None:
    """now: as limits() gives them"""
    first = {row.metric: float(row.value) for row in report.rows if row.area == AREA}
    for name, value in now.items():
        metric, unit = split_unit(name)
        if abs(value / first[metric] - 1) > MOVED:
            report.row(AREA, f"{metric} moved meanwhile", value, unit, limit=first[metric])


def limits() -> dict[str, float]:
    """name -> number; the unit ends the name. Of several tries the best, by the clock."""
    return {
        "memcpy_gb_per_s": _copied_gb_per_s(),
        "zstd-1_mb_per_s": _packed_mb_per_s(),
        "raw_loopback_0.6_mb_frames_per_s": _loopback_per_s(),
    }


def _copied_gb_per_s() -> float:
    source, target = np.ones(COPIED_BYTES, np.uint8), np.zeros(COPIED_BYTES, np.uint8)
    return COPIED_BYTES / 1e9 / _best_s(lambda: np.copyto(target, source))


def _packed_mb_per_s() -> float:
    """Of bytes as noisy as a sweep's differences: about half a byte is left of each."""
    noise = np.random.default_rng(0).normal(0, 2, PACKED_BYTES).astype(np.int8).tobytes()
    packer = zstandard.ZstdCompressor(level=1)
    return PACKED_BYTES / 1e6 / _best_s(lambda: packer.compress(noise))


def _best_s(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(REPETITIONS):
        began = perf_counter()
        work()
        best = min(best, perf_counter() - began)
    return best


def _loopback_per_s() -> float:
    """Frames of a server that does nothing else, to eight sockets of one process."""
    last_chunk = b"\x01\x01" + bytes(FRAME_BYTES)
    with tempfile.NamedTemporaryFile() as answer:
        answer.write(frame(BINARY, last_chunk, masked=False))
        answer.flush()
        with raw_server(Path(answer.name)) as server, Crowd(Address(server.port), 8) as crowd:
            turns = [
                crowd.ask("fetch", seconds=0.3, together=1, wanted={}, raw=True) for _ in range(3)
            ]
    return max(float(turn["objects"] / turn["seconds"]) for turn in turns)
