from __future__ import annotations

from django.conf import settings
from django.db import models


class Task(models.Model):
    """Labelling work on a scene, for a person. `assignee` null: whoever comes first."""

    class State(models.TextChoices):
        OPEN = "open"
        SUBMITTED = "submitted"
        ACCEPTED = "accepted"
        SENT_BACK = "sent_back"

    scene = models.ForeignKey("scenes.Scene", on_delete=models.CASCADE, related_name="tasks")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="tasks"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    accepted_revision = models.PositiveBigIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scene"], name="one_task_per_scene")]


class Review(models.Model):
    """A verdict on a finished task, with the reason when it is sent back."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="reviews")
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    accepted = models.BooleanField()
    reason = models.TextField(blank=True)
    revision = models.PositiveBigIntegerField()
    at = models.DateTimeField(auto_now_add=True)
