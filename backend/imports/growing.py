"""grow_scene: a drive that is made while people already look at it (the demo)."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import transaction

from backend.annotations.actions import create_document
from backend.annotations.imported import Counts
from backend.imports.importing import Stopwatch, Watch, nobody
from backend.imports.intake import store_readings
from backend.imports.report import Report, Tally
from backend.jobs import actions as jobs
from backend.jobs.models import Job
from backend.scenes import actions as scenes
from backend.scenes.models import Scene
from backend.tasks.actions import open_task
from inference import scene as sensed

# The first frames soon, so that there is something to click; later ones in larger steps.
FIRST_BATCH, LATER_BATCHES = 3, 5


class SceneGone(Exception):
    """Somebody has deleted the scene while it grew."""


def grow_scene(
    source: sensed.Scene, *, job: Job, source_format: str, name: str = "", watch: Watch = nobody
) -> Report:
    """Publish a drive batch by batch: `arriving` until its last frame, then `ready`.

    Goes on after the last published frame. Labels of the source are not stored: people are meant to
    click. Raises what stops a job: the frames so far then stay, as a shorter drive that is ready.
    """
    total = len(source.frames)
    seconds = Stopwatch(job.checkpoint.get("seconds", 0.0))
    scene = Scene.objects.filter(
        project=job.project, source_format=source_format, source_name=source.name, original=None
    ).first()
    if scene is not None:
        scenes.set_growth(scene, state=Scene.State.ARRIVING, expected_frames=total)
    published = scene.frames.count() if scene is not None else 0
    try:
        for batch in _batches(published, total):
            frames = [_stored(job, source, index) for index in batch]
            scene = _publish(job, source, source_format, name, scene, frames, seconds)
            watch(job)
    except jobs.Cancelled:
        if scene is not None:
            scenes.set_growth(scene, state=Scene.State.READY, expected_frames=scene.frames.count())
        raise
    assert scene is not None, "a drive has at least one frame"
    report = _report(source, scene, seconds)
    scenes.set_ready(scene, import_report=report)
    return report


def _batches(first: int, total: int) -> Iterator[range]:
    while first < total:
        size = FIRST_BATCH if first == 0 else LATER_BATCHES
        yield range(first, min(first + size, total))
        first += size


def _stored(job: Job, source: sensed.Scene, index: int) -> scenes.StoredFrame:
    frame = source.frames[index]
    return scenes.stored_frame(frame, store_readings(job, source, frame))


@transaction.atomic
def _publish(
    job: Job,
    source: sensed.Scene,
    source_format: str,
    name: str,
    scene: Scene | None,
    frames: list[scenes.StoredFrame],
    seconds: Stopwatch,
) -> Scene:
    total, done = len(source.frames), frames[-1].index + 1
    if scene is None:
        scene = scenes.create_scene(
            job.project,
            source,
            source_format=source_format,
            expected_frames=total,
            name=name,
            state=Scene.State.ARRIVING,
        )
        create_document(scene)
        open_task(scene)
        Job.objects.filter(pk=job.pk).update(scene_id=scene.pk)
        job.scene_id = scene.pk
    elif not Scene.objects.select_for_update().filter(pk=scene.pk).exists():
        raise SceneGone("the scene was deleted while it grew")
    scenes.add_frames(scene, frames)
    jobs.progress(
        job,
        done=done,
        total=total,
        message=f"{done} of {total} frames are there",
        checkpoint={"seconds": seconds()},
    )
    return scene


def _report(source: sensed.Scene, scene: Scene, seconds: Stopwatch) -> Report:
    tally = Tally(source)
    for frame in scene.frames.prefetch_related("readings__sensor"):
        readings: dict[str, dict[str, object]] = {
            reading.sensor.name: {
                "size": reading.size,
                "source_bytes": reading.source_bytes,
                "view_bytes": reading.view_bytes,
            }
            for reading in frame.readings.all()
        }
        tally.add_stored(
            scenes.StoredFrame(frame.index, frame.timestamp_us, frame.world_from_ego, readings)
        )
    report = tally.report(labels=Counts(), joined=0, seconds=seconds())
    report["scene_ids"] = [scene.pk]
    return report
