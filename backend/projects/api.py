"""Projects, their label classes and their members."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.accounts.models import AuditEntry, User
from backend.accounts.session import person
from backend.paging import PAGES, page
from backend.projects import actions
from backend.projects.guidelines import as_html
from backend.projects.models import Member, Project, Role
from backend.projects.ontology_api import LabelClassAnswer
from backend.projects.permissions import GIVEN_ROLES, Admins, AdminsMake, SignedIn, role_in
from backend.projects.queries import (
    label_class_record,
    members_of,
    project_for,
    visible_projects,
    with_counts,
)


class ProjectAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    role = serializers.CharField(help_text="the caller's own")
    scene_count = serializers.IntegerField()
    open_task_count = serializers.IntegerField()
    attribution = serializers.CharField()


class ProjectDetailAnswer(ProjectAnswer):
    guidelines = serializers.CharField(help_text="Markdown")
    guidelines_html = serializers.CharField(help_text="the same, safe to show")
    label_classes = LabelClassAnswer(many=True)
    review_policy = serializers.ChoiceField(Project.ReviewPolicy.choices)
    review_share = serializers.IntegerField(
        help_text="percent of what nothing flags that is reviewed all the same"
    )


class ProjectWish(serializers.ModelSerializer[Project]):
    class Meta:
        model = Project
        fields = ["name", "attribution", "guidelines", "review_policy", "review_share"]
        extra_kwargs: ClassVar = {"review_share": {"min_value": 0, "max_value": 100}}


class PersonAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    username = serializers.CharField()
    name = serializers.CharField(source="display_name")


class MemberAnswer(serializers.Serializer[Any]):
    user = PersonAnswer()
    role = serializers.ChoiceField(choices=Role.choices)


class RoleWish(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=GIVEN_ROLES)


class MemberWish(RoleWish):
    username = serializers.CharField(max_length=150)


class ProjectList(APIView):
    permission_classes = [AdminsMake]

    @extend_schema(responses=ProjectAnswer(many=True), parameters=PAGES)
    def get(self, request: Request) -> Response:
        projects = with_counts(visible_projects(request.user))
        return page(request, projects, lambda rows: [project_json(request, row) for row in rows])

    @extend_schema(request=ProjectWish, responses={201: ProjectAnswer})
    def post(self, request: Request) -> Response:
        wish = ProjectWish(data=request.data)
        wish.is_valid(raise_exception=True)
        project = actions.create_project(**wish.validated_data, by=person(request))
        return Response(project_json(request, counted(project)), status=201)


class ProjectDetail(APIView):
    permission_classes = [SignedIn]

    @extend_schema(responses=ProjectDetailAnswer)
    def get(self, request: Request, project_id: int) -> Response:
        project = project_for(request.user, project_id, "view")
        classes = [label_class_record(row).model_dump() for row in project.label_classes.all()]
        return Response(
            {
                **project_json(request, counted(project)),
                "guidelines": project.guidelines,
                "guidelines_html": as_html(project.guidelines),
                "label_classes": classes,
                "review_policy": project.review_policy,
                "review_share": project.review_share,
            }
        )

    @extend_schema(request=ProjectWish, responses=ProjectAnswer)
    def patch(self, request: Request, project_id: int) -> Response:
        project = project_for(request.user, project_id, "configure")
        wish = ProjectWish(project, data=request.data, partial=True)
        wish.is_valid(raise_exception=True)
        actions.configure(project, by=person(request), **wish.validated_data)
        return Response(project_json(request, counted(project)))


class Members(APIView):
    """Who works in a project, and as what."""

    permission_classes = [SignedIn]

    @extend_schema(responses=MemberAnswer(many=True), parameters=PAGES)
    def get(self, request: Request, project_id: int) -> Response:
        project = project_for(request.user, project_id, "view")
        team = members_of(project)
        return page(request, team, lambda rows: list(MemberAnswer(rows, many=True).data))

    @extend_schema(request=MemberWish, responses={201: MemberAnswer})
    def post(self, request: Request, project_id: int) -> Response:
        """Take somebody in who has an account, by its name."""
        project = project_for(request.user, project_id, "configure")
        wish = MemberWish(data=request.data)
        wish.is_valid(raise_exception=True)
        name = wish.validated_data["username"]
        user = User.objects.filter(username=name, is_active=True).first()
        if user is None:
            raise serializers.ValidationError(
                {"username": [f"there is no account {name!r} here: an admin makes accounts"]}
            )
        if project.members.filter(user=user).exists():
            raise serializers.ValidationError({"username": [f"{name} is in the project already"]})
        role = wish.validated_data["role"]
        member = actions.set_member(project, user, role, by=person(request))
        return Response(MemberAnswer(member).data, status=201)


class OneMember(APIView):
    permission_classes = [SignedIn]

    @extend_schema(request=RoleWish, responses=MemberAnswer)
    def patch(self, request: Request, project_id: int, user_id: int) -> Response:
        member = self._member(request, project_id, user_id)
        wish = RoleWish(data=request.data)
        wish.is_valid(raise_exception=True)
        with _in_words():
            actions.change_role(member, wish.validated_data["role"], by=person(request))
        return Response(MemberAnswer(member).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, project_id: int, user_id: int) -> Response:
        member = self._member(request, project_id, user_id)
        with _in_words():
            actions.remove_member(member, by=person(request))
        return Response(status=204)

    def _member(self, request: Request, project_id: int, user_id: int) -> Member:
        project = project_for(request.user, project_id, "configure")
        return get_object_or_404(members_of(project), user=user_id)


class AuditAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    by = serializers.CharField(allow_null=True, help_text="null: the command line")
    act = serializers.CharField()
    about = serializers.CharField()
    project = serializers.IntegerField(allow_null=True)


BEFORE = OpenApiParameter("before", int, description="entries older than the one of this id")
MOST_ENTRIES = 200


class ProjectAudit(APIView):
    """The administrative acts in a project, the latest first."""

    permission_classes = [SignedIn]

    @extend_schema(responses=AuditAnswer(many=True), parameters=[BEFORE])
    def get(self, request: Request, project_id: int) -> Response:
        project = project_for(request.user, project_id, "configure")
        return _entries(request, AuditEntry.objects.filter(project=project.pk))


class Audit(APIView):
    """All administrative acts, for admins."""

    permission_classes = [Admins]

    @extend_schema(responses=AuditAnswer(many=True), parameters=[BEFORE])
    def get(self, request: Request) -> Response:
        return _entries(request, AuditEntry.objects.all())


def _entries(request: Request, entries: QuerySet[AuditEntry]) -> Response:
    before = request.query_params.get("before")
    if before is not None:
        if not before.isdecimal():
            raise serializers.ValidationError({"before": [f"{before!r} is no number"]})
        entries = entries.filter(pk__lt=min(int(before), 2**62))
    return Response(
        [
            {
                "id": entry.pk, "at": entry.at, "act": entry.act, "about": entry.about,
                "by": entry.by.display_name if entry.by else None, "project": entry.project,
            }
            for entry in entries.select_related("by")[:MOST_ENTRIES]
        ]
    )  # fmt: skip


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except actions.LastManager as error:
        raise serializers.ValidationError({"role": [str(error)]}) from error


def counted(project: Project) -> Project:
    return with_counts(Project.objects.filter(pk=project.pk)).get()


def project_json(request: Request, project: Any) -> dict[str, Any]:
    """project: a row of `with_counts`."""
    return {
        "id": project.pk,
        "name": project.name,
        "role": role_in(request.user, project.pk),
        "scene_count": project.scene_count,
        "open_task_count": project.open_task_count,
        "attribution": project.attribution,
    }
