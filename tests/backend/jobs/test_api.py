"""Jobs over HTTP."""

from __future__ import annotations

import pytest

from backend.jobs import actions
from backend.jobs.models import Job, Kind, State
from backend.projects.models import Role
from tests.builders import build_project, build_user, client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return build_project()


@pytest.fixture
def manager(project):
    return client_of(build_user("max", project=project, role=Role.MANAGER))


@pytest.fixture
def annotator(project):
    return client_of(build_user("ann", project=project))


def build_job(project, kind: str = Kind.IMPORT, **fields) -> Job:
    return Job.objects.create(project=project, kind=kind, **fields)


def test_the_latest_jobs_come_first_and_by_kind(annotator, project):
    first, export, last = (
        build_job(project),
        build_job(project, Kind.EXPORT),
        build_job(project, Kind.DEMO),
    )

    everything = annotator.get(f"/api/projects/{project.pk}/jobs").json()
    some = annotator.get(f"/api/projects/{project.pk}/jobs?kind=import&kind=demo").json()

    assert [job["id"] for job in everything] == [last.pk, export.pk, first.pk]
    assert [job["id"] for job in some] == [last.pk, first.pk]


def test_an_unknown_kind_is_refused(annotator, project):
    assert annotator.get(f"/api/projects/{project.pk}/jobs?kind=nonsense").status_code == 400


def test_a_job_says_what_a_person_wants_to_know(annotator, project):
    job = build_job(
        project,
        state=State.FAILED,
        label="Waymo Open Dataset: a.tfrecord",
        error="record 3 is cut off",
        traceback="Traceback: secret paths",
        report={"scene_ids": [4]},
    )

    shown = annotator.get(f"/api/jobs/{job.pk}").json()

    assert shown["error"] == "record 3 is cut off"
    assert shown["scene_ids"] == [4]
    assert shown["download"] is None
    assert "secret" not in str(shown)


def test_only_a_finished_export_can_be_downloaded(annotator, project):
    done = build_job(project, Kind.EXPORT, state=State.DONE)
    running = build_job(project, Kind.EXPORT, state=State.RUNNING)

    assert (
        annotator.get(f"/api/jobs/{done.pk}").json()["download"]
        == f"/api/exports/{done.pk}/download"
    )
    assert annotator.get(f"/api/jobs/{running.pk}").json()["download"] is None


def test_a_waiting_job_is_cancelled_at_once(manager, project):
    job = build_job(project)

    assert manager.post(f"/api/jobs/{job.pk}/cancel").json()["state"] == "cancelled"
    assert actions.claim(job.pk, worker="here") is None


def test_a_running_job_is_asked_to_stop(manager, project):
    job = build_job(project)
    claimed = actions.claim(job.pk, worker="here")

    shown = manager.post(f"/api/jobs/{job.pk}/cancel").json()

    assert (shown["state"], shown["cancel_requested"]) == ("running", True)
    with pytest.raises(actions.Cancelled):
        actions.progress(claimed, done=1, total=2)


def test_a_cancelled_job_goes_on_when_resumed(manager, project, django_capture_on_commit_callbacks):
    job = build_job(project, state=State.CANCELLED, checkpoint={"spooled": 3})

    with django_capture_on_commit_callbacks() as bells:
        shown = manager.post(f"/api/jobs/{job.pk}/resume").json()

    assert shown["state"] == "waiting"
    assert len(bells) == 1
    job.refresh_from_db()
    assert (job.checkpoint, job.cancel_requested) == ({"spooled": 3}, False)


@pytest.mark.parametrize("state", [State.WAITING, State.RUNNING, State.DONE])
def test_a_job_that_has_not_stopped_is_not_resumed(manager, project, state):
    job = build_job(project, state=state)

    assert manager.post(f"/api/jobs/{job.pk}/resume").status_code == 400


def test_a_click_is_not_resumed(manager, project):
    job = build_job(project, Kind.CLICK, state=State.FAILED)

    assert manager.post(f"/api/jobs/{job.pk}/resume").status_code == 400


def test_an_annotator_sees_an_import_and_does_not_stop_it(annotator, project):
    job = build_job(project)

    assert annotator.get(f"/api/jobs/{job.pk}").status_code == 200
    assert annotator.post(f"/api/jobs/{job.pk}/cancel").status_code == 403
    assert annotator.post(f"/api/jobs/{job.pk}/resume").status_code == 403
    job.refresh_from_db()
    assert (job.state, job.cancel_requested) == (State.WAITING, False)


def test_an_annotator_stops_a_propagation(annotator, project):
    job = build_job(project, Kind.PROPAGATE)

    assert annotator.post(f"/api/jobs/{job.pk}/cancel").json()["state"] == "cancelled"


def test_a_stranger_sees_no_job(project):
    stranger = client_of(build_user("eve"))
    job = build_job(project)

    assert stranger.get(f"/api/projects/{project.pk}/jobs").status_code == 404
    assert stranger.get(f"/api/jobs/{job.pk}").status_code == 404
    assert stranger.post(f"/api/jobs/{job.pk}/cancel").status_code == 404
    assert stranger.post(f"/api/jobs/{job.pk}/resume").status_code == 404


def test_looking_changes_nothing(manager, project):
    job = build_job(project)

    assert manager.get(f"/api/jobs/{job.pk}/cancel").status_code == 405
    assert manager.get(f"/api/jobs/{job.pk}/resume").status_code == 405
    job.refresh_from_db()
    assert not job.cancel_requested
