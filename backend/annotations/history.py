"""A label document's whole history, as it leaves one Masklet and enters another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, transaction

from backend.annotations.imported import Counts
from backend.annotations.models import Cuboid, Document, Edit, Mask, Rectangle, Source, Track
from backend.projects.models import LabelClass
from backend.scenes.models import Reading, Scene
from inference.datasets.native import History
from inference.datasets.native_layout import HistoricCuboid, HistoricMask
from inference.masks import BadRuns, check_runs
from inference.scene import BadScene

# Under this name an edit's change keeps who made it elsewhere. It is text: a file cannot make an
# edit look like the work of an account of this server.
RECORDED_BY = "recorded_by"


def named_change(
    change: Mapping[str, Any], classes: Mapping[int, str]
) -> tuple[dict[str, Any], str | None]:
    """An edit's change with classes by name, and who made it elsewhere, if it came from there."""
    named = {key: value for key, value in change.items() if key != RECORDED_BY}
    return _with_classes(named, classes), change.get(RECORDED_BY)


def numbered_change(
    change: Mapping[str, Any], classes: Mapping[str, int], by: str | None
) -> dict[str, Any]:
    """The reverse of `named_change`, for the classes of this project."""
    numbered = _with_classes(dict(change), classes)
    return {**numbered, RECORDED_BY: by} if by is not None else numbered


def _with_classes(change: dict[str, Any], other: Mapping[Any, Any]) -> dict[str, Any]:
    """Classes stand in a change itself, and in what each track was before."""
    if change.get("label_class") is not None:
        change["label_class"] = other.get(change["label_class"])
    if isinstance(change.get("before"), dict):
        change["before"] = {
            track: _with_classes(dict(before), other) for track, before in change["before"].items()
        }
    return change


def restore(scene: Scene, history: History) -> Counts:
    """Fill a new scene's empty document with a history, revision for revision.

    Raises BadScene when it does not fit the scene's readings or itself; then nothing is written.
    """
    try:
        return _restore(scene, history)
    except (IntegrityError, DataError) as error:
        reason = str(error).splitlines()[0]
        raise BadScene(f"the labels of {scene.name!r} contradict themselves: {reason}") from error
    except ValidationError as error:
        raise BadScene(f"the labels of {scene.name!r}: {'; '.join(error.messages)}") from error


@transaction.atomic
def _restore(scene: Scene, history: History) -> Counts:
    document = Document.objects.select_for_update().get(scene=scene)
    if document.revision:
        raise BadScene(f"scene {scene.name!r} has labels already; a history needs an empty scene")
    if not history.has_readings:
        raise BadScene(
            "the archive holds labels only; to import a scene, export it with its readings"
        )
    classes = _classes(scene, history)
    tracks = _tracks(document, history, classes)
    counts = Counts(tracks=sum(row.deleted_revision is None for row in tracks.values()))
    try:
        _masks(scene, history, tracks, counts)
        _cuboids(scene, history, tracks, counts)
        _rectangles(scene, history, tracks, counts)
    except KeyError as error:
        raise BadScene(f"the labels name track or reading {error}, which is not there") from error
    _edits(document, history, {name: row.pk for name, row in classes.items()})
    document.revision, document.next_track = history.revision, history.next_track
    document.save(update_fields=["revision", "next_track"])
    for row in tracks.values():
        if row.deleted_revision is None:
            name = row.label_class.name
            counts.classes[name] = counts.classes.get(name, 0) + 1
    return counts


def _edits(document: Document, history: History, classes: Mapping[str, int]) -> None:
    rows = [
        Edit(
            document=document,
            revision=edit.revision,
            operation_id=edit.operation_id,
            group=edit.group,
            undoes=edit.undoes,
            change=numbered_change(edit.change, classes, edit.by),
            at=edit.at,
            tool=edit.tool,
            model=edit.model,
            model_version=edit.model_version,
        )
        for edit in history.edits()
    ]
    if any(not 0 < row.revision <= history.revision for row in rows):
        raise BadScene(f"an edit is outside of the revisions 1 ... {history.revision}")
    Edit.objects.bulk_create(rows)


def _classes(scene: Scene, history: History) -> dict[str, LabelClass]:
    """The history's classes in this project; those that it lacks are made."""
    rows: dict[str, LabelClass] = {}
    for described in history.label_classes:
        if not re.fullmatch("#[0-9a-f]{6}", str(described["colour"])):
            raise BadScene(f"class {described['name']!r} has colour {described['colour']!r}")
        rows[described["name"]], _ = LabelClass.objects.get_or_create(
            project=scene.project,
            name=described["name"],
            defaults={key: described[key] for key in ("colour", "is_stuff", "position")},
        )
    return rows


