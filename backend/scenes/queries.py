"""Reading scenes: rows for lists, records for browsers, and whole drives for models and exports."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery

from backend import statements
from backend.accounts.models import User
from backend.projects.queries import projects_where, visible_projects
from backend.protocol import records
from backend.scenes import storage, sweep_codec
from backend.scenes.models import Frame, Reading, Scene, Sensor
from inference import scene as sensed
from inference.geometry import Intrinsics

INTRINSICS = ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3")


def visible_scenes(user: User | AnonymousUser) -> QuerySet[Scene]:
    """Blind copies, and what was copied, are seen by those who review, and by whose task it is."""
    scenes = Scene.objects.filter(project__in=visible_projects(user))
    if user.is_superuser:
        return scenes
    # Tasks live in a higher room: their table is asked through the relation's name.
    mine = Exists(Scene.objects.filter(pk=OuterRef("pk"), tasks__assignee=user.pk))
    is_plain = Q(original=None) & ~Exists(Scene.objects.filter(original=OuterRef("pk")))
    return scenes.filter(is_plain | Q(project__in=projects_where(user, "review")) | mine)


class NoSuchScene(LookupError):
    """Says which there are."""


def scene_named(text: str) -> Scene:
    """The scene of that id, or of that name when it is the only one, for commands. Raises NoSuchScene."""
    found = list(Scene.objects.select_related("project").filter(name=text, original=None)[:2])
    if text.isdecimal() and not found:
        found = list(Scene.objects.select_related("project").filter(pk=int(text)))
    if len(found) == 1:
        return found[0]
    if found:
        raise NoSuchScene(f"several scenes are called {text!r}; give the id instead")
    known = ", ".join(f"{scene.pk} {scene.name!r}" for scene in Scene.objects.order_by("pk")[:10])
    raise NoSuchScene(f"no scene {text!r}; there are {known or 'none yet'}")


def with_counts(scenes: QuerySet[Scene]) -> QuerySet[Scene]:
    """Scenes with `frame_count` and `track_count`, and their sensors at hand."""
    # Labels live in a higher room: their table is counted through the relation's name.
    tracks = Count("document__tracks", filter=Q(document__tracks__deleted_revision=None))
    itself = Scene.objects.filter(pk=OuterRef("pk")).order_by()
    return scenes.annotate(
        frame_count=Subquery(itself.annotate(count=Count("frames")).values("count")),
        track_count=Subquery(itself.annotate(count=tracks).values("count")),
    ).prefetch_related("sensors")


def preview_reading(scene: Scene) -> Reading | None:
    """The first picture of the camera that looks ahead, or of the first camera there is."""
    pictures = Reading.objects.filter(frame__scene=scene, sensor__kind=sensed.SensorKind.CAMERA)
    first = pictures.order_by("frame__index", "sensor__number").select_related("sensor").first()
    if first is None:
        return None
    same_frame = pictures.filter(frame=first.frame_id).order_by("sensor__number")
    return same_frame.filter(sensor__name__iendswith="front").first() or first


def sensor_records(scene: Scene) -> list[records.Sensor]:
    return [
        records.Sensor(
            number=sensor.number,
            name=sensor.name,
            kind=sensor.kind,
            ego_from_sensor=sensor.calibration.ego_from_sensor,
            width_px=lens["width_px"] if (lens := sensor.calibration.intrinsics) else None,
            height_px=lens["height_px"] if lens else None,
            intrinsics=[lens[name] for name in INTRINSICS] if lens else None,
        )
        for sensor in scene.sensors.select_related("calibration")
    ]


def frame_records(scene: Scene, *, first: int = 0, last: int | None = None) -> list[records.Frame]:
    frames = scene.frames.filter(index__gte=first)
    if last is not None:
        frames = frames.filter(index__lte=last)
    readings: dict[int, list[records.Reading]] = {}
    rows = Reading.objects.filter(frame__in=frames).order_by("sensor__number")
    for frame_id, number, kind, size, pose in rows.values_list(
        "frame_id", "sensor__number", "sensor__kind", "size", "world_from_ego"
    ):
        readings.setdefault(frame_id, []).append(
            records.Reading(
                sensor=number,
                points=size if kind == sensed.SensorKind.LIDAR else None,
                world_from_ego=pose,
            )
        )
    return [
        records.Frame(
            index=frame.index,
            timestamp_us=frame.timestamp_us,
            world_from_ego=frame.world_from_ego,
            readings=readings.get(frame.pk, []),
        )
        for frame in frames
    ]


class Place(NamedTuple):
    """Where a mask can lie: one reading, its number of elements, its sensor's kind, its objects."""

    reading: int
    size: int
    kind: str
    source_key: str
    view_key: str


