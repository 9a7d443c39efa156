"""Ringing Celery's doorbell from processes that are not Celery workers themselves."""

from __future__ import annotations

from functools import cache

from celery import Celery
from django.conf import settings


@cache
def _celery() -> Celery:
    return Celery("masklet-bell", broker=settings.CELERY_BROKER_URL)


def ring(task: str, job_id: int, *, queue: str) -> None:
    """Ask whoever listens on `queue` to look at a job. Raises when the broker cannot be reached."""
    _celery().send_task(task, args=[job_id], queue=queue, ignore_result=True)