def _tracks(
    document: Document, history: History, classes: Mapping[str, LabelClass]
) -> dict[int, Track]:
    try:
        rows = [
            Track(
                document=document,
                number=track.number,
                label_class=classes[track.label_class],
                name=track.name,
                is_stuff=track.is_stuff,
                draw_order=track.draw_order,
                source=track.source,
                source_key=track.source_key,
                score=track.score,
                from_revision=track.from_revision,
                changed_revision=track.changed_revision,
                deleted_revision=track.deleted_revision,
            )
            for track in history.tracks.values()
        ]
    except KeyError as error:
        raise BadScene(f"a track has class {error}, which the scene does not list") from error
    for row in rows:
        absent = [name for name in ("score", "deleted_revision") if getattr(row, name) is None]
        row.clean_fields(exclude=["document", "label_class", *absent])
        if row.score is not None and not 0 <= row.score <= 1:
            raise BadScene(f"track {row.number} has score {row.score}")
        if row.number >= history.next_track:
            raise BadScene(f"track {row.number} is not below next_track, {history.next_track}")
    return {row.number: row for row in Track.objects.bulk_create(rows)}


def _masks(scene: Scene, history: History, tracks: Mapping[int, Track], counts: Counts) -> None:
    for frame in scene.frames.all():
        readings = {
            name: (pk, size)
            for name, pk, size in frame.readings.values_list("sensor__name", "pk", "size")
        }
        rows = history.masks(frame.index)
        _check(rows, history)
        Mask.objects.bulk_create(
            Mask(
                track=tracks[row.track],
                reading_id=readings[row.sensor][0],
                runs=row.runs,
                area=_area(row, readings[row.sensor][1]),
                source=row.source,
                confidence=row.confidence,
                from_revision=row.from_revision,
                until_revision=row.until_revision,
            )
            for row in rows
        )
        counts.masks += sum(row.until_revision is None for row in rows)


def _cuboids(scene: Scene, history: History, tracks: Mapping[int, Track], counts: Counts) -> None:
    frames = dict(scene.frames.values_list("index", "pk"))
    _check(history.cuboids, history)
    for box in history.cuboids:
        if not np.isfinite([*box.centre_ego, *box.size, box.heading]).all():
            raise BadScene(f"frame {box.frame}: the cuboid of track {box.track} is not finite")
    Cuboid.objects.bulk_create(
        Cuboid(
            track=tracks[row.track],
            frame_id=frames[row.frame],
            centre_ego=row.centre_ego,
            size=row.size,
            heading=row.heading,
            source=row.source,
            from_revision=row.from_revision,
            until_revision=row.until_revision,
        )
        for row in history.cuboids
    )
    counts.cuboids = sum(row.until_revision is None for row in history.cuboids)


def _rectangles(
    scene: Scene, history: History, tracks: Mapping[int, Track], counts: Counts
) -> None:
    places = {
        (index, name): pk
        for index, name, pk in Reading.objects.filter(frame__scene=scene).values_list(
            "frame__index", "sensor__name", "pk"
        )
    }
    Rectangle.objects.bulk_create(
        Rectangle(
            track=tracks[row.track],
            reading_id=places[row.frame, row.sensor],
            corners_px=row.corners_px,
        )
        for row in history.rectangles
    )
    counts.rectangles = len(history.rectangles)


def _check(rows: Sequence[HistoricMask] | Sequence[HistoricCuboid], history: History) -> None:
    """What the database would take and the program would stumble over later."""
    for row in rows:
        until = row.until_revision or history.revision + 1
        if not 0 <= row.from_revision < until <= history.revision + 1:
            raise BadScene(
                f"frame {row.frame}, track {row.track}: revisions {row.from_revision} to "
                f"{row.until_revision} are none of this history"
            )
        if row.source not in Source.values:
            raise BadScene(f"frame {row.frame}, track {row.track}: source {row.source!r}")
        confidence = getattr(row, "confidence", None)
        if confidence is not None and not 0 <= confidence <= 1:
            raise BadScene(f"frame {row.frame}, track {row.track}: confidence {confidence}")


def _area(row: HistoricMask, size: int) -> int:
    """Of a mask from a file, which may not fit its reading. Raises BadScene."""
    try:
        return check_runs(row.runs, size)
    except BadRuns as error:
        raise BadScene(
            f"frame {row.frame}, track {row.track} in {row.sensor}: {error}", record=row.frame
        ) from error
