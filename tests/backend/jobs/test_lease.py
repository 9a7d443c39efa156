"""A job keeps its lease while its worker lives, however slow a step is."""

from __future__ import annotations

from datetime import timedelta
from threading import Event

import pytest
from django.utils import timezone

from backend.jobs import actions, lease
from backend.jobs.models import Job, Kind
from tests.builders import build_project


@pytest.fixture
def job():
    return actions.begin_job(Kind.DEMO, build_project(), by=None, worker="here")


@pytest.mark.django_db(transaction=True)
def test_the_lease_is_renewed_while_the_work_says_nothing(job, monkeypatch):
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(hours=1))
    renewed = Event()
    now = timezone.now
    monkeypatch.setattr(lease.timezone, "now", lambda: (renewed.set(), now())[1])

    with lease.kept(job, every_s=0.001):
        assert renewed.wait(timeout=10)

    job.refresh_from_db()
    assert job.lease_until > now()


@pytest.mark.django_db(transaction=True)
def test_a_lease_that_is_lost_is_not_taken_back(job):
    Job.objects.filter(pk=job.pk).update(worker="elsewhere", lease_until=timezone.now())
    before = Job.objects.get(pk=job.pk).lease_until

    with lease.kept(job, every_s=0.001):
        Event().wait(0.1)

    assert Job.objects.get(pk=job.pk).lease_until == before


@pytest.mark.django_db
def test_check_hears_cancel(job):
    lease.check(job)
    actions.request_cancel(Job.objects.get(pk=job.pk))

    with pytest.raises(actions.Cancelled):
        lease.check(job)


@pytest.mark.django_db
def test_check_notices_that_the_job_was_taken_over(job):
    Job.objects.filter(pk=job.pk).update(worker="elsewhere")

    with pytest.raises(actions.LostLease):
        lease.check(job)
