"""Jobs over HTTP: what runs in a project, how far it is, cancel and resume."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.jobs import actions
from backend.jobs.models import Job, Kind, State
from backend.jobs.queries import visible_jobs
from backend.paging import PAGES, page
from backend.projects.permissions import SignedIn
from backend.projects.queries import project_for

MOST_LISTED = 100

# Who may stop a kind of job or set it going again: whoever may start it.
ABILITY_FOR = {
    Kind.IMPORT: "import",
    Kind.DEMO: "import",
    Kind.EXPORT: "export",
    Kind.ENGINE: "import",
    Kind.COMPARE: "assign",
    Kind.CHECK: "label",
    Kind.CLICK: "label",
    Kind.PROPAGATE: "label",
}


class FormatAnswer(serializers.Serializer[Any]):
    """A format that jobs read or write."""

    name = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()


class JobAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Kind.choices)
    state = serializers.ChoiceField(choices=State.choices)
    done = serializers.IntegerField(help_text="of total: frames, mostly")
    total = serializers.IntegerField()
    message = serializers.CharField()
    error = serializers.CharField(help_text="why it failed, in words")
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    by = serializers.DictField(allow_null=True)
    report = serializers.DictField(allow_null=True)
    scene_ids = serializers.ListField(child=serializers.IntegerField())
    # Declared fields are no attributes of a serializer: its own `label` is another one.
    label = serializers.CharField(help_text="of what it works on")  # type: ignore[assignment]
    cancel_requested = serializers.BooleanField()
    download = serializers.CharField(
        allow_null=True, help_text="the address of an export's archive"
    )


class ProjectJobs(APIView):
    """The project's latest jobs, newest first."""

    permission_classes = [SignedIn]

    @extend_schema(
        responses=JobAnswer(many=True),
        parameters=[OpenApiParameter("kind", enum=Kind.values, many=True), *PAGES],
    )
    def get(self, request: Request, project_id: int) -> Response:
        project = project_for(request.user, project_id, "view")
        kinds = request.query_params.getlist("kind")
        if unknown := set(kinds) - set(Kind.values):
            raise ValidationError({"kind": [f"{', '.join(sorted(unknown))}: no such kind of job"]})
        jobs = visible_jobs(request.user).filter(project=project)
        if kinds:
            jobs = jobs.filter(kind__in=kinds)
        latest = jobs.select_related("requested_by").order_by("-id")
        return page(
            request, latest, lambda rows: [job_shown(job) for job in rows], default=MOST_LISTED
        )


class OneJob(APIView):
    permission_classes = [SignedIn]

    @extend_schema(responses=JobAnswer)
    def get(self, request: Request, job_id: int) -> Response:
        return Response(job_shown(_job(request, job_id)))


class CancelJob(APIView):
    permission_classes = [SignedIn]

    @extend_schema(request=None, responses=JobAnswer)
    def post(self, request: Request, job_id: int) -> Response:
        return Response(job_shown(actions.request_cancel(_controllable(request, job_id))))


class ResumeJob(APIView):
    permission_classes = [SignedIn]

    @extend_schema(request=None, responses=JobAnswer)
    def post(self, request: Request, job_id: int) -> Response:
        job = _controllable(request, job_id)
        if job.kind not in actions.TASKS:
            raise ValidationError({"detail": "ask again instead: this work cannot be resumed"})
        if job.state not in (State.FAILED, State.CANCELLED):
            raise ValidationError(
                {"detail": f"only a failed or cancelled job can be resumed; it is {job.state}"}
            )
        return Response(job_shown(actions.resume(job)))


def _job(request: Request, job_id: int) -> Job:
    return get_object_or_404(visible_jobs(request.user).select_related("requested_by"), pk=job_id)


def _controllable(request: Request, job_id: int) -> Job:
    job = _job(request, job_id)
    project_for(request.user, job.project_id, ABILITY_FOR[Kind(job.kind)])
    return job


def job_shown(job: Job) -> dict[str, Any]:
    """A job as lists show it. The traceback stays on the server."""
    by, report = job.requested_by, job.report or {}
    is_download = job.kind == Kind.EXPORT and job.state == State.DONE
    return {
        "id": job.pk,
        "kind": job.kind,
        "state": job.state,
        "done": job.done,
        "total": job.total,
        "message": job.message,
        "error": job.error,
        "created_at": job.created_at,
        "finished_at": job.finished_at,
        "by": {"id": by.pk, "name": by.display_name} if by else None,
        "report": job.report,
        "scene_ids": report.get("scene_ids") or ([job.scene_id] if job.scene_id else []),
        "label": job.label,
        "cancel_requested": job.cancel_requested,
        "download": f"/api/exports/{job.pk}/download" if is_download else None,
    }
