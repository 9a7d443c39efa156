"""What the data engine found, written as labels: one edit a frame, all of one group.

What a person has had a hand in stays: neither is it replaced, nor is the same thing labelled again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from uuid import UUID, uuid5

import numpy as np
from django.db.models import QuerySet

from backend.accounts.models import User
from backend.annotations.models import Edit, Mask, Source, Track
from backend.annotations.revisions import AlreadyApplied, NewMask, Revision, changing
from backend.projects.actions import label_class
from backend.projects.models import LabelClass
from backend.scenes.models import Reading, Scene
from inference import masks as run_lengths

TOOL, _KEY = "engine", "engine "
_SAME = 0.5  # IoU from which on a found mask is what somebody has labelled already
_MOSTLY = 0.5  # of a found track's masks


@dataclass(frozen=True)
class FoundMask:
    """track: the engine's own number.  confidence, 0 ... 1; runs: see inference.masks."""

    track: int
    label_class: str
    sensor: str
    runs: run_lengths.Runs
    confidence: float


@dataclass
class Writer:
    """One run of the engine over one scene.

    group: of all its edits, so that they are undone together.  skipped: the engine's numbers of things
    that are labelled already.  tracks: the engine's numbers -> ours.
    """

    scene: Scene
    group: UUID
    by: User | None
    model: str
    model_version: str
    scores: Mapping[int, float]
    skipped: frozenset[int] = frozenset()
    tracks: dict[int, Track] = field(default_factory=dict)
    masks: int = 0
    _classes: dict[str, LabelClass] = field(default_factory=dict)

    def recall(self) -> None:
        """What this very run has written before its worker died, so that it is gone on with."""
        for track in self._own():
            self.tracks[int(track.source_key.removeprefix(_KEY))] = track

    def _own(self) -> QuerySet[Track]:
        written = Edit.objects.filter(document=self.scene.pk, group=self.group)
        return Track.objects.filter(
            document=self.scene.pk, from_revision__in=written.values("revision"),
            deleted_revision=None,
        ).select_related("label_class")  # fmt: skip

    def clear(self) -> int:
        """Take away what an earlier run left and no person has touched; returns how many tracks."""
        touched = set(
            Edit.objects.filter(document=self.scene.pk).exclude(tool=TOOL)
            .values_list("change__track", flat=True)
        )  # fmt: skip
        mine = Track.objects.filter(
            document=self.scene.pk, source=Source.ENGINE, deleted_revision=None
        ).exclude(number__in=[number for number in touched if number is not None])
        mine = mine.exclude(pk__in=self._own())
        doomed = [t for t in mine if not t.masks.filter(source=Source.PERSON).exists()]
        if doomed:
            try:
                with self._changing("clear") as revision:
                    for track in doomed:
                        revision.delete_track(track)
                    revision.change = {"kind": "prelabels_cleared", "tracks": len(doomed)}
            except AlreadyApplied:
                pass
        return len(doomed)

    def write(self, frame: int, found: Iterable[FoundMask]) -> None:
        """The masks of one frame. The same frame twice is written once."""
        readings = {
            name: (pk, size)
            for name, pk, size in Reading.objects.filter(
                frame__scene=self.scene, frame__index=frame
            ).values_list("sensor__name", "pk", "size")
        }
        by_track: dict[int, list[FoundMask]] = defaultdict(list)
        for mask in found:
            if mask.track not in self.skipped and mask.sensor in readings:
                by_track[mask.track].append(mask)
        if not by_track:
            return
        self.masks += sum(map(len, by_track.values()))
        try:
            with self._changing(f"frame {frame}") as revision:
                count = sum(
                    self._put(revision, number, some, readings) for number, some in by_track.items()
                )
                revision.change = {"kind": "prelabels", "frame": frame, "masks": count}
        except AlreadyApplied:
            pass

    def _put(
        self, revision: Revision, number: int, found: Sequence[FoundMask],
        readings: Mapping[str, tuple[int, int]],
    ) -> int:  # fmt: skip
        new = [
            NewMask(
                readings[mask.sensor][0], mask.runs,
                run_lengths.check_runs(mask.runs, readings[mask.sensor][1]),
                Source.ENGINE, mask.confidence,
            )
            for mask in found
        ]  # fmt: skip
        revision.put_masks(self._track(revision, number, found[0].label_class), new)
        return len(new)

    def _track(self, revision: Revision, number: int, class_name: str) -> Track:
        if number not in self.tracks:
            if class_name not in self._classes:
                self._classes[class_name] = label_class(self.scene.project, class_name)
            track = revision.create_track(
                self._classes[class_name], source=Source.ENGINE, source_key=f"{_KEY}{number}"
            )
            track.score = self.scores.get(number)
            track.save(update_fields=["score"])
            self.tracks[number] = track
        return self.tracks[number]

    def _changing(self, what: str) -> AbstractContextManager[Revision]:
        return changing(
            self.scene.pk, operation_id=uuid5(self.group, what), by=self.by, group=self.group,
            tool=TOOL, model=self.model, model_version=self.model_version,
        )  # fmt: skip


class Known:
    """What is labelled already, to compare with what the engine found."""

    def __init__(self, writer: Writer) -> None:
        """writer: what it has written itself does not count."""
        self._scene, self._own = writer.scene, {track.pk for track in writer.tracks.values()}
        self._same: dict[int, int] = defaultdict(int)
        self._seen: dict[int, int] = defaultdict(int)

    def compare(self, frame: int, found: Iterable[FoundMask]) -> None:
        """One frame's masks, one after the other in all frames; after `Writer.clear`."""
        known: dict[str, list[np.ndarray]] = defaultdict(list)
        rows = Mask.objects.filter(
            reading__frame__scene=self._scene, reading__frame__index=frame, until_revision=None,
            track__deleted_revision=None, track__is_stuff=False,
        ).exclude(track__in=self._own).values_list("reading__sensor__name", "reading__size", "runs")  # fmt: skip
        for sensor, size, runs in rows:
            known[sensor].append(run_lengths.decode_runs(bytes(runs), size))
        for mask in found:
            self._seen[mask.track] += 1
            for theirs in known.get(mask.sensor, ()):
                ours = run_lengths.decode_runs(mask.runs, len(theirs))
                if run_lengths.intersection_over_union(ours, theirs) >= _SAME:
                    self._same[mask.track] += 1
                    break

    def labelled_already(self) -> frozenset[int]:
        return frozenset(
            track for track, same in self._same.items() if same >= _MOSTLY * self._seen[track]
        )
