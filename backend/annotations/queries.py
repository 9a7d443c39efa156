"""Reading labels: as records for browsers, as blobs for the bulk socket, as masks for models."""

from __future__ import annotations

import base64
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import zstandard
from django.db.models import Q, QuerySet

from backend import statements
from backend.annotations.models import Cuboid, Document, Mask
from backend.protocol import binary, messages, records
from inference import masks as run_lengths

# A document's tracks of which something changed since a revision, with the frames in which each has
# a mask now.
TRACKS_SINCE = """
    SELECT track.number, track.label_class_id, track.name, track.is_stuff,
        track.draw_order, track.source, track.deleted_revision IS NOT NULL,
        ARRAY(
            SELECT DISTINCT frame.index
            FROM annotations_mask mask
            JOIN scenes_reading reading ON reading.id = mask.reading_id
            JOIN scenes_frame frame ON frame.id = reading.frame_id
            WHERE mask.track_id = track.id AND mask.until_revision IS NULL
            ORDER BY frame.index
        )
    FROM annotations_track track
    WHERE track.document_id = %s AND track.changed_revision > %s
    ORDER BY track.number
"""
OF_CHANGED_TRACKS = """
    WHERE track.document_id = %(document)s AND track.changed_revision > %(since)s
        AND track.deleted_revision IS NULL
"""
CAME_OR_WENT = """(
        {row}.from_revision > %(since)s AND {row}.until_revision IS NULL
        OR {row}.until_revision > %(since)s AND {row}.from_revision <= %(since)s
    )
"""
# Of those tracks, the masks that came since, and those that went since and had been there before
# (`until_revision` says which). No list of tracks goes in: for one the server would plan anew.
MASKS_SINCE = f"""
    SELECT track.number, frame.index, sensor.number, mask.until_revision,
        CASE WHEN mask.until_revision IS NULL THEN mask.runs END,
        mask.area, mask.confidence, mask.source
    FROM annotations_track track
    JOIN annotations_mask mask ON mask.track_id = track.id
    JOIN scenes_reading reading ON reading.id = mask.reading_id
    JOIN scenes_frame frame ON frame.id = reading.frame_id
    JOIN scenes_sensor sensor ON sensor.id = reading.sensor_id
    {OF_CHANGED_TRACKS} AND {CAME_OR_WENT.format(row="mask")}
    ORDER BY track.number, frame.index, sensor.number
"""
CUBOIDS_SINCE = f"""
    SELECT track.number, frame.index, cuboid.until_revision,
        cuboid.centre_ego, cuboid.size, cuboid.heading, cuboid.source
    FROM annotations_track track
    JOIN annotations_cuboid cuboid ON cuboid.track_id = track.id
    JOIN scenes_frame frame ON frame.id = cuboid.frame_id
    {OF_CHANGED_TRACKS} AND {CAME_OR_WENT.format(row="cuboid")}
    ORDER BY track.number, frame.index
"""


def current_masks(scene_id: int) -> QuerySet[Mask]:
    return Mask.objects.filter(track__document=scene_id, until_revision=None)


def _tracks_since(document_id: int, since: int) -> tuple[list[records.Track], list[int]]:
    """The tracks that changed, and the numbers of those that went."""
    there: list[records.Track] = []
    gone: list[int] = []
    for number, label_class, name, is_stuff, draw_order, source, is_gone, frames in statements.rows(
        TRACKS_SINCE, [document_id, since]
    ):
        if is_gone:
            gone.append(number)
            continue
        there.append(
            records.Track(
                number=number,
                label_class=label_class,
                name=name,
                is_stuff=is_stuff,
                draw_order=draw_order,
                source=source,
                mask_frames=ranges(frames),
            )
        )
    return there, gone


def ranges(indices: list[int]) -> list[list[int]]:
    """Ascending numbers as [first, last] ranges."""
    found: list[list[int]] = []
    for index in indices:
        if found and index == found[-1][1] + 1:
            found[-1][1] = index
        else:
            found.append([index, index])
    return found


def mask_records(masks: QuerySet[Mask]) -> list[records.Mask]:
    rows = masks.values_list(
        "track__number", "reading__frame__index", "reading__sensor__number",
        "runs", "area", "confidence", "source",
    )  # fmt: skip
    return [_mask_record(*row) for row in rows]


def _mask_record(
    track: int,
    frame: int,
    sensor: int,
    runs: bytes | memoryview,
    area: int,
    confidence: float | None,
    source: str,
) -> records.Mask:
    return records.Mask(
        track=track,
        frame=frame,
        sensor=sensor,
        runs=base64.b64encode(runs).decode(),
        area=area,
        confidence=confidence,
        source=source,
    )


