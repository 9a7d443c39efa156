"""What quality does by itself when a task has moved: rules look at it, and copies are compared."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from backend.accounts.models import User
from backend.jobs import actions as jobs
from backend.jobs.models import ENDED, Job, Kind
from backend.quality.due import HANDED_IN
from backend.scenes.models import Scene
from backend.tasks.actions import frame_count
from backend.tasks.models import Task
from backend.tasks.signals import moved


@receiver(moved)
def look_at_what_is_handed_in(task: Task, **_: Any) -> None:
    if task.state == Task.State.SUBMITTED:
        request_checks(task, by=None)
    if task.state in HANDED_IN:
        request_comparison(task.scene.original or task.scene)


def request_checks(task: Task, *, by: User | None) -> Job:
    """Rules look at a task's frames; one job at a time, as a waiting one will see what is there then.

    by: None: the house itself.
    """
    waiting = _waiting(Kind.CHECK, task=task.pk)
    return waiting or jobs.request_job(
        Kind.CHECK, task.scene.project, by=by, scene_id=task.scene_id,
        label=f"Check {frame_count(task)} frames of {task.scene.name}",
        parameters={"task": task.pk}, is_asked_for=False,
    )  # fmt: skip


def request_comparison(original: Scene) -> Job | None:
    """None where the scene has no blind copies."""
    if not original.copies.exists():
        return None
    return _waiting(Kind.COMPARE, original=original.pk) or jobs.request_job(
        Kind.COMPARE, original.project, by=None, label=f"Compare the labels of {original.name}",
        parameters={"original": original.pk}, is_asked_for=False,
    )  # fmt: skip


def _waiting(kind: str, **parameters: int) -> Job | None:
    """One that no worker has begun."""
    asked_for = Job.objects.filter(kind=kind, started_at=None, parameters=parameters)
    return asked_for.exclude(state__in=ENDED).first()
