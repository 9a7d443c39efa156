"""The tasks of a project: planning them, taking the next one, and handing them on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.accounts.models import User
from backend.accounts.session import person
from backend.paging import PAGES, page
from backend.projects.models import Project
from backend.projects.permissions import SignedIn, may
from backend.projects.queries import members_of, project_for
from backend.scenes.queries import visible_scenes
from backend.tasks import actions
from backend.tasks.models import Fault, Flag, Step, Task, WhySkipped
from backend.tasks.queries import detailed, task_for, tasks_of
from backend.tasks.queue import next_review, next_task

MOST_AT_ONCE = 1000


class Conflict(APIException):
    status_code = 409


class Somebody(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class TaskAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    scene = serializers.IntegerField()
    scene_name = serializers.CharField()
    first_frame = serializers.IntegerField()
    last_frame = serializers.IntegerField()
    is_part = serializers.BooleanField(help_text="of a scene that is split into several tasks")
    state = serializers.ChoiceField(choices=Task.State.choices)
    state_at = serializers.DateTimeField(help_text="since when")
    priority = serializers.ChoiceField(choices=Task.Priority.choices)
    due = serializers.DateField(allow_null=True)
    assignee = Somebody(allow_null=True)
    reviewer = Somebody(allow_null=True)
    mine = serializers.BooleanField()
    reason = serializers.CharField(
        help_text="why it was sent back or skipped; empty in other states"
    )
    faults = serializers.ListField(
        child=serializers.CharField(), help_text="kinds of what was wrong"
    )
    findings = serializers.IntegerField(
        help_text="open issues in its frames that rules have raised"
    )
    flag = serializers.ChoiceField(
        [*Flag.choices, ("", "none")], help_text="why somebody is to review it, by exception"
    )
    copy_of = serializers.IntegerField(
        allow_null=True, help_text="the scene that it is a blind copy of; told to reviewers alone"
    )


class MaybeTask(serializers.Serializer[Any]):
    task = TaskAnswer(allow_null=True)


class StepAnswer(serializers.ModelSerializer[Step]):
    by = Somebody(allow_null=True)

    class Meta:
        model = Step
        fields = ["before", "after", "by", "why", "note", "at"]


class SendBackReason(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=2000)
    faults = serializers.ListField(
        child=serializers.ChoiceField(choices=Fault.choices), default=list
    )


class SkipReason(serializers.Serializer[Any]):
    why = serializers.ChoiceField(choices=WhySkipped.choices)
    note = serializers.CharField(max_length=2000, default="", allow_blank=True)


class Wish(serializers.Serializer[Any]):
    """What is left out stays as it is."""

    priority = serializers.ChoiceField(choices=Task.Priority.choices, required=False)
    due = serializers.DateField(required=False, allow_null=True)


class PlanWish(Wish):
    assignee = serializers.IntegerField(
        required=False, allow_null=True, help_text="the id of a member; null: whoever comes first"
    )


class BulkWish(Wish):
    tasks = serializers.ListField(
        child=serializers.IntegerField(), min_length=1, max_length=MOST_AT_ONCE
    )
    assignees = serializers.ListField(
        child=serializers.IntegerField(allow_null=True), required=False, min_length=1,
        max_length=100, help_text="ids of members; several: shared out evenly by frames",
    )  # fmt: skip


class SplitWish(serializers.Serializer[Any]):
    frames = serializers.IntegerField(min_value=1, help_text="of each task")
    overlap = serializers.IntegerField(min_value=0, default=0)


class TaskList(APIView):
    permission_classes = [SignedIn]

    @extend_schema(
        responses=TaskAnswer(many=True),
        parameters=[
            OpenApiParameter("state", enum=[s.value for s in Task.State], many=True),
            OpenApiParameter("assignee", description="a person's id, `me` or `nobody`"),
            OpenApiParameter("scene", int),
            *PAGES,
        ],
    )
    def get(self, request: Request, project_id: int) -> Response:
        project = project_for(request.user, project_id, "view")
        tasks = tasks_of(project).filter(scene__in=visible_scenes(request.user))
        states = request.query_params.getlist("state")
        if states:
            tasks = tasks.filter(state__in=states)
        for name in ("assignee", "scene"):
            wanted = request.query_params.get(name)
            if wanted == "nobody" and name == "assignee":
                tasks = tasks.filter(assignee=None)
            elif wanted is not None:
                tasks = tasks.filter(**{name: _number(name, wanted, person(request))})
        return page(request, tasks, lambda rows: tasks_json(request, project, rows))

    @extend_schema(request=BulkWish, responses=TaskAnswer(many=True))
    def patch(self, request: Request, project_id: int) -> Response:
        """Give many to somebody, or share them out; how urgent they are, and until when."""
        project = project_for(request.user, project_id, "assign")
        wish = BulkWish(data=request.data)
        wish.is_valid(raise_exception=True)
        wanted = wish.validated_data
        numbers = set(wanted["tasks"])
        found = list(tasks_of(project).filter(pk__in=numbers))
        missing = numbers - {task.pk for task in found}
        if missing:
            raise serializers.ValidationError(
                {"tasks": [f"{project.name} has no task {min(missing)}"]}
            )
        assignees = [member_of(project, who) for who in wanted.get("assignees", [])]
        me = person(request)
        with_conflicts(lambda: actions.plan(found, by=me, assignees=assignees, **_planned(wanted)))
        return Response(tasks_json(request, project, tasks_of(project).filter(pk__in=numbers)))


def _number(name: str, given: str, me: User) -> int:
    if name == "assignee" and given == "me":
        return int(me.pk)
    try:
        return int(given)
    except ValueError:
        raise serializers.ValidationError({name: [f"{given!r} is no number"]}) from None


def _planned(wanted: dict[str, Any]) -> dict[str, Any]:
    drop = "due" in wanted and wanted["due"] is None
    return {"priority": wanted.get("priority"), "due": wanted.get("due"), "drop_due": drop}


def member_of(project: Project, user_id: int | None) -> User | None:
    if user_id is None:
        return None
    member = members_of(project).filter(user=user_id).first()
    if member is None:
        raise serializers.ValidationError(
            {"assignee": [f"nobody in {project.name} has the number {user_id}"]}
        )
    return member.user


class Next(APIView):
    """Takes what is to be done next: `label` or `review`."""

    permission_classes = [SignedIn]

    @extend_schema(request=None, responses=MaybeTask)
    def post(self, request: Request, project_id: int, kind: str) -> Response:
        take, ability = (next_task, "submit") if kind == "label" else (next_review, "review")
        project = project_for(request.user, project_id, ability)
        task = take(project, person(request))
        return Response({"task": None if task is None else answer(request, task)})


class OneTask(APIView):
    permission_classes = [SignedIn]

    @extend_schema(responses=TaskAnswer)
    def get(self, request: Request, task_id: int) -> Response:
        return Response(answer(request, task_for(request.user, task_id, "view")))

    @extend_schema(request=PlanWish, responses=TaskAnswer)
    def patch(self, request: Request, task_id: int) -> Response:
        """Give it to somebody; how urgent it is, and until when."""
        task = task_for(request.user, task_id, "assign")
        wish = PlanWish(data=request.data)
        wish.is_valid(raise_exception=True)
        wanted = wish.validated_data
        if not wanted:
            raise serializers.ValidationError("say what to change: assignee, priority or due")
        assignees = (
            [member_of(task.scene.project, wanted["assignee"])] if "assignee" in wanted else []
        )
        return moved(
            request,
            task,
            lambda: actions.plan(
                [task], by=person(request), assignees=assignees, **_planned(wanted)
            ),
        )


class Steps(APIView):
    """What happened to a task, the oldest first."""

    permission_classes = [SignedIn]

    @extend_schema(responses=StepAnswer(many=True))
    def get(self, request: Request, task_id: int) -> Response:
        task = task_for(request.user, task_id, "view")
        return Response(
            [
                {
                    "before": step.before, "after": step.after, "by": somebody(step.by),
                    "why": step.why, "note": step.note, "at": step.at,
                }
                for step in task.steps.select_related("by")
            ]
        )  # fmt: skip


class _Move(APIView):
    """One move of a task: who may make it, what it wants to know, and the action that does it."""

    permission_classes = [SignedIn]
    ability = "submit"
    wants: type[serializers.Serializer[Any]] | None = None
    does: Callable[..., Task]

    @extend_schema(request=None, responses=TaskAnswer)
    def post(self, request: Request, task_id: int) -> Response:
        task = task_for(request.user, task_id, self.ability)
        told: dict[str, Any] = {}
        if self.wants is not None:
            given = self.wants(data=request.data)
            given.is_valid(raise_exception=True)
            told = given.validated_data
        return moved(request, task, lambda: self.does(task, by=person(request), **told))


class Start(_Move):
    does = staticmethod(actions.start)


class Submit(_Move):
    does = staticmethod(actions.submit)


@extend_schema_view(post=extend_schema(request=SkipReason, responses=TaskAnswer))
class Skip(_Move):
    wants = SkipReason
    does = staticmethod(actions.skip)


class GiveUp(_Move):
    """Back to the queue; what was labelled stays."""

    does = staticmethod(actions.give_up)


class Reopen(_Move):
    """What was skipped is to be done after all."""

    ability = "assign"
    does = staticmethod(actions.reopen)


class Accept(_Move):
    ability = "review"
    does = staticmethod(actions.accept)


@extend_schema_view(post=extend_schema(request=SendBackReason, responses=TaskAnswer))
class SendBack(_Move):
    ability = "review"
    wants = SendBackReason
    does = staticmethod(actions.send_back)


class Split(APIView):
    """A scene's task becomes several, of so many frames each."""

    permission_classes = [SignedIn]

    @extend_schema(request=SplitWish, responses=TaskAnswer(many=True))
    def post(self, request: Request, scene_id: int) -> Response:
        scene = get_object_or_404(visible_scenes(request.user), pk=scene_id)
        project_for(request.user, scene.project_id, "assign")
        wish = SplitWish(data=request.data)
        wish.is_valid(raise_exception=True)
        me = person(request)
        with_conflicts(lambda: actions.split(scene, by=me, **wish.validated_data))
        tasks = tasks_of(scene.project).filter(scene=scene)
        return Response(tasks_json(request, scene.project, tasks))


