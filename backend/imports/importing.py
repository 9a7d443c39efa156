"""import_scene: a recording becomes a scene. Read, store bytes, and rows last, all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import uuid4

import numpy as np
from django.db import IntegrityError, transaction
from numpy.typing import NDArray

from backend.annotations.actions import create_document
from backend.annotations.history import restore
from backend.annotations.imported import Counts, ImportedFrame, ImportedMask, write_imported_labels
from backend.imports.joining import (
    Votes,
    boxes_of_image_instances,
    boxes_of_instances,
    same_objects,
)
from backend.imports.report import Report, Tally
from backend.imports.spool import Spool, SpooledFrame
from backend.jobs import actions as jobs
from backend.jobs import lease
from backend.jobs.models import Job
from backend.scenes import actions as scenes
from backend.scenes import storage
from backend.scenes.models import Scene
from backend.tasks.actions import open_task
from inference import scene as sensed
from inference.datasets.native import NativeScene
from inference.geometry import BoolArray, FloatArray, inverse, project_to_image
from inference.masks import encode_runs
from inference.scene import BadScene, Problem

ROWS_AT_ONCE = 20  # frames

Watch = Callable[[Job], None]


def nobody(job: Job) -> None:
    """The job's row is all that hears of progress."""


class Stopwatch:
    """Seconds of work, those of earlier attempts included."""

    def __init__(self, before_s: float) -> None:
        self._start = monotonic() - before_s

    def __call__(self) -> float:
        return monotonic() - self._start


def import_scene(
    source: sensed.Scene, *, job: Job, source_format: str, watch: Watch = nobody
) -> Report:
    """Store a recording as a scene of the job's project; returns the import report.

    Goes on where an earlier attempt of the same job stopped. Raises BadScene, and what stops a job
    (Cancelled, LostLease): then no row exists, and prune_storage removes the bytes.
    """
    there = _imported_before(job, source, source_format)
    if there is not None:
        return there
    spool = Spool(job.pk)
    opening = tuple(source.problems)
    first, seconds = _resume_point(job, source, spool)
    total = len(source.frames)
    _tell(job, watch, done=first, total=total)
    for index in range(first, total):
        spool.write(_spooled(job, source, index))
        checkpoint = {
            "recording": _fingerprint(source),
            "spooled": index + 1,
            "seconds": seconds(),
        }
        _tell(job, watch, done=index + 1, total=total, checkpoint=checkpoint)
    gathered = _gather(source, spool, opening)
    try:
        report = _write_rows(job, source, source_format, spool, gathered, seconds)
    except IntegrityError:
        # Somebody else's import of the same recording has ended between our look and now.
        there = _imported_before(job, source, source_format)
        if there is None:
            raise
        report = there
    spool.remove(total)
    return report


def _imported_before(job: Job, source: sensed.Scene, source_format: str) -> Report | None:
    scene = Scene.objects.filter(
        project=job.project, source_format=source_format, source_name=source.name
    ).first()
    if scene is None:
        return None
    return {
        "summary": f"nothing to do: this recording is already in the project, as {scene.name!r}",
        "already_there": True,
        "scene_ids": [scene.pk],
    }


def _fingerprint(source: sensed.Scene) -> dict[str, Any]:
    """Tells whether a job that is resumed still reads the same recording."""
    return {
        "name": source.name,
        "frames": len(source.frames),
        "sensors": [sensor.name for sensor in source.sensors],
    }


def _resume_point(job: Job, source: sensed.Scene, spool: Spool) -> tuple[int, Stopwatch]:
    """The first frame that is not spooled yet, and the time that earlier attempts took."""
    if job.checkpoint.get("recording") != _fingerprint(source):
        return 0, Stopwatch(0.0)
    return spool.usable(job.checkpoint["spooled"]), Stopwatch(job.checkpoint["seconds"])


def _tell(
    job: Job, watch: Watch, *, done: int, total: int, checkpoint: dict[str, Any] | None = None
) -> None:
    message = f"frame {done} of {total}" if done < total else "writing the scene"
    jobs.progress(job, done=done, total=total, message=message, checkpoint=checkpoint)
    watch(job)


def _spooled(job: Job, source: sensed.Scene, index: int) -> SpooledFrame:
    """Read one frame, store its readings, and pack what its rows need."""
    known = len(source.problems)
    frame = source.frames[index]
    assert frame.index == index, f"the reader gave frame {frame.index} for {index}"
    objects = store_readings(job, source, frame)
    labels, problems = _packed_labels(frame, objects)
    return SpooledFrame(
        stored=scenes.stored_frame(frame, objects),
        labels=labels,
        votes=_votes(source, frame),
        problems=(*source.problems[known:], *problems),
        projected_rectangles=sum(r.is_projected for r in frame.labels.rectangles),
    )


def store_readings(
    job: Job, source: sensed.Scene, frame: sensed.Frame
) -> dict[str, storage.StoredReading]:
    """Store a frame's bytes; cancel is heard between readings. Raises BadScene."""
    objects: dict[str, storage.StoredReading] = {}
    for name, sweep in frame.sweeps.items():
        lease.check(job)
        objects[name] = storage.write_sweep(sweep)
    for name, image in frame.images.items():
        lease.check(job)
        lens = source.sensor(name).calibration.intrinsics
        if lens is None:
            raise BadScene(f"camera {name} has images but no intrinsics", record=frame.index)
        try:
            objects[name] = storage.write_image(
                image, width_px=lens.width_px, height_px=lens.height_px
            )
        except BadScene as error:
            raise BadScene(
                f"frame {frame.index}, camera {name}: {error.message}", record=frame.index
            ) from error
    return objects


