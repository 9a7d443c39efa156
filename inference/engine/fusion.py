"""Stage 3: one track for what cameras and LiDARs saw of one thing.

Masklets vote for the strands whose points their pixels show. A masklet and a strand become one track
when they agree, and so do strands that lie in one masklet, unless they lie apart in space. Labels are then carried back to every
point and every pixel.

N points of a frame, h x w cells of a picture's map.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from inference.engine.carrying import LabelMap
from inference.engine.clustering import dbscan
from inference.engine.pairs import counted
from inference.engine.reading import Drive, Glimpse
from inference.engine.reconstruction import STATIC, Reconstruction
from inference.engine.video_masklets import Video

Int32Array = npt.NDArray[np.int32]
Node = tuple[str, int]  # a camera and its masklet, or "" and a strand

_MOSTLY = 0.6  # of a masklet's votes for one strand, or of a strand's for one masklet
_LEAST_VOTES = 4
_APART_M, _LEAST_VOXELS = 1.5, 2  # of DBSCAN over the voxels of a thing in pieces
_NEAR_GAP = 1.0  # in units of a point's reach: how far it speaks for pixels


@dataclass
class Track:
    """One thing.  strands, masklets: (camera, number) that became it.  box: the recording's cuboid that it
    is, by the name of its track.
    """

    number: int
    strands: list[int] = field(default_factory=list)
    masklets: list[tuple[str, int]] = field(default_factory=list)
    label_class: str | None = None
    box: str | None = None


@dataclass(frozen=True)
class Labels:
    """points: by frame position, [N] track of each point, 0 for none.  maps: by camera and frame position,
    [h, w] track of each cell; of a type as small as their number lets it be, as most of what a long drive
    holds in memory are these.
    """

    tracks: Mapping[int, Track]
    points: Sequence[Int32Array]
    maps: Mapping[str, Mapping[int, LabelMap]]


def fuse(
    drive: Drive, space: Reconstruction, videos: Sequence[Video],
    told: Callable[[str, int, int], None],
) -> Labels:  # fmt: skip
    votes = _votes(drive, space, videos, told)
    tracks, of_strand, of_masklet = _joined(space, videos, votes)
    points = [
        np.where(own > 0, of_strand[np.maximum(own, 0)], 0).astype(np.int32)
        for own in space.strand_of
    ]
    maps: dict[str, dict[int, LabelMap]] = {}
    small = np.uint16 if len(tracks) < 1 << 16 else np.int32
    for video in videos:
        maps[video.camera] = {}
        for position, own in video.maps.items():
            glimpse = drive.frames[position].glimpses[video.camera]
            carried = of_masklet[video.camera][own]
            whole = _with_points(carried, glimpse, points[position])
            maps[video.camera][position] = np.asarray(whole, small)
    return Labels(tracks, points, maps)


@dataclass(frozen=True)
class _Votes:
    """both: (camera, masklet, strand) -> points of the strand that the masklet shows.  of_masklet: (camera,
    masklet) -> all its points.  of_strand: (camera, strand) -> those that the camera sees.
    """

    both: Mapping[tuple[str, int, int], int]
    of_masklet: Mapping[tuple[str, int], int]
    of_strand: Mapping[tuple[str, int], int]


def _votes(
    drive: Drive, space: Reconstruction, videos: Sequence[Video],
    told: Callable[[str, int, int], None],
) -> _Votes:  # fmt: skip
    both: dict[tuple[str, int, int], int] = defaultdict(int)
    of_masklet: dict[tuple[str, int], int] = defaultdict(int)
    of_strand: dict[tuple[str, int], int] = defaultdict(int)
    for position, frame in enumerate(drive.frames):
        for video in videos:
            if position not in video.maps:
                continue
            masklet, strand = _seen_together(
                video.maps[position], frame.glimpses[video.camera], space.strand_of[position]
            )
            for m, s, n in counted(masklet, strand):
                if s >= 0:
                    of_strand[video.camera, s] += n
                if m:
                    of_masklet[video.camera, m] += n
                if m and s >= 0:
                    both[video.camera, m, s] += n
        told("fusing", position + 1, len(drive.frames))
    return _Votes(both, of_masklet, of_strand)


def _seen_together(
    map_: LabelMap, glimpse: Glimpse, strand_of: Int32Array
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of the points that a camera sees: the masklet that shows them, 0 near its outline; their strand."""
    masklet = glimpse.sampled(_inner(map_))
    return masklet.astype(np.int64), strand_of[glimpse.point].astype(np.int64)


def _inner(map_: LabelMap) -> LabelMap:
    """Without the outermost cells of every masklet."""
    kernel = np.ones((3, 3), np.uint8)
    same = cv2.dilate(map_, kernel) == cv2.erode(map_, kernel)
    return np.where(same, map_, 0).astype(np.uint16)


