"""The frame round every change of labels: one transaction, the next revision, one event.

`changing(...)` locks the scene's document, refuses when it is frozen, finds an operation that was
applied before, and on leaving refuses what touched frozen frames, stores the edit and publishes what
changed. All writes to labels in this room happen inside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from backend import events, statements
from backend.accounts.models import User
from backend.annotations import queries
from backend.annotations.errors import Frozen, InvalidEdit
from backend.annotations.models import Cuboid, Document, Edit, Mask, Track
from backend.jobs import lease
from backend.jobs.models import Job
from backend.projects.models import LabelClass
from backend.protocol import records

REVISION_OF_OPERATION = """
    SELECT revision FROM annotations_edit WHERE document_id = %s AND operation_id = %s
"""
ADVANCE = """
    WITH touched AS (
        UPDATE annotations_track SET changed_revision = %(revision)s WHERE id = ANY(%(touched)s)
    )
    UPDATE annotations_document SET revision = %(revision)s, next_track = %(next_track)s
    WHERE scene_id = %(scene)s
"""
CLOSE_MASKS = """
    UPDATE annotations_mask SET until_revision = %s
    WHERE track_id = %s AND until_revision IS NULL
        AND (reading_id = ANY(%s) OR reading_id = ANY(%s) AND source <> 'person')
"""


class AlreadyApplied(Exception):
    """The operation was applied before, at `revision`. Not an error: the sender asked twice."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"applied at revision {revision}")
        self.revision = revision


@dataclass(frozen=True)
class NewMask:
    """A mask to be stored. Empty runs mean: the track is not in that reading."""

    reading_id: int
    runs: bytes
    area: int
    source: str
    confidence: float | None = None


@dataclass
class Revision:
    """A change in the making. `change` is what the history keeps of it."""

    document: Document
    number: int
    change: dict[str, Any] = field(default_factory=dict)
    undoes: UUID | None = None
    touched: set[int] = field(default_factory=set)  # tracks whose masks or cuboids change

    def track(self, number: int) -> Track:
        found = statements.select(
            Track,
            "document_id = %s AND number = %s AND deleted_revision IS NULL",
            [self.document.pk, number],
        )
        if not found:
            raise InvalidEdit(f"track {number} does not exist (any more)")
        return found[0]

    def create_track(
        self, label_class: LabelClass, *, source: str, name: str = "", source_key: str = ""
    ) -> Track:
        """A new track; of stuff there is one per class, so an existing one is given back."""
        if label_class.is_stuff:
            existing = self.document.tracks.filter(
                label_class=label_class, is_stuff=True, deleted_revision=None
            ).first()
            if existing:
                return existing
        number = self.document.next_track
        self.document.next_track += 1
        track = Track(
            document=self.document,
            number=number,
            label_class=label_class,
            name=name,
            is_stuff=label_class.is_stuff,
            # Stuff lies under things; among things the newest is on top.
            draw_order=number - 1_000_000 if label_class.is_stuff else number,
            source=source,
            source_key=source_key,
            from_revision=self.number,
            changed_revision=self.number,
        )
        statements.insert([track])
        return track

    def touch(self, track: Track) -> None:
        self.touched.add(track.pk)

    def put_masks(
        self, track: Track, masks: Iterable[NewMask], *, doubted: Iterable[int] = ()
    ) -> None:
        """Replace the track's masks in these readings.

        doubted: readings in which only what a person has drawn or clicked stays.
        """
        masks = list(masks)
        readings = [mask.reading_id for mask in masks]
        statements.change(CLOSE_MASKS, [self.number, track.pk, readings, list(doubted)])
        statements.insert(
            [
                Mask(
                    track=track,
                    reading_id=mask.reading_id,
                    runs=mask.runs,
                    area=mask.area,
                    source=mask.source,
                    confidence=mask.confidence,
                    from_revision=self.number,
                )
                for mask in masks
                if mask.area
            ],
            keys=False,
        )
        self.touch(track)

    def refuse_frozen(self, masks: QuerySet[Mask], cuboids: QuerySet[Cuboid]) -> None:
        """Raises Frozen where one of them lies in frames that may not be edited."""
        for first, last, why in self.document.frozen_frames:
            if (
                masks.filter(reading__frame__index__range=(first, last)).exists()
                or cuboids.filter(frame__index__range=(first, last)).exists()
            ):
                raise Frozen(f"frames {first} to {last} are {why}")

    def close_masks(self, masks: Any) -> int:
        return int(masks.filter(until_revision=None).update(until_revision=self.number))

    def close_cuboids(self, cuboids: Any) -> int:
        return int(cuboids.filter(until_revision=None).update(until_revision=self.number))

    def delete_track(self, track: Track) -> None:
        self.close_masks(track.masks.all())
        self.close_cuboids(track.cuboids.all())
        track.deleted_revision = track.changed_revision = self.number
        track.save(update_fields=["deleted_revision", "changed_revision"])


@contextmanager
def changing(
    scene_id: int,
    *,
    operation_id: UUID,
    by: User | None,
    group: UUID | None = None,
    tool: str = "",
    model: str = "",
    model_version: str = "",
    ends: Job | None = None,
    announce: bool = True,
) -> Iterator[Revision]:
    """One change of a scene's labels. Raises Frozen, AlreadyApplied, or what the body raises.

    ends: the job that this change answers, done in the same transaction.
    announce=False: nobody can be in the scene yet (an import), so nobody is told.
    """
    with transaction.atomic():
        (document,) = statements.select(Document, "scene_id = %s FOR UPDATE", [scene_id])
        # Not with the lock in one statement: it would see what was there before it had waited.
        # Whoever ends a job does it once: no job ends twice.
        before = ends is None and statements.row(REVISION_OF_OPERATION, [scene_id, operation_id])
        if before:
            raise AlreadyApplied(before[0])
        if document.why_frozen:
            raise Frozen(document.why_frozen)
        revision = Revision(document, document.revision + 1)
        yield revision
        if document.frozen_frames:
            its_own = Q(from_revision=revision.number) | Q(until_revision=revision.number)
            revision.refuse_frozen(
                Mask.objects.filter(its_own, track__document=document),
                Cuboid.objects.filter(its_own, track__document=document),
            )
        document.revision = revision.number
        statements.change(
            ADVANCE,
            {
                "revision": revision.number,
                "touched": list(revision.touched),
                "next_track": document.next_track,
                "scene": scene_id,
            },
        )
        edit = Edit(
            document=document,
            revision=revision.number,
            operation_id=operation_id,
            group=group or operation_id,
            undoes=revision.undoes,
            change=revision.change,
            by=by,
            tool=tool,
            model=model,
            model_version=model_version,
        )
        statements.insert([edit], keys=False)
        if announce:
            news = queries.labels_changed(
                document,
                revision.number - 1,
                operation_id=str(group or operation_id),
                by=records.Person(id=by.pk, name=by.display_name) if by else None,
            )
            events.publish(scene_id, news)
        if ends is not None:
            lease.finish(ends)