def _packed_labels(
    frame: sensed.Frame, objects: Mapping[str, storage.StoredReading]
) -> tuple[ImportedFrame, list[Problem]]:
    masks: list[ImportedMask] = []
    blind: dict[str, int] = {}
    for label in frame.labels.masks:
        if label.sensor not in objects:
            blind[label.sensor] = blind.get(label.sensor, 0) + 1
            continue
        size = objects[label.sensor].size
        if label.mask.size != size:
            raise BadScene(
                f"frame {frame.index}: a mask of {label.track!r} has {label.mask.size} elements, "
                f"the reading of {label.sensor} has {size}",
                record=frame.index,
            )
        if runs := encode_runs(label.mask):
            masks.append(
                ImportedMask(label.track, label.label_class, label.sensor, runs, label.is_stuff)
            )
    drawn = [rectangle for rectangle in frame.labels.rectangles if not rectangle.is_projected]
    for rectangle in drawn:
        if rectangle.sensor not in objects:
            blind[rectangle.sensor] = blind.get(rectangle.sensor, 0) + 1
    problems = [
        Problem("", frame.index, f"{count} labels of {name} left out: it has no reading there")
        for name, count in blind.items()
    ]
    return ImportedFrame(
        index=frame.index,
        masks=tuple(masks),
        cuboids=frame.labels.cuboids,
        rectangles=tuple(rectangle for rectangle in drawn if rectangle.sensor in objects),
    ), problems


def _votes(source: sensed.Scene, frame: sensed.Frame) -> dict[str, Votes]:
    """Which box holds each instance of this frame, by sensor."""
    instances: dict[str, dict[str, BoolArray]] = {}
    for label in frame.labels.masks:
        if not label.is_stuff:
            instances.setdefault(label.sensor, {})[label.track] = label.mask
    cuboids = frame.labels.cuboids
    votes: dict[str, Votes] = {}
    for name, masks in instances.items() if cuboids else ():
        if name in frame.sweeps:
            votes[name] = boxes_of_instances(frame.sweeps[name].points_ego, masks, cuboids)
        elif name in frame.images and frame.sweeps:
            points_ego, places = _points_in_image(source.sensor(name), frame)
            votes[name] = boxes_of_image_instances(points_ego, places, masks, cuboids)
    return votes


def _points_in_image(
    camera: sensed.Sensor, frame: sensed.Frame
) -> tuple[FloatArray, NDArray[np.int64]]:
    """LiDAR points that a camera has in view: points_ego [N, 3], flat pixel index [N].

    Where the vehicle drove on between the sweep and the picture, standing things are put right;
    what moved by itself lands a little beside, which costs a join and makes no wrong one.
    """
    lens = camera.calibration.intrinsics
    assert lens is not None, "its image was stored, so it has intrinsics"
    points_ego = np.concatenate([sweep.points_ego for sweep in frame.sweeps.values()])
    camera_from_ego = inverse(camera.calibration.ego_from_sensor)
    moved = frame.images[camera.name].world_from_ego
    if moved is not None:
        camera_from_ego = camera_from_ego @ inverse(moved) @ frame.world_from_ego
    pixels, _, in_view = project_to_image(points_ego, camera_from_ego, lens)
    columns, rows = np.floor(pixels[in_view]).astype(np.int64).T
    return points_ego[in_view], rows * lens.width_px + columns


@dataclass(frozen=True)
class _Gathered:
    """All spooled frames at a glance, without their labels."""

    frames: list[scenes.StoredFrame]
    tally: Tally
    same_objects: dict[str, str]
    class_of: dict[str, str]
    has_labels: bool


def _gather(source: sensed.Scene, spool: Spool, opening: tuple[Problem, ...]) -> _Gathered:
    frames, votes, tally = [], [], Tally(source)
    classes: dict[str, str] = {}
    has_labels = False
    tally.add_problems(opening)
    for frame in spool.frames(len(source.frames)):
        frames.append(frame.stored)
        votes.append(frame.votes)
        tally.add(frame)
        classes.update({mask.track: mask.label_class for mask in frame.labels.masks})
        labels = frame.labels
        has_labels = has_labels or bool(labels.masks or labels.cuboids or labels.rectangles)
    joined = same_objects(votes)
    # The segmentation's "bus" says more than the box's "vehicle".
    class_of = {box: classes[instance] for instance, box in joined.items()}
    return _Gathered(frames, tally, joined, class_of, has_labels)


@transaction.atomic
def _write_rows(
    job: Job,
    source: sensed.Scene,
    source_format: str,
    spool: Spool,
    gathered: _Gathered,
    seconds: Stopwatch,
) -> Report:
    total = len(gathered.frames)
    scene = scenes.create_scene(
        job.project, source, source_format=source_format, expected_frames=total
    )
    create_document(scene)
    for start in range(0, total, ROWS_AT_ONCE):
        scenes.add_frames(scene, gathered.frames[start : start + ROWS_AT_ONCE])
    counts = Counts()
    if isinstance(source, NativeScene) and source.history is not None:
        counts = restore(scene, source.history)
    elif gathered.has_labels:
        counts = write_imported_labels(
            scene,
            (frame.labels for frame in spool.frames(total)),
            operation_id=uuid4(),
            by=job.requested_by,
            same_objects=gathered.same_objects,
            class_of=gathered.class_of,
        )
    open_task(scene)
    report = gathered.tally.report(
        labels=counts, joined=len(gathered.same_objects), seconds=seconds()
    )
    report["scene_ids"] = [scene.pk]
    scenes.set_ready(scene, import_report=report)
    # Still ours, and still wanted? Otherwise none of this has happened.
    jobs.progress(job, done=total, total=total, message="writing the scene")
    return report
