"""What the data engine found, written as labels: one edit a frame, all of one group.

What a person has had a hand in stays: neither is it replaced, nor is the same thing labelled again. What lies in
a cuboid is of the cuboid's track, which gets the masks that it lacks.
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
from backend.annotations.models import Cuboid, Edit, Mask, Source, Track
from backend.annotations.revisions import AlreadyApplied, NewMask, Revision, changing
from backend.projects.actions import label_class
from backend.projects.models import LabelClass
from backend.scenes.models import Reading, Scene
from inference import masks as run_lengths
from inference.scene import CuboidLabel

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


def cuboids_of(scene: Scene) -> dict[int, list[CuboidLabel]]:
    """By frame index, the boxes as they stand now; `track` is the track's number."""
    rows = Cuboid.objects.filter(
        track__document=scene.pk, until_revision=None, track__deleted_revision=None
    ).values_list(
        "frame__index", "track__number", "track__label_class__name", "centre_ego", "size", "heading"
    )
    found: dict[int, list[CuboidLabel]] = defaultdict(list)
    for frame, number, name, (x, y, z), (length, width, height), heading in rows:
        found[frame].append(
            CuboidLabel(str(number), name, (x, y, z), (length, width, height), heading)
        )
    return found


@dataclass
class Writer:
    """One run of the engine over one scene.

    group: of all its edits, so that they are undone together.  skipped: the engine's numbers of things
    that are labelled already.  boxed: the engine's numbers -> our track, of what lies in its cuboids.
    tracks: the engine's numbers -> ours, of those that it has made.
    """

    scene: Scene
    group: UUID
    by: User | None
    model: str
    model_version: str
    scores: Mapping[int, float]
    boxed: Mapping[int, int] = field(default_factory=dict)
    skipped: frozenset[int] = frozenset()
    tracks: dict[int, Track] = field(default_factory=dict)
    masks: int = 0
    _classes: dict[str, LabelClass] = field(default_factory=dict)

    def recall(self) -> None:
        """What this very run has written before its worker died, so that it is gone on with."""
        for track in self._own():
            self.tracks[int(track.source_key.removeprefix(_KEY))] = track

    def _own(self) -> QuerySet[Track]:
        return Track.objects.filter(
            document=self.scene.pk, from_revision__in=self._revisions(),
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
        lent = self._lent(touched)
        if doomed or lent:
            try:
                with self._changing("clear") as revision:
                    for track in doomed:
                        revision.delete_track(track)
                    for number, readings in lent.items():
                        gone = [NewMask(reading, b"", 0, Source.ENGINE) for reading in readings]
                        revision.put_masks(revision.track(number), gone)
                    revision.change = {"kind": "prelabels_cleared", "tracks": len(doomed)}
            except AlreadyApplied:
                pass
        return len(doomed)

    def _lent(self, touched: set[int | None]) -> dict[int, list[int]]:
        """Readings in which an earlier run gave masks to tracks that are not its own, by number."""
        rows = Mask.objects.filter(
            track__document=self.scene.pk, track__deleted_revision=None, source=Source.ENGINE,
            until_revision=None, area__gt=0,
        ).exclude(track__source=Source.ENGINE).exclude(
            from_revision__in=self._revisions()
        ).values_list("track__number", "reading_id")  # fmt: skip
        lent: dict[int, list[int]] = defaultdict(list)
        for number, reading in rows:
            if number not in touched:
                lent[number].append(reading)
        return lent

    def _revisions(self) -> QuerySet[Edit, int]:
        """Those of this very run."""
        written = Edit.objects.filter(document=self.scene.pk, group=self.group)
        return written.values_list("revision", flat=True)

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
        self._leave_what_boxes_have(frame, by_track)
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

    def _leave_what_boxes_have(self, frame: int, found: dict[int, list[FoundMask]]) -> None:
        """A cuboid's track keeps the masks that it has, and may be gone by now."""
        numbers = {self.boxed[number]: number for number in found if number in self.boxed}
        if not numbers:
            return
        tracks = Track.objects.filter(document=self.scene.pk, deleted_revision=None)
        there = set(tracks.filter(number__in=numbers).values_list("number", flat=True))
        has = set(
            Mask.objects.filter(
                track__document=self.scene.pk, track__number__in=numbers, until_revision=None,
                reading__frame__index=frame, area__gt=0,
            ).exclude(from_revision__in=self._revisions())
            .values_list("track__number", "reading__sensor__name")
        )  # fmt: skip
        for ours, number in numbers.items():
            left = [m for m in found[number] if ours in there and (ours, m.sensor) not in has]
            if left:
                found[number] = left
            else:
                del found[number]

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
        if number in self.boxed:
            revision.put_masks(revision.track(self.boxed[number]), new)
        else:
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
        self._boxed = writer.boxed
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
            if mask.track in self._boxed:
                continue
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