def cuboid_records(cuboids: QuerySet[Cuboid]) -> list[records.Cuboid]:
    rows = cuboids.values_list(
        "track__number", "frame__index", "centre_ego", "size", "heading", "source"
    )
    return [_cuboid_record(*row) for row in rows]


def _cuboid_record(
    track: int,
    frame: int,
    centre_ego: list[float],
    size: list[float],
    heading: float,
    source: str,
) -> records.Cuboid:
    return records.Cuboid(
        track=track, frame=frame, centre_ego=centre_ego, size=size, heading=heading, source=source
    )


def tracks_now(scene_id: int) -> list[records.Track]:
    there, _ = _tracks_since(scene_id, -1)
    return there


def cuboids_now(scene_id: int) -> list[records.Cuboid]:
    return cuboid_records(Cuboid.objects.filter(track__document=scene_id, until_revision=None))


def labels_changed(
    document: Document,
    since: int,
    *,
    operation_id: str | None = None,
    by: records.Person | None = None,
) -> messages.LabelsChanged:
    """All that differs between revision `since` and now."""
    tracks, deleted = _tracks_since(document.pk, since)
    asked = {"document": document.pk, "since": since}
    masks, gone = [], set()
    for track, frame, sensor, until, *rest in statements.rows(MASKS_SINCE, asked):
        if until is None:
            masks.append(_mask_record(track, frame, sensor, *rest))
        else:
            gone.add((track, frame, sensor))
    cuboids, gone_cuboids = [], set()
    for track, frame, until, *rest in statements.rows(CUBOIDS_SINCE, asked):
        if until is None:
            cuboids.append(_cuboid_record(track, frame, *rest))
        else:
            gone_cuboids.add((track, frame))
    gone -= {(mask.track, mask.frame, mask.sensor) for mask in masks}  # replaced, not gone
    gone_cuboids -= {(cuboid.track, cuboid.frame) for cuboid in cuboids}
    return messages.LabelsChanged(
        from_revision=since,
        revision=document.revision,
        operation_id=operation_id,
        by=by,
        tracks=tracks,
        deleted_tracks=deleted,
        masks=masks,
        deleted_masks=[
            records.MaskKey(track=track, frame=frame, sensor=sensor)
            for track, frame, sensor in sorted(gone)
        ],
        cuboids=cuboids,
        deleted_cuboids=[
            records.CuboidKey(track=track, frame=frame) for track, frame in sorted(gone_cuboids)
        ],
    )


def labels_blob(scene_id: int, frame: int) -> bytes:
    """All masks of one frame in the layout of protocol/binary.py.

    The revision is read first: news that commits in between is applied again by the browser, which
    does no harm; the other way round it would be lost.
    """
    revision = Document.objects.values_list("revision", flat=True).get(pk=scene_id)
    rows = list(
        current_masks(scene_id)
        .filter(reading__frame__index=frame, reading__frame__scene=scene_id)
        .order_by("track__number", "reading__sensor__number")
        .values_list("track__number", "reading__sensor__number", "source", "confidence", "runs")
    )
    table = b"".join(
        binary.MASK_ROW.pack(
            track,
            sensor,
            binary.SOURCES.index(source),
            binary.NO_CONFIDENCE if confidence is None else round(min(confidence, 1.0) * 254),
            len(runs),
        )
        for track, sensor, source, confidence, runs in rows
    )
    head = binary.LABELS_HEADER.pack(
        binary.LABELS_MAGIC, binary.LABELS_VERSION, revision, len(rows)
    )
    return zstandard.ZstdCompressor(level=1).compress(
        head + table + b"".join(bytes(row[4]) for row in rows)
    )


def known_masks(
    scene_id: int, track: int, *, sources: Iterable[str], first: int = 0, last: int | None = None
) -> dict[int, dict[str, npt.NDArray[np.bool_]]]:
    """A track's masks for a predictor: frame index -> sensor name -> flat mask."""
    within = Q(reading__frame__index__gte=first)
    if last is not None:
        within &= Q(reading__frame__index__lte=last)
    rows = (
        current_masks(scene_id)
        .filter(within, track__number=track, source__in=list(sources))
        .values_list("reading__frame__index", "reading__sensor__name", "reading__size", "runs")
    )
    known: dict[int, dict[str, npt.NDArray[np.bool_]]] = {}
    for frame, sensor, size, runs in rows:
        known.setdefault(frame, {})[sensor] = run_lengths.decode_runs(bytes(runs), size)
    return known
