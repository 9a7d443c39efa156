"""The table of `manage.py bench`, and the machine on which its figures were measured."""

from __future__ import annotations

import json
import operator
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

COLUMNS = ("area", "metric", "value", "unit", "limit", "value/limit", "target", "ok")
# How a name ends -> the unit it is shown with; the longest ending that fits counts.
UNITS = {
    "bytes_per_point": "B/pt",
    "ns_per_point": "ns/pt",
    "frames_per_s": "frames/s",
    "mib_per_s": "MiB/s",
    "gb_per_s": "GB/s",
    "mb_per_s": "MB/s",
    "per_s": "1/s",
    "mib": "MiB",
    "mb": "MB",
    "gb": "GB",
    "bytes": "B",
    "us": "us",
    "ms": "ms",
    "s": "s",
    "mm": "mm",
    "m": "m",
    "x": "x",
    "iou": "IoU",
    "points": "points",
    "count": "",
}


@dataclass(frozen=True)
class Row:
    """One figure. `limit` is what this machine can do at best; `target` reads like "<=10"."""

    area: str
    metric: str
    value: float | str
    unit: str = ""
    limit: float | None = None
    target: str | None = None
    ok: bool | None = None

    def cells(self) -> tuple[str, ...]:
        ratio = (
            number(float(self.value) / self.limit)
            if self.limit and not isinstance(self.value, str)
            else "-"
        )
        return (
            self.area,
            self.metric,
            number(self.value),
            self.unit or "-",
            number(self.limit) if self.limit is not None else "-",
            ratio,
            self.target or "-",
            "-" if self.ok is None else "ok" if self.ok else "MISSED",
        )


class Report:
    """Figures as they are measured, area by area."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._machine = machine()

    def row(
        self,
        area: str,
        metric: str,
        value: float | str,
        unit: str = "",
        *,
        limit: float | None = None,
        target: str | None = None,
        ok: bool | None = None,
    ) -> None:
        """Add a figure. Whether it is `ok` follows from the target where not said."""
        if ok is None and target is not None and not isinstance(value, str):
            ok = meets(value, target)
        self.rows.append(Row(area, metric, value, unit, limit, target, ok))

    def figures(
        self, area: str, figures: dict[str, float], targets: dict[str, str] | None = None
    ) -> None:
        """Add {name: number}, where the name ends in its unit."""
        for name, value in figures.items():
            metric, unit = split_unit(name.removeprefix(f"{area}_"))
            self.row(area, metric, value, unit, target=(targets or {}).get(name))

    @property
    def has_missed(self) -> bool:
        return any(row.ok is False for row in self.rows)

    def table(self) -> str:
        lines = [COLUMNS, *(row.cells() for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
        shown = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
        facts = self._machine
        head = (
            f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gb']} GB, "
            f"load {facts['load']}, Python {facts['python']}, {facts['at']}"
        )
        return "\n".join([head, "", *shown])

    def write(self, path: Path) -> None:
        answer = {"machine": self._machine, "rows": [asdict(row) for row in self.rows]}
        path.write_text(json.dumps(answer, indent=2) + "\n")

    def take_over(self, path: Path) -> set[str]:
        """Rows of an earlier run that was broken off; returns their areas."""
        try:
            earlier = json.loads(path.read_text())["rows"]
            rows = [Row(**row) for row in earlier]
        except (OSError, ValueError, KeyError, TypeError):
            return set()
        self.rows = rows + self.rows
        return {row.area for row in rows}


def number(value: float | str) -> str:
    """Three figures that count."""
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def meets(value: float, target: str) -> bool:
    """target: `<=10`, `>=5`, `<2` or `>0`; what follows the number (a unit, an x) is for people."""
    for sign, holds in (
        ("<=", operator.le),
        (">=", operator.ge),
        ("<", operator.lt),
        (">", operator.gt),
    ):
        if target.startswith(sign):
            digits = target[len(sign) :].strip().rstrip("x ")
            return bool(holds(value, float(digits)))
    raise ValueError(f"target {target!r}: write <=N, >=N, <N or >N")


def split_unit(name: str) -> tuple[str, str]:
    """`import_peak_mib` -> (`import peak`, `MiB`); a name without a known unit stays whole."""
    for ending in sorted(UNITS, key=len, reverse=True):
        if name.endswith(f"_{ending}"):
            return name.removesuffix(f"_{ending}").replace("_", " "), UNITS[ending]
    return name.replace("_", " "), ""


def machine() -> dict[str, Any]:
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "python": platform.python_version(),
        "system": platform.platform(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
