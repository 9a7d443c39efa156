"""How far two labellings of the same readings agree: pixels, points, outlines, whole tracks.

One of them is judged, the other is the reference (gold, or somebody else's); what overlaps inside a labelling
belongs to the upper track, so that every element has one owner in each. Readings are added one at a time, and
only counts are kept of them.

Measures, each of one modality ("pixels" or "points"):

    iou       of elements that either side labels, the share that both give to the same object (tracks are
              paired over the whole scene, see `Agreement.pairs`)
    miou      intersection over union of classes, the mean over classes that either side has
    pq        panoptic quality (Kirillov et al., CVPR 2019): per reading a segment finds another of its class by IoU above
              .5; sum of IoU over (found + half of what is left on both sides), the mean over classes
    lstq      sqrt(miou x association), association as in STEP (Weber et al., NeurIPS D&B 2021): of each thing of the
              reference, sum over tracks of shared elements x IoU of the tubes, by its own size; the mean
    boundary  F of outlines within .8 % of the picture's diagonal (Perazzi et al., CVPR 2016), the mean over
              pictures of paired objects; pixels only
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import hypot, sqrt

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects
from scipy.optimize import linear_sum_assignment

from inference.masks import BoolArray

RANGES_M = (0.0, 20.0, 40.0, float("inf"))  # edges of the bins, from ego
SAME_IOU = 0.5  # from which on two tracks are the same object
_SEGMENT_IOU = 0.5
_BOUNDARY_SHARE = 0.008
_MOST_PLACES = 20

Table = dict[tuple[int, int], int]  # (judged track, reference track) -> elements; 0: nobody's


@dataclass(frozen=True)
class Side:
    """What one labelling says of a reading. masks: (track > 0, flat bool [size]), bottom to top."""

    masks: Sequence[tuple[int, BoolArray]]


@dataclass(frozen=True)
class Track:
    label_class: str
    is_stuff: bool = False


@dataclass(frozen=True)
class Place:
    """Where an object of the reference is worst labelled. track: the reference's, or the judged one's
    where the reference has none there.
    """

    frame: int
    sensor: str
    track: int
    is_judged: bool
    label_class: str
    iou: float


@dataclass(frozen=True)
class Figures:
    """See the module.  by_class: name -> (mean IoU of its reference tracks, how many).
    by_range: "0-20 m" -> iou; points only.
    """

    iou: float
    miou: float
    pq: float
    lstq: float
    boundary: float | None
    by_class: Mapping[str, tuple[float, int]]
    by_range: Mapping[str, float]


@dataclass(frozen=True)
class Result:
    """found: things of the reference that a judged track matches.  missing: those that none does, and
    extra: the other way round, by track number.  other_class: pairs whose class differs.
    """

    figures: Mapping[str, Figures]
    found: int
    missing: tuple[int, ...]
    extra: tuple[int, ...]
    other_class: tuple[tuple[int, int], ...]
    worst: tuple[Place, ...]


@dataclass(frozen=True)
class _Painted:
    """places: of each element, where its owner stands in numbers, [size]; numbers[0] is nobody."""

    places: npt.NDArray[np.int32]
    numbers: list[int]


@dataclass
class _Reading:
    frame: int
    sensor: str
    table: Table


@dataclass
class _Modality:
    readings: list[_Reading] = field(default_factory=list)
    tube: Table = field(default_factory=lambda: defaultdict(int))
    ranges: dict[int, Table] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    # of overlapping tracks, F of their outlines, picture by picture
    outlines: dict[tuple[int, int], list[float]] = field(default_factory=lambda: defaultdict(list))


class Agreement:
    """Adds readings up. judged, reference: all tracks of both sides by number."""

    def __init__(self, judged: Mapping[int, Track], reference: Mapping[int, Track]) -> None:
        self._judged, self._reference = judged, reference
        self._of: dict[str, _Modality] = defaultdict(_Modality)

    def add_picture(
        self, frame: int, sensor: str, judged: Side, reference: Side, *, width: int, height: int
    ) -> None:
        """Masks are flat [height * width], row after row."""
        ours, theirs = _painted(judged, width * height), _painted(reference, width * height)
        modality = self._of["pixels"]
        table = self._add(modality, frame, sensor, ours, theirs)
        tolerance = max(1, round(_BOUNDARY_SHARE * hypot(width, height)))
        first, second = ours.places.reshape(height, width), theirs.places.reshape(height, width)
        boxes = find_objects(first), find_objects(second)
        sizes = _sizes(table)
        for (a, b), both in table.items():
            # Only what may turn out to be a pair: outlines cost more than counts.
            if a and b and 5 * both > min(sizes[0][a], sizes[1][b]):
                at_a, at_b = ours.numbers.index(a), theirs.numbers.index(b)
                window = _around(boxes[0][at_a - 1], boxes[1][at_b - 1])
                modality.outlines[a, b].append(
                    boundary_f(first[window] == at_a, second[window] == at_b, tolerance)
                )

    def add_sweep(
        self, frame: int, sensor: str, judged: Side, reference: Side,
        range_m: npt.NDArray[np.floating],
    ) -> None:  # fmt: skip
        """range_m: [size], of each point from ego."""
        ours, theirs = _painted(judged, len(range_m)), _painted(reference, len(range_m))
        modality = self._of["points"]
        self._add(modality, frame, sensor, ours, theirs)
        bins = np.digitize(range_m, RANGES_M[1:-1])
        for number in np.unique(bins).tolist():
            inside = bins == number
            for key, count in _table(ours, theirs, inside).items():
                modality.ranges[number][key] += count

    def _add(
        self, modality: _Modality, frame: int, sensor: str, ours: _Painted, theirs: _Painted
    ) -> Table:
        table = _table(ours, theirs)
        modality.readings.append(_Reading(frame, sensor, table))
        for key, count in table.items():
            modality.tube[key] += count
        return table

    def pairs(self) -> dict[int, int]:
        """Judged track -> reference track, one to one, so that the sum of IoU over the scene is largest.

        The IoU of two tracks is the mean of those in modalities in which either of them is.
        """
        ious = self._ious()
        ours = sorted({a for a, _ in ious})
        theirs = sorted({b for _, b in ious})
        if not ious:
            return {}
        gain = np.zeros((len(ours), len(theirs)))
        for (a, b), value in ious.items():
            gain[ours.index(a), theirs.index(b)] = value
        rows, columns = linear_sum_assignment(gain, maximize=True)
        return {
            ours[row]: theirs[column]
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            if gain[row, column] > 0
        }

    def _ious(self) -> dict[tuple[int, int], float]:
        """Of tracks that share something and are both things, or both stuff."""
        shared = {
            key
            for modality in self._of.values()
            for key in modality.tube
            if all(key) and self._judged[key[0]].is_stuff == self._reference[key[1]].is_stuff
        }
        values: dict[tuple[int, int], list[float]] = defaultdict(list)
        for modality in self._of.values():
            sizes = _sizes(modality.tube)
            for a, b in shared:
                either = sizes[0].get(a, 0) + sizes[1].get(b, 0) - modality.tube.get((a, b), 0)
                if either:
                    values[a, b].append(modality.tube.get((a, b), 0) / either)
        return {key: float(np.mean(some)) for key, some in values.items()}

    def result(self) -> Result:
        pairs, ious = self.pairs(), self._ious()
        same = {a: b for a, b in pairs.items() if ious[a, b] >= SAME_IOU}
        ours = {a for m in self._of.values() for a, _ in m.tube if a}
        theirs = {b for m in self._of.values() for _, b in m.tube if b}
        things = {b for b in theirs if not self._reference[b].is_stuff}
        found = things & set(same.values())
        return Result(
            {kind: self._figures(kind, pairs) for kind in sorted(self._of)},
            len(found),
            tuple(sorted(things - found)),
            tuple(sorted(a for a in ours if a not in same and not self._judged[a].is_stuff)),
            tuple(sorted(
                (a, b) for a, b in same.items()
                if self._judged[a].label_class != self._reference[b].label_class
            )),
            self._worst(pairs),
        )  # fmt: skip

    def _figures(self, kind: str, pairs: Mapping[int, int]) -> Figures:
        modality = self._of[kind]
        miou = self._miou(modality.tube)
        outlines = [f for key in pairs.items() for f in modality.outlines.get(key, ())]
        return Figures(
            _same_owner(modality.tube, pairs),
            miou,
            self._pq(modality.readings),
            sqrt(miou * self._association(modality.tube)),
            float(np.mean(outlines)) if outlines else None,
            self._by_class(modality.tube, pairs),
            {
                _range_name(number): _same_owner(table, pairs)
                for number, table in sorted(modality.ranges.items())
                if any(a or b for a, b in table)
            },
        )

    def _class_of(self, a: int, b: int) -> tuple[str, str]:
        return (
            self._judged[a].label_class if a else "",
            self._reference[b].label_class if b else "",
        )

    def _miou(self, tube: Table) -> float:
        both, either = defaultdict[str, int](int), defaultdict[str, int](int)
        for (a, b), count in tube.items():
            mine, other = self._class_of(a, b)
            for name in {mine, other} - {""}:
                either[name] += count
            if mine == other:
                both[mine] += count
        values = [both[name] / count for name, count in either.items()]
        return float(np.mean(values)) if values else 1.0

    def _pq(self, readings: Sequence[_Reading]) -> float:
        ious = defaultdict[str, float](float)
        found, left = defaultdict[str, int](int), defaultdict[str, int](int)
        for reading in readings:
            ours, theirs = _sizes(reading.table)
            for a in ours:
                left[self._judged[a].label_class] += 1
            for b in theirs:
                left[self._reference[b].label_class] += 1
            for (a, b), both in reading.table.items():
                if not a or not b:
                    continue
                iou = both / (ours[a] + theirs[b] - both)
                mine, other = self._class_of(a, b)
                if mine == other and iou > _SEGMENT_IOU:
                    found[mine] += 1
                    ious[mine] += iou
                    left[mine] -= 2
        values = [ious[name] / (found[name] + 0.5 * left[name]) for name in left]
        return float(np.mean(values)) if values else 1.0

    def _association(self, tube: Table) -> float:
        ours, theirs = _sizes(tube)
        values = {b: 0.0 for b in theirs if not self._reference[b].is_stuff}
        for (a, b), both in tube.items():
            if a and b in values:
                values[b] += both * both / (ours[a] + theirs[b] - both) / theirs[b]
        return float(np.mean(list(values.values()))) if values else 1.0

    def _by_class(self, tube: Table, pairs: Mapping[int, int]) -> dict[str, tuple[float, int]]:
        ours, theirs = _sizes(tube)
        of = {b: a for a, b in pairs.items()}
        values: dict[str, list[float]] = defaultdict(list)
        for b, size in theirs.items():
            a = of.get(b, 0)
            both = tube.get((a, b), 0) if a else 0
            union = size + ours.get(a, 0) - both
            values[self._reference[b].label_class].append(both / union)
        return {name: (float(np.mean(some)), len(some)) for name, some in sorted(values.items())}

    def _worst(self, pairs: Mapping[int, int]) -> tuple[Place, ...]:
        """In each track that is off its worst reading, the largest disagreement first."""
        of = {b: a for a, b in pairs.items()}
        worst: dict[tuple[bool, int], tuple[int, Place]] = {}

        def note(lost: int, place: Place) -> None:
            key = place.is_judged, place.track
            if lost and (key not in worst or worst[key][0] < lost):
                worst[key] = lost, place

        for modality in self._of.values():
            # A sweep has fewer elements than a picture: each is worth as much as all of them allow.
            total = sum(n for (a, b), n in modality.tube.items() if a or b)
            for reading in modality.readings:
                ours, theirs = _sizes(reading.table)
                for b, size in theirs.items():
                    a = of.get(b, 0)
                    both = reading.table.get((a, b), 0) if a else 0
                    union = size + ours.get(a, 0) - both
                    lost = round(1e6 * (union - both) / total)
                    iou = both / union
                    name = self._reference[b].label_class
                    note(lost, Place(reading.frame, reading.sensor, b, False, name, iou))
                for a, size in ours.items():
                    if a not in pairs:
                        name = self._judged[a].label_class
                        place = Place(reading.frame, reading.sensor, a, True, name, 0.0)
                        note(round(1e6 * size / total), place)
        ordered = sorted(worst.values(), key=lambda found: -found[0])
        return tuple(place for _, place in ordered[:_MOST_PLACES])


def boundary_f(first: BoolArray, second: BoolArray, tolerance: int) -> float:
    """F of two outlines [H, W]: how much of each lies within `tolerance` pixels of the other."""
    if not first.any() or not second.any():
        return 1.0 if not first.any() and not second.any() else 0.0
    rows = np.flatnonzero((first | second).any(axis=1))
    columns = np.flatnonzero((first | second).any(axis=0))
    window = (
        slice(max(rows[0] - 1, 0), rows[-1] + 2),
        slice(max(columns[0] - 1, 0), columns[-1] + 2),
    )
    one, other = _outline(first[window]), _outline(second[window])
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * tolerance + 1, 2 * tolerance + 1))
    precision = (one & (cv2.dilate(other.astype(np.uint8), disc) > 0)).sum() / one.sum()
    recall = (other & (cv2.dilate(one.astype(np.uint8), disc) > 0)).sum() / other.sum()
    return 0.0 if precision + recall == 0 else float(2 * precision * recall / (precision + recall))


def _outline(mask: BoolArray) -> BoolArray:
    """Pixels of the mask beside one that is not; the picture's edge is no outline of its own."""
    full = mask.astype(np.uint8)
    inside = cv2.erode(full, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    edge = mask & (inside == 0)
    return edge if edge.any() else mask


def _painted(side: Side, size: int) -> _Painted:
    places = np.zeros(size, np.int32)
    numbers = [0]
    for number, mask in side.masks:
        places[mask] = len(numbers)
        numbers.append(number)
    return _Painted(places, numbers)


def _around(one: tuple[slice, ...], other: tuple[slice, ...]) -> tuple[slice, ...]:
    """The window that holds both, and a pixel more, so that outlines are seen whole."""
    return tuple(
        slice(max(min(a.start, b.start) - 1, 0), max(a.stop, b.stop) + 1)
        for a, b in zip(one, other, strict=True)
    )


def _table(ours: _Painted, theirs: _Painted, inside: BoolArray | None = None) -> Table:
    """How many elements each pair of owners has; both 0 left out."""
    width = len(theirs.numbers)
    first, second = ours.places, theirs.places
    if inside is not None:
        first, second = first[inside], second[inside]
    counts = np.bincount(first * width + second)
    table: Table = {}
    for place in np.flatnonzero(counts).tolist():
        key = ours.numbers[place // width], theirs.numbers[place % width]
        if any(key):
            table[key] = int(counts[place])
    return table


def _sizes(table: Table) -> tuple[dict[int, int], dict[int, int]]:
    """Elements of each judged and of each reference track."""
    ours, theirs = defaultdict[int, int](int), defaultdict[int, int](int)
    for (a, b), count in table.items():
        if a:
            ours[a] += count
        if b:
            theirs[b] += count
    return dict(ours), dict(theirs)


def _same_owner(table: Table, pairs: Mapping[int, int]) -> float:
    total = sum(table.values())
    same = sum(count for (a, b), count in table.items() if a and pairs.get(a) == b)
    return same / total if total else 1.0


def _range_name(number: int) -> str:
    near, far = RANGES_M[number], RANGES_M[number + 1]
    return f"{near:.0f}-{far:.0f} m" if np.isfinite(far) else f"from {near:.0f} m"
