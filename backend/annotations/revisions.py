"""The frame round every change of labels: one transaction, the next revision, one event.

`changing(...)` locks the scene's document, refuses when it is frozen, finds an operation that was
applied before, and on leaving stores the edit and publishes what changed. All writes to labels in
this room happen inside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction

from backend import events
from backend.accounts.models import User
from backend.annotations import queries
from backend.annotations.errors import Frozen, InvalidEdit
from backend.annotations.models import Document, Edit, Mask, Track
from backend.projects.models import LabelClass
from backend.protocol import records


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

    def track(self, number: int) -> Track:
        try:
            return self.document.tracks.get(number=number, deleted_revision=None)
        except Track.DoesNotExist:
            raise InvalidEdit(f"track {number} does not exist (any more)") from None

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
        return Track.objects.create(
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

    def touch(self, track: Track) -> None:
        track.changed_revision = self.number
        track.save(update_fields=["changed_revision"])

    def put_masks(self, track: Track, masks: Iterable[NewMask]) -> None:
        """Replace the track's masks in these readings."""
        masks = list(masks)
        self.close_masks(track.masks.filter(reading__in=[mask.reading_id for mask in masks]))
        Mask.objects.bulk_create(
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
        )
        self.touch(track)

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
    announce: bool = True,
) -> Iterator[Revision]:
    """One change of a scene's labels. Raises Frozen, AlreadyApplied, or what the body raises.

    announce=False: nobody can be in the scene yet (an import), so nobody is told.
    """
    with transaction.atomic():
        document = Document.objects.select_for_update().get(pk=scene_id)
        before = Edit.objects.filter(document=document, operation_id=operation_id).first()
        if before:
            raise AlreadyApplied(before.revision)
        if document.why_frozen:
            raise Frozen(document.why_frozen)
        revision = Revision(document, document.revision + 1)
        yield revision
        document.revision = revision.number
        document.save(update_fields=["revision", "next_track"])
        Edit.objects.create(
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
        if not announce:
            return
        news = queries.labels_changed(
            document,
            revision.number - 1,
            operation_id=str(group or operation_id),
            by=records.Person(id=by.pk, name=by.display_name) if by else None,
        )
        events.publish(scene_id, news)
