"""A task is opened, submitted, accepted or sent back. Accepting freezes the labels."""

from __future__ import annotations

from django.db import transaction

from backend.accounts.models import User
from backend.annotations import actions as labels
from backend.annotations.models import Document
from backend.scenes.models import Scene
from backend.tasks.models import Review, Task

SUBMITTABLE = (Task.State.OPEN, Task.State.SENT_BACK)


class WrongState(ValueError):
    """The task is not in a state in which this can be done; somebody may have been quicker."""


def open_task(scene: Scene) -> Task:
    task, _ = Task.objects.get_or_create(scene=scene)
    return task


def submit(task: Task, *, by: User) -> Task:
    """Hand the work in; who submits an unassigned task becomes its assignee."""
    if task.scene.state == Scene.State.ARRIVING:
        raise WrongState("the drive is still arriving: submit it when all of its frames are there")
    _move(task, SUBMITTABLE, Task.State.SUBMITTED)
    if task.assignee is None:
        task.assignee = by
        task.save(update_fields=["assignee"])
    return task


def assign(task: Task, to: User | None) -> Task:
    """Give a task to somebody, or to whoever comes first (None). What is accepted is nobody's to do."""
    changed = Task.objects.filter(pk=task.pk).exclude(state=Task.State.ACCEPTED)
    if not changed.update(assignee=to):
        raise WrongState("the task is accepted: send it back to give it to somebody")
    task.refresh_from_db()
    return task


@transaction.atomic
def accept(task: Task, *, by: User) -> Task:
    """The labels are good: nobody may change them any more, and exports may take them."""
    _move(task, (Task.State.SUBMITTED,), Task.State.ACCEPTED)
    task.accepted_revision = labels.freeze(
        task.scene_id, why=f"accepted by {by.display_name}: send the task back to edit it"
    )
    task.save(update_fields=["accepted_revision"])
    Review.objects.create(task=task, reviewer=by, accepted=True, revision=task.accepted_revision)
    return task


@transaction.atomic
def send_back(task: Task, *, by: User, reason: str) -> Task:
    """The work returns to its labeller, with the reason; an accepted task is opened again."""
    if not reason.strip():
        raise WrongState("say why it is sent back: the labeller reads it")
    _move(task, (Task.State.SUBMITTED, Task.State.ACCEPTED), Task.State.SENT_BACK)
    task.accepted_revision = None
    task.save(update_fields=["accepted_revision"])
    labels.thaw(task.scene_id)
    revision = Document.objects.get(pk=task.scene_id).revision
    Review.objects.create(
        task=task, reviewer=by, accepted=False, reason=reason.strip(), revision=revision
    )
    return task


def _move(task: Task, before: tuple[str, ...], after: str) -> None:
    """Claim by update: of two people who press at once, one succeeds."""
    if not Task.objects.filter(pk=task.pk, state__in=before).update(state=after):
        task.refresh_from_db()
        raise WrongState(f"the task is {task.get_state_display()}, so it cannot become {after}")
    task.refresh_from_db()
