"""Imports over HTTP: start one, look for recordings on the server, send one up in pieces."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.accounts.models import User
from backend.imports import actions, folders, uploads
from backend.imports.formats import FORMATS
from backend.imports.models import Upload
from backend.jobs.api import FormatAnswer, JobAnswer, job_shown
from backend.projects.models import Project
from backend.projects.permissions import SignedIn
from backend.projects.queries import project_for, visible_projects


class ImportSerializer(serializers.Serializer[Any]):
    format = serializers.ChoiceField(choices=list(FORMATS))
    path = serializers.CharField(required=False, max_length=4000)
    upload = serializers.IntegerField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("path" in attrs) == ("upload" in attrs):
            raise ValidationError("name either a path on the server or an upload")
        return attrs


class EntryAnswer(serializers.Serializer[Any]):
    name = serializers.CharField()
    path = serializers.CharField()
    is_folder = serializers.BooleanField()
    size = serializers.IntegerField()


class FolderAnswer(serializers.Serializer[Any]):
    path = serializers.CharField()
    entries = EntryAnswer(many=True)
    roots = serializers.ListField(child=serializers.CharField())


class UploadAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    offset = serializers.IntegerField(help_text="bytes that have arrived")
    size = serializers.IntegerField()


class OffsetAnswer(serializers.Serializer[Any]):
    offset = serializers.IntegerField(help_text="where the next piece begins")


class Formats(APIView):
    """The formats that can be imported, the most usual one first."""

    permission_classes = [SignedIn]

    @extend_schema(responses=FormatAnswer(many=True))
    def get(self, request: Request) -> Response:
        return Response([asdict(chosen) for chosen in FORMATS.values()])


class Imports(APIView):
    """Begin an import; its job is the answer."""

    permission_classes = [SignedIn]

    @extend_schema(request=ImportSerializer, responses={201: JobAnswer})
    def post(self, request: Request, project_id: int) -> Response:
        project = project_for(request.user, project_id, "import")
        asked = ImportSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        job = self._requested(request, project, asked.validated_data)
        return Response(job_shown(job), status=status.HTTP_201_CREATED)

    def _requested(self, request: Request, project: Project, asked: dict[str, Any]) -> Any:
        user = signed_in(request)
        if "path" in asked:
            project_for(request.user, project.pk, "browse_server")
            try:
                path = folders.contained(asked["path"])
                folders.refuse_links_below(path)
            except folders.OutsideRoots as error:
                raise ValidationError({"path": [str(error)]}) from error
            return actions.request_import_of_path(
                project, source_format=asked["format"], path=path, by=user
            )
        upload = get_object_or_404(visible_uploads(request), pk=asked["upload"], project=project)
        try:
            return actions.request_import_of_upload(upload, source_format=asked["format"], by=user)
        except actions.CannotImport as error:
            raise ValidationError({"upload": [str(error)]}) from error


class ImportFolders(APIView):
    """What lies below the import roots, for admins."""

    permission_classes = [SignedIn]

    @extend_schema(
        responses=FolderAnswer,
        parameters=[OpenApiParameter("path", description="left out: the roots themselves")],
    )
    def get(self, request: Request, project_id: int) -> Response:
        project_for(request.user, project_id, "browse_server")
        roots = [str(root) for root in settings.IMPORT_ROOTS]
        path = request.query_params.get("path", "")
        if not path:
            return Response({"path": "", "entries": _root_entries(), "roots": roots})
        try:
            folder = folders.contained(path)
            if not folder.is_dir():
                raise ValidationError({"path": [f"{path} is a file"]})
            found = folders.entries(folder)
        except folders.OutsideRoots as error:
            raise ValidationError({"path": [str(error)]}) from error
        except OSError as error:
            raise ValidationError({"path": [f"{path}: {error.strerror}"]}) from error
        entries = [asdict(entry) for entry in found]
        return Response({"path": str(folder), "entries": entries, "roots": roots})


def _root_entries() -> list[dict[str, Any]]:
    return [
        {"name": str(root), "path": str(root), "is_folder": True, "size": 0}
        for root in settings.IMPORT_ROOTS
        if root.is_dir()
    ]


class UploadSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=1000)
    size = serializers.IntegerField(min_value=1)


class Uploads(APIView):
    """Announce an upload."""

    permission_classes = [SignedIn]

    @extend_schema(request=UploadSerializer, responses={201: UploadAnswer})
    def post(self, request: Request, project_id: int) -> Response:
        project = project_for(request.user, project_id, "import")
        asked = UploadSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        try:
            upload = uploads.begin_upload(project, by=signed_in(request), **asked.validated_data)
        except uploads.RefusedUpload as error:
            raise ValidationError({"detail": str(error)}) from error
        return Response(_upload_shown(upload), status=status.HTTP_201_CREATED)


class Bytes(BaseParser):
    """A piece of a file, whatever the browser calls it; read by the view."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        return stream


class OneUpload(APIView):
    """How much has arrived, and the next piece."""

    permission_classes = [SignedIn]
    parser_classes = [Bytes]

    @extend_schema(responses=UploadAnswer)
    def get(self, request: Request, upload_id: int) -> Response:
        upload = get_object_or_404(visible_uploads(request), pk=upload_id)
        return Response(_upload_shown(upload))

    @extend_schema(
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses={200: OffsetAnswer, 409: OffsetAnswer},
        parameters=[OpenApiParameter("Upload-Offset", int, OpenApiParameter.HEADER, required=True)],
    )
    def patch(self, request: Request, upload_id: int) -> Response:
        upload = get_object_or_404(visible_uploads(request), pk=upload_id)
        project_for(request.user, upload.project_id, "import")
        offset = request.headers.get("Upload-Offset", "")
        if not offset.isdecimal():
            raise ValidationError(
                {"detail": "send the header Upload-Offset: where the piece begins"}
            )
        length = request.META.get("CONTENT_LENGTH") or ""
        if not length.isdecimal() or int(length) > uploads.LARGEST_PIECE_BYTES:
            return Response(
                {"detail": f"a piece has at most {uploads.LARGEST_PIECE_BYTES} bytes"},
                status=status.HTTP_413_REQUEST_ENTITY_TOO_LARGE,
            )
        piece = request.stream.read(int(length)) if int(length) else b""
        try:
            upload = uploads.receive(upload.pk, offset=int(offset), pieces=[piece])
        except uploads.WrongOffset as wrong:
            return Response({"offset": wrong.offset}, status=status.HTTP_409_CONFLICT)
        except uploads.RefusedUpload as error:
            raise ValidationError({"detail": str(error)}) from error
        return Response({"offset": upload.offset})


def visible_uploads(request: Request) -> Any:
    """A person's own uploads, in projects that they still see."""
    return Upload.objects.filter(by=signed_in(request), project__in=visible_projects(request.user))


def signed_in(request: Request) -> User:
    assert isinstance(request.user, User), "the permission class lets nobody else in"
    return request.user


def _upload_shown(upload: Upload) -> dict[str, Any]:
    return {"id": upload.pk, "offset": upload.offset, "size": upload.size}
