"""How much memory a process has taken."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def stated_kib(pid: int | str, name: str) -> int:
    """What Linux states of a process: VmRSS is its resident memory now, VmHWM the most of it."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise RuntimeError(f"process {pid} states no {name}")


def peak_mib() -> float:
    """The most of this process since its program began, MiB.

    On Linux not `ru_maxrss`: that also counts what the parent had when it started us.
    """
    if sys.platform == "linux":
        return stated_kib("self", "VmHWM") / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
