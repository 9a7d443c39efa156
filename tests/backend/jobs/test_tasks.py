"""The frame round every job's work, and the bell that is rung again."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from backend.jobs import actions, bell
from backend.jobs.models import Job, Kind, State
from backend.jobs.tasks import ring_waiting_jobs, run, take_up, worker_name
from tests.builders import build_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def job():
    return Job.objects.create(project=build_project(), kind=Kind.IMPORT)


@pytest.fixture
def bells(monkeypatch):
    rung: list[int] = []
    monkeypatch.setattr(bell, "ring", lambda task, job_id, queue: rung.append(job_id))
    return rung


def outcome(job: Job) -> tuple[str, str, str]:
    job.refresh_from_db()
    return job.state, job.message, job.error


def test_a_report_is_kept_and_its_summary_shown(job):
    run(job.pk, lambda job: {"summary": "3 frames", "frames": 3}, expected=())

    assert outcome(job) == (State.DONE, "3 frames", "")
    assert job.report["frames"] == 3


def test_an_expected_error_is_told_in_its_own_words(job):
    def work(job):
        raise ValueError("record 3 is cut off")

    run(job.pk, work, expected=(ValueError,))

    assert outcome(job) == (State.FAILED, "", "record 3 is cut off")


def test_any_other_error_is_told_as_unexpected_and_its_traceback_kept(job):
    run(job.pk, lambda job: 1 // 0, expected=(ValueError,))

    state, _, error = outcome(job)
    assert (state, "ZeroDivisionError" in error) == (State.FAILED, True)
    assert "Traceback" in job.traceback


def test_a_job_that_somebody_else_has_is_left_alone(job):
    actions.claim(job.pk, worker="elsewhere")

    run(job.pk, lambda job: pytest.fail("must not run"), expected=())

    assert outcome(job)[0] == State.RUNNING


def test_a_job_that_was_taken_over_is_not_ended_by_the_loser(job):
    def work(claimed):
        Job.objects.filter(pk=job.pk).update(worker="elsewhere")
        actions.progress(claimed, done=1, total=1)

    run(job.pk, work, expected=())

    assert outcome(job)[0] == State.RUNNING


def test_cancel_ends_the_job_as_cancelled(job):
    def work(claimed):
        actions.request_cancel(Job.objects.get(pk=job.pk))
        actions.progress(claimed, done=1, total=1)

    run(job.pk, work, expected=())

    assert outcome(job)[0] == State.CANCELLED


def test_a_dead_worker_s_job_is_rung_for_again(job, bells):
    actions.claim(job.pk, worker="dead")
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))

    ring_waiting_jobs()

    assert bells == [job.pk]


def test_a_job_that_kills_its_workers_is_given_up(job, bells):
    Job.objects.filter(pk=job.pk).update(
        state=State.RUNNING,
        attempts=actions.MAX_ATTEMPTS,
        lease_until=timezone.now() - timedelta(seconds=1),
    )

    ring_waiting_jobs()

    assert bells == []
    assert outcome(job)[0] == State.FAILED


def test_a_worker_that_starts_takes_up_what_a_dead_one_of_its_machine_left(job, bells):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    actions.claim(job.pk, worker=f"{socket.gethostname()}:{dead.pid}")

    take_up()

    assert bells == [job.pk]
    assert actions.claim(job.pk, worker="the new one") is not None


def test_a_worker_that_starts_leaves_alone_what_others_are_at(job, bells):
    here = actions.claim(job.pk, worker=worker_name())
    elsewhere = Job.objects.create(project=job.project, kind=Kind.IMPORT)
    actions.claim(elsewhere.pk, worker="another-machine:1")

    take_up()

    assert bells == []
    assert actions.claim(here.pk, worker="the new one") is None
    assert actions.claim(elsewhere.pk, worker="the new one") is None
