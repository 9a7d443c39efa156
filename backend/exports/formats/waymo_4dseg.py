"""The Waymo-4DSeg layout, from labels of the platform (inference.datasets.waymo_4dseg_writer).

An object's score: what the model said of a mask that nobody judged; the track's own score; else 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backend.annotations.models import Source
from backend.exports.report import SceneReport
from backend.exports.snapshot import Snapshot, SnapshotMask
from inference.datasets.waymo_4dseg_writer import ObjectMask, Told, write_sequence
from inference.scene import Frame


def write(snapshot: Snapshot, folder: Path, report: SceneReport) -> Iterator[None]:
    """Add one sequence to the data set in `folder`, readings included; yields after each frame."""
    report.tracks = len(snapshot.tracks)

    def masks_of(frame: Frame) -> list[ObjectMask]:
        masks = snapshot.masks(frame.index)
        report.frames += 1
        report.masks += len(masks)
        return [
            ObjectMask(
                mask.track.number, mask.track.label_class.name, mask.sensor, mask.mask,
                mask.track.is_stuff, _score(mask),
            )
            for mask in masks
        ]  # fmt: skip

    told = Told()
    for _ in write_sequence(snapshot.source, report.folder, folder, masks_of, told):
        yield
    report.hidden += told.hidden
    for sentence, times in told.notes.items():
        report.note(sentence, times)


def _score(mask: SnapshotMask) -> float:
    if mask.source == Source.MODEL and mask.confidence is not None:
        return mask.confidence
    return 1.0 if mask.track.score is None else mask.track.score
