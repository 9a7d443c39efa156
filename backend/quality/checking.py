"""Runs the rules (`inference.checks`) over the labels of a task's frames. Only workers do: it needs SciPy."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from backend.annotations.models import Mask, Track
from backend.protocol import messages
from backend.scenes import storage, sweep_codec
from backend.scenes.models import Frame, Reading
from backend.scenes.queries import matrix
from backend.tasks.actions import frame_count, last_frame
from backend.tasks.issues import Finding
from backend.tasks.models import Fault, Task
from inference import checks
from inference import scene as sensed
from inference.geometry import Intrinsics, inverse
from inference.masks import BoolArray, decode_runs, encode_runs

FAULTS: dict[str, str] = {
    "size": Fault.POINTS, "floating": Fault.POINTS, "sensors": Fault.OUTLINE,
    "speck": Fault.FALSE, "gap": Fault.LOST, "jump": Fault.IDENTITY, "double": Fault.IDENTITY,
}  # fmt: skip
Masks = dict[int, dict[int, BoolArray]]  # by sensor and track


def findings_in(task: Task, tell: Callable[[int, int], None]) -> list[Finding]:
    """tell: how many frames are done, of how many."""
    rules = checks.Checks(_things(task))
    frames = task.scene.frames.filter(index__range=(task.first_frame, last_frame(task)))
    for done, frame in enumerate(frames, 1):
        rules.add(_labels(frame))
        tell(done, frame_count(task))
    return [_as_issue(found) for found in rules.findings()]


def _things(task: Task) -> dict[int, checks.Thing]:
    rows = Track.objects.filter(document=task.scene_id, deleted_revision=None, is_stuff=False)
    return {
        track.number: checks.Thing(
            track.name or f"{track.label_class.name} {track.number}",
            track.label_class.name,
            track.label_class.longest_m,
        )
        for track in rows.select_related("label_class")
    }


def _labels(frame: Frame) -> checks.FrameLabels:
    masks = _masks(frame)
    world_from_ego = np.asarray(matrix(frame.world_from_ego), np.float64)
    sweeps, pictures = [], []
    for reading in frame.readings.select_related("sensor__calibration").order_by("sensor__number"):
        of_sensor = masks.get(reading.sensor.number, {})
        if not of_sensor:
            continue
        if reading.sensor.kind == sensed.SensorKind.LIDAR:
            sweep = sweep_codec.decode_source(storage.get(reading.source_key))
            sweeps.append(checks.SweepLabels(reading.sensor.number, sweep.points_ego, of_sensor))
        else:
            pictures.append(_picture(reading, of_sensor, world_from_ego))
    return checks.FrameLabels(
        frame.index,
        frame.timestamp_us / 1e6,
        world_from_ego,
        sweeps,
        pictures,
    )


def _picture(
    reading: Reading, masks: dict[int, BoolArray], world_from_ego: Any
) -> checks.PictureLabels:
    calibration = reading.sensor.calibration
    assert calibration.intrinsics is not None, "a camera has a lens"
    lens = Intrinsics(**calibration.intrinsics)
    camera_from_ego = inverse(matrix(calibration.ego_from_sensor))
    if reading.world_from_ego is not None:
        # From the frame's ego to where the vehicle was when this camera looked.
        then_from_world = inverse(matrix(reading.world_from_ego))
        camera_from_ego = camera_from_ego @ then_from_world @ world_from_ego
    shape = lens.height_px, lens.width_px
    return checks.PictureLabels(
        reading.sensor.number, lens, camera_from_ego,
        {number: mask.reshape(shape) for number, mask in masks.items()},
    )  # fmt: skip


def _masks(frame: Frame) -> Masks:
    rows = Mask.objects.filter(
        reading__frame=frame, until_revision=None, track__deleted_revision=None,
        track__is_stuff=False,
    ).values_list("reading__sensor__number", "track__number", "reading__size", "runs")  # fmt: skip
    found: Masks = defaultdict(dict)
    for sensor, number, size, runs in rows:
        found[sensor][number] = decode_runs(bytes(runs), size)
    return found


def _as_issue(found: checks.Finding) -> Finding:
    text = found.text
    if found.frames > 1 and found.rule not in ("speck", "gap"):
        text = f"{text} (and so in {found.frames} frames in all)"
    return Finding(
        found.rule, found.track, found.frame, text[:1].upper() + text[1:],
        FAULTS[found.rule], found.sensor, found.position, _fix(found),
    )  # fmt: skip


def _fix(found: checks.Finding) -> messages.Suggestion | None:
    """What would put it right, where that is clear; see `inference.checks` for the rules."""
    match found.rule:
        case "floating" if found.keep is not None and found.sensor is not None:
            runs = base64.b64encode(encode_runs(found.keep)).decode()
            return messages.PutMask(
                track=found.track, frame=found.frame, sensor=found.sensor, runs=runs
            )
        case "speck" | "double":
            return messages.DeleteTrack(track=found.track)
    return None
