"""import_scene: a recording becomes a scene. Read, store bytes, and rows last, all at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import uuid4

from django.db import IntegrityError, transaction

from backend.annotations.actions import create_document
from backend.annotations.history import restore
from backend.annotations.imported import Counts, write_imported_labels
from backend.imports.intake import taken_in
from backend.imports.joining import same_objects
from backend.imports.report import Report, Tally
from backend.imports.spool import Spool
from backend.jobs import actions as jobs
from backend.jobs.models import Job
from backend.scenes import actions as scenes
from backend.scenes.models import Scene
from backend.tasks.actions import open_task
from inference import scene as sensed
from inference.datasets.native import NativeScene
from inference.scene import Problem

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
        spool.write(taken_in(job, source, index))
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
        project=job.project, source_format=source_format, source_name=source.name, original=None
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
