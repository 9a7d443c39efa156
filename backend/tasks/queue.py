"""What a person does next, without anybody's handing it out.

Labellers: their own unfinished work, what came back to them, what was given to them, then what is free,
the urgent first. Reviewers: what they have sent back before, then what nobody has reviewed, never
their own work.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from backend.accounts.models import User
from backend.annotations.models import Edit
from backend.projects.models import Project
from backend.scenes.models import Scene
from backend.tasks import actions
from backend.tasks.models import Task

S = Task.State
MOST_URGENT_FIRST = ("-priority", F("due").asc(nulls_last=True), "id")


@transaction.atomic
def next_task(project: Project, user: User) -> Task | None:
    """The labeller's next task, started; None when there is nothing to do."""
    tasks = Task.objects.filter(scene__project=project)
    mine = tasks.filter(assignee=user)
    for state in (S.IN_PROGRESS, S.SENT_BACK, S.OPEN):
        found = mine.filter(state=state).order_by(*MOST_URGENT_FIRST).first()
        if found is not None:
            return found if state == S.IN_PROGRESS else actions.start(found, by=user)
    others = _of_other_drives(tasks, user)
    found = _locked(others.filter(state=S.OPEN, assignee=None))
    if found is None:
        found = _locked(left_alone(others, timezone.now()).exclude(assignee=user))
        if found is not None:
            actions.give_up(found, by=user)
    return None if found is None else actions.start(found, by=user)


def _of_other_drives(tasks: QuerySet[Task], user: User) -> QuerySet[Task]:
    """Without blind copies of what the person has labelled, and the other way round."""
    mine = Scene.objects.filter(tasks__assignee=user)
    family = Q(scene__original__in=mine) | Q(scene__copies__in=mine)
    siblings = Q(scene__original__in=mine.exclude(original=None).values("original"))
    return tasks.exclude(pk__in=Task.objects.filter(family | siblings).values("pk"))


def left_alone(tasks: QuerySet[Task], now: datetime) -> QuerySet[Task]:
    """Those that were taken from the queue, and whose taker has not touched their scene for long."""
    since = now - timedelta(hours=settings.TASK_RECLAIM_HOURS)
    at_work = Edit.objects.filter(
        document=OuterRef("scene_id"), by=OuterRef("assignee_id"), at__gt=since
    )
    return tasks.filter(~Exists(at_work), state=S.IN_PROGRESS, was_taken=True, state_at__lt=since)


def next_review(project: Project, user: User) -> Task | None:
    """The reviewer's next task; None when there is nothing to review."""
    submitted = Task.objects.filter(scene__project=project, state=S.SUBMITTED).exclude(
        assignee=user
    )
    since = timezone.now() - timedelta(hours=settings.TASK_RECLAIM_HOURS)
    # What somebody else has sent back is theirs to look at again, unless they stay away.
    free = Q(reviewer=None) | Q(state_at__lt=since)
    with transaction.atomic():
        found = submitted.filter(reviewer=user).order_by(*MOST_URGENT_FIRST).first() or _locked(
            submitted.filter(free)
        )
        if found is not None and found.reviewer_id != user.pk:
            found.reviewer = user
            found.save(update_fields=["reviewer"])
    return found


def _locked(tasks: QuerySet[Task]) -> Task | None:
    """The most urgent one that nobody else is taking at this moment."""
    waiting = tasks.select_for_update(skip_locked=True, of=("self",))
    return waiting.order_by(*MOST_URGENT_FIRST).first()
