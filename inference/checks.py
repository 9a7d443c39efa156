"""What rules can tell about labels without knowing what is right.

Frames come one at a time, in order; what is odd over the whole scene is told at the end. Only things are looked
at: of stuff there is one track, however large and wherever it lies.

Rules, and from when on they speak up:

    size          its points are further apart than an object of its class can be long
    floating      some of its points lie apart from the others by more than a gap that the beams leave
    sensors       of its points that a camera sees less than half lie in its mask there, give or take what
                  calibration and motion are off; what lies in the mask of a nearer object is hidden by it
    speck         nowhere does it have enough points or pixels to be anything
    gap           it is missing in some frames between two in which it is well to be seen
    jump          from a frame to the next it moves faster than traffic does
    double        two tracks are the same object most of the time
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage

from inference.geometry import Intrinsics, project_to_image, transform
from inference.masks import BoolArray

FloatArray = npt.NDArray[np.float64]

RULES = ("size", "floating", "sensors", "speck", "gap", "jump", "double")
_LEAST_POINTS, _LEAST_PIXELS = 5, 50  # of a track where it is largest, to be more than a speck
_GAP_M, _GAP_SHARE = 1.5, 0.04  # between parts of an object; more of its distance, as beams part
_LARGE_PART = 0.75  # of the points; what is split more evenly may be two objects
_SEEN_POINTS = 12  # that a camera must see of a track to compare the two
_AGREEING = 0.5
_BEHIND_M = 1.0  # from which on what is nearer hides what is farther
_NOISE_SHARE, _NOISE_PX = 0.006, 3  # of the picture's width: what calibration and motion are off
_LONGEST_GAP = 10  # frames
_WELL_POINTS, _WELL_PIXELS = 30, 800  # what is less may well be hidden for a moment
_FASTEST_M_S = 60.0
_LEAST_JUMP_M = 4.0  # a centroid moves by itself when another side of the object is seen
_SAME_IOU, _MOSTLY = 0.7, 0.6
_MOST_CLUSTERED = 1500  # points; of more every so many


@dataclass(frozen=True)
class Thing:
    """A track. longest_m: how long an object of its class can be; None: not known."""

    name: str
    label_class: str
    longest_m: float | None = None


@dataclass(frozen=True)
class SweepLabels:
    """One LiDAR's points [N, 3] in ego, metres, and the masks [N] of its tracks."""

    sensor: int
    points_ego: npt.NDArray[np.floating]
    masks: Mapping[int, BoolArray]


@dataclass(frozen=True)
class PictureLabels:
    """One camera: masks [H, W] of its tracks, and where the camera is and how it sees."""

    sensor: int
    intrinsics: Intrinsics
    camera_from_ego: FloatArray  # at its own time, from the ego of the frame
    masks: Mapping[int, BoolArray]


@dataclass(frozen=True)
class FrameLabels:
    index: int
    seconds: float
    world_from_ego: FloatArray
    sweeps: Sequence[SweepLabels]
    pictures: Sequence[PictureLabels]


@dataclass(frozen=True)
class Finding:
    """position: (u, v) pixels in a camera, (x, y, z) metres in ego in a LiDAR.

    frames: how many frames it is so in.  keep: of "floating", the points [N] of the sensor to keep.  other: of "double", the
    track that is the same.
    """

    rule: str
    track: int
    frame: int
    text: str
    sensor: int | None = None
    position: tuple[float, ...] | None = None
    frames: int = 1
    keep: BoolArray | None = None
    other: int | None = None


@dataclass
class _Seen:
    """What is kept of a track."""

    frames: list[int] = field(default_factory=list)
    well: set[int] = field(default_factory=set)  # frames in which it is well to be seen
    most_points: int = 0
    most_pixels: int = 0
    last: tuple[int, float, FloatArray] | None = None  # frame, seconds, centre in world


