"""From the masks of some frames to those of others, one frame at a time, in either direction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from inference.geometric.alone import carried
from inference.geometric.confidence import of_picture, of_points
from inference.geometric.frames import Cloud, OpenScene, PreparedFrame
from inference.geometric.motion import (
    Sighting,
    first_sighting,
    match,
    next_sighting,
)
from inference.geometric.outline import outlined
from inference.geometric.selection import ground_patch
from inference.geometry import FloatArray
from inference.prompts import Known, MaskPrediction

BoolArray = npt.NDArray[np.bool_]

# A track of which this share is ground is ground itself: a lane, a sidewalk.
_MOSTLY_GROUND = 0.6
# Ground this near to known ground is the same piece of it.
_CELL_M = 0.5
_LEAST_GROUND_POINTS = 5
# Of a mask: fewer standing points than these are too few to do without its ground. A cluster of
# which it has less than half is not its object's when it is less than this share of it.
_LEAST_STANDING, _SLIVER = 3, 0.15


@dataclass(frozen=True)
class Step:
    """Where a track is in one frame.

    known: what people say of it there.  carried: masks of a frame without points.  target: [N] of
    the cloud's points, with how well they fit what was known, where neither of these is given.
    """

    prepared: PreparedFrame | None = None
    known: Mapping[str, BoolArray] | None = None
    carried: Sequence[MaskPrediction] | None = None
    target: BoolArray | None = None
    fit: float = 0.9


def followed(
    opened: OpenScene, known: Known, frames: Sequence[int]
) -> Iterator[list[MaskPrediction]]:
    """One track's masks in each asked frame. A known frame is answered with what is known of it."""
    for step in steps(opened, known, frames):
        if step.known is not None:
            yield [MaskPrediction(name, mask, 1.0) for name, mask in step.known.items()]
        elif step.carried is not None:
            yield list(step.carried)
        else:
            assert step.prepared is not None
            assert step.target is not None
            yield _masks(step.prepared, step.target, step.fit)


class Frames(Protocol):
    """Whatever has prepared frames, by index."""

    def prepared(self, frame: int, /) -> PreparedFrame: ...


def steps(opened: Frames, known: Known, frames: Sequence[int]) -> Iterator[Step]:
    """Where one track is in each asked frame, before it is drawn."""
    sightings: dict[int, Sighting | None] = {}
    pictured: dict[int, Mapping[str, BoolArray]] = {}
    for index in frames:
        if index in known:
            yield Step(known=known[index])
            continue
        for near in _neighbours(index, known):
            # Only those next to an asked frame: a long track may be known in hundreds.
            if near not in sightings:
                sightings[near] = _sighting(opened.prepared(near), known[near])
        prepared = opened.prepared(index)
        seen = {at: sighting for at, sighting in sightings.items() if sighting is not None}
        if not seen:
            masks, pictured[index] = _carried(opened, prepared, {**known, **pictured})
            yield Step(prepared, carried=masks)
            continue
        before = _source(seen, prepared)
        if before.is_ground:
            again = _ground_again(prepared, before.model_world)
            if again.any():
                sightings[index] = _ground_sighting(prepared, again)
            yield Step(prepared, target=again)
            continue
        time_s = prepared.frame.timestamp_us * 1e-6
        points_world = prepared.points_world()
        found = match(prepared.cloud, points_world, before, time_s)
        sightings[index] = next_sighting(before, found, points_world, time_s)
        yield Step(prepared, target=found.target, fit=found.fit)


def _neighbours(index: int, known: Known) -> list[int]:
    """The nearest known frames before and after a frame."""
    before = [frame for frame in known if frame < index]
    after = [frame for frame in known if frame > index]
    return [*sorted(before)[-1:], *sorted(after)[:1]]


def _carried(
    opened: Frames, prepared: PreparedFrame, known: Mapping[int, Mapping[str, BoolArray]]
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
    target = prepared.cloud.gathered(masks)
    if target.sum() < 1:
        return None
    if (target & prepared.cloud.is_ground).sum() > _MOSTLY_GROUND * target.sum():
        return _ground_sighting(prepared, target)
    target = _without_slivers(prepared.cloud, target)
    return first_sighting(prepared.points_world()[target], prepared.frame.timestamp_us * 1e-6)


def _without_slivers(cloud: Cloud, target: BoolArray) -> BoolArray:
    """What a mask has of the ground below its object, and the few points that it has of other things.

    They move otherwise than the object, and would lead the search astray.
    """
    standing = target & ~cloud.is_ground
    if standing.sum() < _LEAST_STANDING:
        return target
    clustered = standing & (cloud.cluster >= 0)
    sizes = np.bincount(cloud.cluster[cloud.cluster >= 0], minlength=1)
    counts = np.bincount(cloud.cluster[clustered], minlength=len(sizes))
    is_sliver = (counts < _SLIVER * standing.sum()) & (counts < sizes / 2)
    kept = standing.copy()
    kept[clustered] = ~is_sliver[cloud.cluster[clustered]]
    return kept if kept.any() else standing


def _ground_sighting(prepared: PreparedFrame, target: BoolArray) -> Sighting:
    """The ground as it is, not thinned to a model's few points: it does not move."""
    points = prepared.points_world()[target]
    time_s = prepared.frame.timestamp_us * 1e-6
    return Sighting(time_s, points, points.mean(axis=0), np.zeros(3), is_ground=True)


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


def _masks(prepared: PreparedFrame, target: BoolArray, fit: float) -> list[MaskPrediction]:
    """fit: 0 ... 1, how well the object of the sightings before was found again."""
    if not target.any():
        return []
    trust = fit * of_points(prepared.cloud, target)
    answers = [
        MaskPrediction(lidar, mask, trust) for lidar, mask in prepared.cloud.split(target).items()
    ]
    for camera in prepared.cameras:
        mask = outlined(prepared, camera, target, [], [])
        if mask is not None and mask.any():
            view = prepared.view(camera)
            sure = of_picture(prepared.cloud, view, target, mask, of_points=trust)
            answers.append(MaskPrediction(camera, mask.ravel(), sure))
    return answers


def _ground_again(prepared: PreparedFrame, known_world: FloatArray) -> BoolArray:
    """[N] the ground of which a part was known before, as far as it is level with that part."""
    cloud = prepared.cloud
    on_ground = np.flatnonzero(cloud.is_ground)
    target = np.zeros(len(cloud), bool)
    if not len(on_ground):
        return target
    place = prepared.points_world()[on_ground]
    distance, _ = cKDTree(known_world[:, :2]).query(place[:, :2], distance_upper_bound=_CELL_M)
    again = np.isfinite(distance)
    if again.sum() < _LEAST_GROUND_POINTS:
        return target
    middle = np.median(place[again], axis=0)
    nearest = np.linalg.norm(place - middle, axis=1) + np.where(again, 0, np.inf)
    target |= ground_patch(cloud, int(on_ground[nearest.argmin()]))
    target[on_ground[again]] = True
    return target
