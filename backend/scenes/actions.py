"""Scenes come, grow and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pgtrigger
from django.db import transaction

from backend import events
from backend.accounts import audit
from backend.accounts.models import User
from backend.jobs import actions as jobs
from backend.jobs.models import ENDED, Job
from backend.projects.models import Project
from backend.protocol.messages import FramesAdded
from backend.scenes import queries
from backend.scenes.models import Calibration, Frame, Reading, Scene, Sensor
from backend.scenes.storage import StoredReading
from inference import scene as sensed
from inference.geometry import FloatArray


@dataclass(frozen=True)
class StoredFrame:
    """What the rows of one frame are made of; its bytes are in storage already."""

    index: int
    timestamp_us: int
    world_from_ego: list[float]
    readings: dict[str, dict[str, object]]  # by sensor name: Reading's fields


def flat(matrix: FloatArray) -> list[float]:
    return [float(value) for value in np.asarray(matrix, dtype=np.float64).ravel()]


def stored_frame(frame: sensed.Frame, objects: dict[str, StoredReading]) -> StoredFrame:
    """The rows' facts of a frame whose readings were stored as `objects` (by sensor name)."""
    readings: dict[str, dict[str, object]] = {}
    for name, stored in objects.items():
        image = frame.images.get(name)
        reading = image if image is not None else frame.sweeps[name]
        readings[name] = {
            **asdict(stored),
            "timestamp_us": reading.timestamp_us,
            "world_from_ego": flat(image.world_from_ego)
            if image is not None and image.world_from_ego is not None
            else None,
            "shutter": asdict(image.shutter) if image is not None and image.shutter else None,
        }
    return StoredFrame(frame.index, frame.timestamp_us, flat(frame.world_from_ego), readings)


@transaction.atomic
def create_scene(
    project: Project,
    source: sensed.Scene,
    *,
    source_format: str,
    expected_frames: int,
    name: str = "",
    state: str = Scene.State.READY,
) -> Scene:
    """The scene and its sensors, without frames."""
    scene = Scene.objects.create(
        project=project,
        name=name or source.name,
        source_format=source_format,
        source_name=source.name,
        state=state,
        expected_frames=expected_frames,
        source_from_world=flat(source.source_from_world),
        facts=dict(source.facts),
    )
    for number, described in enumerate(source.sensors):
        sensor = Sensor.objects.create(
            scene=scene, number=number, name=described.name, kind=described.kind.value
        )
        lens = described.calibration.intrinsics
        Calibration.objects.create(
            sensor=sensor,
            ego_from_sensor=flat(described.calibration.ego_from_sensor),
            intrinsics=asdict(lens) if lens else None,
            shutter_direction=described.calibration.shutter_direction.value,
            beam_elevations=list(described.calibration.beam_elevations),
        )
    return scene


@transaction.atomic
def add_frames(scene: Scene, frames: Sequence[StoredFrame]) -> None:
    """Append frames; browsers that are in the scene see it grow."""
    sensors = {sensor.name: sensor for sensor in scene.sensors.all()}
    rows = Frame.objects.bulk_create(
        Frame(
            scene=scene,
            index=frame.index,
            timestamp_us=frame.timestamp_us,
            world_from_ego=frame.world_from_ego,
        )
        for frame in frames
    )
    Reading.objects.bulk_create(
        Reading(frame=row, sensor=sensors[name], **fields)
        for row, frame in zip(rows, frames, strict=True)
        for name, fields in frame.readings.items()
    )
    records = queries.frame_records(scene, first=frames[0].index, last=frames[-1].index)
    events.publish(scene.pk, FramesAdded(frames=records, expected_frames=scene.expected_frames))


def set_growth(scene: Scene, *, state: str, expected_frames: int) -> None:
    """A growing drive stops early, or goes on; browsers that are in it are told its length."""
    scene.state, scene.expected_frames = state, expected_frames
    scene.save(update_fields=["state", "expected_frames"])
    events.publish(scene.pk, FramesAdded(frames=[], expected_frames=expected_frames))


@transaction.atomic
def copy_scene(original: Scene, *, first_frame: int, last_frame: int) -> Scene:
    """A blind copy of some frames, the last one included, under the same name; no bytes are copied."""
    copy = Scene.objects.get(pk=original.pk)
    copy.pk = None
    copy._state.adding = True
    copy.original, copy.copied_from = original, first_frame
    copy.expected_frames = last_frame - first_frame + 1
    copy.save()
    for sensor in original.sensors.select_related("calibration"):
        calibration = sensor.calibration
        sensor.pk, sensor._state.adding, sensor.scene = None, True, copy
        sensor.save()
        calibration.pk, calibration._state.adding, calibration.sensor = None, True, sensor
        calibration.save()
    sensors = {sensor.number: sensor for sensor in copy.sensors.all()}
    for frame in original.frames.filter(index__range=(first_frame, last_frame)):
        readings = list(frame.readings.select_related("sensor"))
        frame.pk, frame._state.adding, frame.scene = None, True, copy
        frame.index -= first_frame
        frame.save()
        for reading in readings:
            reading.pk, reading._state.adding, reading.frame = None, True, frame
            reading.sensor = sensors[reading.sensor.number]
        Reading.objects.bulk_create(readings)
    return copy


@transaction.atomic
def delete_scene(scene: Scene, *, by: User | None = None) -> None:
    """Delete a scene with its labels and their history; prune_storage removes the bytes.

    by: None: the command line.

    Work that is under way in the scene is asked to stop.
    """
    for job in Job.objects.filter(scene_id=scene.pk).exclude(state__in=ENDED):
        jobs.request_cancel(job)
    # The history is append-only for everybody but this.
    number = scene.pk
    with pgtrigger.ignore("annotations.Edit:edits_are_not_deleted"):
        scene.delete()
    audit.note("scene.deleted", f"{scene.name} ({number})", by=by, project=scene.project_id)


def set_ready(scene: Scene, *, import_report: dict[str, object]) -> None:
    scene.state = Scene.State.READY
    scene.import_report = import_report
    scene.save(update_fields=["state", "import_report"])
