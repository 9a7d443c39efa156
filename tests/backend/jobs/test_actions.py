"""The life of a job: one worker at a time, nothing lost, nothing done twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from backend.jobs import actions, bell
from backend.jobs.models import Job, Kind, State
from backend.jobs.queries import unheard_jobs
from tests.builders import build_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def job():
    return Job.objects.create(project=build_project(), kind=Kind.IMPORT)


def lose_lease(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_of_two_workers_one_gets_the_job(job):
    assert actions.claim(job.pk, worker="a") is not None
    assert actions.claim(job.pk, worker="b") is None


def test_a_dead_worker_s_job_is_taken_over_and_the_dead_one_notices(job):
    first = actions.claim(job.pk, worker="a")
    lose_lease(job)

    second = actions.claim(job.pk, worker="b")

    assert second is not None
    with pytest.raises(actions.LostLease):
        actions.progress(first, done=1, total=2)
    actions.progress(second, done=1, total=2)


def test_the_same_worker_that_claims_again_is_another_attempt(job):
    first = actions.claim(job.pk, worker="a")
    lose_lease(job)
    actions.claim(job.pk, worker="a")

    with pytest.raises(actions.LostLease):
        actions.progress(first, done=1, total=2)


def test_progress_renews_the_lease_and_keeps_the_checkpoint(job):
    claimed = actions.claim(job.pk, worker="a")
    lose_lease(job)

    actions.progress(claimed, done=1, total=2, checkpoint={"frame": 1})
    actions.progress(claimed, done=2, total=2)

    job.refresh_from_db()
    assert job.lease_until > timezone.now()
    assert (job.done, job.checkpoint) == (2, {"frame": 1})


def test_an_ended_job_does_not_end_again(job):
    claimed = actions.claim(job.pk, worker="a")
    actions.finish(claimed, message="done")

    actions.fail(claimed, "too late")

    job.refresh_from_db()
    assert (job.state, job.error) == (State.DONE, "")


def test_a_command_s_job_is_claimed_from_the_start(django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as bells:
        job = actions.begin_job(Kind.IMPORT, build_project(), by=None, worker="here")

    assert job.state == State.RUNNING
    assert bells == []
    assert actions.claim(job.pk, worker="elsewhere") is None


def test_a_bell_that_cannot_be_rung_does_not_fail_the_request(
    monkeypatch, django_capture_on_commit_callbacks
):
    def broken(*args, **kwargs):
        raise ConnectionError("no Valkey")

    monkeypatch.setattr(bell, "ring", broken)

    with django_capture_on_commit_callbacks(execute=True):
        job = actions.request_job(Kind.IMPORT, build_project(), by=None)

    Job.objects.filter(pk=job.pk).update(rung_at=timezone.now() - timedelta(minutes=1))
    assert list(unheard_jobs([Kind.IMPORT])) == [job]


def test_jobs_of_dead_workers_are_heard_again(job):
    actions.claim(job.pk, worker="a")
    assert list(unheard_jobs([Kind.IMPORT])) == []

    lose_lease(job)

    assert list(unheard_jobs([Kind.IMPORT])) == [job]
