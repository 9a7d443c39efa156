"""A task is opened, taken, submitted, accepted, sent back or skipped. Accepting freezes its frames.

Every move is one of MOVES. It locks the task's row, so that of two people who press at once one moves
it and the other hears in which state it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone

from backend.accounts import audit
from backend.accounts.models import Notification, User
from backend.accounts.notifications import notify
from backend.annotations import actions as labels
from backend.scenes.models import Scene
from backend.tasks.models import Review, Step, Task
from backend.tasks.queries import open_issues
from backend.tasks.signals import moved

S, Kind = Task.State, Notification.Kind
# By move: from which states, to which.
MOVES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "start": ((S.OPEN, S.SENT_BACK), S.IN_PROGRESS),
    "submit": ((S.OPEN, S.IN_PROGRESS, S.SENT_BACK), S.SUBMITTED),
    "accept": ((S.SUBMITTED,), S.ACCEPTED),
    "send_back": ((S.SUBMITTED, S.ACCEPTED), S.SENT_BACK),
    "skip": ((S.OPEN, S.IN_PROGRESS, S.SENT_BACK), S.SKIPPED),
    "reopen": ((S.SKIPPED,), S.OPEN),
    "give_up": ((S.IN_PROGRESS,), S.OPEN),
}


class WrongState(ValueError):
    """The task is not in a state in which this can be done; somebody may have been quicker."""


def open_task(scene: Scene) -> Task:
    """The scene's task; a new one, of all its frames, where there is none."""
    found = scene.tasks.order_by("first_frame").first()
    return found or Task.objects.get_or_create(scene=scene, first_frame=0)[0]


def start(task: Task, *, by: User) -> Task:
    """Begin to label; a task that was nobody's is the starter's from now on."""
    with _moving(task, "start", by):
        if task.assignee_id not in (None, by.pk):
            raise WrongState(f"the task is {_name(task.assignee)}'s already")
        task.was_taken = task.was_taken or task.assignee_id is None
        task.assignee = by
    return task


def submit(task: Task, *, by: User) -> Task:
    """Hand the work in; who submits an unassigned task becomes its assignee."""
    with _moving(task, "submit", by):
        if task.scene.state == Scene.State.ARRIVING:
            raise WrongState(
                "the drive is still arriving: submit it when all of its frames are there"
            )
        task.assignee = task.assignee or by
        if task.reviewer is not None:
            notify(
                [task.reviewer],
                Kind.AGAIN,
                f"{_where(task)} is submitted again",
                _address(task),
                by=by,
            )
    return task


def skip(task: Task, *, by: User, why: str, note: str = "") -> Task:
    """Leave a task that cannot be done, with one of WhySkipped; a manager opens it again."""
    with _moving(task, "skip", by, why=why, note=note):
        task.was_taken = False
    return task


def reopen(task: Task, *, by: User) -> Task:
    """A skipped task is to be done after all, by whoever comes first."""
    with _moving(task, "reopen", by):
        task.assignee = None
    return task


def give_up(task: Task, *, by: User) -> Task:
    """A task that somebody has begun goes back to the queue; what was labelled stays."""
    with _moving(task, "give_up", by):
        task.assignee, task.was_taken = None, False
    return task


def accept(task: Task, *, by: User | None) -> Task:
    """The labels are good: nobody may change these frames any more, and exports may take them.

    by: None: nothing flagged it, where only exceptions are reviewed.  Issues that people have raised must be resolved;
    what rules have found need not be.
    """
    with _moving(task, "accept", by):
        waiting = open_issues(task).filter(rule="").count()
        if waiting:
            raise WrongState(
                f"{waiting} {'issue is' if waiting == 1 else 'issues are'} open in these frames: resolve "
                "them, or send the task back"
            )
        task.reviewer = by
        task.accepted_revision = _freeze(task, _reviewer(task))
        Review.objects.create(
            task=task, reviewer=by, accepted=True, revision=task.accepted_revision
        )
        notify([task.assignee], Kind.ACCEPTED, f"{_where(task)} is accepted", _address(task), by=by)
    return task


