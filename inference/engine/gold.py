"""How good pre-labels are against gold: precision, coverage, identities, agreement between sensors."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from inference.engine.fusion import Labels
from inference.engine.pairs import counted
from inference.engine.quality import overlaps
from inference.engine.reading import Drive

LEAST_POINTS, LEAST_SHARE = 12, 80 / (384 * 256)  # of a gold object in a reading, to count
_PQ_IOU = 0.5


@dataclass(frozen=True)
class Score:
    """Of one modality. precision: share of what is labelled that lies on its track's own gold object.

    coverage: share of gold things' pixels or points that their tracks have.  pq: panoptic quality of
    things over frames.  matched_iou: of matched tracks and objects, frame by frame.  switches: how often
    an object's track changes from a frame to the next.  objects: gold, seen well enough.
    """

    precision: float
    coverage: float
    pq: float
    matched_iou: float
    switches: int
    objects: int


def judged(
    drive: Drive, labels: Labels, gold_ids: Iterable[Mapping[str, npt.NDArray[np.int32]]],
    things: frozenset[int],
    trusts: Callable[[str, int, int], bool] = lambda camera, position, track: True,
) -> dict[str, Score]:  # fmt: skip
    """gold_ids: frame by frame, of each sensor.  things: the gold ids that count as things.
    trusts: whether a (camera, frame position, track) counts as labelled; points always do.

    Returns scores of "points" and "pixels". A track's own object is the one on which most of it lies, over
    the drive and both modalities, each frame of a sensor counted alike.
    """
    tables: dict[str, list[Counter[tuple[int, int]]]] = {"points": [], "pixels": []}
    shares: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for position, (frame, gold) in enumerate(zip(drive.frames, gold_ids, strict=True)):
        points = np.concatenate([gold[name] for name in frame.part_of] or [np.zeros(0, np.int32)])
        found: list[tuple[str, npt.NDArray[Any], npt.NDArray[Any]]] = [
            ("points", labels.points[position], points)
        ]
        for camera in frame.glimpses:
            if position in labels.maps.get(camera, {}):
                map_ = labels.maps[camera][position]
                doubted = [
                    t for t in np.unique(map_).tolist() if t and not trusts(camera, position, t)
                ]
                map_ = np.where(np.isin(map_, doubted), 0, map_) if doubted else map_
                found.append(("pixels", map_, _shrunk(gold[camera], map_.shape)))
        for kind, ours, theirs in found:
            table = _table(ours, theirs)
            tables[kind].append(table)
            total = max(ours.size, 1)
            for (track, number), count in table.items():
                if track:
                    shares[track][number] += count / total
    own = {track: max(some, key=lambda n: some[n]) for track, some in shares.items()}
    return {kind: _score(kind, some, own, things) for kind, some in tables.items()}


def _shrunk(ids: npt.NDArray[np.int32], shape: tuple[int, ...]) -> npt.NDArray[np.int32]:
    return np.asarray(
        cv2.resize(ids, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST), np.int32
    )


def _table(ours: npt.NDArray[Any], theirs: npt.NDArray[np.int32]) -> Counter[tuple[int, int]]:
    return Counter({(track, number): n for track, number, n in counted(ours, theirs)})


def _score(
    kind: str, tables: Sequence[Counter[tuple[int, int]]], own: Mapping[int, int],
    things: frozenset[int],
) -> Score:  # fmt: skip
    right = labelled = covered = wanted = 0
    true_positives, ious = 0, 0.0
    false_positives = misses = switches = objects = 0
    last: dict[int, int] = {}
    for table in tables:
        ours, theirs = Counter[int](), Counter[int]()
        for (track, number), count in table.items():
            ours[track] += count
            theirs[number] += count
        total = sum(ours.values())
        least = LEAST_POINTS if kind == "points" else LEAST_SHARE * total
        counted = {n for n in things if theirs[n] >= least}
        objects += len(counted)
        for (track, number), count in table.items():
            if track and own[track] in things:
                labelled += count
                right += count * (own[track] == number)
        for number in counted:
            best, best_iou, has = 0, 0.0, 0
            for track in ours:
                both = table[track, number]
                if not track or not both:
                    continue
                if own[track] == number:
                    has += both
                iou = both / (ours[track] + theirs[number] - both)
                if iou > best_iou:
                    best, best_iou = track, iou
            covered += has
            wanted += theirs[number]
            if best_iou > _PQ_IOU:
                true_positives += 1
                ious += best_iou
                switches += number in last and last[number] != best
                last[number] = best
            else:
                misses += 1
        false_positives += sum(
            1 for track in ours
            if track and own[track] in things and ours[track] >= least
            and not any(
                table[track, n] / (ours[track] + theirs[n] - table[track, n]) > _PQ_IOU
                for n in counted if table[track, n]
            )
        )  # fmt: skip
    denominator = true_positives + 0.5 * false_positives + 0.5 * misses
    return Score(
        right / max(labelled, 1), covered / max(wanted, 1), ious / max(denominator, 1),
        ious / max(true_positives, 1), switches, objects,
    )  # fmt: skip


def agreement(drive: Drive, labels: Labels) -> float:
    """Cross-modal IoU: of each track in a picture, its points there against its mask sampled at all points
    that the camera sees; the mean over tracks with points there.
    """
    values = [
        both / either
        for camera, maps in labels.maps.items()
        for position in maps
        for both, either, own in overlaps(drive, labels, camera, position).values()
        if own and either >= LEAST_POINTS
    ]
    return float(np.mean(values)) if values else 0.0
