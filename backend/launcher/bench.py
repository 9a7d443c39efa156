"""`manage.py bench [AREA]`: runs tests/bench/<area>.py and prints one table."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backend.launcher.places import CHECKOUT
from backend.launcher.progress import say
from backend.launcher.services import migrate, throw_away_services

if TYPE_CHECKING:
    from tests.bench.report import Report

FOLDER = CHECKOUT / "tests" / "bench"


@dataclass(frozen=True)
class Asked:
    area: str
    full: bool
    json: Path | None


def areas() -> list[str]:
    """The files that measure something; the others are what these share."""
    return sorted(
        path.stem
        for path in FOLDER.glob("*.py")
        if re.search(r"^def (run|measure)\(", path.read_text(), re.MULTILINE)
    )


def parse_bench(rest: list[str]) -> Asked:
    parser = argparse.ArgumentParser(
        prog="manage.py bench", description="Measure; each area within five minutes."
    )
    parser.add_argument("area", nargs="?", default="all", choices=["all", *areas()])
    parser.add_argument("--full", action="store_true", help="the whole set, however long it takes")
    parser.add_argument(
        "--json", type=Path, help="also write the figures; with --full, go on where it was left"
    )
    asked = parser.parse_args(rest)
    return Asked(asked.area, asked.full, asked.json)


def bench(asked: Asked) -> int:
    """Exit status: 1 when a figure missed its target or an area broke."""
    # Not at the top: the tests' folder is no part of an installed launcher.
    from tests.bench import machine
    from tests.bench.report import Report

    report = Report()
    done = report.take_over(asked.json) if asked.json is not None and asked.full else set()
    with _bench_services() as settings:
        os.environ.update(settings)
        machine.before(report)
        for area in areas() if asked.area == "all" else [asked.area]:
            if area in done:
                say(f"{area}: measured before, in {asked.json}")
                continue
            _measure(area, report, full=asked.full)
            if asked.json is not None:
                report.write(asked.json)
        machine.after(report)
        if asked.json is not None:
            report.write(asked.json)
    print(report.table())
    return int(report.has_missed)


@contextmanager
def _bench_services() -> Iterator[dict[str, str]]:
    """Real ones that write to the disk, in a folder that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="masklet-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        with throw_away_services(Path(folder), lasting=True) as settings:
            migrate(settings)
            yield settings


def _measure(area: str, report: Report, *, full: bool) -> None:
    say(f"measuring {area}")
    try:
        module = importlib.import_module(f"tests.bench.{area}")
        if hasattr(module, "run"):
            module.run(report, full)
        else:
            report.figures(area, module.measure(full=full), getattr(module, "TARGETS", None))
    except (Exception, SystemExit) as error:  # the other areas still count
        traceback.print_exc()
        report.row(area, f"broke: {type(error).__name__}", str(error)[:80], ok=False)
