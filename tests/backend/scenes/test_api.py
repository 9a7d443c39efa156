"""Scenes over HTTP: what a list shows, who may delete, the preview."""

from __future__ import annotations

import io
from dataclasses import replace
from uuid import uuid4

import pytest
from PIL import Image as PillowImage
from rest_framework.test import APIClient

from backend.annotations.actions import apply_edit
from backend.annotations.models import Edit
from backend.jobs.models import Job, Kind
from backend.projects.models import Role
from backend.protocol.messages import CreateTrack, DeleteTrack
from backend.protocol.messages import Edit as EditMessage
from backend.scenes.models import Scene
from tests.builders import (
    CAMERA,
    FrameList,
    build_frame,
    build_project,
    build_scene,
    build_stored_scene,
    build_user,
    client_of,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return build_project()


@pytest.fixture
def scene(project):
    return build_stored_scene(project)


@pytest.fixture
def annotator(project):
    return client_of(build_user("ann", project=project))


@pytest.fixture
def manager(project):
    return client_of(build_user("max", project=project, role=Role.MANAGER))


def make_tracks(scene, *, by, count: int, deleted: int) -> None:
    label_class = scene.project.label_classes.first()
    for number in range(count + deleted):
        change = CreateTrack(label_class=label_class.pk)
        apply_edit(scene.pk, EditMessage(operation_id=str(uuid4()), change=change), by=by)
        if number >= count:
            gone = DeleteTrack(track=number + 1)
            apply_edit(scene.pk, EditMessage(operation_id=str(uuid4()), change=gone), by=by)


def test_a_list_counts_frames_and_living_tracks(annotator, project, scene):
    make_tracks(scene, by=build_user("eva", project=project), count=3, deleted=1)

    (shown,) = annotator.get(f"/api/projects/{project.pk}/scenes").json()

    assert (shown["frame_count"], shown["expected_frames"], shown["track_count"]) == (2, 2, 3)
    assert shown["sensors"] == [
        {"name": "FRONT", "kind": "camera"},
        {"name": "TOP", "kind": "lidar"},
    ]
    assert shown["facts"] == {"weather": "sunny"}
    assert annotator.get(f"/api/scenes/{scene.pk}").json() == shown


def test_a_long_list_takes_as_many_queries_as_a_short_one(
    annotator, project, scene, django_assert_max_num_queries
):
    for number in range(5):
        build_stored_scene(project, build_scene(name=f"street {number}"))

    with django_assert_max_num_queries(7):
        shown = annotator.get(f"/api/projects/{project.pk}/scenes").json()
    assert len(shown) == 6


def test_the_preview_is_a_half_size_picture_of_the_first_frame(annotator, scene):
    answer = annotator.get(f"/api/scenes/{scene.pk}/preview")

    picture = PillowImage.open(io.BytesIO(answer.content))
    assert (answer["Content-Type"], picture.size) == ("image/jpeg", (32, 24))


def test_the_preview_looks_ahead_when_a_camera_does(annotator, project):
    source = build_scene(frames=1)
    side = replace(source.sensors[0], name="SIDE_LEFT")
    frame = build_frame(0)
    other = build_frame(3)  # another shade
    frames = FrameList([replace(frame, images={"SIDE_LEFT": other.images[CAMERA], **frame.images})])
    scene = build_stored_scene(
        project, replace(source, sensors=[side, *source.sensors], frames=frames)
    )

    answer = annotator.get(f"/api/scenes/{scene.pk}/preview")

    blue = PillowImage.open(io.BytesIO(answer.content)).getpixel((5, 5))[2]
    assert blue < 40  # frame 0's shade is 0, the side camera's 120


def test_a_preview_that_is_known_is_not_sent_again(annotator, scene):
    etag = annotator.get(f"/api/scenes/{scene.pk}/preview")["ETag"]

    again = annotator.get(f"/api/scenes/{scene.pk}/preview", headers={"If-None-Match": etag})

    assert (again.status_code, again.content) == (304, b"")


def test_a_scene_without_cameras_has_no_preview(annotator, project):
    source = build_scene(frames=1)
    frames = FrameList([replace(build_frame(0), images={})])
    scene = build_stored_scene(project, replace(source, sensors=source.sensors[1:], frames=frames))

    assert annotator.get(f"/api/scenes/{scene.pk}/preview").status_code == 404


def test_a_deleted_scene_takes_its_labels_history_and_work_along(manager, project, scene):
    make_tracks(scene, by=build_user("eva", project=project), count=2, deleted=1)
    job = Job.objects.create(project=project, kind=Kind.PROPAGATE, scene_id=scene.pk)

    assert manager.delete(f"/api/scenes/{scene.pk}").status_code == 204

    assert not Scene.objects.exists()
    assert not Edit.objects.exists()
    job.refresh_from_db()
    assert job.cancel_requested
    assert manager.get(f"/api/scenes/{scene.pk}").status_code == 404


def test_an_annotator_does_not_delete(annotator, scene):
    assert annotator.delete(f"/api/scenes/{scene.pk}").status_code == 403
    assert Scene.objects.filter(pk=scene.pk).exists()


def test_a_stranger_finds_nothing(project, scene):
    stranger = client_of(build_user("eve"))

    for path in (
        f"projects/{project.pk}/scenes",
        f"scenes/{scene.pk}",
        f"scenes/{scene.pk}/preview",
    ):
        assert stranger.get(f"/api/{path}").status_code == 404, path
    assert stranger.delete(f"/api/scenes/{scene.pk}").status_code == 404
    assert Scene.objects.filter(pk=scene.pk).exists()


def test_nobody_gets_in_without_signing_in(project, scene):
    for path in (
        f"projects/{project.pk}/scenes",
        f"scenes/{scene.pk}",
        f"scenes/{scene.pk}/preview",
    ):
        assert APIClient().get(f"/api/{path}").status_code == 401, path
