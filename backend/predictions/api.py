"""Which predictor answers in a project: what can be chosen, and choosing."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.predictions.actions import choose_predictor
from backend.predictions.queries import offers
from backend.projects.models import Project
from backend.projects.permissions import SignedIn
from backend.projects.queries import project_for


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
            choose_predictor(project, asked.validated_data["predictor"])
        except ValueError as error:
            raise serializers.ValidationError({"predictor": [str(error)]}) from error
        return _answer(project)


def _answer(project: Project) -> Response:
    return Response({"chosen": project.predictor, "offered": offers()})
