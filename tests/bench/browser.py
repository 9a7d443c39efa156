"""Bench area `browser`: from asking for a sweep to its points in a GPU buffer, against float32.

    python3 manage.py bench browser [--full] [--json FILE]

A real Chromium that nothing is attached to, a real socket, the product's own bulk socket and
decoder. The usual viewer gets the same points as one float32 blob on a socket of its own and
uploads them as they are. The limit is our bytes fetched and uploaded without decoding them. The
ways take turns, over loopback and (`link`) as over a network of 100 Mbit/s, where bytes decide.
Why loopback cannot come to five: docs/decisions/0008-sweep-codec.md.
"""

from __future__ import annotations

from statistics import median

import numpy as np

from backend.scenes.sweep_codec import encode_view
from inference.scene import Sweep
from tests.bench.page import bench_page
from tests.bench.report import Report
from tests.bench.sweeps import drive_sweep

AREA = "browser"
LINKS = {"": 0, ", 100 Mbit/s": 100_000_000 // 8}  # bytes/s; 0: as fast as the machine
TARGET = ">=5"


def run(report: Report, full: bool) -> None:
    sweep = drive_sweep()
    objects = {"sweep_0_0": encode_view(sweep), "float32": _float32(sweep)}
    report.row(AREA, "points", float(len(sweep)))
    with bench_page(objects) as ask:
        for name, bytes_per_s in LINKS.items():
            repetitions = (60 if full else 25) // (3 if bytes_per_s else 1)
            times = ask("requestToGpu", repetitions, bytes_per_s)
            for way, label in (("", "one"), ("_playing", "playing")):
                _rows(report, f"{label}{name}", times, way)


def _rows(report: Report, name: str, times: dict[str, list[float]], way: str) -> None:
    ours, theirs, received = (times[f"{kind}{way}"] for kind in ("d1", "float32", "received"))
    report.row(AREA, f"{name}: D1", median(ours), "ms", limit=median(received))
    report.row(AREA, f"{name}: D1, best", min(ours), "ms", limit=min(received))
    report.row(AREA, f"{name}: float32", median(theirs), "ms")
    report.row(AREA, f"{name}: float32, best", min(theirs), "ms")
    report.row(
        AREA,
        f"{name}: float32 over D1",
        median(theirs) / median(ours),
        "x",
        limit=median(theirs) / median(received),
        target=TARGET,
    )


def _float32(sweep: Sweep) -> bytes:
    """x, y, z and intensity of each point, as most viewers are sent them."""
    return np.column_stack([sweep.points_ego, sweep.intensity]).astype("<f4").tobytes()
