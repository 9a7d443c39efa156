"""Work shared among processes, with how long it will take yet."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Job = TypeVar("Job")
Done = TypeVar("Done")


def worked(
    function: Callable[[Job], Done],
    jobs: Sequence[Job],
    processes: int,
    name: Callable[[Done], str],
) -> Iterator[Done]:
    """What `function` makes of each job, as it comes; each is told of on stderr by its name.

    The processes start anew: a forked one would inherit threads that do not run in it.
    """
    began = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for count, done in enumerate(pool.imap_unordered(function, jobs), 1):
            yield done
            left_min = (time.monotonic() - began) / count * (len(jobs) - count) / 60
            print(f"{name(done)}, {count}/{len(jobs)}, {left_min:.0f} min left",
                  file=sys.stderr, flush=True)  # fmt: skip
