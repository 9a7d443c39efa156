"""Projects and their label classes."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.projects.models import Project
from backend.projects.permissions import SignedIn, role_in
from backend.projects.queries import (
    label_class_record,
    project_for,
    visible_projects,
    with_counts,
)


class LabelClassAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    colour = serializers.CharField(help_text="#rrggbb")
    is_stuff = serializers.BooleanField()
    position = serializers.IntegerField()


class ProjectAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    role = serializers.CharField(help_text="the caller's own")
    scene_count = serializers.IntegerField()
    open_task_count = serializers.IntegerField()
    attribution = serializers.CharField()


class ProjectDetailAnswer(ProjectAnswer):
    label_classes = LabelClassAnswer(many=True)


class ProjectList(APIView):
    permission_classes = [SignedIn]

    @extend_schema(responses=ProjectAnswer(many=True))
    def get(self, request: Request) -> Response:
        projects = with_counts(visible_projects(request.user))
        return Response([project_json(request, project) for project in projects])


class ProjectDetail(APIView):
    permission_classes = [SignedIn]

    @extend_schema(responses=ProjectDetailAnswer)
    def get(self, request: Request, project_id: int) -> Response:
        project = project_for(request.user, project_id, "view")
        counted = with_counts(Project.objects.filter(pk=project.pk)).get()
        classes = [label_class_record(row).model_dump() for row in project.label_classes.all()]
        return Response({**project_json(request, counted), "label_classes": classes})


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
