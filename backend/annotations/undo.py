"""Taking back a group of edits: what it made goes, what was there before holds again.

A group can be undone as long as nobody has changed the same mask, cuboid or track field since.
Later edits that were themselves undone do not count, and neither do the undos: together they have
changed nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from backend.annotations.errors import InvalidEdit
from backend.annotations.models import Cuboid, Document, Edit, Mask, Track
from backend.annotations.revisions import Revision


def take_back(revision: Revision, group: UUID) -> None:
    """Undo every edit of `group`. Raises InvalidEdit when somebody has changed the same since."""
    document = revision.document
    edits = list(document.edits.filter(group=group).order_by("-revision"))
    numbers = {edit.revision for edit in edits}
    since = _changes_that_count(document, after=min(numbers)) - numbers
    _restore_rows(revision, Mask, "reading_id", numbers, since)
    _restore_rows(revision, Cuboid, "frame_id", numbers, since)
    for edit in edits:
        _restore_tracks(revision, edit, since)


def undone_groups(document: Document) -> set[UUID]:
    undos = document.edits.filter(undoes__isnull=False)
    return {group for group in undos.values_list("undoes", flat=True) if group}


def _changes_that_count(document: Document, *, after: int) -> set[int]:
    later = document.edits.filter(revision__gt=after, undoes=None)
    undone = undone_groups(document)
    return {
        number for number, group in later.values_list("revision", "group") if group not in undone
    }


@dataclass
class _Place:
    """The rows of one track in one reading or frame, and when the group touched them."""

    rows: list[Any]
    first: int
    last: int

    def before(self) -> Any | None:
        """The row that held just before the group came."""
        at = self.first - 1
        for row in self.rows:
            if row.from_revision <= at and (row.until_revision is None or row.until_revision > at):
                return row
        return None

    def changes_after(self) -> set[int]:
        ends = {row.until_revision for row in self.rows if row.until_revision is not None}
        return {
            number
            for number in ends | {row.from_revision for row in self.rows}
            if number > self.last
        }


def _places(document: Document, model: Any, key: str, numbers: set[int]) -> list[_Place]:
    mine = model.objects.filter(track__document=document)
    touched = mine.filter(from_revision__in=numbers) | mine.filter(until_revision__in=numbers)
    tracks = set(touched.values_list("track_id", flat=True))
    places = set(touched.values_list(key, flat=True))
    rows: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for row in mine.filter(track__in=tracks, **{f"{key}__in": places}):
        rows[row.track_id, getattr(row, key)].append(row)
    found = []
    for group in rows.values():
        ends = {number for row in group for number in (row.from_revision, row.until_revision)}
        if at := ends & numbers:
            found.append(_Place(group, min(at), max(at)))
    return found


def _restore_rows(
    revision: Revision, model: Any, key: str, numbers: set[int], since: set[int]
) -> None:
    places = _places(revision.document, model, key, numbers)
    for place in places:
        if later := place.changes_after() & since:
            _refuse(revision.document, max(later), place.rows[0].track)
    rows = [row for place in places for row in place.rows]
    tracks = {row.track_id for row in rows}
    model.objects.filter(pk__in=[row.pk for row in rows], until_revision=None).update(
        until_revision=revision.number
    )
    again = [row for place in places if (row := place.before())]
    for row in again:
        row.pk = None
        row._state.adding = True
        row.from_revision, row.until_revision = revision.number, None
    model.objects.bulk_create(again)
    Track.objects.filter(pk__in=tracks).update(changed_revision=revision.number)


def _restore_tracks(revision: Revision, edit: Edit, since: set[int]) -> None:
    document = revision.document
    for track in document.tracks.filter(from_revision=edit.revision, deleted_revision=None):
        left = track.masks.filter(until_revision=None).count()
        left += track.cuboids.filter(until_revision=None).count()
        if left:
            raise InvalidEdit(
                f"cannot undo: track {track.number} has {left} labels that were added since"
            )
        revision.delete_track(track)
    for track in document.tracks.filter(deleted_revision=edit.revision):
        _refuse_second_stuff(track)
        track.deleted_revision = None
        track.changed_revision = revision.number
        track.save(update_fields=["deleted_revision", "changed_revision"])
    for number, before in edit.change.get("before", {}).items():
        track = revision.track(int(number))
        _refuse_when_renamed_since(edit, track, set(before), since)
        _refuse_second_stuff(track, label_class_id=before.get("label_class"))
        _set_fields(track, before)
        track.changed_revision = revision.number
        track.save()


def _set_fields(track: Track, before: dict[str, Any]) -> None:
    if "label_class" in before:
        track.label_class_id = before["label_class"]
        track.is_stuff = track.label_class.is_stuff
    track.name = before.get("name", track.name)
    track.draw_order = before.get("draw_order", track.draw_order)


def _refuse_when_renamed_since(edit: Edit, track: Track, fields: set[str], since: set[int]) -> None:
    later = track.document.edits.filter(
        revision__in=since, revision__gt=edit.revision, change__kind="update_track"
    )
    for other in later:
        if fields & set(other.change.get("before", {}).get(str(track.number), {})):
            _refuse(track.document, other.revision, track)


def _refuse_second_stuff(track: Track, label_class_id: int | None = None) -> None:
    others = track.document.tracks.filter(
        label_class=label_class_id or track.label_class_id, is_stuff=True, deleted_revision=None
    ).exclude(pk=track.pk)
    if others.exists():
        raise InvalidEdit(
            f"cannot undo: there is another track for {track.label_class.name} by now"
        )


def _refuse(document: Document, revision: int, track: Track) -> None:
    later = document.edits.select_related("by").get(revision=revision)
    who = later.by.display_name if later.by else "the model"
    raise InvalidEdit(
        f"cannot undo: {who} has changed track {track.number} since (revision {revision})"
    )
