from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet
from django.utils import timezone

from backend.accounts.models import User
from backend.jobs.models import ENDED, Job, Kind, State
from backend.projects.queries import projects_where, visible_projects
from backend.protocol import records


def visible_jobs(user: User | AnonymousUser) -> QuerySet[Job]:
    """Comparisons of people's labels are seen by those who plan their work."""
    jobs = Job.objects.filter(project__in=visible_projects(user))
    if user.is_superuser:
        return jobs
    return jobs.filter(~Q(kind=Kind.COMPARE) | Q(project__in=projects_where(user, "assign")))


def unheard_jobs(kinds: list[str]) -> QuerySet[Job]:
    """Jobs whose bell was lost or whose worker has died."""
    now = timezone.now()
    lost_bell = Q(state=State.WAITING) & (
        Q(rung_at__isnull=True) | Q(rung_at__lt=now - timedelta(seconds=20))
    )
    dead_worker = Q(state=State.RUNNING, lease_until__lt=now)
    return Job.objects.filter(lost_bell | dead_worker, kind__in=kinds)


def open_jobs(scene_id: int) -> list[records.Job]:
    """Unfinished jobs of a scene, for a browser that has just come in."""
    jobs = Job.objects.filter(scene_id=scene_id).exclude(state__in=ENDED)
    return [job_record(job) for job in jobs.select_related("requested_by").order_by("id")]


def job_record(job: Job) -> records.Job:
    return records.Job(
        id=job.pk,
        kind=job.kind,
        state=job.state,
        done=job.done,
        total=job.total,
        message=job.error or job.message,
        request_id=str(job.request_id) if job.request_id else None,
        track=job.parameters.get("track"),
        by=records.Person(id=job.requested_by.pk, name=job.requested_by.display_name)
        if job.requested_by
        else None,
    )
