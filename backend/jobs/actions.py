"""The life of a job: requested, claimed, at work (renewing its lease), ended.

A worker that dies leaves a lease that runs out; `ring_waiting_jobs` then rings again and another
worker goes on at the checkpoint. A click is not repeated: its asker is told (see predictions).
"""

from __future__ import annotations

import logging
import traceback
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from backend import events, statements
from backend.accounts import audit
from backend.accounts.models import User
from backend.jobs import bell
from backend.jobs.models import ENDED, Job, Kind, State
from backend.jobs.queries import job_record
from backend.jobs.signals import ended
from backend.projects.models import Project
from backend.protocol.messages import JobChanged

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
MAX_ATTEMPTS = 5

# Which Celery task does a kind of job, and on which queue it is rung. Clicks and propagations go
# to the worker that holds the scene (predictions), by a road of their own.
TASKS: dict[str, tuple[str, str]] = {
    Kind.IMPORT: ("backend.imports.tasks.run_import", "io"),
    Kind.DEMO: ("backend.imports.tasks.run_demo", "io"),
    Kind.EXPORT: ("backend.exports.tasks.run_export", "io"),
    Kind.ENGINE: ("backend.predictions.prelabelling.run_engine", "engine"),
    Kind.COMPARE: ("backend.quality.tasks.run_comparison", "io"),
    Kind.CHECK: ("backend.quality.tasks.run_checks", "io"),
}


class Cancelled(Exception):
    """Raised inside a job's work when a person has asked to stop it."""


class LostLease(Exception):
    """Another worker has taken the job over; this one must stop without a trace."""


def request_job(
    kind: str,
    project: Project,
    *,
    by: User | None,
    label: str = "",
    parameters: dict[str, Any] | None = None,
    scene_id: int | None = None,
    is_asked_for: bool = True,
) -> Job:
    """Store a job and ring for it when the transaction commits. is_asked_for: somebody's act, not housekeeping."""
    job = store_job(kind, project.pk, by=by, label=label, parameters=parameters, scene_id=scene_id)
    if is_asked_for:
        audit.note(f"{kind}.requested", label or f"scene {scene_id}", by=by, project=project.pk)
    # Robust: a bell that cannot be rung now is rung later, the request has succeeded.
    transaction.on_commit(lambda: ring(job), robust=True)
    return job


@transaction.atomic
def begin_job(
    kind: str,
    project: Project,
    *,
    by: User | None,
    worker: str,
    label: str = "",
    parameters: dict[str, Any] | None = None,
    scene_id: int | None = None,
) -> Job:
    """Store a job that this process does itself (a command): claimed from the start.

    Should the process die, a worker goes on as with any other job.
    """
    stored = store_job(
        kind, project.pk, by=by, label=label, parameters=parameters, scene_id=scene_id
    )
    job = claim(stored.pk, worker=worker)
    assert job is not None, "nobody else can see the row yet"
    return job


def store_job(
    kind: str,
    project_id: int,
    *,
    by: User | None,
    label: str = "",
    scene_id: int | None = None,
    request_id: UUID | None = None,
    parameters: dict[str, Any] | None = None,
    durable: bool = True,
) -> Job:
    """A job's row; who stores it rings for it."""
    job = Job(
        kind=kind,
        project_id=project_id,
        requested_by=by,
        label=label[:200],
        scene_id=scene_id,
        request_id=request_id,
        parameters=parameters or {},
    )
    statements.insert([job], durable=durable)
    return job


def ring(job: Job) -> None:
    """Send the doorbell. A bell that nobody hears is rung again by `ring_waiting_jobs`."""
    task, queue = TASKS[job.kind]
    Job.objects.filter(pk=job.pk).update(rung_at=timezone.now())
    bell.ring(task, job.pk, queue=queue)


CLAIM = f"""
    WITH claimed AS (
        UPDATE jobs_job SET state = 'running', worker = %s, started_at = %s, lease_until = %s,
            attempts = attempts + 1, error = '', traceback = ''
        WHERE id = %s AND (state = 'waiting' OR state = 'running' AND lease_until < %s)
        RETURNING jobs_job.*
    )
    SELECT {statements.NOT_DURABLE},
        {statements.columns(Job, "claimed")}, {statements.columns(User, "person")}
    FROM claimed LEFT JOIN accounts_user person ON person.id = claimed.requested_by_id
"""


