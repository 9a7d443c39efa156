"""Comparisons are made by themselves, as soon as there is something to compare."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from backend.jobs import actions as jobs
from backend.jobs.models import ENDED, Job, Kind
from backend.quality.due import HANDED_IN
from backend.scenes.models import Scene
from backend.tasks.models import Task
from backend.tasks.signals import moved


@receiver(moved)
def compare_what_is_handed_in(task: Task, **_: Any) -> None:
    if task.state in HANDED_IN:
        request_comparison(task.scene.original or task.scene)


def request_comparison(original: Scene) -> Job | None:
    """A job where the scene has blind copies and none waits yet; else None."""
    if not original.copies.exists():
        return None
    waiting = Job.objects.filter(kind=Kind.COMPARE, parameters__original=original.pk)
    if waiting.exclude(state__in=ENDED).filter(started_at=None).exists():
        return None
    return jobs.request_job(
        Kind.COMPARE, original.project, by=None, label=f"Compare the labels of {original.name}",
        parameters={"original": original.pk}, is_asked_for=False,
    )  # fmt: skip
