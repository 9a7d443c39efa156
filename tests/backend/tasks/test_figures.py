"""Figures for managers, against cases that were counted by hand."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone

from backend.annotations.models import Edit, Source, Track
from backend.jobs.models import Job, Kind, State
from backend.projects.models import Role
from backend.protocol import messages
from backend.tasks import actions
from backend.tasks.figures import figures_of, times_of
from backend.tasks.models import Review, Step, Task
from tests.backend.exports.labelling import edit
from tests.builders import build_project, build_scene, build_stored_scene, build_user, client_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_time_goes_into_tools_thinking_and_idling_by_what_lies_between_edits():
    gaps = [4, 10, 30, 120, 121, 20 * 60, 20 * 60 + 1, 6]
    seconds = [sum(gaps[:k]) for k in range(len(gaps) + 1)]

    spent = times_of(NOON + timedelta(seconds=s) for s in seconds)

    assert spent.tool == timedelta(seconds=4 + 10 + 6)
    assert spent.thinking == timedelta(seconds=30 + 120 + 2 * 10)  # two sittings, the lead of each
    assert spent.idle == timedelta(seconds=121 + 20 * 60)
    assert times_of([]) == (timedelta(), timedelta(), timedelta())


@pytest.fixture
def project(db):
    return build_project()


@pytest.fixture
def ann(project):
    return build_user("ann", project=project)


@pytest.fixture
def rita(project):
    return build_user("rita", project=project, role=Role.REVIEWER)


def test_progress_pace_forecast_and_first_time_acceptance(project, ann, rita):
    scene = build_stored_scene(project, build_scene(12))
    first, second, third, fourth = actions.split(scene, frames=3)
    for task in (first, second, third):
        actions.submit(task, by=ann)
    actions.accept(first, by=rita)
    actions.send_back(second, by=rita, reason="no", faults=["class", "missing"])
    actions.submit(second, by=ann)
    actions.accept(second, by=rita)
    actions.send_back(third, by=rita, reason="no", faults=["class"])
    actions.skip(fourth, by=ann, why="data")
    Task.objects.filter(pk=first.pk).update(state_at=timezone.now() - timedelta(days=3))
    now = timezone.now()

    found = figures_of(project, now=now)

    assert found.tasks == {"accepted": 2, "sent_back": 1, "skipped": 1}
    assert found.frames == {"accepted": 6, "sent_back": 3, "skipped": 3}
    assert len(found.days) == 30
    assert found.days[now.date()] == found.days[now.date() - timedelta(days=3)] == 3
    assert sum(found.days.values()) == 6
    # six frames in fourteen days, three are left: seven days
    assert found.ready_on == now.date() + timedelta(days=7)
    assert found.faults == {"class": 2, "missing": 1}
    (person,) = found.people
    assert (person.submitted, person.frames) == (4, 12)
    assert (person.judged, person.first_time) == (3, 1)


def test_without_any_pace_there_is_no_forecast_and_with_nothing_left_it_is_today(
    project, ann, rita
):
    task = build_stored_scene(project, build_scene(2)).tasks.get()
    assert figures_of(project, now=timezone.now()).ready_on is None

    actions.submit(task, by=ann)
    actions.accept(task, by=rita)

    assert figures_of(project, now=timezone.now()).ready_on == timezone.now().date()


def test_clicks_objects_work_and_waiting_are_each_person_s_own(project, ann, rita):
    scene = build_stored_scene(project, build_scene(2))
    car = project.label_classes.get(name="car").pk
    for who in (ann, ann, rita):
        edit(scene, messages.CreateTrack(label_class=car), by=who)
    edit(scene, messages.UpdateTrack(track=1, name="the red one"), by=ann)
    began = timezone.now() - timedelta(hours=1)
    rows = [
        Edit(document_id=scene.pk, revision=100 + k, operation_id=f"{k:032x}", group=f"{k:032x}", by=ann,
             tool="click", change={"kind": "predicted_masks", "track": 2},
             at=began + timedelta(seconds=20 * k))
        for k in range(4)
    ]  # fmt: skip
    Edit.objects.bulk_create(rows)
    job = Job.objects.create(
        project=project, kind=Kind.CLICK, state=State.DONE, requested_by=ann,
        finished_at=timezone.now(),
    )  # fmt: skip
    Job.objects.filter(pk=job.pk).update(finished_at=job.created_at + timedelta(seconds=1.5))

    people = {person.name: person for person in figures_of(project, now=timezone.now()).people}

    assert (people["ann"].clicks, people["ann"].objects, people["ann"].edits) == (4, 2, 7)
    assert (people["rita"].clicks, people["rita"].objects) == (0, 1)
    # clicks: a lead of 10 s and 60 s between them; the edits of just now: another lead and moments
    assert people["ann"].at_work_s == pytest.approx(10 + 60 + 10, abs=5)
    assert people["ann"].thinking_s == pytest.approx(80)
    assert people["ann"].tool_s < 5
    assert people["ann"].waiting_s == pytest.approx(1.5)


def test_what_the_engine_found_is_corrected_when_somebody_has_touched_it(project, ann, rita):
    scene = build_stored_scene(project, build_scene(2))
    car = project.label_classes.get(name="car").pk
    for _ in range(5):
        edit(scene, messages.CreateTrack(label_class=car), by=ann, tool="engine")
    Track.objects.update(source=Source.ENGINE)
    edit(scene, messages.UpdateTrack(track=2, name="the red one"), by=ann)
    edit(scene, messages.DeleteTrack(track=3), by=ann)
    Track.objects.filter(number=5).update(deleted_revision=6)  # put aside by a rerun
    task = scene.tasks.get()
    assert figures_of(project, now=timezone.now()).prelabels == 0  # nothing is accepted yet
    actions.submit(task, by=ann)
    actions.accept(task, by=rita)

    found = figures_of(project, now=timezone.now())

    assert (found.prelabels, found.corrected) == (4, 2)


def test_other_projects_and_other_days_do_not_count(project, ann, rita):
    task = build_stored_scene(project, build_scene(2)).tasks.get()
    actions.submit(task, by=ann)
    actions.accept(task, by=rita)
    Task.objects.update(state_at=timezone.now() - timedelta(days=40))
    elsewhere = build_project("elsewhere")

    assert figures_of(elsewhere, now=timezone.now()).people == []
    found = figures_of(project, now=timezone.now() + timedelta(days=40))
    assert sum(found.days.values()) == 0
    assert found.people == []
    assert found.frames == {"accepted": 2}
    assert Step.objects.count() == 2
    assert Review.objects.count() == 1


def test_managers_read_them_as_json_and_as_a_table(project, ann):
    ann.first_name = "=1+1"
    ann.save()
    mia = build_user("mia", project=project, role=Role.MANAGER)
    task = build_stored_scene(project, build_scene(2)).tasks.get()
    actions.submit(task, by=ann)
    path = f"/api/projects/{project.pk}/figures"

    told = client_of(mia).get(path, {"days": 7}).json()
    assert (len(told["days"]), told["tasks"]) == (7, {"submitted": 1})
    assert date.fromisoformat(told["since"]) == date.fromisoformat(told["until"]) - timedelta(
        days=6
    )
    answer = client_of(mia).get(f"{path}.csv")
    (row,) = csv.DictReader(io.StringIO(answer.content.decode()))
    assert (row["name"], row["submitted"], row["frames"]) == ("'=1+1", "1", "2")
    assert client_of(mia).get(path, {"days": "0"}).status_code == 400
    assert client_of(ann).get(path).status_code == 403