class Checks:
    """Frames in, findings out."""

    def __init__(self, things: Mapping[int, Thing]) -> None:
        self.things = things
        self._seen: dict[int, _Seen] = defaultdict(_Seen)
        # The worst of each rule and track, with how bad it is and how often.
        self._worst: dict[tuple[str, int], tuple[float, Finding]] = {}
        self._times: Counter[tuple[str, int]] = Counter()
        self._same: Counter[tuple[int, int]] = Counter()
        self._both: Counter[tuple[int, int]] = Counter()
        self._same_at: dict[tuple[int, int], int] = {}
        self._indices: list[int] = []

    def add(self, frame: FrameLabels) -> None:
        self._indices.append(frame.index)
        there: set[int] = set()
        points: dict[int, list[npt.NDArray[np.floating]]] = defaultdict(list)
        for sweep in frame.sweeps:
            masks = self._of_things(sweep.masks)
            for number, mask in masks.items():
                own = sweep.points_ego[mask]
                there.add(number)
                points[number].append(own)
                self._seen[number].most_points = max(self._seen[number].most_points, len(own))
                self._floating(frame.index, sweep, number, mask)
            self._doubles(frame.index, masks)
        whole = {number: _joined(parts) for number, parts in points.items()}
        for number, own in whole.items():
            if len(own) >= _WELL_POINTS:
                self._seen[number].well.add(frame.index)
            self._size(frame.index, frame.sweeps[0].sensor, number, own)
            self._jump(frame, number, own)
        away_m = {
            number: float(np.median(np.linalg.norm(own, axis=1))) for number, own in whole.items()
        }
        for picture in frame.pictures:
            nearest_m = _nearest(picture, away_m)
            masks = self._of_things(picture.masks)
            for number, mask in masks.items():
                there.add(number)
                seen = self._seen[number]
                pixels = int(np.count_nonzero(mask))
                seen.most_pixels = max(seen.most_pixels, pixels)
                if pixels >= _WELL_PIXELS:
                    seen.well.add(frame.index)
                if number in whole:
                    hides = nearest_m < away_m[number] - _BEHIND_M
                    self._sensors(frame.index, picture, number, mask & ~hides, whole[number], hides)
            self._doubles(frame.index, masks)
        for number in there:
            self._seen[number].frames.append(frame.index)

    def _of_things(self, masks: Mapping[int, BoolArray]) -> dict[int, BoolArray]:
        return {
            number: mask for number, mask in masks.items() if number in self.things and mask.any()
        }

    def findings(self) -> list[Finding]:
        """The worst of each rule and track, by frame."""
        for number in self._seen:
            self._speck(number)
            self._gap(number)
        for pair, same in self._same.items():
            if same >= _MOSTLY * self._both[pair]:
                self._double(*pair, same)
        found = [
            Finding(**{**vars(finding), "frames": self._times[key]})
            for key, (_, finding) in self._worst.items()
        ]
        return sorted(found, key=lambda each: (each.frame, each.track, each.rule))

    def _note(self, how_bad: float, finding: Finding) -> None:
        key = finding.rule, finding.track
        self._times[key] += 1
        if key not in self._worst or self._worst[key][0] < how_bad:
            self._worst[key] = how_bad, finding

    # --- rules of one frame --------------------------------------------------------------------

    def _size(self, frame: int, sensor: int, number: int, own: FloatArray) -> None:
        thing = self.things[number]
        if thing.longest_m is None or len(own) < _LEAST_POINTS:
            return
        length = _extent_m(own)
        if length > thing.longest_m:
            text = (
                f"{length:.1f} m from end to end: a {thing.label_class} is at most "
                f"{thing.longest_m:g} m long"
            )
            where = tuple(float(x) for x in own.mean(axis=0))
            self._note(length, Finding("size", number, frame, text, sensor, where))

    def _floating(self, frame: int, sweep: SweepLabels, number: int, mask: BoolArray) -> None:
        where = np.flatnonzero(mask)
        own = sweep.points_ego[where].astype(np.float64)
        if len(own) < _LEAST_POINTS:
            return
        gap_m = _GAP_M + _GAP_SHARE * float(np.linalg.norm(own.mean(axis=0)[:2]))
        some = own[:: len(own) // _MOST_CLUSTERED + 1]
        part_of_some = fcluster(linkage(some, "single"), gap_m, "distance")
        sizes = np.bincount(part_of_some)
        main = int(sizes.argmax())
        if sizes[main] == len(some) or sizes[main] < _LARGE_PART * len(some):
            return
        rest = some[part_of_some == main]
        away_m = np.array([np.linalg.norm(rest - point, axis=1).min() for point in own])
        near = away_m <= gap_m
        keep = np.zeros_like(mask)
        keep[where[near]] = True
        apart = own[~near]
        if not len(apart):
            return
        away = float(away_m[~near].min())
        text = f"{len(apart)} of its {len(own)} points lie {away:.1f} m and more from the others"
        self._note(
            away,
            Finding("floating", number, frame, text, sweep.sensor,
                    tuple(float(x) for x in apart.mean(axis=0)), keep=keep),
        )  # fmt: skip

    def _sensors(
        self, frame: int, picture: PictureLabels, number: int, mask: BoolArray, own: FloatArray,
        hides: BoolArray,
    ) -> None:  # fmt: skip
        pixels, _, in_view = project_to_image(own, picture.camera_from_ego, picture.intrinsics)
        seen = pixels[in_view]
        column, row = seen.astype(np.int64).T
        seen = seen[~hides[row, column]]
        if len(seen) < max(_SEEN_POINTS, len(own) // 2):
            return
        reach = _NOISE_PX + round(_NOISE_SHARE * picture.intrinsics.width_px)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        wide = cv2.dilate(mask.astype(np.uint8), disc) > 0
        column, row = seen.astype(np.int64).T
        inside = float(wide[row, column].mean())
        if inside < _AGREEING:
            text = (
                f"{round(100 * (1 - inside))} % of its points that this camera sees lie outside "
                "its mask here"
            )
            u, v = (float(x) for x in np.median(seen, axis=0))
            found = Finding("sensors", number, frame, text, picture.sensor, (u, v))
            self._note(1 - inside, found)

    def _jump(self, frame: FrameLabels, number: int, own: FloatArray) -> None:
        centre = transform(frame.world_from_ego, own.mean(axis=0)[None])[0]
        seen = self._seen[number]
        before, seen.last = seen.last, (frame.index, frame.seconds, centre)
        if before is None or before[0] != frame.index - 1:
            return
        moved = float(np.linalg.norm((centre - before[2])[:2]))
        seconds = frame.seconds - before[1]
        if moved > max(_LEAST_JUMP_M, _FASTEST_M_S * seconds) and seconds > 0:
            text = f"moves by {moved:.1f} m from frame {before[0]} to frame {frame.index}"
            where = tuple(float(x) for x in own.mean(axis=0))
            sensor = frame.sweeps[0].sensor
            self._note(moved, Finding("jump", number, frame.index, text, sensor, where))

    def _doubles(self, frame: int, masks: Mapping[int, BoolArray]) -> None:
        areas = {number: int(np.count_nonzero(mask)) for number, mask in masks.items()}
        boxes = {number: _span(mask) for number, mask in masks.items()}
        numbers = sorted(masks)
        for place, one in enumerate(numbers):
            for other in numbers[place + 1 :]:
                if not _meet(boxes[one], boxes[other]):
                    continue
                both = int(np.count_nonzero(masks[one] & masks[other]))
                if both:
                    pair = one, other
                    self._both[pair] += 1
                    if both >= _SAME_IOU * (areas[one] + areas[other] - both):
                        self._same[pair] += 1
                        self._same_at.setdefault(pair, frame)

    # --- rules of the whole scene --------------------------------------------------------------

    def _speck(self, number: int) -> None:
        seen = self._seen[number]
        if seen.most_points < _LEAST_POINTS and seen.most_pixels < _LEAST_PIXELS:
            text = f"never has more than {seen.most_points} points and {seen.most_pixels} pixels"
            self._note(1.0, Finding("speck", number, seen.frames[0], text))
            self._times["speck", number] = len(seen.frames)

    def _gap(self, number: int) -> None:
        at = {index: place for place, index in enumerate(self._indices)}
        seen = self._seen[number]
        for before, after in pairwise(seen.frames):
            missing = at[after] - at[before] - 1
            if 0 < missing <= _LONGEST_GAP and {before, after} <= seen.well:
                first = self._indices[at[before] + 1]
                text = (
                    f"is missing in frame {first}" if missing == 1
                    else f"is missing in frames {first} to {self._indices[at[after] - 1]}"
                )  # fmt: skip
                # Where it is still there, so that somebody can follow it from there.
                found = Finding("gap", number, before, f"{text}, and there again")
                self._note(float(missing), found)

    def _double(self, one: int, other: int, same: int) -> None:
        shorter, longer = sorted((one, other), key=lambda k: (len(self._seen[k].frames), -k))
        text = f"is the same as {self.things[longer].name}"
        frame = self._same_at[one, other]
        self._note(float(same), Finding("double", shorter, frame, text, other=longer))
        self._times["double", shorter] = same


def _nearest(picture: PictureLabels, away_m: Mapping[int, float]) -> FloatArray:
    """[H, W] how far away the nearest object is whose mask lies there; inf: none whose points are known."""
    nearest = np.full((picture.intrinsics.height_px, picture.intrinsics.width_px), np.inf)
    for number, mask in picture.masks.items():
        if number in away_m:
            nearest[mask] = np.minimum(nearest[mask], away_m[number])
    return nearest


def _joined(parts: Sequence[npt.NDArray[np.floating]]) -> FloatArray:
    joined: FloatArray = np.concatenate(parts).astype(np.float64)
    return joined


def _extent_m(points: FloatArray) -> float:
    """The longest horizontal side of the points' box along their own main axis."""
    flat = points[:, :2] - points[:, :2].mean(axis=0)
    _, _, axes = np.linalg.svd(flat, full_matrices=False)
    along = flat @ axes.T
    return float(np.ptp(along, axis=0).max())


def _span(mask: BoolArray) -> tuple[Any, ...]:
    """First and last place along each axis."""
    return tuple(
        (int(places[0]), int(places[-1]))
        for places in (
            np.flatnonzero(mask.any(axis=tuple(k for k in range(mask.ndim) if k != axis)))
            for axis in range(mask.ndim)
        )
    )


def _meet(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return all(a[0] <= b[1] and b[0] <= a[1] for a, b in zip(one, other, strict=True))
