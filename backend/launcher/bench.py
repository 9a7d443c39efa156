"""`manage.py bench [AREA]`: runs tests/bench/<area>.py and prints one table."""

from __future__ import annotations

import argparse
import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from backend.launcher.places import CHECKOUT
from backend.launcher.refusals import CannotGoOn

FOLDER = CHECKOUT / "tests" / "bench"
NO_AREAS = {"__init__", "report"}


@dataclass(frozen=True)
class Asked:
    area: str
    full: bool
    json: Path | None


def areas() -> list[str]:
    return sorted(
        path.stem
        for path in FOLDER.glob("*.py")
        if path.stem not in NO_AREAS and not path.stem.startswith("_")
    )


def parse_bench(rest: list[str]) -> Asked:
    parser = argparse.ArgumentParser(
        prog="manage.py bench", description="Measure; each area within five minutes."
    )
    parser.add_argument("area", nargs="?", default="all", choices=["all", *areas()])
    parser.add_argument("--full", action="store_true", help="the whole set, however long it takes")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    asked = parser.parse_args(rest)
    return Asked(asked.area, asked.full, asked.json)


def bench(asked: Asked) -> int:
    """Exit status: 1 when a figure missed its target."""
    # Not at the top: the tests' folder is no part of an installed launcher.
    from tests.bench.report import Report

    report = Report()
    for area in areas() if asked.area == "all" else [asked.area]:
        report.begin(area)
        _area(area).run(report, asked.full)
    print(report.table())
    if asked.json is not None:
        report.write(asked.json)
    return int(report.has_missed)


def _area(area: str) -> ModuleType:
    module = importlib.import_module(f"tests.bench.{area}")
    if not hasattr(module, "run"):
        raise CannotGoOn(f"tests/bench/{area}.py has no run(report, full)")
    return module
