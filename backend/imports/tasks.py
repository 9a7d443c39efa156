"""Import jobs as Celery carries them; the work itself is in importing.py and growing.py."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from celery import shared_task
from django.conf import settings

from backend.imports import archives, uploads
from backend.imports.growing import SceneGone, grow_scene
from backend.imports.importing import Watch, import_scene, nobody
from backend.imports.models import Upload
from backend.imports.report import Report
from backend.jobs import lease
from backend.jobs.models import Job
from backend.jobs.tasks import run
from inference.scene import BadScene, Scene


class ImportFailed(Exception):
    """Why an import cannot succeed, as one sentence for a person."""


EXPECTED = (ImportFailed, SceneGone)


@shared_task(name="backend.imports.tasks.run_import")  # type: ignore[untyped-decorator]
def run_import(job_id: int) -> None:
    run(job_id, import_recording, expected=EXPECTED)


@shared_task(name="backend.imports.tasks.run_demo")  # type: ignore[untyped-decorator]
def run_demo(job_id: int) -> None:
    run(job_id, make_demo, expected=EXPECTED)


def import_recording(job: Job, *, watch: Watch = nobody) -> Report:
    """Read the recording that an import job names, and store it. Raises ImportFailed."""
    upload = _upload(job)
    try:
        path = _unpacked(job, upload) if upload else Path(job.parameters["path"])
        source_format = job.parameters["format"]
        source = reader_of(source_format)(path)
        report = import_scene(source, job=job, source_format=source_format, watch=watch)
    except BadScene as error:
        raise ImportFailed(sentence(error)) from error
    except archives.BadArchive as error:
        raise ImportFailed(str(error)) from error
    except OSError as error:
        raise ImportFailed(_sentence_of_os(error)) from error
    if upload:
        uploads.remove(upload)
    return report


def reader_of(source_format: str) -> Callable[[Path], Scene]:
    # Readers need packages that web processes do not have; only this work loads them.
    from inference.datasets import READERS

    return READERS[source_format]


def make_demo(job: Job, *, watch: Watch = nobody) -> Report:
    """Make the procedural drive of a demo job, or the rest of it."""
    from inference.world.drive import make_drive

    seed, frames = job.parameters["seed"], job.parameters["frames"]
    drive = make_drive(seed, rig=job.parameters.get("rig", "demo"), length=frames)
    try:
        return grow_scene(drive, job=job, source_format="demo", name="Demo drive", watch=watch)
    except OSError as error:
        raise ImportFailed(_sentence_of_os(error)) from error


def sentence(error: BadScene) -> str:
    """File, record and reason in one line, each said once."""
    where = Path(error.file).name if error.file else ""
    if where and error.record is not None:
        where = f"{where}, record {error.record}"
    if not where or Path(error.file).name in error.message:
        return error.message
    return f"{where}: {error.message}"


def _sentence_of_os(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full: make room (manage.py prune_storage may help), then resume the job"
    return f"{error.filename or 'a file'} cannot be used: {error.strerror or error}"


def _upload(job: Job) -> Upload | None:
    if "upload" not in job.parameters:
        return None
    try:
        return Upload.objects.get(pk=job.parameters["upload"])
    except Upload.DoesNotExist:
        raise ImportFailed("the uploaded file is no longer kept: upload it again") from None


def _unpacked(job: Job, upload: Upload) -> Path:
    path = uploads.path_of(upload)
    if path.suffix == ".tfrecord":
        return path
    return archives.unpack(
        path,
        uploads.unpacked_folder_of(upload),
        most_bytes=settings.UPLOAD_LIMIT_BYTES,
        keep_going=lambda: lease.check(job),
    )
