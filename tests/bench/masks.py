"""Bench area `masks`: masks of a picture to the screen.

    python3 manage.py bench masks [--full] [--json FILE]

Thirty made-up masks of one picture of 1920x1280, jagged as a model draws them. Recolouring is
measured by `render`: it is the same texel for points and pictures.
"""

from __future__ import annotations

from statistics import median

from tests.bench.page import bench_page
from tests.bench.report import Report

AREA = "masks"


def run(report: Report, full: bool) -> None:
    with bench_page({}) as ask:
        times = ask("masks", 60 if full else 20)
    paint, fill = median(times["paint"]), median(times["fill"])
    report.row(AREA, "30 masks to a label map", paint, "ms", limit=fill, target="<=1")
    report.row(AREA, "30 masks, best", min(times["paint"]), "ms", limit=min(times["fill"]))
    report.row(AREA, "one changed mask to the label map", median(times["map"]), "ms")
    report.row(AREA, "one changed mask, best", min(times["map"]), "ms")
    report.row(AREA, "its region to the GPU", median(times["region"]), "ms", target="<=1")
    report.row(AREA, "its region to the GPU, best", min(times["region"]), "ms")