def _joined(
    space: Reconstruction, videos: Sequence[Video], votes: _Votes
) -> tuple[dict[int, Track], Int32Array, dict[str, Int32Array]]:
    """The tracks, and which one each strand and each camera's masklets belong to."""
    parent: dict[Node, Node] = {}

    def root(node: Node) -> Node:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    box = {("", s.number): s.box.name for s in space.strands.values() if s.box}

    def unite(one: Node, other: Node) -> None:
        """What lies in two cuboids is two things, whatever a mask says."""
        one, other = root(one), root(other)
        if one == other or (one in box and other in box):
            return
        parent[one] = other
        if one in box:
            box[other] = box[one]

    for (camera, masklet, strand), n in votes.both.items():
        if n < _LEAST_VOTES:
            continue
        # What the masklet shows is this strand, mostly.
        if n >= _MOSTLY * votes.of_masklet[camera, masklet]:
            unite((camera, masklet), ("", strand))
    # A strand that lies in a masklet whose own strand is another one: a thing in pieces.
    for (camera, masklet, strand), n in votes.both.items():
        if n >= max(_LEAST_VOTES, 0.8 * votes.of_strand[camera, strand]):
            unite(("", strand), (camera, masklet))
    groups: dict[Node, list[Node]] = defaultdict(list)
    nodes = [("", number) for number in space.strands]
    nodes += [(video.camera, number) for video in videos for number in video.masklets]
    for node in nodes:
        groups[root(node)].append(node)
    tracks: dict[int, Track] = {}
    of_strand = np.zeros(max(space.strands, default=0) + 1, np.int32)
    of_masklet = {
        video.camera: np.zeros(max(video.masklets, default=0) + 1, np.int32) for video in videos
    }
    by_camera = {video.camera: video for video in videos}
    voxels = _voxels(space)
    for members in [
        part for group in groups.values() for part in _in_one_place(group, space, voxels)
    ]:
        track = Track(len(tracks) + 1)
        tracks[track.number] = track
        classes: dict[str, float] = defaultdict(float)
        for camera, number in members:
            if not camera:
                track.strands.append(number)
                of_strand[number] = track.number
                its = space.strands[number].box
                if its is not None:
                    track.box = its.name
                    classes[its.label_class] = np.inf
                continue
            track.masklets.append((camera, number))
            of_masklet[camera][number] = track.number
            own = by_camera[camera].masklets[number]
            if own.label_class:
                classes[own.label_class] += sum(own.scores.values())
        track.label_class = max(classes, key=lambda name: classes[name]) if classes else None
    return tracks, of_strand, of_masklet


def _voxels(space: Reconstruction) -> dict[int, Int32Array]:
    """Where each strand that stands has points: voxels, each once."""
    base = len(space) + 1
    keys = [
        np.unique(strand[own].astype(np.int64) * base + voxel[own])
        for strand, voxel in zip(space.strand_of, space.voxel_of, strict=True)
        for own in [(strand > 0) & (voxel >= 0)]
    ]
    known = np.unique(np.concatenate(keys)) if keys else np.zeros(0, np.int64)
    known = known[space.body[known % base] == STATIC]
    numbers, starts = np.unique(known // base, return_index=True)
    parts = np.split((known % base).astype(np.int32), starts[1:])
    return dict(zip(numbers.tolist(), parts, strict=False))


def _in_one_place(
    group: list[Node], space: Reconstruction, voxels: Mapping[int, Int32Array]
) -> list[list[Node]]:
    """A thing's strands, and beside them those that stand too far from the rest to be of it: what a
    mask that spills over, or that shows the wall behind, has brought together.
    """
    standing = [number for camera, number in group if not camera and number in voxels]
    if len(standing) < 2:
        return [group]
    sizes = [len(voxels[number]) for number in standing]
    centres = space.centre[np.concatenate([voxels[number] for number in standing])]
    cluster = dbscan(centres.astype(np.float64), _APART_M, _LEAST_VOXELS)
    if cluster.max() < 1:
        return [group]
    main = np.bincount(cluster[cluster >= 0]).argmax()
    apart = {
        number: not (own == main).any()
        for number, own in zip(standing, np.split(cluster, np.cumsum(sizes)[:-1]), strict=True)
    }
    # What was elsewhere at another time may have driven there.
    when = {p for number in standing if not apart[number] for p in space.strands[number].members}
    far = {
        ("", number)
        for number in standing
        if apart[number] and not when.isdisjoint(space.strands[number].members)
    }
    return [[node for node in group if node not in far], *([node] for node in sorted(far))]


def _with_points(carried: Int32Array, glimpse: Glimpse, points: Int32Array) -> Int32Array:
    """A picture's map where points say what cells without a masklet show."""
    if not len(glimpse.point):
        return carried
    height, width = carried.shape
    rows, columns = glimpse.owner.shape
    v = np.minimum(((np.arange(height) + 0.5) * rows / height).astype(int), rows - 1)
    u = np.minimum(((np.arange(width) + 0.5) * columns / width).astype(int), columns - 1)
    owner = glimpse.owner[v[:, None], u[None]]
    near = glimpse.gap[v[:, None], u[None]] <= _NEAR_GAP
    said = np.where(owner >= 0, points[glimpse.point[np.maximum(owner, 0)]], 0)
    fill = near & (carried == 0) & (said > 0)
    return np.where(fill, said, carried).astype(np.int32)
