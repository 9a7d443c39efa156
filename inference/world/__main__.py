"""Write a procedural drive as a Masklet archive, with a picture of it.

    python -m inference.world SEED [--rig R] [--frames N] [--look plain|random] [--width PX] OUT
        [--layout native|waymo-4dseg]

OUT becomes a folder that every import takes (native format), with its gold masks and cuboids, and a
contact sheet beside its tables; or a data set in the layout from which SAM4D learns, to which drives are added one
after the other. Frames are written one by one, so that length costs no memory.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from inference.datasets.native_writer import write_scene
from inference.datasets.waymo_4dseg_writer import (
    Told,
    gather,
    is_in,
    may_gather,
    safe_name,
    write_labelled,
)
from inference.world.contact_sheet import ContactSheet
from inference.world.drive import DriveFrames, make_drive
from inference.world.rigs import RIGS


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m inference.world", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("seed", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rig", choices=RIGS, default="demo")
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--look", choices=("plain", "random"))
    parser.add_argument("--course", choices=("straight", "winding"))
    parser.add_argument("--width", type=int, help="of all pictures, px; the rig's own without it")
    parser.add_argument("--layout", choices=("native", "waymo-4dseg"), default="native")
    asked = parser.parse_args(arguments)
    is_set = asked.layout == "waymo-4dseg"
    if not may_gather(asked.out) or (
        asked.out.exists() and any(asked.out.iterdir()) and not is_set
    ):
        print(f"{asked.out} is not empty; name a new folder", file=sys.stderr)
        return 1
    try:
        drive = make_drive(
            asked.seed,
            asked.rig,
            asked.frames,
            width_px=asked.width,
            look=asked.look,
            course=asked.course,
        )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    assert isinstance(drive.frames, DriveFrames)
    name = safe_name(drive.name)
    if is_set and is_in(asked.out, name):
        print(f"{name} is in {asked.out} already; name a new folder", file=sys.stderr)
        return 1
    aside = asked.out.with_name(f"{asked.out.name}.{os.getpid()}")
    written = (
        write_labelled(drive, name, aside, Told()) if is_set else write_scene(drive, asked.out)
    )
    sheet, began = ContactSheet(drive), time.monotonic()
    shown = {0, asked.frames // 2, asked.frames - 1}
    for frame in written:
        if frame.index in shown:
            sheet.add(frame, drive.frames.gold_ids(frame.index))
        each_s = (time.monotonic() - began) / (frame.index + 1)
        left_s = each_s * (asked.frames - frame.index - 1)
        print(f"\rframe {frame.index + 1} of {asked.frames}, {left_s:.0f} s left", end="",
              file=sys.stderr, flush=True)  # fmt: skip
    if is_set:
        gather(aside, asked.out)
    picture = f"{name}.png" if is_set else "contact_sheet.png"
    sheet.save(asked.out / picture)
    print(file=sys.stderr)
    print(f"{asked.out}: {asked.frames} frames of {drive.name}, rig {asked.rig}, "
          f"{drive.facts['time of day']}; see {picture}")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
