"""A scene's labels at one revision, for exports: read frame by frame, unmoved by later edits."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q, QuerySet

from backend.annotations.models import Cuboid, Document, Edit, Mask, Rectangle, Track
from backend.scenes.models import Scene
from backend.scenes.queries import read_scene
from backend.tasks.queries import accepted_revision
from inference import scene as sensed
from inference.masks import BoolArray, decode_runs


@dataclass(frozen=True)
class SnapshotMask:
    """A mask as it stood. mask: flat bool over the reading."""

    track: Track
    sensor: str
    mask: BoolArray
    source: str
    confidence: float | None


@dataclass(frozen=True)
class Snapshot:
    """tracks: those that existed at `revision`, bottom to top in draw order."""

    scene: Scene
    source: sensed.Scene
    revision: int
    next_track: int
    is_accepted: bool
    tracks: list[Track]
    deleted_tracks: list[Track]

    def masks(self, frame: int) -> list[SnapshotMask]:
        """All masks of a frame, bottom to top in draw order."""
        tracks = {track.pk: track for track in self.tracks}
        place = {track.pk: number for number, track in enumerate(self.tracks)}
        rows = (
            self.mask_rows()
            .filter(self._then(), reading__frame__index=frame, track__in=self.tracks)
            .values_list(
                "track_id", "reading__sensor__name", "reading__size", "runs", "source", "confidence"
            )
        )
        return [
            SnapshotMask(tracks[pk], sensor, decode_runs(bytes(runs), size), source, confidence)
            for pk, sensor, size, runs, source, confidence in sorted(
                rows, key=lambda row: (place[row[0]], row[1])
            )
        ]

    def mask_rows(self) -> QuerySet[Mask]:
        """Every mask up to the revision, those that were replaced included."""
        return Mask.objects.filter(track__document=self.scene.pk, from_revision__lte=self.revision)

    def cuboid_rows(self) -> QuerySet[Cuboid]:
        return Cuboid.objects.filter(
            track__document=self.scene.pk, from_revision__lte=self.revision
        )

    def rectangles(self) -> QuerySet[Rectangle]:
        return Rectangle.objects.filter(track__document=self.scene.pk)

    def edits(self) -> QuerySet[Edit]:
        return (
            Edit.objects.filter(document=self.scene.pk, revision__lte=self.revision)
            .select_related("by")
            .order_by("revision")
        )

    def until(self, revision: int | None) -> int | None:
        """The end of an interval as it was known then; None: it held."""
        return None if revision is None or revision > self.revision else revision

    def current_masks(self) -> QuerySet[Mask]:
        return self.mask_rows().filter(self._then())

    def _then(self) -> Q:
        return Q(until_revision=None) | Q(until_revision__gt=self.revision)


@transaction.atomic
def take_snapshot(scene: Scene) -> Snapshot:
    """The labels as they stand now. Track names and orders are copied under the document's lock."""
    document = Document.objects.select_for_update().get(pk=scene.pk)
    tracks = list(document.tracks.select_related("label_class").order_by("draw_order", "number"))
    return Snapshot(
        scene=scene,
        source=read_scene(scene),
        revision=document.revision,
        next_track=document.next_track,
        is_accepted=accepted_revision(scene.pk) is not None,
        tracks=[track for track in tracks if track.deleted_revision is None],
        deleted_tracks=[track for track in tracks if track.deleted_revision is not None],
    )
