from __future__ import annotations

from django.conf import settings
from django.db import models


class Kind(models.TextChoices):
    CLICK = "click"
    PROPAGATE = "propagate"
    IMPORT = "import"
    EXPORT = "export"
    DEMO = "demo"
    ENGINE = "engine"
    COMPARE = "compare"
    CHECK = "check"


class State(models.TextChoices):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


ENDED = (State.DONE, State.FAILED, State.CANCELLED, State.SUPERSEDED)


class Job(models.Model):
    """One piece of work. Claimed by an update where it is unclaimed or its lease has run out.

    `scene_id` is a plain number because scenes is a higher room; `checkpoint` is where a resumed
    job goes on; `report` is what it has to say at its end.
    """

    project = models.ForeignKey("projects.Project", on_delete=models.CASCADE, related_name="jobs")
    scene_id = models.BigIntegerField(null=True, db_index=True)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    state = models.CharField(max_length=12, choices=State.choices, default=State.WAITING)
    label = models.CharField(max_length=200, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    request_id = models.UUIDField(null=True, db_index=True)
    parameters = models.JSONField(default=dict)
    checkpoint = models.JSONField(default=dict)
    report = models.JSONField(null=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    message = models.CharField(max_length=500, blank=True)
    error = models.TextField(blank=True)  # for a person
    traceback = models.TextField(blank=True)  # for whoever runs the server
    cancel_requested = models.BooleanField(default=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    worker = models.CharField(max_length=200, blank=True)
    lease_until = models.DateTimeField(null=True)
    rung_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["state", "lease_until"],
                name="unfinished_jobs",
                condition=models.Q(state__in=["waiting", "running"]),
            ),
            models.Index(fields=["project", "-id"], name="jobs_of_a_project"),
        ]

    @property
    def is_ended(self) -> bool:
        return self.state in ENDED
