"""Pre-label a recording, or a procedural drive by its seed, without a database.

    python -m inference.engine PATH_OR_SEED --out FOLDER [--format F] [--frames N] [--every K]
        [--provider nano|sam2|grounded-sam2 --models FOLDER --classes car,pedestrian,...]
        [--layout native|waymo-4dseg] [--boxes]

OUT gets the scene with its labels as Masklet's own archive, which `import_scene` reads, or in the layout
from which SAM4D learns, which `inference.training.train --data` takes; several drives may then go into
one folder, one after the other. Masks come from our
own small model, or from larger ones in a local folder (`inference.engine.foundation`). The last line
is one JSON object: frames_per_hour, peak_gb, the seconds of each stage, and of a procedural drive, whose
gold is known, precision, coverage and pq of "points" and "pixels", and xmodal_iou. Of a recording with cuboids it has
how many of them there are, and recall and purity (`inference.engine.recall`).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

from inference.datasets import READERS, detect_format
from inference.datasets.native_writer import write_scene
from inference.datasets.waymo_4dseg_writer import (
    Told,
    gather,
    is_in,
    may_gather,
    safe_name,
    write_labelled,
)
from inference.engine.boxes import own_boxes
from inference.engine.gold import agreement, judged
from inference.engine.pipeline import KEY_FRAME_EVERY, PreLabels, run
from inference.engine.providers import PROVIDERS, load_provider
from inference.engine.recall import recalled
from inference.scene import BadScene, Scene


class _Progress:
    """Says how far each stage is, on stderr, and keeps how long it took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._last, self._stage = monotonic(), ""

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = monotonic()
        self.seconds[stage] += now - self._last
        self._last = now
        end = "\n" if done == total else ""
        print(f"\r{stage}: frame {done} of {total}", end=end, file=sys.stderr, flush=True)


def opened(what: str, source_format: str | None, frames: int) -> Scene:
    """A recording, or the drive of a seed, which has `frames` frames. Raises BadScene."""
    if what.isdecimal() and not Path(what).exists():
        from inference.world.drive import make_drive

        return make_drive(int(what), "demo", frames)
    path = Path(what)
    return READERS[source_format or detect_format(path)](path)


def figures(found: PreLabels, scene: Scene, seconds: dict[str, float]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "frames_per_hour": round(3600 * len(found.drive.frames) / max(sum(seconds.values()), 1e-9)),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "seconds": {stage: round(value, 1) for stage, value in seconds.items()},
        "tracks": len(found.labels.tracks),
        "xmodal_iou": round(agreement(found.drive, found.labels), 4),
    }
    gold_of = getattr(scene.frames, "gold_ids", None)
    if gold_of is not None:
        gold = scene.frames.gold  # type: ignore[attr-defined]  # a DriveFrames
        things = frozenset(number for number, track in gold.items() if not track.is_stuff)
        ids = (gold_of(frame.index) for frame in found.drive.frames)
        scores = judged(found.drive, found.labels, ids, things, found.quality.is_trusted)
        for name in ("precision", "coverage", "pq", "matched_iou", "switches"):
            told[name] = {kind: round(getattr(score, name), 4) for kind, score in scores.items()}
    recall = recalled(found.drive, found.labels, found.things)
    if recall is not None:
        told["cuboids"] = {
            "count": recall.count, "recall": round(recall.recall, 4), "purity": round(recall.purity, 4),
        }  # fmt: skip
    return told


def write(found: PreLabels, layout: str, out: Path, progress: _Progress) -> None:
    """Aside first: whoever looks finds all of it or nothing."""
    aside = out.with_name(f"{out.name}.{os.getpid()}")
    labelled = replace(found.scene(), problems=[])
    written = (
        write_scene(labelled, aside)
        if layout == "native"
        else write_labelled(labelled, safe_name(labelled.name), aside, Told())
    )
    for frame in written:
        progress("writing", frame.index + 1, len(found.drive.frames))
    if layout == "native":
        if out.exists():
            out.rmdir()
        aside.rename(out)
        return
    gather(aside, out)


def _is_taken(out: Path, layout: str) -> bool:
    """Whether there is something that this layout would mix with."""
    if layout == "native":
        return out.exists() and any(out.iterdir())
    return not may_gather(out)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m inference.engine", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("what", metavar="PATH_OR_SEED")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--format", choices=sorted(READERS), help="of a recording; found by itself")
    parser.add_argument("--frames", type=int, default=40, help="of a procedural drive")
    parser.add_argument("--every", type=int, default=KEY_FRAME_EVERY, help="key frames")
    parser.add_argument("--boxes", action="store_true",
                        help="take the recording's cuboids for what they are: things, and how they move")  # fmt: skip
    parser.add_argument("--layout", choices=("native", "waymo-4dseg"), default="native")
    parser.add_argument("--provider", choices=PROVIDERS, default="nano")
    parser.add_argument("--models", type=Path, help="folder of larger models")
    parser.add_argument("--classes", default="", help="names to look for, with commas between them")
    asked = parser.parse_args(arguments)
    if _is_taken(asked.out, asked.layout):
        print(f"{asked.out} is not empty; name a new folder", file=sys.stderr)
        return 1
    progress = _Progress()
    try:
        scene = opened(asked.what, asked.format, asked.frames)
        if is_in(asked.out, safe_name(scene.name)):
            raise ValueError(f"{scene.name} is in {asked.out} already; name a new folder")
        classes = [name.strip() for name in asked.classes.split(",") if name.strip()]
        provider = load_provider(asked.provider, asked.models, classes)
        boxes = own_boxes if asked.boxes else None
        found = run(scene, provider, every=asked.every, boxes=boxes, told=progress)
        for remark in found.remarks:
            print(f"note: {remark}", file=sys.stderr)
        write(found, asked.layout, asked.out, progress)
    except (BadScene, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(figures(found, scene, dict(progress.seconds))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
