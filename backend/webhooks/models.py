from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone


class Event(models.TextChoices):
    TASK_MOVED = "task.moved", "a task moved: began, was submitted, accepted, sent back, skipped"
    JOB_ENDED = "job.ended", "an import, an export or pre-labelling ended"
    ISSUE_RAISED = "issue.raised", "somebody raised an issue"
    PING = "ping", "a trial"


class Webhook(models.Model):
    """Where a project's events go. The secret signs them; it is told once, to whoever made the webhook."""

    project = models.ForeignKey(
        "projects.Project", on_delete=models.CASCADE, related_name="webhooks"
    )
    url = models.URLField(max_length=500)
    events = ArrayField(models.CharField(max_length=20, choices=Event.choices))
    secret = models.CharField(max_length=60)
    is_active = models.BooleanField(default=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]


class Delivery(models.Model):
    """One event on its way to one address. It is tried again until it is taken or given up.

    next_at null: nothing is left to do.  status: of the last answer; null: there was none, and `error` says why.
    """

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=20, choices=Event.choices)
    body = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True, default=timezone.now)
    delivered_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["next_at"], name="deliveries_due",
                condition=models.Q(next_at__isnull=False),
            )
        ]  # fmt: skip