def send_back(task: Task, *, by: User, reason: str, faults: Sequence[str] = ()) -> Task:
    """The work returns to its labeller, with the reason; an accepted task is opened again.

    faults: kinds of them, of `Fault`.  Whoever sends it back is asked first when it is submitted again.
    """
    if not reason.strip():
        raise WrongState("say why it is sent back: the labeller reads it")
    with _moving(task, "send_back", by, note=reason.strip()):
        task.accepted_revision = None
        task.reviewer = by
        revision = _freeze(task, by.display_name)
        Review.objects.create(
            task=task, reviewer=by, accepted=False, reason=reason.strip(),
            faults=list(dict.fromkeys(faults)), revision=revision,
        )  # fmt: skip
        text = f"{_where(task)} is sent back: {reason.strip()}"
        notify([task.assignee], Kind.SENT_BACK, text, _address(task), by=by)
    return task


# --- what managers plan --------------------------------------------------------------------------


@transaction.atomic
def plan(
    tasks: Sequence[Task], *, by: User, assignees: Sequence[User | None] = (),
    priority: int | None = None, due: date | None = None, drop_due: bool = False,
) -> list[Task]:  # fmt: skip
    """Change whose tasks these are, how urgent, and until when; all of them or none.

    assignees: one: all are given to this person (None: whoever comes first); several: shared out evenly
    by frames.  Raises WrongState for what is accepted.
    """
    rows = list(
        Task.objects.select_for_update(of=("self",)).select_related("scene__project").order_by("pk")
        .filter(pk__in=[task.pk for task in tasks])
    )  # fmt: skip
    accepted = [task for task in rows if task.state == S.ACCEPTED]
    if assignees and accepted:
        raise WrongState(
            f"the task of {accepted[0].scene.name} is accepted: send it back to give it to somebody"
        )
    given: Counter[User] = Counter()
    for task, person in zip(rows, shared_out(rows, assignees), strict=True):
        if person is not None and person.pk != task.assignee_id:
            given[person] += 1
        if assignees:
            task.assignee, task.was_taken = person, False
        task.priority = task.priority if priority is None else priority
        task.due = None if drop_due else due or task.due
        task.save(update_fields=["assignee", "was_taken", "priority", "due"])
    if rows:
        what = f"{len(rows)} {'task' if len(rows) == 1 else 'tasks'}"
        who = [person.username if person else "whoever comes first" for person in assignees]
        about = "; ".join([what, *([f"to {', '.join(who)}"] if who else [])])
        audit.note("tasks.planned", about, by=by, project=rows[0].scene.project_id)
    for person, count in given.items():
        project = rows[0].scene.project
        text = f"{'a task' if count == 1 else f'{count} tasks'} in {project.name} for you"
        notify([person], Kind.ASSIGNED, text, f"/projects/{project.pk}/tasks", by=by)
    return rows


def shared_out(tasks: Sequence[Task], among: Sequence[User | None]) -> list[User | None]:
    """Who gets which: each task, the longest first, to whoever has the fewest frames so far."""
    if not among:
        return [None] * len(tasks)
    frames = [0] * len(among)
    given: dict[int, User | None] = {}
    for task in sorted(tasks, key=lambda task: (-frame_count(task), task.pk)):
        least = min(range(len(among)), key=lambda k: frames[k])
        frames[least] += frame_count(task)
        given[task.pk] = among[least]
    return [given[task.pk] for task in tasks]


def last_frame(task: Task) -> int:
    """Where the task ends as the scene is now."""
    return task.scene.expected_frames - 1 if task.last_frame is None else task.last_frame


def frame_count(task: Task) -> int:
    return last_frame(task) - task.first_frame + 1


