"""python -m inference.datasets PATH [PATH ...] [--format F] [--json]: read recordings, say what is in.

Reads everything once, keeps nothing, needs no database. Exit 1 with one line on broken input.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from inference.datasets import READERS, detect_format, recordings
from inference.scene import BadScene, Frame, Problem, Scene, SensorKind


@dataclass
class Contents:
    """What has been read so far, over all recordings."""

    scenes: int = 0
    frames: int = 0
    sensors: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    labels: Counter[str] = field(default_factory=Counter)
    by_class: Counter[str] = field(default_factory=Counter)
    tracks: set[tuple[int, str]] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def begin(self, scene: Scene) -> None:
        self.scenes += 1
        for sensor in scene.sensors:
            self.sensors.setdefault(
                (sensor.kind, sensor.name),
                {"name": sensor.name, "kind": sensor.kind.value, "readings": 0, "points": 0},
            )

    def add(self, frame: Frame) -> None:
        self.frames += 1
        for name in frame.images:
            self.sensors[SensorKind.CAMERA, name]["readings"] += 1
        for name, sweep in frame.sweeps.items():
            sensor = self.sensors[SensorKind.LIDAR, name]
            sensor["readings"] += 1
            sensor["points"] += len(sweep)
        for kind in ("cuboids", "rectangles", "masks"):
            listed = getattr(frame.labels, kind)
            self.labels[kind] += len(listed)
            for label in listed:
                self.by_class[label.label_class] += 1
                self.tracks.add((self.scenes, label.track))

    def described(self) -> dict[str, Any]:
        return {
            "scenes": self.scenes,
            "frames": self.frames,
            "sensors": list(self.sensors.values()),
            "labels": {
                **{kind: self.labels[kind] for kind in ("cuboids", "rectangles", "masks")},
                "tracks": len(self.tracks),
                "by_class": dict(sorted(self.by_class.items())),
            },
            "problems": [asdict(problem) for problem in self.problems],
        }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m inference.datasets", description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file or a folder")
    parser.add_argument("--format", choices=list(READERS), help="found by content when left out")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    contents = Contents()
    failure: BadScene | None = None
    try:
        for path in options.paths:
            read_all(path, options.format, contents)
    except BadScene as error:
        failure = error
        contents.problems.append(Problem(error.file, error.record, error.message))
    described = contents.described()
    print(json.dumps(described) if options.json else "\n".join(table(described)))
    if failure is not None:
        print(f"error: {one_line(failure)}", file=sys.stderr)
    return 0 if failure is None else 1


def read_all(path: Path, source_format: str | None, contents: Contents) -> None:
    """Read every recording at a path, frame by frame. Raises BadScene."""
    chosen = source_format or detect_format(path)
    for recording in recordings(path, chosen):
        try:
            _read(READERS[chosen](recording), contents)
        except OSError as error:
            raise BadScene(f"{recording.name}: {error}", file=recording.name) from error


def _read(scene: Scene, contents: Contents) -> None:
    contents.begin(scene)
    try:
        for frame in scene.frames:
            contents.add(frame)
    finally:
        contents.problems += scene.problems


def one_line(error: BadScene) -> str:
    """File, record and reason, each said once."""
    where = Path(error.file).name if error.file else ""
    if where and error.record is not None and f"record {error.record}" not in error.message:
        where = f"{where}, record {error.record}"
    message = " ".join(error.message.split())
    return message if not where or where in message else f"{where}: {message}"


def table(described: dict[str, Any]) -> Iterator[str]:
    labels = described["labels"]
    yield f"{described['scenes']} scenes, {described['frames']} frames"
    yield f"{'sensor':<20} {'kind':<8} {'readings':>9} {'points':>12}"
    for sensor in described["sensors"]:
        points = sensor["points"] if sensor["kind"] == SensorKind.LIDAR else ""
        yield f"{sensor['name']:<20} {sensor['kind']:<8} {sensor['readings']:>9} {points:>12}"
    yield ", ".join(
        f"{labels[kind]} {kind}" for kind in ("cuboids", "rectangles", "masks", "tracks")
    )
    for name, count in labels["by_class"].items():
        yield f"  {name:<28} {count:>9}"
    for problem in described["problems"]:
        record = "" if problem["record"] is None else f", record {problem['record']}"
        yield f"problem: {problem['file']}{record}: {problem['message']}"


if __name__ == "__main__":
    sys.exit(main())
