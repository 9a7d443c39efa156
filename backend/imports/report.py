"""What an import has to say at its end: kept with the scene and with the job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from statistics import median
from typing import Any, cast

from backend.annotations.imported import Counts
from backend.imports.spool import SpooledFrame
from backend.scenes.actions import StoredFrame
from inference.geometry import NotRigid, check_rigid
from inference.scene import Problem, Scene, Sensor, SensorKind

Report = dict[str, Any]

GAP = 1.5  # a step this many times the usual one is a gap
FARTHEST_MOUNT_M = 10.0
MOST_PROBLEMS = 200


class Tally:
    """Adds up an import's frames."""

    def __init__(self, source: Scene) -> None:
        self._source = source
        self._readings = {sensor.name: 0 for sensor in source.sensors}
        self._points = {sensor.name: 0 for sensor in source.sensors}
        self._source_bytes = self._view_bytes = self._projected = 0
        self._timestamps_us: list[int] = []
        self._problems: list[Problem] = []

    def add(self, frame: SpooledFrame) -> None:
        self.add_stored(frame.stored)
        self._projected += frame.projected_rectangles
        self.add_problems(frame.problems)

    def add_stored(self, frame: StoredFrame) -> None:
        self._timestamps_us.append(frame.timestamp_us)
        for name, reading in frame.readings.items():
            self._readings[name] += 1
            self._points[name] += cast(int, reading["size"])
            self._source_bytes += cast(int, reading["source_bytes"])
            self._view_bytes += cast(int, reading["view_bytes"])

    def add_problems(self, problems: Sequence[Problem]) -> None:
        self._problems += problems

    def report(self, *, labels: Counts, joined: int, seconds: float) -> Report:
        frames = len(self._timestamps_us)
        labelled = f", {labels.tracks} labelled objects" if labels.tracks else ""
        return {
            "summary": f"{frames} frames of {len(self._source.sensors)} sensors{labelled}",
            "frames": frames,
            "seconds": round(seconds, 1),
            "bytes": {"source": self._source_bytes, "view": self._view_bytes},
            "sensors": [
                {
                    "name": sensor.name,
                    "kind": sensor.kind.value,
                    "readings": self._readings[sensor.name],
                    "points": self._points[sensor.name]
                    if sensor.kind is SensorKind.LIDAR
                    else None,
                }
                for sensor in self._source.sensors
            ],
            "gaps": gaps(self._timestamps_us),
            "odd_calibration": [
                sentence for sensor in self._source.sensors for sentence in oddities(sensor)
            ],
            "skipped": _problem_list(self._problems),
            "labels": {
                **asdict(labels),
                "joined": joined,
                "projected_rectangles_left_out": self._projected,
            },
        }


def gaps(timestamps_us: Sequence[int]) -> list[dict[str, float]]:
    """Steps between frames that are longer than usual: after which frame, and how long."""
    steps = [later - earlier for earlier, later in pairwise(timestamps_us)]
    if len(steps) < 2:
        return []
    usual = median(steps)
    return [
        {"after_frame": index, "milliseconds": step / 1000}
        for index, step in enumerate(steps)
        if step > GAP * usual
    ]


def oddities(sensor: Sensor) -> list[str]:
    """What is hard to believe about a sensor's calibration; it is imported all the same."""
    found: list[str] = []
    stated = sensor.calibration
    try:
        mount = check_rigid(stated.ego_from_sensor, what="its mount")
        distance_m = float((mount[:3, 3] ** 2).sum() ** 0.5)
        if distance_m > FARTHEST_MOUNT_M:
            found.append(f"{sensor.name}: sits {distance_m:.1f} m from the vehicle's origin")
    except NotRigid as error:
        found.append(f"{sensor.name}: {error}")
    if (lens := stated.intrinsics) is not None:
        if not (lens.fx > 0 and lens.fy > 0):
            found.append(f"{sensor.name}: focal lengths {lens.fx:g}, {lens.fy:g} px")
        elif not 0.5 < lens.fx / lens.fy < 2:
            found.append(f"{sensor.name}: focal lengths {lens.fx:g} and {lens.fy:g} px differ")
        if not (0 <= lens.cx <= lens.width_px and 0 <= lens.cy <= lens.height_px):
            found.append(
                f"{sensor.name}: centre ({lens.cx:g}, {lens.cy:g}) is outside its "
                f"{lens.width_px}x{lens.height_px} picture"
            )
    elevations = stated.beam_elevations
    if any(lower >= upper for upper, lower in pairwise(elevations)):
        found.append(f"{sensor.name}: beam elevations are not in order from the top down")
    return found


def _problem_list(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """The first two hundred; a recording that is odd in every frame says so once more."""
    listed = [asdict(problem) for problem in problems[:MOST_PROBLEMS]]
    if len(problems) > MOST_PROBLEMS:
        left = len(problems) - MOST_PROBLEMS
        listed.append({"file": "", "record": None, "message": f"and {left} more of this kind"})
    return listed
