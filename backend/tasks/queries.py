from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.shortcuts import get_object_or_404

from backend.accounts.models import User
from backend.projects.models import LabelClass, Project
from backend.projects.permissions import may
from backend.protocol import records
from backend.scenes.models import Scene
from backend.scenes.queries import visible_scenes
from backend.tasks.models import Issue, Review, Step, Task


def visible_tasks(user: User | AnonymousUser) -> QuerySet[Task]:
    return Task.objects.filter(scene__in=visible_scenes(user))


def tasks_of(project: Project) -> QuerySet[Task]:
    mine = Task.objects.filter(scene__project=project)
    return detailed(mine).order_by("scene__name", "scene", "first_frame")


def detailed(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """`reason` and `faults`: why a task was last sent back.  `skipped_why` and
    `skipped_note`.  `is_part`: of a scene that is split.  `findings`: open ones, of rules."""
    latest = Review.objects.filter(task=OuterRef("pk")).order_by("-id")
    steps = Step.objects.filter(task=OuterRef("pk"), after=Task.State.SKIPPED).order_by("-id")
    others = Task.objects.filter(scene=OuterRef("scene")).exclude(pk=OuterRef("pk"))
    return tasks.select_related("scene__project", "assignee", "reviewer").annotate(
        reason=Subquery(latest.values("reason")[:1]),
        faults=Subquery(latest.values("faults")[:1]),
        skipped_why=Subquery(steps.values("why")[:1]),
        skipped_note=Subquery(steps.values("note")[:1]),
        is_part=Exists(others),
        findings=Coalesce(Subquery(_findings()), 0),
    )


def _findings() -> QuerySet[Issue, Any]:
    found = Issue.objects.filter(scene=OuterRef("scene"), is_open=True).exclude(rule="")
    last = Coalesce(OuterRef("last_frame"), 2**31 - 1)
    here = found.filter(frame__gte=OuterRef("first_frame"), frame__lte=last)
    return here.order_by().values("scene").annotate(count=Count("pk")).values("count")


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


# --- issues --------------------------------------------------------------------------------------


def issues_of(scene_id: int) -> QuerySet[Issue]:
    """The scene's, by frame, with all that was said."""
    return with_comments(Issue.objects.filter(scene=scene_id))


def with_comments(issues: QuerySet[Issue]) -> QuerySet[Issue]:
    return issues.select_related("by").prefetch_related("comments__by")


def issue_for(user: User | AnonymousUser, issue_id: int, ability: str) -> Issue:
    """The issue, for a user who may do `ability` in its project. Raises Http404 and PermissionDenied."""
    mine = Issue.objects.filter(scene__in=visible_scenes(user)).select_related("scene__project")
    issue = get_object_or_404(mine, pk=issue_id)
    if not may(user, ability, issue.scene.project):
        raise PermissionDenied(f"your role in {issue.scene.project.name} does not allow this")
    return issue


def open_issues(task: Task) -> QuerySet[Issue]:
    """Those in the task's frames that nobody has resolved, people's and rules'."""
    issues = Issue.objects.filter(scene=task.scene_id, is_open=True, frame__gte=task.first_frame)
    return issues if task.last_frame is None else issues.filter(frame__lte=task.last_frame)


def issue_record(issue: Issue) -> records.Issue:
    return records.Issue(
        id=issue.pk,
        frame=issue.frame,
        sensor=issue.sensor,
        position=issue.position,
        track=issue.track,
        fault=issue.fault,
        rule=issue.rule,
        is_open=issue.is_open,
        suggests=_words(issue),
        verdict=issue.verdict,
        by=_person(issue.by),
        comments=[
            records.Comment(by=_person(each.by), text=each.text, at=each.at.isoformat())
            for each in issue.comments.all()
        ],
    )


def _person(user: User | None) -> records.Person | None:
    return records.Person(id=user.pk, name=user.display_name) if user else None


def _words(issue: Issue) -> str:
    """A suggestion as people say it; "" without one."""
    change = issue.suggestion
    if change is None:
        return ""
    match change["kind"]:
        case "update_track" if change.get("label_class") is not None:
            found = LabelClass.objects.filter(pk=change["label_class"]).first()
            return f"make it {found.name if found else 'a class that is gone'}"
        case "update_track":
            return f"call it {change['name']}" if change.get("name") else "draw it in another order"
        case "delete_track":
            return "delete it in all frames"
        case "put_mask":
            return f"another mask in frame {change['frame']}"
    first, last = change["first_frame"], change["last_frame"]
    where = f"frame {first}" if first == last else f"frames {first} to {last}"
    return f"delete its masks in {where}"
