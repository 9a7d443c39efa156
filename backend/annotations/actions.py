"""Every write to labels. Each is one transaction, one revision, one event (revisions.py)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from backend import events
from backend.accounts.models import User
from backend.annotations.errors import InvalidEdit
from backend.annotations.models import Document, Edit, Source
from backend.annotations.revisions import AlreadyApplied, NewMask, Revision, changing
from backend.annotations.undo import take_back, undone_groups
from backend.jobs.models import Job
from backend.projects.models import LabelClass
from backend.protocol import messages
from backend.scenes.models import Scene
from backend.scenes.queries import Place, places
from inference import masks as run_lengths


@dataclass(frozen=True)
class PredictedMask:
    """A predictor's mask of one reading, as stored: canonical runs."""

    sensor: int
    runs: bytes
    confidence: float


def create_document(scene: Scene) -> Document:
    document, _ = Document.objects.get_or_create(scene=scene)
    return document


class FrozenPart(NamedTuple):
    """Frames by index, the last one included.  why: follows "frames 3 to 8 are"."""

    first_frame: int
    last_frame: int
    why: str


class Applied(NamedTuple):
    revision: int
    before: bool = False  # by an earlier sending of the same operation


def apply_edit(scene_id: int, edit: messages.Edit, *, by: User) -> Applied:
    """Apply a person's change. Sending it twice changes nothing.

    Raises InvalidEdit with a reason for the person.
    """
    try:
        with changing(
            scene_id, operation_id=UUID(edit.operation_id), by=by, tool=edit.tool
        ) as revision:
            revision.change = edit.change.model_dump(mode="json", exclude={"runs"})
            _apply(revision, edit.change, by)
            return Applied(revision.number)
    except AlreadyApplied as applied:
        return Applied(applied.revision, before=True)


def _apply(revision: Revision, change: messages.Change, by: User) -> None:
    match change:
        case messages.CreateTrack():
            label_class = _label_class(revision.document, change.label_class)
            track = revision.create_track(label_class, source=Source.PERSON, name=change.name)
            revision.change["track"] = track.number
        case messages.UpdateTrack():
            _update_track(revision, change)
        case messages.DeleteTrack():
            revision.delete_track(revision.track(change.track))
        case messages.DeleteMasks():
            _delete_masks(revision, change)
        case messages.PutMask():
            _put_mask(revision, change)
        case messages.UndoLast():
            _undo_last(revision, by)


def _update_track(revision: Revision, change: messages.UpdateTrack) -> None:
    track = revision.track(change.track)
    before: dict[str, Any] = {}
    if change.label_class is not None or change.draw_order is not None:
        # What it is, and what lies over what, is part of every frame's labels.
        holding = Q(until_revision=None)
        revision.refuse_frozen(track.masks.filter(holding), track.cuboids.filter(holding))
    if change.label_class is not None and change.label_class != track.label_class_id:
        label_class = _label_class(revision.document, change.label_class)
        _refuse_second_stuff(revision.document, label_class)
        before["label_class"] = track.label_class_id
        track.label_class, track.is_stuff = label_class, label_class.is_stuff
    if change.name is not None:
        before["name"] = track.name
        track.name = change.name
    if change.draw_order is not None:
        before["draw_order"] = track.draw_order
        track.draw_order = change.draw_order
    revision.change["before"] = {str(track.number): before}
    track.changed_revision = revision.number
    track.save()


def _refuse_second_stuff(document: Document, label_class: LabelClass) -> None:
    if (
        label_class.is_stuff
        and document.tracks.filter(label_class=label_class, deleted_revision=None).exists()
    ):
        raise InvalidEdit(f"there is a track for {label_class.name} already: label into that one")


def _delete_masks(revision: Revision, change: messages.DeleteMasks) -> None:
    track = revision.track(change.track)
    doomed = track.masks.filter(
        reading__frame__index__gte=change.first_frame, reading__frame__index__lte=change.last_frame
    )
    if change.sensors is not None:
        doomed = doomed.filter(reading__sensor__number__in=change.sensors)
    if not revision.close_masks(doomed):
        raise InvalidEdit(f"track {track.number} has no mask there")
    revision.touch(track)


