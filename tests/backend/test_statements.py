"""Hand-written statements give what the ORM gives."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import connection

from backend import statements
from backend.jobs.models import Job, Kind
from backend.scenes.models import Scene
from tests.builders import build_project, build_stored_scene

pytestmark = pytest.mark.django_db


def new_job(project, **fields):
    return Job(kind=Kind.CLICK, project=project, **fields)


def test_what_is_inserted_is_what_the_orm_reads():
    project = build_project()
    parameters = {"track": None, "prompts": [{"position": [1.5, -2.0, 0.25]}], "name": "Zürich %s"}
    jobs = [
        new_job(project, request_id=uuid4(), scene_id=7, parameters=parameters),
        new_job(project, label="second"),
    ]

    statements.insert(jobs)

    read = list(Job.objects.order_by("id"))
    assert [job.pk for job in read] == [job.pk for job in jobs]
    assert read[0].parameters == parameters
    assert (read[0].request_id, read[0].created_at) == (jobs[0].request_id, jobs[0].created_at)
    assert (read[1].label, read[1].report, read[1].state) == ("second", None, "waiting")


def test_what_is_selected_is_what_the_orm_reads():
    scene = build_stored_scene(build_project())
    theirs = Scene.objects.get(pk=scene.pk)

    (ours,) = statements.select(Scene, "id = %s", [scene.pk])

    assert {
        field.attname: getattr(ours, field.attname) for field in Scene._meta.concrete_fields
    } == {field.attname: getattr(theirs, field.attname) for field in Scene._meta.concrete_fields}


def test_fields_that_were_not_asked_for_come_when_they_are_used(django_assert_num_queries):
    scene = build_stored_scene(build_project())

    (ours,) = statements.select(Scene, "id = %s", [scene.pk], only=("id", "name"))

    with django_assert_num_queries(0):
        assert ours.name == scene.name
    with django_assert_num_queries(1):
        assert ours.source_name == scene.source_name


@pytest.mark.parametrize(("durable", "commits"), [(True, "on"), (False, "off")])
def test_only_rows_of_work_do_not_wait_for_the_disk(durable, commits):
    job = new_job(build_project())
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit TO ON")

    statements.insert([job], durable=durable)

    assert statements.row("SELECT current_setting('synchronous_commit')", ()) == (commits,)
    assert Job.objects.filter(pk=job.pk).exists()
