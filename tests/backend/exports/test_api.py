"""Asking for an export, having it made, fetching it, and who may."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connections
from django.test import AsyncClient, Client

from backend.accounts.models import User
from backend.exports import api as export_api
from backend.exports import tasks as export_tasks
from backend.exports.models import Archive
from backend.exports.tasks import aside, run_export
from backend.jobs import actions as jobs
from backend.jobs.models import Job, Kind, State
from backend.projects.models import Role
from tests.backend.exports.labelling import Labelled, accept
from tests.builders import build_project, build_scene, build_stored_scene, build_user


@pytest.fixture
def manager(labelled: Labelled, client: Client) -> Client:
    client.force_login(labelled.manager)
    return client


def ask(client: Client, labelled: Labelled, **wanted: object):
    body = {"scenes": [labelled.scene.pk], "format": "native", **wanted}
    return client.post(
        f"/api/projects/{labelled.project.pk}/exports", body, content_type="application/json"
    )


def made(client: Client, labelled: Labelled, **wanted: object) -> Job:
    answer = ask(client, labelled, **wanted)
    assert answer.status_code == 201, answer.content
    run_export(answer.json()["id"])
    return Job.objects.get(pk=answer.json()["id"])


def fetched(client: Client, job: Job) -> zipfile.ZipFile:
    answer = client.get(f"/api/exports/{job.pk}/download")
    assert answer.status_code == 200
    data = b"".join(answer)
    assert answer["Content-Length"] == str(len(data))
    return zipfile.ZipFile(io.BytesIO(data))


def test_an_accepted_scene_is_exported_and_downloaded(labelled: Labelled, manager: Client):
    accept(labelled)

    job = made(manager, labelled)

    assert (job.state, job.done, job.total) == (State.DONE, 3, 3)
    archive = fetched(manager, job)
    assert archive.testzip() is None
    manifest = json.loads(archive.read("manifest.json"))
    assert manifest["contains_unreviewed"] is False
    assert manifest["scenes"][0]["is_accepted"] is True
    assert "accepted by a reviewer" in archive.read("README.txt").decode()
    assert "a_short_street/scene.json" in archive.namelist()


def test_a_download_is_an_attachment_that_no_browser_shows(labelled: Labelled, manager: Client):
    accept(labelled)
    job = made(manager, labelled)

    answer = manager.get(f"/api/exports/{job.pk}/download")

    assert answer["Content-Type"] == "application/zip"
    assert answer["Content-Disposition"] == 'attachment; filename="a_short_street_native.zip"'
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_unreviewed_labels_are_refused_unless_asked_for(labelled: Labelled, manager: Client):
    answer = ask(manager, labelled)

    assert answer.status_code == 400
    assert "not accepted yet: a short street" in answer.json()["scenes"][0]
    assert not Job.objects.exists()


def test_an_archive_with_unreviewed_labels_says_so_in_name_and_content(
    labelled: Labelled, manager: Client
):
    job = made(manager, labelled, include_unreviewed=True)

    assert Archive.objects.get(job=job).file_name == "a_short_street_native_UNREVIEWED.zip"
    archive = fetched(manager, job)
    assert json.loads(archive.read("manifest.json"))["contains_unreviewed"] is True
    assert "UNREVIEWED: no reviewer accepted it" in archive.read("README.txt").decode()


def test_a_scene_sent_back_between_request_and_export_is_not_exported(
    labelled: Labelled, manager: Client
):
    accept(labelled)
    job_id = ask(manager, labelled).json()["id"]
    task = labelled.scene.tasks.get()
    manager.post(
        f"/api/tasks/{task.pk}/send_back", {"reason": "look"}, content_type="application/json"
    )

    run_export(job_id)

    job = Job.objects.get(pk=job_id)
    assert (job.state, Archive.objects.count()) == (State.FAILED, 0)
    assert "not accepted yet" in job.error


def test_a_scene_of_another_project_cannot_be_slipped_in(labelled: Labelled, manager: Client):
    foreign = build_stored_scene(build_project("elsewhere"), build_scene(1))

    answer = ask(manager, labelled, scenes=[foreign.pk], include_unreviewed=True)

    assert answer.status_code == 400
    assert "is not in project" in answer.json()["scenes"][0]


@pytest.mark.parametrize(
    "wanted", [{"scenes": []}, {"scenes": "x"}, {"format": "../native"}, {"scenes": [10**30]}]
)
def test_a_senseless_request_is_a_bad_request(labelled: Labelled, manager: Client, wanted: dict):
    assert ask(manager, labelled, **wanted).status_code == 400


def test_the_formats_are_listed(labelled: Labelled, manager: Client):
    names = [row["name"] for row in manager.get("/api/export-formats").json()]

    assert names == ["native", "waymo-4dseg"]


def test_an_annotator_may_neither_ask_nor_fetch(labelled: Labelled, manager: Client):
    accept(labelled)
    job = made(manager, labelled)
    manager.force_login(labelled.ann)

    assert ask(manager, labelled).status_code == 403
    assert manager.get(f"/api/exports/{job.pk}/download").status_code == 403


def test_a_cancelled_export_leaves_nothing_and_starts_again_when_resumed(
    labelled: Labelled, manager: Client, monkeypatch: pytest.MonkeyPatch
):
    accept(labelled)
    job = Job.objects.get(pk=ask(manager, labelled).json()["id"])
    tell = jobs.progress

    def cancel_at_the_second_frame(job: Job, *, done: int, total: int, message: str) -> None:
        if done == 2:
            jobs.request_cancel(Job.objects.get(pk=job.pk))
        tell(job, done=done, total=total, message=message)

    monkeypatch.setattr(export_tasks.jobs, "progress", cancel_at_the_second_frame)
    run_export(job.pk)
    job.refresh_from_db()

    assert (job.state, job.done) == (State.CANCELLED, 2)
    assert not Archive.objects.exists()
    assert not default_storage.exists(f"exports/{job.pk}.zip")
    assert not aside(job).exists()

    monkeypatch.undo()
    jobs.resume(job)
    run_export(job.pk)
    job.refresh_from_db()

    assert (job.state, job.done) == (State.DONE, 3)


def test_what_a_killed_worker_left_aside_is_removed_by_the_next_attempt(
    labelled: Labelled, manager: Client
):
    accept(labelled)
    job_id = ask(manager, labelled).json()["id"]
    left = aside(Job(pk=job_id)) / "files"
    left.mkdir(parents=True)
    (left / "half.json").write_text("{")

    run_export(job_id)

    names = fetched(manager, Job.objects.get(pk=job_id)).namelist()
    assert "half.json" not in names


def test_an_archive_that_is_gone_from_storage_is_not_found(labelled: Labelled, manager: Client):
    accept(labelled)
    job = made(manager, labelled)
    default_storage.delete(Archive.objects.get(job=job).key)

    assert manager.get(f"/api/exports/{job.pk}/download").status_code == 404


def test_leftovers_of_ended_jobs_and_deleted_projects_go_with_the_next_export(
    labelled: Labelled, manager: Client, monkeypatch: pytest.MonkeyPatch
):
    accept(labelled)
    kept = made(manager, labelled)
    ended = aside(Job(pk=kept.pk))
    ended.mkdir(parents=True)
    default_storage.save("exports/0.zip", ContentFile(b"of a deleted project"))
    monkeypatch.setattr(export_tasks, "FORGOTTEN_AFTER", timedelta(0))

    made(manager, labelled)

    assert not ended.exists()
    assert not default_storage.exists("exports/0.zip")
    assert default_storage.exists(f"exports/{kept.pk}.zip")


async def test_a_download_is_read_piece_by_piece(monkeypatch: pytest.MonkeyPatch):
    await asyncio.to_thread(default_storage.save, "exports/1.zip", ContentFile(b"0123456789"))
    monkeypatch.setattr(export_api, "CHUNK_BYTES", 4)

    pieces = [piece async for piece in export_api.chunks("exports/1.zip")]

    assert pieces == [b"0123", b"4567", b"89"]


@pytest.mark.django_db(transaction=True)
async def test_a_download_streams_through_the_asgi_server(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(export_api, "CHUNK_BYTES", 4)

    @sync_to_async
    def stored() -> tuple[User, Job]:
        project = build_project()
        job = Job.objects.create(kind=Kind.EXPORT, project=project, state=State.DONE)
        default_storage.save("exports/1.zip", ContentFile(b"0123456789"))
        Archive.objects.create(job=job, key="exports/1.zip", file_name="a.zip", size=10)
        return build_user(project=project, role=Role.MANAGER), job

    user, job = await stored()
    client = AsyncClient()
    await client.aforce_login(user)

    answer = await client.get(f"/api/exports/{job.pk}/download")

    assert answer.is_async
    assert [piece async for piece in answer.streaming_content] == [b"0123", b"4567", b"89"]
    await sync_to_async(connections.close_all)()  # of the views' thread
