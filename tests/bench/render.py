"""Bench area `render`: hover pick and recolouring, with few points on the screen and with many.

    python3 manage.py bench render [--full] [--json FILE]

Without a graphics card only the ratios mean anything: SwiftShader draws on the processor.
"""

from __future__ import annotations

from statistics import median

from tests.bench.page import bench_page

TARGETS = {
    "render_pick_200k_median_ms": "<=0.5",
    "render_pick_4m_over_200k_x": "<=1.2",
    "render_recolour_4m_over_200k_x": "<=2",
}
COUNTS = {"200k": 200_000, "1m": 1_000_000, "4m": 4_000_000}
COUNTS_FULL = COUNTS | {"10m": 10_000_000}


def measure(*, full: bool = False) -> dict[str, float]:
    """name -> number; the unit ends the name."""
    counts = COUNTS_FULL if full else COUNTS
    figures: dict[str, float] = {}
    with bench_page({}) as ask:
        for label, count in counts.items():
            for name, values in ask("render", count, 25).items():
                figures[f"render_{name}_{label}_median_ms"] = median(values)
                figures[f"render_{name}_{label}_best_ms"] = min(values)
    most = list(counts)[-1]
    for name in ("pick", "recolour", "draw"):
        # Of the best runs: the sizes do not take turns, and a slow moment must not count.
        many, few = (figures[f"render_{name}_{label}_best_ms"] for label in (most, "200k"))
        figures[f"render_{name}_{most}_over_200k_x"] = many / few
    return figures
