"""Keeping a job's lease while its work goes on.

`progress` renews the lease at every step; a step may still take longer than the lease (a frame on a
slow disk, a long transaction), and a job must not be taken over while its worker lives.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from django.db import DatabaseError, connection
from django.utils import timezone

from backend import statements
from backend.jobs.actions import LEASE, Cancelled, LostLease, announce
from backend.jobs.models import Job, State

logger = logging.getLogger(__name__)

RENEWAL_S = LEASE.total_seconds() / 3


def check(job: Job) -> None:
    """Call it between the parts of a long step. Raises Cancelled, or LostLease."""
    row = (
        Job.objects.filter(pk=job.pk, state=State.RUNNING, worker=job.worker, attempts=job.attempts)
        .values_list("cancel_requested")
        .first()
    )
    if row is None:
        raise LostLease(f"job {job.pk} is no longer ours")
    if row[0]:
        raise Cancelled


FINISH = """
    UPDATE jobs_job SET state = 'done', finished_at = %s, lease_until = NULL
    WHERE id = %s AND state = 'running' AND worker = %s AND attempts = %s AND NOT cancel_requested
    RETURNING id
"""


def finish(job: Job) -> None:
    """End a job inside the transaction that stores what it made: both happen or neither.

    Raises Cancelled, or LostLease; let them roll the transaction back.
    """
    now = timezone.now()
    if not statements.row(FINISH, [now, job.pk, job.worker, job.attempts]):
        check(job)
        raise LostLease(f"job {job.pk} has ended meanwhile")
    job.state, job.finished_at, job.lease_until = State.DONE, now, None
    announce(job)


@contextmanager
def kept(job: Job, *, every_s: float = RENEWAL_S) -> Iterator[None]:
    """Renew the job's lease from a thread for as long as the body runs."""
    ended = Event()
    thread = Thread(target=_renew, args=(job, ended, every_s), name=f"lease of job {job.pk}")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _renew(job: Job, ended: Event, every_s: float) -> None:
    try:
        while not ended.wait(every_s):
            try:
                Job.objects.filter(
                    pk=job.pk, state=State.RUNNING, worker=job.worker, attempts=job.attempts
                ).update(lease_until=timezone.now() + LEASE)
            except DatabaseError as error:
                # The next turn may succeed; if not, another worker takes the job over.
                logger.warning("the lease of job %s was not renewed: %s", job.pk, error)
                connection.close()
    finally:
        connection.close()
