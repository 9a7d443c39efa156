"""manage.py run_engine SCENE...: pre-label scenes, one after the other, in this process."""

from __future__ import annotations

import logging
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backend.annotations.errors import InvalidEdit
from backend.jobs import actions as jobs
from backend.jobs.models import Job, State
from backend.jobs.tasks import run_claimed, worker_name
from backend.predictions.actions import begin_prelabels
from backend.scenes.queries import NoSuchScene, scene_named


class Command(BaseCommand):
    help = "Let the data engine label scenes. What people have touched stays as it is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("scenes", nargs="+", metavar="SCENE", help="id or name of a scene")
        parser.add_argument(
            "--provider", default="", metavar="NAME",
            help="where masks in pictures come from: nano, sam2 or grounded-sam2; default: the "
            "installation's own (MASKLET_ENGINE_PROVIDER)",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            scenes = [scene_named(text) for text in options["scenes"]]
        except NoSuchScene as error:
            raise CommandError(str(error)) from error
        # Imported here: OpenCV and Numba take seconds, which a wrong name need not cost.
        from backend.predictions.prelabelling import EXPECTED, prelabel

        logging.getLogger("backend.jobs.actions").setLevel(logging.ERROR)
        for scene in scenes:
            try:
                job = begin_prelabels(scene, worker=worker_name(), provider=options["provider"])
            except InvalidEdit as error:
                raise CommandError(str(error)) from error
            try:
                run_claimed(job, lambda job: prelabel(job, watch=self._show), expected=EXPECTED)
            except KeyboardInterrupt:
                jobs.cancelled(job)
                raise CommandError(
                    f"cancelled; job {job.pk} can be resumed in the browser"
                ) from None
            self._conclude(job, scene.name)

    def _show(self, job: Job) -> None:
        self.stderr.write(f"{job.message}\r", ending="")
        self.stderr.flush()

    def _conclude(self, job: Job, name: str) -> None:
        job.refresh_from_db()
        self.stderr.write("")
        if job.state != State.DONE:
            raise CommandError(f"{name}: {job.error or f'pre-labelling is {job.state}'}")
        report = job.report or {}
        self.stdout.write(f"{name}: {report['summary']}")
        for remark in report["remarks"]:
            self.stderr.write(f"note: {remark}")
