"""From the masks of some frames to those of others, one frame at a time, in either direction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from inference.geometric.alone import carried
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
    """A known frame is answered with what is known of it."""
    sightings: dict[int, Sighting | None] = {}
    pictured: dict[int, Mapping[str, BoolArray]] = {}
    for index in frames:
        if index in known:
            yield FramePrediction(
                index, [MaskPrediction(name, mask, 1.0) for name, mask in known[index].items()]
            )
            continue
        for near in _neighbours(index, known):
            # Only those next to an asked frame: a long track may be known in hundreds.
            if near not in sightings:
                sightings[near] = _sighting(opened.prepared(near), known[near])
        prepared = opened.prepared(index)
        seen = {at: sighting for at, sighting in sightings.items() if sighting is not None}
        if not seen:
            masks, pictured[index] = _carried(opened, prepared, {**known, **pictured})
            yield FramePrediction(index, masks)
            continue
        before = _source(seen, prepared)
        time_s = prepared.frame.timestamp_us * 1e-6
        points_world = prepared.points_world()
        found = match(prepared.cloud, points_world, before, time_s)
        sightings[index] = next_sighting(before, found, points_world, time_s)
        yield FramePrediction(index, _masks(prepared, found))


def _neighbours(index: int, known: Mapping[int, Mapping[str, BoolArray]]) -> list[int]:
    """The nearest known frames before and after a frame."""
    before = [frame for frame in known if frame < index]
    after = [frame for frame in known if frame > index]
    return [*sorted(before)[-1:], *sorted(after)[:1]]


def _carried(
    opened: OpenScene, prepared: PreparedFrame, known: Mapping[int, Mapping[str, BoolArray]]
) -> tuple[list[MaskPrediction], Mapping[str, BoolArray]]:
    """Without points: each camera's own mask, moved along with its picture."""
    masks: dict[str, BoolArray] = {}
    index = prepared.frame.index
    if known:
        near = min(known, key=lambda frame: (abs(frame - index), frame))
        before = opened.prepared(near)
        for camera in prepared.cameras:
            mask = known[near].get(camera)
            if mask is not None and mask.any() and camera in before.cameras:
                picture = prepared.picture(camera)
                moved = carried(before.picture(camera), picture, mask.reshape(picture.shape[:2]))
                masks[camera] = moved.ravel()
    answers = [MaskPrediction(name, mask, 0.5) for name, mask in masks.items() if mask.any()]
    return answers, masks


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
