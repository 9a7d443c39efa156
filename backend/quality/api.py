"""Blind copies and what comes of them, for those who plan work; labellers never see any of it."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.accounts.session import person
from backend.annotations.errors import InvalidEdit
from backend.jobs.api import JobAnswer, job_shown
from backend.projects.models import Project
from backend.projects.permissions import SignedIn
from backend.projects.queries import project_for
from backend.quality import copies
from backend.quality.listening import request_checks
from backend.quality.models import Comparison
from backend.scenes.queries import visible_scenes
from backend.tasks.api import Conflict, Somebody, TaskAnswer, member_of, somebody, tasks_json
from backend.tasks.models import Task
from backend.tasks.queries import detailed, task_for

MEASURES = ("iou", "miou", "pq", "lstq", "boundary")
MOST_LISTED = 500


class ModalityAnswer(serializers.Serializer[Any]):
    """What is measured and how: `inference.agreement`. 0 ... 1, more is better."""

    iou = serializers.FloatField(help_text="elements given to the same object, of all labelled")
    miou = serializers.FloatField(help_text="of classes, the mean")
    pq = serializers.FloatField(help_text="panoptic quality")
    lstq = serializers.FloatField(help_text="classes and identity through time")
    boundary = serializers.FloatField(allow_null=True, help_text="F of outlines; pixels only")


class ComparisonAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    scene = serializers.IntegerField(help_text="the one that is judged")
    scene_name = serializers.CharField()
    reference = serializers.IntegerField()
    is_gold = serializers.BooleanField()
    person = Somebody(allow_null=True)
    other = Somebody(allow_null=True, help_text="whose the reference is, where it is not gold")
    frames = serializers.ListField(child=serializers.IntegerField(), help_text="first and last")
    pixels = ModalityAnswer(allow_null=True)
    points = ModalityAnswer(allow_null=True)
    found = serializers.IntegerField(help_text="objects that both have")
    missing = serializers.IntegerField()
    extra = serializers.IntegerField()
    other_class = serializers.IntegerField()
    at = serializers.DateTimeField()


class PlaceAnswer(serializers.Serializer[Any]):
    frame = serializers.IntegerField()
    sensor = serializers.CharField()
    track = serializers.IntegerField()
    is_judged = serializers.BooleanField(help_text="the track is one of the judged scene's")
    label_class = serializers.CharField()
    iou = serializers.FloatField()


class ClassAnswer(serializers.Serializer[Any]):
    name = serializers.CharField()
    pixels = serializers.FloatField(allow_null=True)
    points = serializers.FloatField(allow_null=True)
    objects = serializers.IntegerField()


class RangeAnswer(serializers.Serializer[Any]):
    name = serializers.CharField()
    points = serializers.FloatField()


class ComparisonDetail(ComparisonAnswer):
    classes = ClassAnswer(many=True)
    ranges = RangeAnswer(many=True)
    worst = PlaceAnswer(many=True)


class PersonQuality(serializers.Serializer[Any]):
    """The mean of what was compared with gold."""

    person = Somebody()
    trials = serializers.IntegerField()
    pixels = ModalityAnswer(allow_null=True)
    points = ModalityAnswer(allow_null=True)
    agreement = serializers.FloatField(
        allow_null=True,
        help_text="with others, where there is no gold: iou, the mean of both kinds",
    )


class QualityAnswer(serializers.Serializer[Any]):
    people = PersonQuality(many=True)
    comparisons = ComparisonAnswer(many=True)
    copies = TaskAnswer(many=True, help_text="of blind copies")


class CopiesWish(serializers.Serializer[Any]):
    people = serializers.ListField(
        child=serializers.IntegerField(allow_null=True), min_length=1, max_length=copies.MOST,
        help_text="ids of members, a copy each; null: whoever comes first",
    )  # fmt: skip
    prelabel = serializers.BooleanField(
        default=False, help_text="the data engine labels the copies first"
    )


class RevisionAnswer(serializers.Serializer[Any]):
    revision = serializers.IntegerField(help_text="of the original")


class ProjectQuality(APIView):
    permission_classes = [SignedIn]

    @extend_schema(responses=QualityAnswer)
    def get(self, request: Request, project_id: int) -> Response:
        project = project_for(request.user, project_id, "assign")
        found = list(_comparisons(project)[:MOST_LISTED])
        blind = Task.objects.filter(scene__project=project).exclude(scene__original=None)
        return Response({
            "people": _people(found),
            "comparisons": [_shown(each) for each in found],
            "copies": tasks_json(request, project, detailed(blind).order_by("-id")),
        })  # fmt: skip


class OneComparison(APIView):
    permission_classes = [SignedIn]

    @extend_schema(responses=ComparisonDetail)
    def get(self, request: Request, comparison_id: int) -> Response:
        mine = Comparison.objects.filter(judged__in=visible_scenes(request.user))
        found = get_object_or_404(_with_people(mine), pk=comparison_id)
        project_for(request.user, found.judged.project_id, "assign")
        return Response({**_shown(found), **_details(found.report)})


class Copies(APIView):
    """Others label the frames of a task again, and do not know it."""

    permission_classes = [SignedIn]

    @extend_schema(request=CopiesWish, responses={201: TaskAnswer(many=True)})
    def post(self, request: Request, task_id: int) -> Response:
        task = task_for(request.user, task_id, "assign")
        wish = CopiesWish(data=request.data)
        wish.is_valid(raise_exception=True)
        project = task.scene.project
        people = [member_of(project, who) for who in wish.validated_data["people"]]
        try:
            made = copies.label_again(
                task, people, by=person(request), prelabel=wish.validated_data["prelabel"]
            )
        except (copies.NotCopied, InvalidEdit) as error:
            raise Conflict(str(error)) from error
        rows = Task.objects.filter(pk__in=[each.pk for each in made]).order_by("id")
        return Response(tasks_json(request, project, detailed(rows)), status=201)


class Checks(APIView):
    """Let rules look at a task's frames; what they find comes as issues."""

    permission_classes = [SignedIn]

    @extend_schema(request=None, responses={201: JobAnswer})
    def post(self, request: Request, task_id: int) -> Response:
        task = task_for(request.user, task_id, "submit")
        return Response(job_shown(request_checks(task, by=person(request))), status=201)


