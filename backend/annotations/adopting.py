"""The labels of a blind copy in place of the original's."""

from __future__ import annotations

from uuid import UUID

from backend.accounts.models import User
from backend.annotations.models import Document, Mask, Track
from backend.annotations.revisions import NewMask, changing
from backend.scenes.models import Reading, Scene

TOOL = "consensus"


def adopt_labels(copy: Scene, original: Scene, *, operation_id: UUID, by: User) -> int:
    """One edit of the original: masks in the copy's frames go, the copy's tracks come, under new numbers.

    Tracks of the original that reach beyond these frames keep what they have there. Cuboids stay. Returns
    the revision.  Raises Frozen.
    """
    # Nobody may change the copy while it is read.
    Document.objects.select_for_update().get(pk=copy.pk)
    first, last = copy.copied_from, copy.copied_from + copy.expected_frames - 1
    with changing(original.pk, operation_id=operation_id, by=by, tool=TOOL) as revision:
        for track in Track.objects.filter(document=original.pk, deleted_revision=None):
            holding = track.masks.filter(until_revision=None)
            inside = holding.filter(reading__frame__index__range=(first, last))
            reaches = holding.exclude(reading__frame__index__range=(first, last)).exists()
            if reaches or track.is_stuff or track.cuboids.filter(until_revision=None).exists():
                if revision.close_masks(inside):
                    revision.touch(track)
            elif holding.exists():
                revision.delete_track(track)
        readings = {
            (frame, sensor): pk
            for pk, frame, sensor in Reading.objects.filter(
                frame__scene=original, frame__index__range=(first, last)
            ).values_list("pk", "frame__index", "sensor__number")
        }
        theirs = Track.objects.filter(document=copy.pk, deleted_revision=None)
        tracks = list(theirs.select_related("label_class").order_by("draw_order", "number"))
        for track in tracks:
            masks = Mask.objects.filter(track=track, until_revision=None).values_list(
                "reading__frame__index", "reading__sensor__number", "runs", "area", "source",
                "confidence",
            )  # fmt: skip
            new = [
                NewMask(readings[first + frame, sensor], bytes(runs), area, source, confidence)
                for frame, sensor, runs, area, source, confidence in masks
            ]
            if not new:
                continue
            mine = revision.create_track(track.label_class, source=track.source, name=track.name)
            revision.put_masks(mine, new)
        revision.change = {"kind": "adopted", "scene": copy.pk, "tracks": len(tracks)}
        return revision.number
