"""From what the engine found to what others read: a scene whose frames carry labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from inference.engine.fusion import Labels
from inference.engine.quality import Quality
from inference.engine.reading import Drive, FrameRead
from inference.engine.reconstruction import Reconstruction
from inference.geometry import inverse, transform
from inference.scene import Frame, FrameLabels, Frames, MaskLabel, Scene

UNKNOWN = "unknown"
_LEAST_FRAMES, _LEAST_POINTS = 2, 12  # of a track that is handed on
_LARGEST_M, _TALLEST_M = 16.0, 10.0  # what is larger is a building or a row of things
_LOOKS_EVERY, _TOP_BEAMS = 4, 0.012  # frames; radians below the highest beam
LEAST_PX = 12  # of a mask in a picture


@dataclass(frozen=True)
class Found:
    """One track in one reading of a frame.  mask: flat, [height x width] or [N].  confidence: 0 ... 1."""

    track: int
    label_class: str
    sensor: str
    mask: npt.NDArray[np.bool_]
    confidence: float
    is_trusted: bool


def things_of(drive: Drive, space: Reconstruction, labels: Labels) -> frozenset[int]:
    """Tracks worth a person's look: seen more than once, and not as large as a house."""
    frames = np.zeros(len(labels.tracks) + 1, int)
    most = np.zeros(len(labels.tracks) + 1, int)
    too_large: set[int] = set()
    for position, frame in enumerate(drive.frames):
        own = labels.points[position]
        counts = np.bincount(own, minlength=len(frames))
        there = counts > 0
        there[0] = False
        most = np.maximum(most, counts)
        for maps in labels.maps.values():
            if position in maps:
                there |= np.bincount(maps[position].ravel(), minlength=len(frames)) >= LEAST_PX
        there[0] = False
        frames += there
        inside = own > 0
        low, high = np.full((len(frames), 3), np.inf), np.full((len(frames), 3), -np.inf)
        np.minimum.at(low, own[inside], frame.points_world[inside])
        np.maximum.at(high, own[inside], frame.points_world[inside])
        size = high - low
        large = (np.hypot(size[:, 0], size[:, 1]) > _LARGEST_M) | (size[:, 2] > _TALLEST_M)
        too_large |= set(np.flatnonzero(large & (counts > 0)).tolist())
    least = min(_LEAST_FRAMES, len(drive.frames))
    left_out = too_large | _walls(drive, space, labels, len(frames))
    return frozenset(
        number
        for number, track in labels.tracks.items()
        if (track.box and frames[number])
        or (
            frames[number] >= least
            and (most[number] >= _LEAST_POINTS or track.masklets)
            and number not in left_out
        )
    )


def _elevations(drive: Drive, frame: FrameRead) -> npt.NDArray[np.float64]:
    """[N] radians above the horizon of each point's own LiDAR."""
    up = np.zeros(len(frame))
    for name, part in frame.part_of.items():
        world_from_lidar = (
            frame.world_from_ego @ drive.scene.sensor(name).calibration.ego_from_sensor
        )
        local = transform(inverse(world_from_lidar), frame.points_world[part].astype(np.float64))
        up[part] = np.arctan2(local[:, 2], np.hypot(local[:, 0], local[:, 1]))
    return up


def _walls(drive: Drive, space: Reconstruction, labels: Labels, count: int) -> set[int]:
    """Pieces of house fronts: flat, upright, and cut off by the LiDAR's highest beam, as a front that
    goes on above it is, and a vehicle's side is not.
    """
    flat, seen = np.zeros(count, int), np.zeros(count, int)
    moving = {
        number
        for number, track in labels.tracks.items()
        if any(space.strands[strand].moves for strand in track.strands)
    }
    for position in range(0, len(drive.frames), _LOOKS_EVERY):
        frame, own = drive.frames[position], labels.points[position]
        if not len(frame):
            continue
        up = _elevations(drive, frame)
        highest = float(np.quantile(up, 0.995))
        order = np.argsort(own, kind="stable")
        numbers, starts = np.unique(own[order], return_index=True)
        for number, index in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
            if not number or number in moving or len(index) < _LEAST_POINTS:
                continue
            seen[number] += 1
            points = frame.points_world[index]
            _, sides, _ = cv2.minAreaRect(np.ascontiguousarray(points[:, :2]))
            long, short, tall = max(sides), min(sides), float(np.ptp(points[:, 2]))
            is_cut = float(up[index].max()) > highest - _TOP_BEAMS
            flat[number] += is_cut and short < 0.3 * long and long > 1.0 and tall > 1.8
    return set(np.flatnonzero(flat > seen / 2).tolist())


def found_in(
    drive: Drive, labels: Labels, quality: Quality, things: frozenset[int], position: int
) -> Iterator[Found]:
    """All of one frame, LiDARs first."""
    frame = drive.frames[position]
    for lidar, part in frame.part_of.items():
        own = labels.points[position][part]
        for track in np.unique(own[own > 0]).tolist():
            if track in things:
                yield Found(track, _class_of(labels, track), lidar, own == track,
                            quality.scores[track], True)  # fmt: skip
    for camera, maps in labels.maps.items():
        map_ = maps.get(position)
        if map_ is None:
            continue
        height, width = frame.glimpses[camera].size
        whole = map_
        if map_.shape != (height, width):
            larger = cv2.resize(map_, (width, height), interpolation=cv2.INTER_NEAREST)
            whole = np.asarray(larger, np.int32)
        numbers, counts = np.unique(map_, return_counts=True)
        for track, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            if track in things and count >= LEAST_PX:
                confidence = quality.masks[camera, position, track]
                yield Found(track, _class_of(labels, track), camera, (whole == track).ravel(),
                            confidence, quality.is_trusted(camera, position, track))  # fmt: skip


def _class_of(labels: Labels, track: int) -> str:
    return labels.tracks[track].label_class or UNKNOWN


class _Labelled(Frames):
    def __init__(
        self, drive: Drive, labels: Labels, quality: Quality, things: frozenset[int]
    ) -> None:
        self._drive, self._labels, self._quality, self._things = drive, labels, quality, things

    def __len__(self) -> int:
        return len(self._drive.frames)

    def __getitem__(self, index: int, /) -> Frame:
        frame = self._drive.scene.frames[self._drive.frames[index].index]
        masks = tuple(
            MaskLabel(str(each.track), each.label_class, each.sensor, each.mask)
            for each in found_in(self._drive, self._labels, self._quality, self._things, index)
            if each.is_trusted
        )
        return replace(frame, index=index, labels=FrameLabels(masks))


def labelled(drive: Drive, labels: Labels, quality: Quality, things: frozenset[int]) -> Scene:
    """The scene with the masks that can be trusted, in place of whatever labels it had."""
    return replace(drive.scene, frames=_Labelled(drive, labels, quality, things))