PLACES = """
    SELECT sensor.number, reading.id, reading.size, sensor.kind,
        reading.source_key, reading.view_key
    FROM scenes_reading reading
    JOIN scenes_frame frame ON frame.id = reading.frame_id
    JOIN scenes_sensor sensor ON sensor.id = reading.sensor_id
    WHERE frame.scene_id = %s AND frame.index = %s
"""


def places(scene_id: int, frame: int) -> Mapping[int, Place]:
    """The readings of a frame by their sensor's number; empty when there is no such frame."""
    try:
        return _places(scene_id, frame)
    except LookupError:
        return {}


@lru_cache(maxsize=10_000)
def _places(scene_id: int, frame: int) -> dict[int, Place]:
    """Kept, as a frame that is there never changes; a missing one may come, and is not kept."""
    found = {number: Place(*rest) for number, *rest in statements.rows(PLACES, [scene_id, frame])}
    if not found:
        raise LookupError
    return found


class StoredFrames(sensed.Frames):
    """The frames of a stored scene, read from storage one at a time (inference.scene.Frames)."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def __len__(self) -> int:
        return self._scene.frames.count()

    def __getitem__(self, index: int, /) -> sensed.Frame:
        try:
            frame = self._scene.frames.get(index=index)
        except Frame.DoesNotExist:
            raise IndexError(f"scene {self._scene.pk} has no frame {index}") from None
        images: dict[str, sensed.Image] = {}
        sweeps: dict[str, sensed.Sweep] = {}
        for row in frame.readings.select_related("sensor"):
            data = storage.get(row.source_key)
            if row.sensor.kind == sensed.SensorKind.LIDAR:
                sweeps[row.sensor.name] = sweep_codec.decode_source(data)
            else:
                images[row.sensor.name] = _image(row, data)
        return sensed.Frame(
            index=index,
            timestamp_us=frame.timestamp_us,
            world_from_ego=matrix(frame.world_from_ego),
            images=images,
            sweeps=sweeps,
        )


def read_scene(scene: Scene) -> sensed.Scene:
    """A stored scene as readers give it, without its labels (those are annotations')."""
    return sensed.Scene(
        name=scene.source_name,
        sensors=[_sensor(row) for row in scene.sensors.select_related("calibration")],
        frames=StoredFrames(scene),
        source_from_world=matrix(scene.source_from_world),
        facts=scene.facts,
    )


def matrix(values: list[float]) -> sensed.Float64Array:
    return np.array(values, dtype=np.float64).reshape(4, 4)


def _sensor(row: Sensor) -> sensed.Sensor:
    stored = row.calibration
    return sensed.Sensor(
        name=row.name,
        kind=sensed.SensorKind(row.kind),
        calibration=sensed.Calibration(
            ego_from_sensor=matrix(stored.ego_from_sensor),
            intrinsics=Intrinsics(**stored.intrinsics) if stored.intrinsics else None,
            shutter_direction=sensed.ShutterDirection(stored.shutter_direction),
            beam_elevations=tuple(stored.beam_elevations),
        ),
    )


def _image(row: Reading, encoded: bytes) -> sensed.Image:
    return sensed.Image(
        encoded=encoded,
        timestamp_us=row.timestamp_us,
        world_from_ego=matrix(row.world_from_ego) if row.world_from_ego else None,
        shutter=_shutter(row.shutter) if row.shutter else None,
    )


def _shutter(stored: dict[str, Any]) -> sensed.ShutterTimes:
    """JSON has no tuples."""
    vectors = ("velocity_world", "angular_velocity_ego")
    return sensed.ShutterTimes(**{**stored, **{name: tuple(stored[name]) for name in vectors}})
