"""Issues over HTTP; the room hears of them by event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from pydantic import ValidationError
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.accounts.session import person
from backend.annotations.errors import InvalidEdit
from backend.projects.permissions import SignedIn
from backend.projects.queries import project_for
from backend.protocol import messages
from backend.scenes.queries import visible_scenes
from backend.tasks import issues
from backend.tasks.api import Conflict
from backend.tasks.models import Fault, Issue
from backend.tasks.queries import issue_for, issue_record, issues_of

_TEXT = 4000  # characters


class CommentAnswer(serializers.Serializer[Any]):
    by = serializers.DictField(allow_null=True)
    text = serializers.CharField()
    at = serializers.DateTimeField()


class IssueAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    frame = serializers.IntegerField()
    sensor = serializers.IntegerField(allow_null=True)
    position = serializers.ListField(child=serializers.FloatField(), allow_null=True)
    track = serializers.IntegerField(allow_null=True)
    fault = serializers.CharField()
    is_open = serializers.BooleanField()
    suggests = serializers.CharField(help_text="what is suggested, in words; empty: nothing")
    verdict = serializers.ChoiceField(choices=Issue.Verdict.choices)
    by = serializers.DictField(allow_null=True)
    comments = CommentAnswer(many=True)


class IssueWish(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=_TEXT)
    frame = serializers.IntegerField(min_value=0)
    sensor = serializers.IntegerField(min_value=0, required=False, allow_null=True)
    position = serializers.ListField(
        child=serializers.FloatField(min_value=-1e7, max_value=1e7), min_length=2, max_length=3,
        required=False, allow_null=True,
        help_text="(u, v) pixels in a camera, (x, y, z) metres in ego in a LiDAR",
    )  # fmt: skip
    track = serializers.IntegerField(min_value=0, required=False, allow_null=True)
    fault = serializers.ChoiceField(choices=Fault.choices, required=False, allow_blank=True)
    suggestion = serializers.DictField(
        required=False, allow_null=True,
        help_text="a change of labels: update_track, delete_track or delete_masks, as on the socket",
    )  # fmt: skip

    def validate_suggestion(self, given: dict[str, Any] | None) -> messages.Suggestion | None:
        if given is None:
            return None
        try:
            return messages.suggestion.validate_python(given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise serializers.ValidationError(f"{place}: {first['msg']}") from error


class Said(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=_TEXT)


class OpenWish(serializers.Serializer[Any]):
    is_open = serializers.BooleanField()


class Resolved(serializers.Serializer[Any]):
    resolved = serializers.ListField(
        child=serializers.IntegerField(), min_length=1, max_length=1000, help_text="ids of issues"
    )


class SuggestionVerdict(serializers.Serializer[Any]):
    take = serializers.BooleanField(help_text="false: declined")


class SceneIssues(APIView):
    permission_classes = [SignedIn]

    @extend_schema(responses=IssueAnswer(many=True))
    def get(self, request: Request, scene_id: int) -> Response:
        scene = get_object_or_404(visible_scenes(request.user), pk=scene_id)
        return Response([issue_record(issue).model_dump() for issue in issues_of(scene.pk)])

    @extend_schema(request=IssueWish, responses={201: IssueAnswer})
    def post(self, request: Request, scene_id: int) -> Response:
        scene = get_object_or_404(visible_scenes(request.user), pk=scene_id)
        project_for(request.user, scene.project_id, "label")
        wish = IssueWish(data=request.data)
        wish.is_valid(raise_exception=True)
        return _answered(
            lambda: issues.raise_issue(scene, by=person(request), **wish.validated_data), 201
        )

    @extend_schema(request=Resolved, responses=IssueAnswer(many=True))
    def patch(self, request: Request, scene_id: int) -> Response:
        """Resolve several at once; those that are resolved already stay so."""
        scene = get_object_or_404(visible_scenes(request.user), pk=scene_id)
        project_for(request.user, scene.project_id, "label")
        wish = Resolved(data=request.data)
        wish.is_valid(raise_exception=True)
        meant = scene.issues.filter(pk__in=wish.validated_data["resolved"])
        return Response([issue_record(issue).model_dump() for issue in issues.resolve(meant)])


class OneIssue(APIView):
    permission_classes = [SignedIn]

    @extend_schema(request=OpenWish, responses=IssueAnswer)
    def patch(self, request: Request, issue_id: int) -> Response:
        """Resolve it, or open it again."""
        issue = issue_for(request.user, issue_id, "label")
        wish = OpenWish(data=request.data)
        wish.is_valid(raise_exception=True)
        return _answered(lambda: issues.set_open(issue, wish.validated_data["is_open"]))


class Comments(APIView):
    permission_classes = [SignedIn]

    @extend_schema(request=Said, responses={201: IssueAnswer})
    def post(self, request: Request, issue_id: int) -> Response:
        issue = issue_for(request.user, issue_id, "label")
        said = Said(data=request.data)
        said.is_valid(raise_exception=True)
        text = said.validated_data["text"]
        return _answered(lambda: issues.comment(issue, text, by=person(request)), 201)


class SuggestionOf(APIView):
    permission_classes = [SignedIn]

    @extend_schema(request=SuggestionVerdict, responses=IssueAnswer)
    def post(self, request: Request, issue_id: int) -> Response:
        """Take over what is suggested, as an edit of one's own, or decline it."""
        issue = issue_for(request.user, issue_id, "label")
        verdict = SuggestionVerdict(data=request.data)
        verdict.is_valid(raise_exception=True)
        if verdict.validated_data["take"]:
            return _answered(lambda: issues.take_over(issue, by=person(request)))
        return _answered(lambda: issues.decline(issue))


def _answered(action: Callable[[], Issue], status: int = 200) -> Response:
    try:
        issue = action()
    except (issues.BadIssue, InvalidEdit) as error:
        raise Conflict(str(error)) from error
    return Response(issue_record(issue).model_dump(), status=status)
