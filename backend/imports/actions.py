from __future__ import annotations

from pathlib import Path
from typing import Any

from backend.accounts.models import User
from backend.imports.formats import FORMATS
from backend.imports.models import Upload
from backend.jobs import actions as jobs
from backend.jobs.models import Job, Kind
from backend.projects.models import Project

DEMO_SEED, DEMO_FRAMES = 7, 200


class CannotImport(ValueError):
    """What was asked for cannot be imported; says why."""


def request_import_of_path(
    project: Project, *, source_format: str, path: Path, by: User | None
) -> Job:
    """Import a recording that lies on this machine."""
    parameters = {"format": source_format, "path": str(path)}
    return jobs.request_job(
        Kind.IMPORT,
        project,
        by=by,
        label=_label(source_format, path.name),
        parameters=parameters,
    )


def request_import_of_upload(upload: Upload, *, source_format: str, by: User) -> Job:
    """Import a recording that has been uploaded. Raises CannotImport when bytes are missing."""
    if upload.offset != upload.size:
        raise CannotImport(f"{upload.offset} of {upload.size} bytes have arrived: upload the rest")
    return jobs.request_job(
        Kind.IMPORT,
        upload.project,
        by=by,
        label=_label(source_format, upload.name),
        parameters={"format": source_format, "upload": upload.pk},
    )


def begin_import_of_path(
    project: Project, *, source_format: str, path: Path, by: User | None, worker: str
) -> Job:
    """A job that the caller does at once, for the command line."""
    parameters: dict[str, Any] = {"format": source_format, "path": str(path)}
    return jobs.begin_job(
        Kind.IMPORT,
        project,
        by=by,
        worker=worker,
        label=_label(source_format, path.name),
        parameters=parameters,
    )


def request_demo(
    project: Project, *, by: User | None, seed: int = DEMO_SEED, frames: int = DEMO_FRAMES
) -> Job:
    """The procedural drive, once per project: a second request finds the first one's job."""
    there = Job.objects.filter(project=project, kind=Kind.DEMO).order_by("id").first()
    return there or jobs.request_job(
        Kind.DEMO,
        project,
        by=by,
        label=f"Demo drive, {frames} frames",
        parameters={"seed": seed, "frames": frames},
    )


def _label(source_format: str, name: str) -> str:
    return f"{FORMATS[source_format].title}: {name}"
