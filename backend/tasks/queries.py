from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.shortcuts import get_object_or_404

from backend.accounts.models import User
from backend.projects.models import Project
from backend.projects.permissions import may
from backend.projects.queries import visible_projects
from backend.scenes.models import Scene
from backend.tasks.models import Review, Step, Task


def visible_tasks(user: User | AnonymousUser) -> QuerySet[Task]:
    return Task.objects.filter(scene__project__in=visible_projects(user))


def tasks_of(project: Project) -> QuerySet[Task]:
    mine = Task.objects.filter(scene__project=project)
    return detailed(mine).order_by("scene__name", "scene", "first_frame")


def detailed(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """`reason` and `faults`: why a task was last sent back.  `skipped_why` and
    `skipped_note`.  `is_part`: of a scene that is split."""
    latest = Review.objects.filter(task=OuterRef("pk")).order_by("-id")
    steps = Step.objects.filter(task=OuterRef("pk"), after=Task.State.SKIPPED).order_by("-id")
    others = Task.objects.filter(scene=OuterRef("scene")).exclude(pk=OuterRef("pk"))
    return tasks.select_related("scene__project", "assignee", "reviewer").annotate(
        reason=Subquery(latest.values("reason")[:1]),
        faults=Subquery(latest.values("faults")[:1]),
        skipped_why=Subquery(steps.values("why")[:1]),
        skipped_note=Subquery(steps.values("note")[:1]),
        is_part=Exists(others),
    )


def task_for(user: User | AnonymousUser, task_id: int, ability: str) -> Task:
    """The task, for a user who may do `ability` ("view", "assign", "submit" or "review") to it.

    An assigned task is submitted by its assignee, or by somebody who may assign it anew.
    Raises Http404 for strangers, and PermissionDenied.
    """
    task = get_object_or_404(visible_tasks(user).select_related("scene__project"), pk=task_id)
    project = task.scene.project
    if not may(user, ability, project):
        raise PermissionDenied(f"your role in {project.name} does not allow this")
    somebody_elses = task.assignee_id not in (None, user.pk)
    if ability == "submit" and somebody_elses and not may(user, "assign", project):
        raise PermissionDenied("the task is assigned to somebody else")
    return task


def accepted_revision(scene_id: int) -> int | None:
    """The revision at which the last of a scene's tasks was accepted; None while one is not."""
    revisions = [
        task.accepted_revision if task.state == Task.State.ACCEPTED else None
        for task in Task.objects.filter(scene=scene_id)
    ]
    known = [revision for revision in revisions if revision is not None]
    return max(known) if known and len(known) == len(revisions) else None


def unaccepted(scenes: Sequence[Scene]) -> list[Scene]:
    """Those of these scenes of which a part, or all, has not been accepted."""
    tasks = Task.objects.filter(scene__in=scenes).values_list("scene_id", "state")
    accepted = {scene for scene, _ in tasks}
    accepted -= {scene for scene, state in tasks if state != Task.State.ACCEPTED}
    return [scene for scene in scenes if scene.pk not in accepted]
