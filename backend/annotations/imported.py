"""Labels that came with a recording, written as one edit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from backend.accounts.models import User
from backend.annotations.models import Cuboid, Mask, Rectangle, Source, Track
from backend.annotations.revisions import Revision, changing
from backend.projects.actions import label_class
from backend.projects.models import LabelClass
from backend.scenes.models import Frame, Scene
from inference.masks import Runs, area, decode_runs, encode_runs
from inference.scene import CuboidLabel, RectangleLabel


@dataclass(frozen=True)
class ImportedMask:
    """A MaskLabel of inference.scene, packed."""

    track: str
    label_class: str
    sensor: str
    runs: Runs
    is_stuff: bool = False


@dataclass(frozen=True)
class ImportedFrame:
    """The labels of one frame. Masks of sensors without a reading there are not among them."""

    index: int
    masks: tuple[ImportedMask, ...] = ()
    cuboids: tuple[CuboidLabel, ...] = ()
    rectangles: tuple[RectangleLabel, ...] = ()


@dataclass
class Counts:
    """What was written."""

    tracks: int = 0
    masks: int = 0
    cuboids: int = 0
    rectangles: int = 0
    classes: dict[str, int] = field(default_factory=dict)  # tracks of each class


def write_imported_labels(
    scene: Scene,
    frames: Iterable[ImportedFrame],
    *,
    operation_id: UUID,
    by: User | None,
    same_objects: Mapping[str, str],
    class_of: Mapping[str, str],
) -> Counts:
    """Write a recording's labels as one edit, the first of the scene's document.

    same_objects: keys of the recording's tracks that are another track's object: one row.
    class_of: classes that are known better than each label says, by key of the (joined) track.
    Nobody is in a scene that is being imported: there is no event.
    """
    counts = Counts()
    with changing(
        scene.pk, operation_id=operation_id, by=by, tool="import", announce=False
    ) as revision:
        writer = _Writer(scene, revision, same_objects, class_of, counts)
        for frame in frames:
            writer.write(frame)
        revision.change = {
            "kind": "import",
            "tracks": counts.tracks,
            "masks": counts.masks,
            "cuboids": counts.cuboids,
        }
    return counts


class _Writer:
    def __init__(
        self,
        scene: Scene,
        revision: Revision,
        same_objects: Mapping[str, str],
        class_of: Mapping[str, str],
        counts: Counts,
    ) -> None:
        self._scene, self._revision, self._counts = scene, revision, counts
        self._same, self._class_of = same_objects, class_of
        self._classes: dict[str, LabelClass] = {}
        self._tracks: dict[str, Track] = {}

    def write(self, frame: ImportedFrame) -> None:
        row = Frame.objects.get(scene=self._scene, index=frame.index)
        readings = {
            name: (pk, size)
            for name, pk, size in row.readings.values_list("sensor__name", "pk", "size")
        }
        self._write_masks(frame, readings)
        self._write_cuboids(frame, row)
        self._write_rectangles(frame, readings)

    def _write_masks(self, frame: ImportedFrame, readings: Mapping[str, tuple[int, int]]) -> None:
        runs_at: dict[tuple[int, int], Runs] = {}
        for mask in frame.masks:
            reading, size = readings[mask.sensor]
            track = self._track(mask.track, mask.label_class, is_stuff=mask.is_stuff)
            before = runs_at.get((track.pk, reading))
            # Several regions of the same stuff, or an instance that is listed in parts.
            runs_at[track.pk, reading] = (
                mask.runs if before is None else _union(before, mask.runs, size)
            )
        rows = [
            Mask(
                track_id=track,
                reading_id=reading,
                runs=runs,
                area=area(runs),
                source=Source.IMPORT,
                from_revision=self._revision.number,
            )
            for (track, reading), runs in runs_at.items()
        ]
        Mask.objects.bulk_create(rows)
        self._counts.masks += len(rows)

    def _write_cuboids(self, frame: ImportedFrame, row: Frame) -> None:
        rows = {}
        for label in frame.cuboids:
            track = self._track(label.track, label.label_class)
            rows[track.pk] = Cuboid(
                track=track,
                frame=row,
                centre_ego=list(label.centre_ego),
                size=list(label.size),
                heading=label.heading,
                source=Source.IMPORT,
                from_revision=self._revision.number,
            )
        Cuboid.objects.bulk_create(rows.values())
        self._counts.cuboids += len(rows)

    def _write_rectangles(
        self, frame: ImportedFrame, readings: Mapping[str, tuple[int, int]]
    ) -> None:
        rows = {}
        for label in frame.rectangles:
            track = self._track(label.track, label.label_class)
            reading, _ = readings[label.sensor]
            rows[track.pk, reading] = Rectangle(
                track=track, reading_id=reading, corners_px=list(label.corners_px)
            )
        Rectangle.objects.bulk_create(rows.values())
        self._counts.rectangles += len(rows)

    def _track(self, key: str, class_name: str, *, is_stuff: bool = False) -> Track:
        key = self._same.get(key, key)
        chosen = self._class(self._class_of.get(key, class_name), is_stuff)
        if is_stuff or chosen.is_stuff:
            key = f"stuff {chosen.name}"
        if key not in self._tracks:
            track = self._revision.create_track(chosen, source=Source.IMPORT, source_key=key[:200])
            self._tracks[key] = track
            self._counts.tracks += 1
            self._counts.classes[chosen.name] = self._counts.classes.get(chosen.name, 0) + 1
        return self._tracks[key]

    def _class(self, name: str, is_stuff: bool) -> LabelClass:
        if name not in self._classes:
            self._classes[name] = label_class(self._scene.project, name, is_stuff=is_stuff)
        return self._classes[name]


def _union(first: Runs, second: Runs, size: int) -> Runs:
    return encode_runs(decode_runs(first, size) | decode_runs(second, size))