def _put_mask(revision: Revision, change: messages.PutMask) -> None:
    track = revision.track(change.track)
    place = places(revision.document.scene_id, change.frame).get(change.sensor)
    if place is None:
        raise InvalidEdit(f"sensor {change.sensor} has no reading in frame {change.frame}")
    try:
        runs = base64.b64decode(change.runs, validate=True)
        area = run_lengths.check_runs(runs, place.size)
    except (binascii.Error, run_lengths.BadRuns) as error:
        raise InvalidEdit(f"the mask cannot be read: {error}") from error
    revision.put_masks(track, [NewMask(place.reading, runs, area, Source.PERSON)])


def _undo_last(revision: Revision, by: User) -> None:
    """Take back my latest group of edits that is not an undo and not undone."""
    mine = revision.document.edits.filter(by=by, undoes=None)
    latest = mine.exclude(group__in=undone_groups(revision.document)).order_by("-revision").first()
    if latest is None:
        raise InvalidEdit("there is nothing of yours left to undo in this scene")
    revision.undoes = latest.group
    revision.change["undoes"] = str(latest.group)
    take_back(revision, latest.group)


def save_predicted_masks(
    scene_id: int,
    masks: Sequence[PredictedMask],
    *,
    frame: int,
    track: int | None,
    label_class: int | None,
    operation_id: UUID,
    group: UUID,
    by: User | None,
    tool: str,
    model: str,
    model_version: str,
    prompts: list[Any] | None = None,
    keep_human: bool = False,
    ends: Job | None = None,
) -> int:
    """Store a predictor's masks of one frame; returns the track's number.

    Without `track` a new one of `label_class` is made in the same edit. `keep_human`: readings in
    which a person has drawn or clicked this track's mask stay as they are (propagation). `ends`:
    the job that this answers; it is done in the same transaction, so that one which was cancelled
    or lost meanwhile leaves nothing (raises Cancelled or LostLease).
    """
    try:
        with changing(
            scene_id, operation_id=operation_id, by=by, group=group, tool=tool,
            model=model, model_version=model_version, ends=ends,
        ) as revision:  # fmt: skip
            if track is None:
                if label_class is None:
                    raise InvalidEdit("choose a class for the new track first")
                chosen = _label_class(revision.document, label_class)
                row = revision.create_track(chosen, source=Source.PERSON)
            else:
                row = revision.track(track)
            readings = places(scene_id, frame)
            # A click is a person's judgement of this frame, whoever drew the outline.
            source = Source.MODEL if keep_human else Source.PERSON
            new = [_new_mask(readings[mask.sensor], mask, source) for mask in masks]
            if keep_human:
                human = set(
                    row.masks.filter(until_revision=None, source=Source.PERSON).values_list(
                        "reading_id", flat=True
                    )
                )
                new = [mask for mask in new if mask.reading_id not in human]
            revision.change = {
                "kind": "predicted_masks",
                "track": row.number,
                "frame": frame,
                "prompts": prompts or [],
            }
            # A sensor without an answer does not see the object: an older guess there is wrong now.
            answered = {mask.sensor for mask in masks}
            silent = [place.reading for number, place in readings.items() if number not in answered]
            revision.put_masks(row, new, doubted=silent)
            return row.number
    except AlreadyApplied as applied:
        edit = Edit.objects.get(document=scene_id, revision=applied.revision)
        return int(edit.change["track"])


def _new_mask(place: Place, mask: PredictedMask, source: str) -> NewMask:
    area = run_lengths.check_runs(mask.runs, place.size)
    return NewMask(place.reading, mask.runs, area, source, mask.confidence)


@transaction.atomic
def freeze(scene_id: int, parts: Sequence[FrozenPart], *, whole: str) -> int:
    """Refuse every later edit of these parts, and of all where `whole` says why; returns the revision at
    which the labels stand. What was frozen before and is not named may be edited again.
    """
    document = Document.objects.select_for_update().get(pk=scene_id)
    was_frozen = bool(document.why_frozen)
    document.why_frozen = whole
    document.frozen_frames = [list(part) for part in parts]
    document.save(update_fields=["why_frozen", "frozen_frames"])
    if whole or was_frozen:
        events.publish(scene_id, messages.DocumentFrozen(may_edit=not whole, why_read_only=whole))
    return document.revision


def _label_class(document: Document, label_class: int) -> LabelClass:
    try:
        found = LabelClass.objects.get(pk=label_class, project__scenes=document.scene_id)
    except LabelClass.DoesNotExist:
        raise InvalidEdit(f"label class {label_class} is not one of this project") from None
    if found.is_archived:
        raise InvalidEdit(f"{found.name} is archived: choose another class")
    return found