def claim(job_id: int, *, worker: str) -> Job | None:
    """Take a job that waits or whose worker's lease has run out; None when somebody else has it."""
    now = timezone.now()
    claimed = statements.row(CLAIM, [worker, now, now + LEASE, job_id, now])
    if claimed is None:
        return None
    of_job, of_person = claimed[1 : 1 + (width := statements.width(Job))], claimed[1 + width :]
    job = statements.instance(Job, of_job)
    if job.requested_by_id is not None:
        job.requested_by = statements.instance(User, of_person)
    return job


def release(job: Job) -> None:
    """End the lease of a worker that is known to be dead: the job is rung again at once."""
    mine = Job.objects.filter(
        pk=job.pk, state=State.RUNNING, worker=job.worker, attempts=job.attempts
    )
    if mine.update(lease_until=timezone.now()) and job.kind in TASKS:
        ring(job)


def progress(
    job: Job, *, done: int, total: int, message: str = "", checkpoint: dict[str, Any] | None = None
) -> None:
    """Renew the lease and tell how far it is. Raises Cancelled, or LostLease."""
    fields: dict[str, Any] = {
        "done": done,
        "total": total,
        "message": message[:500],
        "lease_until": timezone.now() + LEASE,
    }
    if checkpoint is not None:
        fields["checkpoint"] = checkpoint
    mine = Job.objects.filter(
        pk=job.pk, state=State.RUNNING, worker=job.worker, attempts=job.attempts
    )
    if not mine.update(**fields):
        raise LostLease(f"job {job.pk} is no longer ours")
    for name, value in fields.items():
        setattr(job, name, value)
    announce(job)
    if Job.objects.filter(pk=job.pk, cancel_requested=True).exists():
        raise Cancelled


def finish(job: Job, *, message: str = "", report: dict[str, Any] | None = None) -> None:
    _end(job, State.DONE, message=message, report=report)


def fail(job: Job, error: str, *, report: dict[str, Any] | None = None) -> None:
    """End a job with a reason for a person; the traceback of the current exception is kept."""
    logger.warning("job %s (%s) failed: %s", job.pk, job.kind, error)
    trace = traceback.format_exc()
    _end(
        job,
        State.FAILED,
        error=error,
        report=report,
        traceback="" if trace.startswith("NoneType") else trace,
    )


def cancelled(job: Job) -> None:
    _end(job, State.CANCELLED, message="cancelled")


def supersede(job: Job) -> None:
    _end(job, State.SUPERSEDED)


def _end(job: Job, state: str, **fields: Any) -> None:
    fields = {name: value for name, value in fields.items() if value is not None}
    was_open = (
        Job.objects.filter(pk=job.pk)
        .exclude(state__in=ENDED)
        .update(state=state, finished_at=timezone.now(), lease_until=None, **fields)
    )
    if was_open:
        job.refresh_from_db()
        announce(job)
        ended.send(Job, job=job)


def request_cancel(job: Job) -> Job:
    """Ask a job to stop. One that nobody has begun is ended at once."""
    Job.objects.filter(pk=job.pk).exclude(state__in=ENDED).update(cancel_requested=True)
    waiting = Job.objects.filter(pk=job.pk, state=State.WAITING)
    if waiting.update(state=State.CANCELLED, finished_at=timezone.now(), message="cancelled"):
        job.refresh_from_db()
        announce(job)
        ended.send(Job, job=job)
    job.refresh_from_db()
    return job


def resume(job: Job) -> Job:
    """Let a failed or cancelled job go on at its checkpoint."""
    again = Job.objects.filter(pk=job.pk, state__in=[State.FAILED, State.CANCELLED])
    if again.update(
        state=State.WAITING, cancel_requested=False, attempts=0, error="", traceback="",
        finished_at=None,
    ):  # fmt: skip
        job.refresh_from_db()
        transaction.on_commit(lambda: ring(job), robust=True)
    job.refresh_from_db()
    return job


def announce(job: Job) -> None:
    """Tell the browsers in the job's scene, if it has one."""
    if job.scene_id is not None:
        events.publish(job.scene_id, JobChanged(job=job_record(job)))
