"""The tasks of a project, and handing them on."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.accounts.session import person
from backend.projects.permissions import SignedIn
from backend.projects.queries import members_of, project_for
from backend.tasks import actions
from backend.tasks.models import Task
from backend.tasks.queries import task_for, tasks_of, with_reason


class Conflict(APIException):
    status_code = 409


class Assignee(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class TaskAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    scene = serializers.IntegerField()
    scene_name = serializers.CharField()
    state = serializers.ChoiceField(choices=Task.State.choices)
    assignee = Assignee(allow_null=True)
    mine = serializers.BooleanField()
    reason = serializers.CharField(help_text="why it was sent back; empty in other states")


class SendBackReason(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=2000)


class TaskList(APIView):
    permission_classes = [SignedIn]

    @extend_schema(responses=TaskAnswer(many=True))
    def get(self, request: Request, project_id: int) -> Response:
        project = project_for(request.user, project_id, "view")
        return Response([task_json(request, task) for task in tasks_of(project)])


class AssigneeWish(serializers.Serializer[Any]):
    assignee = serializers.IntegerField(
        allow_null=True, help_text="the id of a member; null: whoever comes first"
    )


class OneTask(APIView):
    permission_classes = [SignedIn]

    @extend_schema(responses=TaskAnswer)
    def get(self, request: Request, task_id: int) -> Response:
        task = task_for(request.user, task_id, "view")
        return Response(task_json(request, with_reason(Task.objects.all()).get(pk=task.pk)))

    @extend_schema(request=AssigneeWish, responses=TaskAnswer)
    def patch(self, request: Request, task_id: int) -> Response:
        """Give it to somebody."""
        task = task_for(request.user, task_id, "assign")
        wish = AssigneeWish(data=request.data)
        wish.is_valid(raise_exception=True)
        wanted = wish.validated_data["assignee"]
        member = None
        if wanted is not None:
            member = members_of(task.scene.project).filter(user=wanted).first()
            if member is None:
                raise serializers.ValidationError(
                    {"assignee": [f"nobody in {task.scene.project.name} has the number {wanted}"]}
                )
        return moved(request, task, lambda: actions.assign(task, member.user if member else None))


class Submit(APIView):
    permission_classes = [SignedIn]

    @extend_schema(request=None, responses=TaskAnswer)
    def post(self, request: Request, task_id: int) -> Response:
        task = task_for(request.user, task_id, "submit")
        return moved(request, task, lambda: actions.submit(task, by=person(request)))


class Accept(APIView):
    permission_classes = [SignedIn]

    @extend_schema(request=None, responses=TaskAnswer)
    def post(self, request: Request, task_id: int) -> Response:
        task = task_for(request.user, task_id, "review")
        return moved(request, task, lambda: actions.accept(task, by=person(request)))


class SendBack(APIView):
    permission_classes = [SignedIn]

    @extend_schema(request=SendBackReason, responses=TaskAnswer)
    def post(self, request: Request, task_id: int) -> Response:
        task = task_for(request.user, task_id, "review")
        given = SendBackReason(data=request.data)
        given.is_valid(raise_exception=True)
        reason = given.validated_data["reason"]
        return moved(
            request, task, lambda: actions.send_back(task, by=person(request), reason=reason)
        )


def moved(request: Request, task: Task, action: Any) -> Response:
    try:
        action()
    except actions.WrongState as error:
        raise Conflict(str(error)) from error
    return Response(task_json(request, with_reason(Task.objects.all()).get(pk=task.pk)))


def task_json(request: Request, task: Any) -> dict[str, Any]:
    """task: a row of `with_reason`."""
    person = task.assignee
    return {
        "id": task.pk,
        "scene": task.scene_id,
        "scene_name": task.scene.name,
        "state": task.state,
        "assignee": {"id": person.pk, "name": person.display_name} if person else None,
        "mine": person is not None and person.pk == request.user.pk,
        "reason": (task.reason or "") if task.state == Task.State.SENT_BACK else "",
    }
