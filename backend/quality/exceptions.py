"""Review by exception: what nothing flags is accepted by itself, but for a share that is drawn by chance."""

from __future__ import annotations

import random

from django.db import transaction

from backend.annotations.models import Mask, Source
from backend.projects.models import Project
from backend.tasks import actions
from backend.tasks.models import Flag, Task
from backend.tasks.queries import open_issues

_DOUBTED, _MANY = 0.5, 0.1  # confidence of a mask; the share of such masks in a task
S = Task.State


@transaction.atomic
def settle(task: Task) -> None:
    """Flag or accept a submitted task that rules have looked at, where only exceptions are reviewed."""
    task = (
        Task.objects.select_for_update(of=("self",))
        .select_related("scene__project")
        .get(pk=task.pk)
    )
    project = task.scene.project
    if task.state != S.SUBMITTED or project.review_policy != Project.ReviewPolicy.EXCEPTIONS:
        return
    task.flag = _flag(task, project.review_share)
    task.save(update_fields=["flag"])
    if not task.flag:
        actions.accept(task, by=None)


def _flag(task: Task, share_percent: int) -> str:
    """Why the task is an exception; "": it is none."""
    if task.reviewer is not None:
        return Flag.AGAIN
    waiting = open_issues(task)
    if waiting.exclude(rule="").exists():
        return Flag.RULES
    if waiting.exists():
        return Flag.ISSUES
    if _is_doubted(task):
        return Flag.MODEL
    return Flag.SAMPLE if random.random() * 100 < share_percent else ""


def _is_doubted(task: Task) -> bool:
    masks = Mask.objects.filter(
        track__document=task.scene_id, until_revision=None,
        reading__frame__index__range=(task.first_frame, actions.last_frame(task)),
    )  # fmt: skip
    untouched = masks.filter(source__in=(Source.ENGINE, Source.MODEL), confidence__isnull=False)
    count = untouched.count()
    return count > 0 and untouched.filter(confidence__lt=_DOUBTED).count() > _MANY * count
