"""A project's figures over HTTP, for those who plan its work; also as a table."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, fields
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.projects.permissions import SignedIn
from backend.projects.queries import project_for
from backend.tasks.figures import Figures, Person, figures_of

DAYS = OpenApiParameter("days", int, description="how many, today included; 30, at most 366")


class PersonAnswer(serializers.Serializer[Any]):
    name = serializers.CharField()
    submitted = serializers.IntegerField(help_text="tasks handed in")
    judged = serializers.IntegerField(help_text="tasks of theirs that were judged")
    first_time = serializers.IntegerField(help_text="of these, accepted without being sent back")
    frames = serializers.IntegerField(help_text="of the tasks that they handed in")
    objects = serializers.IntegerField(help_text="made or changed")
    clicks = serializers.IntegerField(help_text="answered by the model")
    edits = serializers.IntegerField()
    at_work_s = serializers.FloatField(help_text="with tools and thinking")
    tool_s = serializers.FloatField(help_text="between edits at most 10 s apart")
    thinking_s = serializers.FloatField(help_text="between edits at most two minutes apart")
    idle_s = serializers.FloatField(help_text="between edits at most 20 minutes apart")
    waiting_s = serializers.FloatField(help_text="for the model, part of the time at work")


class DayAnswer(serializers.Serializer[Any]):
    day = serializers.DateField()
    accepted_frames = serializers.IntegerField()


class FiguresAnswer(serializers.Serializer[Any]):
    since = serializers.DateField()
    until = serializers.DateField()
    tasks = serializers.DictField(child=serializers.IntegerField(), help_text="by state")
    frames = serializers.DictField(child=serializers.IntegerField(), help_text="by state")
    days = DayAnswer(many=True)
    people = PersonAnswer(many=True)
    prelabels = serializers.IntegerField(help_text="the data engine's objects in accepted scenes")
    corrected = serializers.IntegerField(help_text="of these, changed or deleted by somebody")
    faults = serializers.DictField(child=serializers.IntegerField(), help_text="of reviews")
    ready_on = serializers.DateField(
        allow_null=True, help_text="at the pace of the last 14 days; null: nothing was accepted"
    )


class ProjectFigures(APIView):
    permission_classes = [SignedIn]

    @extend_schema(responses=FiguresAnswer, parameters=[DAYS])
    def get(self, request: Request, project_id: int) -> Response:
        found = _figures(request, project_id)
        return Response({
            "since": found.since, "until": found.until, "tasks": found.tasks,
            "frames": found.frames, "people": [asdict(person) for person in found.people],
            "days": [
                {"day": day, "accepted_frames": count} for day, count in found.days.items()
            ],
            "prelabels": found.prelabels, "corrected": found.corrected, "faults": found.faults,
            "ready_on": found.ready_on,
        })  # fmt: skip


class FiguresTable(APIView):
    """What each person did, as comma-separated values."""

    permission_classes = [SignedIn]

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR}, parameters=[DAYS])
    def get(self, request: Request, project_id: int) -> HttpResponse:
        found = _figures(request, project_id)
        table = io.StringIO()
        names = [each.name for each in fields(Person)]
        writer = csv.DictWriter(table, ["since", "until", *names])
        writer.writeheader()
        for person in found.people:
            row = {**asdict(person), "name": _plain(person.name)}
            writer.writerow({"since": found.since, "until": found.until, **row})
        name = f"masklet-{project_id}-{found.since}-{found.until}.csv"
        return HttpResponse(
            table.getvalue(), content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )  # fmt: skip


def _figures(request: Request, project_id: int) -> Figures:
    project = project_for(request.user, project_id, "assign")
    given = request.query_params.get("days", "30")
    if not given.isdecimal() or not 1 <= int(given) <= 366:
        raise serializers.ValidationError({"days": [f"{given!r}: use a number from 1 to 366"]})
    return figures_of(project, now=timezone.localtime(), days=int(given))


def _plain(text: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
