"""Blind copies: others label the same frames again, and do not know it.

Of what is accepted, the copy is a trial against gold; of what is not, an opinion beside others'. Whoever labels sees
neither the original nor other copies (`scenes.queries.visible_scenes`), and the queue gives nobody two of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from django.db import transaction

from backend.accounts import audit
from backend.accounts.models import User
from backend.annotations.actions import create_document
from backend.annotations.adopting import adopt_labels
from backend.predictions.actions import request_prelabels
from backend.scenes.actions import copy_scene
from backend.scenes.models import Scene
from backend.tasks import actions as tasks
from backend.tasks.models import Task

S = Task.State
MOST = 10


class NotCopied(ValueError):
    """Why these frames are not labelled again; the message says what to do."""


@transaction.atomic
def label_again(
    task: Task, people: Sequence[User | None], *, by: User, prelabel: bool = False
) -> list[Task]:
    """A blind copy of the task's frames for each of these people. None: whoever comes first.

    prelabel: the data engine labels each copy first, as it did the others.  Raises NotCopied.
    """
    scene = task.scene
    _check(task, people)
    made: list[Task] = []
    for person in people:
        copy = copy_scene(scene, first_frame=task.first_frame, last_frame=tasks.last_frame(task))
        create_document(copy)
        again = Task.objects.create(scene=copy, priority=task.priority, due=task.due)
        if prelabel:
            request_prelabels(copy, by=by)
        if person is not None:
            (again,) = tasks.plan([again], by=by, assignees=[person])
        made.append(again)
    about = f"{scene.name}, frames {task.first_frame} to {tasks.last_frame(task)}: {len(made)}"
    audit.note("copies.made", about, by=by, project=scene.project_id)
    return made


def _check(task: Task, people: Sequence[User | None]) -> None:
    scene = task.scene
    if scene.original_id is not None:
        raise NotCopied(f"{scene.name} is a blind copy itself: copy the original's task")
    if scene.state == Scene.State.ARRIVING:
        raise NotCopied(f"{scene.name} is still arriving: copy it when all of its frames are there")
    if task.state == S.SKIPPED:
        raise NotCopied(f"the task of {scene.name} is skipped: open it again first")
    if not 1 <= len(people) <= MOST:
        raise NotCopied(f"{len(people)} copies: make 1 to {MOST} at a time")
    named = [person for person in people if person is not None]
    if len({person.pk for person in named}) < len(named):
        raise NotCopied("name each person once: nobody labels the same frames twice")
    family = Task.objects.filter(scene__original=scene) | Task.objects.filter(scene=scene)
    has = set(family.values_list("assignee_id", flat=True))
    for person in named:
        if person.pk in has:
            raise NotCopied(
                f"{person.display_name} has a task of {scene.name} already: choose somebody else"
            )


@transaction.atomic
def adopt(copy: Scene, *, by: User) -> int:
    """A blind copy's labels take the place of the original's in its frames, as one edit that can be undone.

    Returns the original's revision.  Raises NotCopied; InvalidEdit where the original is accepted.
    """
    if copy.original is None:
        raise NotCopied(f"{copy.name} is no blind copy")
    revision = adopt_labels(copy, copy.original, operation_id=uuid4(), by=by)
    audit.note("copy.adopted", copy.name, by=by, project=copy.project_id)
    return revision