def with_conflicts(action: Callable[[], object]) -> None:
    try:
        action()
    except actions.WrongState as error:
        raise Conflict(str(error)) from error


def moved(request: Request, task: Task, action: Callable[[], object]) -> Response:
    with_conflicts(action)
    return Response(answer(request, task))


def answer(request: Request, task: Task) -> dict[str, Any]:
    return tasks_json(request, task.scene.project, detailed(Task.objects.filter(pk=task.pk)))[0]


def tasks_json(request: Request, project: Project, tasks: Iterable[Task]) -> list[dict[str, Any]]:
    """tasks: rows of `detailed`, of one project."""
    knows_copies = may(request.user, "review", project)
    return [_task_json(request, task, knows_copies) for task in tasks]


def _task_json(request: Request, task: Any, knows_copies: bool) -> dict[str, Any]:
    is_back = task.state == Task.State.SENT_BACK
    reason = task.reason or "" if is_back else ""
    if task.state == Task.State.SKIPPED and task.skipped_why:
        words = WhySkipped(task.skipped_why).label
        reason = f"{words}: {task.skipped_note}" if task.skipped_note else str(words)
    return {
        "id": task.pk,
        "scene": task.scene_id,
        "scene_name": task.scene.name,
        "first_frame": task.first_frame,
        "last_frame": actions.last_frame(task),
        "is_part": task.is_part,
        "state": task.state,
        "state_at": task.state_at,
        "priority": task.priority,
        "due": task.due,
        "assignee": somebody(task.assignee),
        "reviewer": somebody(task.reviewer),
        "mine": task.assignee_id is not None and task.assignee_id == request.user.pk,
        "reason": reason,
        "faults": task.faults or [] if is_back else [],
        "findings": task.findings,
        "flag": task.flag if knows_copies else "",
        "copy_of": task.scene.original_id if knows_copies else None,
    }


def somebody(user: User | None) -> dict[str, Any] | None:
    return {"id": user.pk, "name": user.display_name} if user else None
