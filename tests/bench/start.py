"""Bench area `start`: how long `manage.py up` takes, from the command to its own "ready".

Warm: everything is installed, built and in the database. With --full also cold: from a bare clone
in an empty folder to a drive whose first frames can be opened.

    python -m tests.bench.start
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median

from tests.bench.report import Report
from tests.fresh_clone import CHECKOUT, clone, cold_start, start_and_stop

WARM_STARTS = 3


def run(report: Report, full: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="masklet-bench-") as folder:
        Path(folder).chmod(0o711)
        data = Path(folder, "data")
        start_and_stop(CHECKOUT, data)  # makes the database; not warm yet
        times = [start_and_stop(CHECKOUT, data) for _ in range(WARM_STARTS)]
        seconds = median(started.ready_s for started in times)
        report.row("start", "warm: up is ready", seconds, "s", target="<=10")
        stopping = median(started.stop_s for started in times)
        report.row("start", "Ctrl-C: all stopped", stopping, "s")
        if full:
            cold = cold_start(clone(Path(folder, "clone")), Path(folder, "cold-data"))
            report.row("start", "cold: up is ready", cold.ready_s, "s")
            report.row("start", "cold: drive can be opened", cold.drive_s, "s", target="<=240")


if __name__ == "__main__":
    own = Report()
    run(own, "--full" in sys.argv)
    print(own.table())
