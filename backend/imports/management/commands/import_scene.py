"""python manage.py import_scene --project P --format waymo PATH"""

from __future__ import annotations

import logging
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backend.imports.actions import begin_import_of_path
from backend.imports.formats import FORMATS
from backend.imports.tasks import EXPECTED, import_recording
from backend.jobs import actions as jobs
from backend.jobs.models import Job, State
from backend.jobs.tasks import run_claimed, worker_name
from backend.projects.models import Project


class Command(BaseCommand):
    help = "Import a recorded drive into a project. Browsers see it as a job while it runs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="the recording: a file or a folder")
        parser.add_argument("--project", required=True, help="the project's number or name")
        parser.add_argument("--format", required=True, choices=list(FORMATS))

    def handle(self, *args: Any, **options: Any) -> None:
        path = options["path"].resolve()
        if not path.exists():
            raise CommandError(f"{path} does not exist")
        job = begin_import_of_path(
            project_named(options["project"]),
            source_format=options["format"],
            path=path,
            by=None,
            worker=worker_name(),
        )
        # What goes wrong is said once, in the command's own last line.
        logging.getLogger("backend.jobs.actions").setLevel(logging.ERROR)
        try:
            run_claimed(job, lambda job: import_recording(job, watch=self._show), expected=EXPECTED)
        except KeyboardInterrupt:
            jobs.cancelled(job)
            raise CommandError(f"cancelled; job {job.pk} can be resumed in the browser") from None
        self._conclude(job)

    def _show(self, job: Job) -> None:
        self.stderr.write(f"{job.message}\r", ending="")
        self.stderr.flush()

    def _conclude(self, job: Job) -> None:
        job.refresh_from_db()
        self.stderr.write("")
        if job.state != State.DONE:
            raise CommandError(job.error or f"the import is {job.state}")
        report = job.report or {}
        scenes = ", ".join(str(scene) for scene in report["scene_ids"])
        self.stdout.write(f"scene {scenes}: {report['summary']}")
        for problem in report.get("skipped", []):
            self.stderr.write(f"note: {problem['message']}")


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """What goes wrong is said once, in the command's own last line."""
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def project_named(text: str) -> Project:
    """A project by its number or its name. Raises CommandError."""
    found = Project.objects.filter(name=text).first()
    if found is None and text.isdecimal():
        found = Project.objects.filter(pk=int(text)).first()
    if found is None:
        names = ", ".join(repr(name) for name in Project.objects.values_list("name", flat=True))
        raise CommandError(f"there is no project {text!r}; there is {names or 'none yet'}")
    return found
