"""The demo drive grows under people's eyes, and goes on where it was stopped."""

from __future__ import annotations

from unittest import mock

import pytest

from backend.annotations.models import Document, Track
from backend.imports.growing import SceneGone, grow_scene
from backend.imports.tasks import make_demo, run_demo
from backend.jobs import actions as jobs
from backend.jobs.models import Job, Kind, State
from backend.scenes.actions import delete_scene
from backend.scenes.models import Scene
from backend.tasks.models import Task
from tests.builders import LIDAR, POINTS, build_project, build_scene

pytestmark = pytest.mark.django_db


@pytest.fixture
def job():
    row = Job.objects.create(kind=Kind.DEMO, project=build_project())
    claimed = jobs.claim(row.pk, worker="here")
    assert claimed is not None
    return claimed


def test_the_first_frames_are_published_before_the_others_are_made(job):
    source = build_scene(frames=10)
    seen = []

    def look(_job):
        scene = Scene.objects.get()
        seen.append((scene.frames.count(), scene.state, len(source.frames.reads)))

    grow_scene(source, job=job, source_format="demo", watch=look)

    assert seen == [(3, "arriving", 3), (8, "arriving", 8), (10, "arriving", 10)]
    assert Scene.objects.get().state == Scene.State.READY


def test_a_growing_scene_can_be_labelled_from_its_first_frame(job):
    grow_scene(build_scene(frames=3), job=job, source_format="demo")

    scene = Scene.objects.get()
    assert Document.objects.filter(scene=scene).exists()
    assert Task.objects.filter(scene=scene).exists()


def test_gold_is_not_shown(job):
    grow_scene(build_scene(frames=2, labelled=True), job=job, source_format="demo")

    assert not Track.objects.exists()


def test_a_killed_drive_goes_on_at_the_first_missing_frame(job):
    source = build_scene(frames=10)
    frames = source.frames
    with (
        mock.patch.object(frames, "_frames", [*list(frames)[:6], *[None] * 4]),
        pytest.raises(AttributeError),
    ):
        grow_scene(source, job=job, source_format="demo")
    assert Scene.objects.get().frames.count() == 3
    frames.reads.clear()
    Job.objects.filter(pk=job.pk).update(lease_until="2000-01-01T00:00Z")
    again = jobs.claim(job.pk, worker="there")

    report = grow_scene(source, job=again, source_format="demo")

    assert frames.reads == [3, 4, 5, 6, 7, 8, 9]
    assert report["frames"] == 10
    assert report["sensors"][1] == {
        "name": LIDAR, "kind": "lidar", "readings": 10, "points": 10 * POINTS,
    }  # fmt: skip


def test_a_cancelled_drive_stays_as_a_shorter_one_and_can_go_on(job):
    source = build_scene(frames=10)

    with pytest.raises(jobs.Cancelled):
        grow_scene(source, job=job, source_format="demo", watch=jobs.request_cancel)

    scene = Scene.objects.get()
    assert (scene.frames.count(), scene.expected_frames, scene.state) == (3, 3, "ready")
    jobs.cancelled(job)
    again = jobs.claim(jobs.resume(job).pk, worker="there")
    grow_scene(source, job=again, source_format="demo")
    scene.refresh_from_db()
    assert (scene.frames.count(), scene.expected_frames, scene.state) == (10, 10, "ready")


def test_a_drive_whose_scene_is_deleted_stops(job):
    def delete(_job):
        delete_scene(Scene.objects.get())
        Job.objects.update(cancel_requested=False)  # as if the request had been lost

    with pytest.raises(SceneGone):
        grow_scene(build_scene(frames=10), job=job, source_format="demo", watch=delete)
    assert not Scene.objects.exists()


def test_the_demo_job_makes_its_drive(job):
    job.parameters = {"seed": 1, "frames": 2, "rig": "tiny"}

    report = make_demo(job)

    scene = Scene.objects.get(pk=report["scene_ids"][0])
    assert (scene.name, scene.frames.count()) == ("Demo drive", 2)
    assert sum(sensor["points"] or 0 for sensor in report["sensors"]) > 0


def test_the_celery_task_ends_its_job():
    row = Job.objects.create(
        kind=Kind.DEMO,
        project=build_project(),
        parameters={"seed": 1, "frames": 1, "rig": "tiny"},
    )

    run_demo(row.pk)

    row.refresh_from_db()
    assert (row.state, row.done, row.total, row.error) == (State.DONE, 1, 1, "")
    assert row.scene_id == Scene.objects.get().pk
