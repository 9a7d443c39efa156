from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.shortcuts import get_object_or_404

from backend.accounts.models import User
from backend.projects.models import Project
from backend.projects.permissions import may
from backend.projects.queries import visible_projects
from backend.tasks.models import Review, Task


def visible_tasks(user: User | AnonymousUser) -> QuerySet[Task]:
    return Task.objects.filter(scene__project__in=visible_projects(user))


def tasks_of(project: Project) -> QuerySet[Task]:
    return with_reason(Task.objects.filter(scene__project=project)).order_by("scene__name", "id")


def with_reason(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """`reason`: why a task was last sent back."""
    latest = Review.objects.filter(task=OuterRef("pk")).order_by("-id")
    return tasks.select_related("scene__project", "assignee").annotate(
        reason=Subquery(latest.values("reason")[:1])
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
    """The revision at which a scene's labels were accepted; None while they are not."""
    task = Task.objects.filter(scene=scene_id, state=Task.State.ACCEPTED).first()
    return task.accepted_revision if task else None