@transaction.atomic
def split(scene: Scene, *, frames: int, overlap: int = 0, by: User | None = None) -> list[Task]:
    """Tasks of `frames` frames each instead of the scene's own, which nobody may have begun.

    overlap: how many frames two that follow each other have in common, so that tracks can be joined.  The
    first part keeps the task that is there.  Raises WrongState.
    """
    Scene.objects.select_for_update(of=("self",)).get(pk=scene.pk)
    if scene.state == Scene.State.ARRIVING:
        raise WrongState("the drive is still arriving: split it when all of its frames are there")
    if not 0 <= overlap < frames:
        raise WrongState(f"an overlap of {overlap} does not fit parts of {frames} frames")
    parts = parts_of(scene.expected_frames, frames, overlap)
    before = list(Task.objects.select_for_update().filter(scene=scene).order_by("first_frame"))
    begun = [task for task in before if task.state != S.OPEN]
    if begun:
        raise WrongState(
            f"the task of frames {begun[0].first_frame} and on is {begun[0].get_state_display()}: "
            "only drives that nobody has begun are split"
        )
    audit.note("scene.split", f"{scene.name}: {len(parts)} tasks", by=by, project=scene.project_id)
    kept, *others = before or [Task(scene=scene)]
    Task.objects.filter(pk__in=[task.pk for task in others]).delete()
    kept.first_frame, kept.last_frame = parts[0]
    kept.save()
    return [kept, *(
        Task.objects.create(
            scene=scene, first_frame=first, last_frame=last, priority=kept.priority, due=kept.due
        )
        for first, last in parts[1:]
    )]  # fmt: skip


def parts_of(count: int, frames: int, overlap: int) -> list[tuple[int, int | None]]:
    """First and last frame of each part; one part: all of the scene, however far it grows."""
    if count <= frames:
        return [(0, None)]
    parts: list[tuple[int, int | None]] = []
    first = 0
    while True:
        last = min(first + frames, count) - 1
        # No tail that is shorter than half of a part: the last two share what is left.
        left = count - 1 - last
        if 0 < left < frames // 2:
            last = count - 1
        parts.append((first, last))
        if last == count - 1:
            return parts
        first = last + 1 - overlap


# --- how a task moves ----------------------------------------------------------------------------


@contextmanager
def _moving(
    task: Task, move: str, by: User | None, *, why: str = "", note: str = ""
) -> Iterator[None]:
    """`task`, read anew and locked, moves when the body has changed what else it changes."""
    before, after = MOVES[move]
    with transaction.atomic():
        task.refresh_from_db(from_queryset=Task.objects.select_for_update())
        if task.state not in before:
            raise WrongState(
                f"the task is {task.get_state_display()}, so it cannot become {S(after).label}"
            )
        was = task.state
        task.state, task.state_at = after, timezone.now()
        yield
        task.save()
        step = Step.objects.create(task=task, by=by, before=was, after=after, why=why, note=note)
        moved.send(Task, task=task, step=step)


def _freeze(task: Task, by: str) -> int:
    """Freeze what is accepted of the task's scene, with `task` as it is about to be saved."""
    tasks: list[Any] = [
        task if other.pk == task.pk else other
        for other in Task.objects.filter(scene=task.scene_id).select_related("reviewer")
    ]
    accepted = [each for each in tasks if each.state == S.ACCEPTED]
    if len(accepted) == len(tasks):
        why = f"accepted by {by}: send the task back to edit it"
        return labels.freeze(task.scene_id, [], whole=why)
    parts = [
        labels.FrozenPart(
            each.first_frame, last_frame(each),
            f"accepted by {_reviewer(each)}: send that task back to edit them",
        )
        for each in accepted
    ]  # fmt: skip
    return labels.freeze(task.scene_id, parts, whole="")


def _where(task: Task) -> str:
    if task.first_frame == 0 and task.last_frame is None:
        return task.scene.name
    return f"{task.scene.name}, frames {task.first_frame} to {last_frame(task)},"


def _address(task: Task) -> str:
    return f"/scenes/{task.scene_id}?task={task.pk}"


def _reviewer(task: Task) -> str:
    return task.reviewer.display_name if task.reviewer else "rule, as nothing flagged it"


def _name(person: User | None) -> str:
    return person.display_name if person else "somebody who has left"
