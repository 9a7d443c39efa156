"""Bench area `browser`: from asking for a sweep to its points in a GPU buffer, against float32.

    python3 manage.py bench browser [--full] [--json FILE]

A real Chromium, a real socket, the product's own bulk socket and decoder. The three ways take
turns, so that a slow moment of the machine meets all of them. Measured over loopback, where the
browser's own intake is the limit, and (`link`) as over a network of 100 Mbit/s.
"""

from __future__ import annotations

from statistics import median

from tests.bench.page import bench_page

TARGETS = {
    "browser_float32_over_d1_x": ">=5",
    "browser_link_playing_float32_over_d1_x": ">=5",
    "browser_sweep_bytes_per_point": "<=3.2",
    "browser_decode_ns_per_point": "<=25",
    "browser_paint_median_ms": "<=1",
}
LINK_BYTES_PER_S = 100_000_000 // 8  # an office network


def measure(*, full: bool = False) -> dict[str, float]:
    """name -> number; the unit ends the name."""
    repetitions = 60 if full else 15
    with bench_page() as (page, facts):
        times = page.evaluate(f"bench.requestToGpu({repetitions})")
        linked = page.evaluate(
            f"bench.requestToGpu({max(3, repetitions // 5)}, {LINK_BYTES_PER_S})"
        )
        masks = page.evaluate(f"bench.masks({repetitions})")
    figures = {f"browser_{name}": number for name, number in facts.items()}
    for name, values in (times | masks).items():
        figures[f"browser_{name}_median_ms"] = median(values)
        figures[f"browser_{name}_best_ms"] = min(values)
    figures["browser_float32_over_d1_best_x"] = min(times["float32"]) / min(times["d1"])
    for where, measured in (("", times), ("link_", linked)):
        for way in ("", "_playing"):
            ours, theirs = median(measured[f"d1{way}"]), median(measured[f"float32{way}"])
            ratio = f"browser_{where}{way.lstrip('_')}{'_' if way else ''}float32_over_d1_x"
            figures[ratio] = theirs / ours
    figures["browser_decode_ns_per_point"] = 1e6 * median(times["decode"]) / facts["points"]
    return figures
