"""Comparisons and rules as jobs."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from backend.jobs import actions as jobs
from backend.jobs import tasks as jobs_tasks
from backend.jobs.models import Job
from backend.quality import exceptions
from backend.quality.due import new_pairs_of, revision
from backend.quality.models import Comparison
from backend.scenes.models import Scene
from backend.scenes.sweep_codec import BadObject
from backend.tasks.issues import note_findings
from backend.tasks.models import Task


class SceneGone(RuntimeError):
    """What was to be compared was deleted."""


EXPECTED = (SceneGone, BadObject)


@shared_task(name="backend.quality.tasks.run_comparison")  # type: ignore[untyped-decorator]
def run_comparison(job_id: int) -> None:
    jobs_tasks.run(job_id, compare_family, expected=EXPECTED)


def compare_family(job: Job) -> dict[str, Any]:
    """All that is handed in of one recording, and was not compared as it stands now."""
    # Loaded by workers alone: SciPy is not where pages are served.
    from backend.quality.comparing import compare

    original = Scene.objects.filter(pk=job.parameters["original"]).first()
    if original is None:
        raise SceneGone("the drive was deleted")
    pairs = new_pairs_of(original)
    total, before = sum(len(pair.frames) for pair in pairs), 0
    for pair in pairs:
        # Read first: what is edited meanwhile is compared again the next time.
        revisions = revision(pair.judged), revision(pair.reference)
        done_before = before

        def tell(done: int, done_before: int = done_before) -> None:
            jobs.progress(job, done=done_before + done, total=total, message="comparing labels")

        report = compare(pair.judged.scene, pair.reference.scene, frames=pair.frames, tell=tell)
        before += len(pair.frames)
        figures = report["figures"]
        Comparison.objects.update_or_create(
            judged=pair.judged.scene, reference=pair.reference.scene,
            defaults={
                "is_gold": pair.is_gold,
                "person": pair.judged.assignee,
                "other": None if pair.is_gold else pair.reference.assignee,
                "judged_revision": revisions[0],
                "reference_revision": revisions[1],
                "iou_pixels": figures["pixels"]["iou"] if "pixels" in figures else None,
                "iou_points": figures["points"]["iou"] if "points" in figures else None,
                "report": {**report, "frames": [pair.frames.start, pair.frames.stop - 1]},
            },
        )  # fmt: skip
    return {"summary": f"{len(pairs)} comparisons"}


@shared_task(name="backend.quality.tasks.run_checks")  # type: ignore[untyped-decorator]
def run_checks(job_id: int) -> None:
    jobs_tasks.run(job_id, check_task, expected=EXPECTED)


def check_task(job: Job) -> dict[str, Any]:
    """What rules find in a task's frames becomes issues; where only exceptions are reviewed, it is then known
    whether the task is one.
    """
    from backend.quality.checking import findings_in

    task = Task.objects.select_related("scene__project").filter(pk=job.parameters["task"]).first()
    if task is None:
        raise SceneGone("the task was deleted")

    def tell(done: int, total: int) -> None:
        jobs.progress(job, done=done, total=total, message="looking for what is odd")

    found = findings_in(task, tell)
    count = note_findings(task, found)
    exceptions.settle(task)
    words = {0: "nothing odd was found", 1: "1 finding: see the issues"}
    return {"summary": words.get(count, f"{count} findings: see the issues")}
