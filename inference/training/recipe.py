"""The small model from nothing to weights, by one command; it goes on where it was stopped.

    python -m inference.training.recipe OUT [--processes 2]

OUT gets the drives, of distant frames for variety and of near ones to follow objects in, the run of the
first part (config "nano": frames, then clips), crops of what that draws, the run of the second look
("nano_crops"), and `nano.safetensors`. Two cores take about five hours.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from inference.training import crops, shots, train

# Seeds, frames of each drive, and how far apart they are.
DRIVES = (("30000-30499", "4", "12"), ("31000-31159", "5", "3"))
FILES = "0-135"
Command = Callable[[Sequence[str]], int]


def steps(out: Path, processes: int) -> list[tuple[str, Command, list[str]]]:
    """What is done, in this order: what it is, the command, its words."""
    drives, first, cut, second = (out / name for name in ("drives", "frames", "crops", "second"))
    several = ["--processes", str(processes)]
    return [
        *(
            ("drives", shots.main,
             [str(drives), "--seeds", seeds, "--frames", frames, "--step", step, *several])
            for seeds, frames, step in DRIVES
        ),
        ("frames", train.main, ["nano", "--data", str(drives), "--out", str(first), *several]),
        ("crops", crops.main, [
            str(cut), "--weights", str(first / "weights.safetensors"), "--data", str(drives),
            "--files", FILES, *several,
        ]),
        ("second look", train.main, [
            "nano_crops", "--crops", str(cut), "--out", str(second),
            "--from", str(first / "checkpoint.pt"), *several,
        ]),
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m inference.training.recipe", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("out", type=Path)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args(arguments)
    for what, command, words in steps(asked.out, asked.processes):
        print(f"--- {what}", file=sys.stderr, flush=True)
        if status := command(words):
            return status
        # A run that was told to end has no weights yet.
        if command is train.main:
            weights = Path(words[words.index("--out") + 1]) / "weights.safetensors"
            if not weights.is_file():
                return 1
            shutil.copyfile(weights, asked.out / "nano.safetensors")
    print(f"the weights are {asked.out / 'nano.safetensors'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
