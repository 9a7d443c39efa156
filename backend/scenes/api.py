"""Scenes over HTTP: a project's list, one of them, its preview picture, its end."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseNotModified
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.accounts.session import person
from backend.paging import PAGES, page
from backend.projects.permissions import SignedIn, may
from backend.projects.queries import project_for
from backend.scenes import actions, storage
from backend.scenes.queries import preview_reading, visible_scenes, with_counts


class ProjectScenes(APIView):
    permission_classes = [SignedIn]

    @extend_schema(parameters=PAGES, responses={200: OpenApiTypes.ANY})
    def get(self, request: Request, project_id: int) -> Response:
        """Blind copies stand here only for whoever labels them, to whom they are scenes like others."""
        project = project_for(request.user, project_id, "view")
        scenes = with_counts(visible_scenes(request.user).filter(project=project))
        if may(request.user, "review", project):
            scenes = scenes.filter(original=None)
        latest = scenes.order_by("-imported_at", "-id")
        return page(request, latest, lambda rows: [scene_shown(scene) for scene in rows])


class OneScene(APIView):
    permission_classes = [SignedIn]

    def get(self, request: Request, scene_id: int) -> Response:
        scene = get_object_or_404(with_counts(visible_scenes(request.user)), pk=scene_id)
        return Response(scene_shown(scene))

    def delete(self, request: Request, scene_id: int) -> Response:
        scene = get_object_or_404(visible_scenes(request.user), pk=scene_id)
        project_for(request.user, scene.project_id, "delete_scene")
        actions.delete_scene(scene, by=person(request))
        return Response(status=204)


class ScenePreview(APIView):
    """GET: a half-size picture of the scene's beginning."""

    permission_classes = [SignedIn]

    def get(self, request: Request, scene_id: int) -> HttpResponse:
        scene = get_object_or_404(visible_scenes(request.user), pk=scene_id)
        reading = preview_reading(scene)
        if reading is None:
            raise NotFound("the scene has no picture")
        etag = f'"{reading.view_key.rpartition("/")[2]}"'
        if request.headers.get("If-None-Match") == etag:
            return HttpResponseNotModified()
        return HttpResponse(
            storage.get(reading.view_key),
            content_type="image/jpeg",
            headers={"ETag": etag, "Cache-Control": "private, no-cache"},
        )


def scene_shown(scene: Any) -> dict[str, Any]:
    """scene: a row of `with_counts`."""
    return {
        "id": scene.pk,
        "project": scene.project_id,
        "name": scene.name,
        "state": scene.state,
        "frame_count": scene.frame_count or 0,
        "expected_frames": scene.expected_frames,
        "sensors": [{"name": sensor.name, "kind": sensor.kind} for sensor in scene.sensors.all()],
        "track_count": scene.track_count or 0,
        "facts": scene.facts,
        "imported_at": scene.imported_at,
        "report": scene.import_report or None,
    }
