"""Comparing the labels of two scenes of one recording. Only workers do: it needs SciPy and reads sweeps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from backend.annotations.models import Mask
from backend.annotations.models import Track as TrackRow
from backend.scenes import storage, sweep_codec
from backend.scenes.models import Reading, Scene
from inference import scene as sensed
from inference.agreement import Agreement, Side, Track
from inference.masks import decode_runs


def compare(
    judged: Scene, reference: Scene, *, frames: range, tell: Callable[[int], None]
) -> dict[str, Any]:
    """frames: of the recording, as the original counts them.  tell: how many frames are done.

    Returns an `inference.agreement.Result` as JSON; frames in it are the judged scene's.
    """
    agreement = Agreement(_tracks(judged), _tracks(reference))
    for done, frame in enumerate(frames, 1):
        index = frame - judged.copied_from
        mine, theirs = _sides(judged, index), _sides(reference, frame - reference.copied_from)
        readings = Reading.objects.filter(frame__scene=judged, frame__index=index)
        for reading in readings.select_related("sensor__calibration"):
            name = reading.sensor.name
            if reading.sensor.kind == sensed.SensorKind.LIDAR:
                sweep = sweep_codec.decode_source(storage.get(reading.source_key))
                range_m = np.linalg.norm(sweep.points_ego, axis=1)
                agreement.add_sweep(index, name, Side(mine[name]), Side(theirs[name]), range_m)
            elif mine[name] or theirs[name]:
                lens = reading.sensor.calibration.intrinsics
                assert lens is not None, "a camera has a lens"
                agreement.add_picture(
                    index, name, Side(mine[name]), Side(theirs[name]),
                    width=lens["width_px"], height=lens["height_px"],
                )  # fmt: skip
        tell(done)
    return asdict(agreement.result())


def _tracks(scene: Scene) -> dict[int, Track]:
    rows = TrackRow.objects.filter(document=scene.pk, deleted_revision=None)
    return {
        number: Track(name, is_stuff)
        for number, name, is_stuff in rows.values_list("number", "label_class__name", "is_stuff")
    }


def _sides(scene: Scene, index: int) -> dict[str, list[tuple[int, Any]]]:
    """By sensor, the frame's masks bottom to top."""
    rows = (
        Mask.objects.filter(
            track__document=scene.pk, track__deleted_revision=None, until_revision=None,
            reading__frame__index=index, reading__frame__scene=scene,
        )
        .order_by("track__draw_order", "track__number")
        .values_list("reading__sensor__name", "track__number", "reading__size", "runs")
    )  # fmt: skip
    found: dict[str, list[tuple[int, Any]]] = defaultdict(list)
    for sensor, number, size, runs in rows:
        found[sensor].append((number, decode_runs(bytes(runs), size)))
    return found
