"""What is told: each message says what and whose, and the API says the rest."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from backend.jobs.models import Job, Kind
from backend.jobs.signals import ended
from backend.tasks.models import Issue, Step, Task
from backend.tasks.signals import moved, raised
from backend.webhooks.actions import tell
from backend.webhooks.models import Event

_TOLD_JOBS = (Kind.IMPORT, Kind.EXPORT, Kind.ENGINE, Kind.DEMO)


@receiver(moved)
def tell_of_task(task: Task, step: Step, **_: Any) -> None:
    tell(task.scene.project_id, Event.TASK_MOVED, {
        "task": task.pk, "scene": task.scene_id, "project": task.scene.project_id,
        "before": step.before, "after": step.after, "by": step.by_id,
    })  # fmt: skip


@receiver(ended)
def tell_of_job(job: Job, **_: Any) -> None:
    if job.kind in _TOLD_JOBS:
        tell(job.project_id, Event.JOB_ENDED, {
            "job": job.pk, "kind": job.kind, "state": job.state, "project": job.project_id,
            "scenes": (job.report or {}).get("scene_ids")
            or ([job.scene_id] if job.scene_id else []),
        })  # fmt: skip


@receiver(raised)
def tell_of_issue(issue: Issue, **_: Any) -> None:
    tell(issue.scene.project_id, Event.ISSUE_RAISED, {
        "issue": issue.pk, "scene": issue.scene_id, "project": issue.scene.project_id,
        "frame": issue.frame, "by": issue.by_id,
    })  # fmt: skip
