"""Asking for an export, and fetching it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from django.core.files.storage import default_storage
from django.http import Http404, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.accounts.session import person
from backend.exports.actions import NotExportable, request_export
from backend.exports.formats import FORMATS
from backend.exports.models import Archive
from backend.jobs.api import FormatAnswer, JobAnswer, job_shown
from backend.jobs.models import Kind
from backend.jobs.queries import visible_jobs
from backend.projects.permissions import SignedIn
from backend.projects.queries import project_for

CHUNK_BYTES = 2**20


class Wanted(serializers.Serializer[Any]):
    scenes = serializers.ListField(
        child=serializers.IntegerField(), allow_empty=False, max_length=1000
    )
    format = serializers.ChoiceField(choices=sorted(FORMATS))
    include_unreviewed = serializers.BooleanField(default=False)
    with_readings = serializers.BooleanField(default=False)


class Formats(APIView):
    permission_classes = [SignedIn]

    @extend_schema(responses=FormatAnswer(many=True))
    def get(self, request: Request) -> Response:
        return Response(
            [
                {"name": chosen.name, "title": chosen.title, "description": chosen.description}
                for chosen in FORMATS.values()
            ]
        )


class Exports(APIView):
    permission_classes = [SignedIn]

    @extend_schema(request=Wanted, responses={201: JobAnswer})
    def post(self, request: Request, project_id: int) -> Response:
        project = project_for(request.user, project_id, "export")
        given = Wanted(data=request.data)
        given.is_valid(raise_exception=True)
        wanted = given.validated_data
        try:
            job = request_export(
                project,
                wanted["scenes"],
                format_name=wanted["format"],
                by=person(request),
                include_unreviewed=wanted["include_unreviewed"],
                with_readings=wanted["with_readings"],
            )
        except NotExportable as error:
            raise serializers.ValidationError({"scenes": [str(error)]}) from error
        return Response(job_shown(job), status=201)


class Download(APIView):
    permission_classes = [SignedIn]

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, job_id: int) -> StreamingHttpResponse:
        job = get_object_or_404(visible_jobs(request.user), pk=job_id, kind=Kind.EXPORT)
        project_for(request.user, job.project_id, "export")
        archive = get_object_or_404(Archive, job=job)
        if not default_storage.exists(archive.key):
            raise Http404("the archive is no longer in storage; export again")
        return StreamingHttpResponse(
            chunks(archive.key),
            # Never a type that a browser would show: what is inside came from outside.
            content_type="application/zip",
            headers={
                "Content-Disposition": f'attachment; filename="{archive.file_name}"',
                "Content-Length": str(archive.size),
                "Cache-Control": "private, no-store",
            },
        )


async def chunks(key: str) -> AsyncIterator[bytes]:
    """A stored object piece by piece, read in threads: nothing holds all of it."""
    stored = await asyncio.to_thread(default_storage.open, key, "rb")
    try:
        while data := await asyncio.to_thread(stored.read, CHUNK_BYTES):
            yield data
    finally:
        await asyncio.to_thread(stored.close)
