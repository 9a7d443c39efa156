"""From the masks of some frames to those of others, one frame at a time, in either direction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from inference.geometric.frames import OpenScene, PreparedFrame
from inference.geometric.motion import (
    Match,
    Sighting,
    first_sighting,
    match,
    next_sighting,
)
from inference.geometric.outline import outlined
from inference.prompts import FramePrediction, MaskPrediction

BoolArray = npt.NDArray[np.bool_]


def followed(
    opened: OpenScene, known: Mapping[int, Mapping[str, BoolArray]], frames: Sequence[int]
) -> Iterator[FramePrediction]:
    sightings = {
        index: sighting
        for index, masks in known.items()
        if (sighting := _sighting(opened.prepared(index), masks)) is not None
    }
    for index in frames:
        prepared = opened.prepared(index)
        if not sightings:
            yield FramePrediction(index, [])
            continue
        before = _source(sightings, prepared)
        time_s = prepared.frame.timestamp_us * 1e-6
        points_world = prepared.points_world()
        found = match(prepared.cloud, points_world, before, time_s)
        sightings[index] = next_sighting(before, found, points_world, time_s)
        yield FramePrediction(index, _masks(prepared, found))


def _sighting(prepared: PreparedFrame, masks: Mapping[str, BoolArray]) -> Sighting | None:
    target = np.zeros(len(prepared.cloud), bool)
    for lidar, part in prepared.cloud.part_of.items():
        if lidar in masks:
            target[part] = masks[lidar]
    if target.sum() < 1:
        return None
    return first_sighting(prepared.points_world()[target], prepared.frame.timestamp_us * 1e-6)


def _source(sightings: Mapping[int, Sighting], prepared: PreparedFrame) -> Sighting:
    """The nearest sighting in time; between two, its velocity leads to the other one."""
    time_s = prepared.frame.timestamp_us * 1e-6
    by_distance = sorted(sightings.values(), key=lambda s: (abs(s.time_s - time_s), s.lost))
    nearest = by_distance[0]
    beyond = [
        s
        for s in by_distance
        if (s.time_s - time_s) * (nearest.time_s - time_s) < 0 and s.is_certain
    ]
    if beyond:
        other = beyond[0]
        velocity = (other.position - nearest.position) / (other.time_s - nearest.time_s)
        return replace(nearest, velocity=velocity)
    return nearest


def _masks(prepared: PreparedFrame, found: Match) -> list[MaskPrediction]:
    if not found.target.any():
        return []
    answers = [
        MaskPrediction(lidar, found.target[part], 0.5)
        for lidar, part in prepared.cloud.part_of.items()
        if found.target[part].any()
    ]
    for camera in prepared.cameras:
        mask = outlined(prepared, camera, found.target, [], [])
        if mask is not None and mask.any():
            answers.append(MaskPrediction(camera, mask.ravel(), 0.5))
    return answers
