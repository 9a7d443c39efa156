"""Celery's own part: the bell that is rung again, and the frame round every job's work."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from celery import shared_task
from celery.signals import worker_ready

from backend.jobs import actions, lease
from backend.jobs.models import Job, State
from backend.jobs.queries import unheard_jobs

logger = logging.getLogger(__name__)

Report = dict[str, Any] | None
Work = Callable[[Job], Report]


@shared_task(name="backend.jobs.tasks.ring_waiting_jobs")  # type: ignore[untyped-decorator]
def ring_waiting_jobs() -> None:
    """Celery beat: jobs whose bell was lost or whose worker died are rung again, or given up."""
    for job in unheard_jobs(list(actions.TASKS)):
        if job.state == State.RUNNING and job.attempts >= actions.MAX_ATTEMPTS:
            actions.fail(
                job,
                f"its worker died {job.attempts} times; see the worker's log, then resume the job",
            )
        else:
            actions.ring(job)


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


@worker_ready.connect  # type: ignore[untyped-decorator]
def take_up(**_: Any) -> None:
    """A worker that starts need not wait for the leases of dead ones on its own machine."""
    here = f"{socket.gethostname()}:"
    for job in Job.objects.filter(state=State.RUNNING, worker__startswith=here):
        if not _lives(job.worker.removeprefix(here)):
            actions.release(job)


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        pass  # somebody else's process
    return True


def run(job_id: int, work: Work, *, expected: tuple[type[Exception], ...]) -> None:
    """Claim a job, do its work, end it; nothing happens when somebody else has it."""
    job = actions.claim(job_id, worker=worker_name())
    if job is not None:
        run_claimed(job, work, expected=expected)


def run_claimed(job: Job, work: Work, *, expected: tuple[type[Exception], ...]) -> None:
    """Do a claimed job's work and end it. `expected` errors carry a sentence for a person.

    A report's "summary" becomes the job's last message.
    """
    with ending(job, expected=expected, broke="an unexpected error"):
        if job.cancel_requested:
            raise actions.Cancelled
        with lease.kept(job):
            report = work(job)
        actions.finish(job, message=str((report or {}).get("summary", "")), report=report)


@contextmanager
def ending(job: Job, *, expected: tuple[type[Exception], ...], broke: str) -> Iterator[None]:
    """Whatever ends the body before it finishes the job, the job is ended in the right way.

    `broke`: what to tell a person of an error that nobody expected.
    """
    try:
        yield
    except actions.LostLease:
        logger.warning("job %s was taken over by another worker", job.pk)
    except actions.Cancelled:
        actions.cancelled(job)
    except expected as error:
        actions.fail(job, str(error))
    except Exception as error:
        logger.exception("job %s (%s) broke", job.pk, job.kind)
        actions.fail(job, f"{broke}: {type(error).__name__}: {error}")