class Adopt(APIView):
    """A blind copy's labels become the original's in these frames."""

    permission_classes = [SignedIn]

    @extend_schema(request=None, responses=RevisionAnswer)
    def post(self, request: Request, scene_id: int) -> Response:
        scenes = visible_scenes(request.user).select_related("original", "project")
        copy = get_object_or_404(scenes, pk=scene_id)
        project_for(request.user, copy.project_id, "assign")
        try:
            return Response({"revision": copies.adopt(copy, by=person(request))})
        except (copies.NotCopied, InvalidEdit) as error:
            raise Conflict(str(error)) from error


def _comparisons(project: Project) -> QuerySet[Comparison]:
    return _with_people(Comparison.objects.filter(judged__project=project))


def _with_people(rows: QuerySet[Comparison]) -> QuerySet[Comparison]:
    return rows.select_related("judged", "person", "other")


def _shown(row: Comparison) -> dict[str, Any]:
    report = row.report
    return {
        "id": row.pk,
        "scene": row.judged_id,
        "scene_name": row.judged.name,
        "reference": row.reference_id,
        "is_gold": row.is_gold,
        "person": somebody(row.person),
        "other": somebody(row.other),
        "frames": report["frames"],
        **{kind: _measures(report, kind) for kind in ("pixels", "points")},
        "found": report["found"],
        **{name: len(report[name]) for name in ("missing", "extra", "other_class")},
        "at": row.at,
    }


def _measures(report: dict[str, Any], kind: str) -> dict[str, float | None] | None:
    figures = report["figures"].get(kind)
    return figures and {name: figures[name] for name in MEASURES}


def _details(report: dict[str, Any]) -> dict[str, Any]:
    by_class = {kind: some["by_class"] for kind, some in report["figures"].items()}
    names = sorted({name for some in by_class.values() for name in some})
    points = report["figures"].get("points", {})
    return {
        "classes": [
            {
                "name": name,
                **{
                    kind: by_class.get(kind, {}).get(name, [None])[0]
                    for kind in ("pixels", "points")
                },
                "objects": max(some[name][1] for some in by_class.values() if name in some),
            }
            for name in names
        ],
        "ranges": [
            {"name": name, "points": value} for name, value in points.get("by_range", {}).items()
        ],
        "worst": report["worst"],
    }


def _people(rows: list[Comparison]) -> list[dict[str, Any]]:
    people = {each.pk: each for row in rows for each in (row.person, row.other) if each is not None}
    return [
        {
            "person": somebody(each),
            "trials": sum(1 for row in rows if row.is_gold and row.person_id == pk),
            **{
                kind: _mean([
                    measures for row in rows
                    if row.is_gold and row.person_id == pk
                    and (measures := _measures(row.report, kind)) is not None
                ])
                for kind in ("pixels", "points")
            },
            "agreement": _agreement([
                row for row in rows if not row.is_gold and pk in (row.person_id, row.other_id)
            ]),
        }
        for pk, each in sorted(people.items(), key=lambda item: item[1].display_name)
    ]  # fmt: skip


def _mean(rows: list[dict[str, float | None]]) -> dict[str, float | None] | None:
    if not rows:
        return None
    values = {
        name: [value for row in rows if (value := row[name]) is not None] for name in MEASURES
    }
    return {name: fmean(some) if some else None for name, some in values.items()}


def _agreement(rows: list[Comparison]) -> float | None:
    values = [
        value for row in rows for value in (row.iou_pixels, row.iou_points) if value is not None
    ]
    return fmean(values) if values else None
