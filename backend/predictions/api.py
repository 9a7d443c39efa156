"""Which predictor answers in a project, and pre-labelling of scenes."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.accounts.session import person
from backend.annotations.errors import InvalidEdit
from backend.jobs.api import JobAnswer, job_shown
from backend.predictions.actions import choose_predictor, request_prelabels
from backend.predictions.queries import offers
from backend.projects.models import Project
from backend.projects.permissions import SignedIn
from backend.projects.queries import project_for
from backend.scenes.queries import visible_scenes


class CardAnswer(serializers.Serializer[Any]):
    key = serializers.CharField()
    title = serializers.CharField()
    summary = serializers.CharField()
    facts = serializers.ListField(
        child=serializers.ListField(child=serializers.CharField(), min_length=2, max_length=2),
        help_text="names with values, in their order",
    )


class PredictorAnswer(serializers.Serializer[Any]):
    chosen = serializers.CharField(help_text="a card's key; empty: the installation's own")
    offered = CardAnswer(many=True, help_text="the installation's own first; none: no worker runs")


class PredictorChoice(serializers.Serializer[Any]):
    predictor = serializers.CharField(allow_blank=True, max_length=40)


class ProjectPredictor(APIView):
    permission_classes = [SignedIn]

    @extend_schema(responses=PredictorAnswer)
    def get(self, request: Request, project_id: int) -> Response:
        return _answer(project_for(request.user, project_id, "view"))

    @extend_schema(request=PredictorChoice, responses=PredictorAnswer)
    def put(self, request: Request, project_id: int) -> Response:
        project = project_for(request.user, project_id, "configure")
        asked = PredictorChoice(data=request.data)
        asked.is_valid(raise_exception=True)
        try:
            choose_predictor(project, asked.validated_data["predictor"], by=person(request))
        except ValueError as error:
            raise serializers.ValidationError({"predictor": [str(error)]}) from error
        return _answer(project)


class PreLabels(APIView):
    permission_classes = [SignedIn]

    @extend_schema(request=None, responses={201: JobAnswer})
    def post(self, request: Request, scene_id: int) -> Response:
        """Let the data engine label the scene. What people have touched stays as it is."""
        scene = get_object_or_404(visible_scenes(request.user), pk=scene_id)
        project_for(request.user, scene.project_id, "import")
        try:
            job = request_prelabels(scene, by=person(request))
        except InvalidEdit as error:
            raise serializers.ValidationError({"scene": [str(error)]}) from error
        return Response(job_shown(job), status=201)


def _answer(project: Project) -> Response:
    return Response({"chosen": project.predictor, "offered": offers()})
