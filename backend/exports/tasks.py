"""The export job: written aside, packed, stored, and only then named by a row."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

from celery import shared_task
from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.utils import timezone

from backend.exports.actions import (
    NotExportable,
    check_scenes,
    safe_name,
    scenes_of,
    wish,
    write_export,
    zip_folder,
)
from backend.exports.models import Archive
from backend.jobs import actions as jobs
from backend.jobs import tasks as jobs_tasks
from backend.jobs.models import ENDED, Job, Kind
from backend.scenes import storage
from backend.scenes.sweep_codec import BadObject
from inference.scene import BadScene

EXPORTS = "exports"
FORGOTTEN_AFTER = timedelta(days=1)


@shared_task(name="backend.exports.tasks.run_export")  # type: ignore[untyped-decorator]
def run_export(job_id: int) -> None:
    jobs_tasks.run(job_id, build_archive, expected=(NotExportable, BadScene, BadObject))


def build_archive(job: Job) -> dict[str, Any]:
    """Write, pack and store what the job asks for. A job that is resumed starts again."""
    wanted = wish(
        job.parameters["format"],
        include_unreviewed=job.parameters["include_unreviewed"],
        with_readings=job.parameters["with_readings"],
    )
    clear_leftovers()
    scenes = scenes_of(job.project, job.parameters["scenes"])
    check_scenes(scenes, wanted)
    with_aside = aside(job)
    try:
        folder = with_aside / "files"
        folder.mkdir(parents=True)
        report = write_export(
            scenes,
            wanted,
            folder,
            progress=lambda done, total, what: jobs.progress(
                job, done=done, total=total, message=what
            ),
        )
        packed = with_aside / "archive.zip"
        zip_folder(folder, packed)
        jobs.progress(job, done=job.total, total=job.total, message="storing the archive")
        what = scenes[0].name if len(scenes) == 1 else job.project.name
        parts = [safe_name(what), wanted.format.name, wanted.mark]
        return {**report, "bytes": store(job, packed, "_".join(filter(None, parts)) + ".zip")}
    finally:
        shutil.rmtree(with_aside, ignore_errors=True)


def aside(job: Job) -> Path:
    """An empty place for this job; what a killed worker left of it is removed."""
    place = _place_aside() / f"{job.pk}"
    shutil.rmtree(place, ignore_errors=True)
    return place


def clear_leftovers() -> None:
    """Remove what ended jobs and deleted projects have left: nobody else looks for it."""
    running = Job.objects.filter(kind=Kind.EXPORT).exclude(state__in=ENDED)
    at_work = {str(pk) for pk in running.values_list("pk", flat=True)}
    for place in _place_aside().glob("*"):
        if place.name not in at_work:
            shutil.rmtree(place, ignore_errors=True)
    named = set(Archive.objects.values_list("key", flat=True))
    old = timezone.now() - FORGOTTEN_AFTER
    for key, written_at in list(storage.objects(EXPORTS)):
        if key not in named and written_at < old:
            storage.remove(key)


def _place_aside() -> Path:
    return Path(settings.DATA) / "exports-aside"


def store(job: Job, packed: Path, file_name: str) -> int:
    """The object first, its row last; returns its size."""
    key = f"{EXPORTS}/{job.pk}.zip"
    size = packed.stat().st_size
    with packed.open("rb") as opened:
        default_storage.save(key, File(opened))
    try:
        jobs.progress(job, done=job.total, total=job.total, message="stored")  # still ours?
    except jobs.Cancelled:
        default_storage.delete(key)
        raise
    Archive.objects.update_or_create(
        job=job, defaults={"key": key, "file_name": file_name, "size": size}
    )
    return size
