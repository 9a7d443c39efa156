from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone


class Flag(models.TextChoices):
    """Why a submitted task is reviewed where only exceptions are."""

    RULES = "rules", "rules found something"
    MODEL = "model", "the model doubts many masks that nobody has touched"
    ISSUES = "issues", "issues are open"
    AGAIN = "again", "it was sent back before"
    SAMPLE = "sample", "drawn by chance"


class Task(models.Model):
    """Labelling work on a part of a scene, for a person. `assignee` null: whoever comes first.

    Frames count by their index. `last_frame` null: to the scene's end, however far it grows.
    """

    class State(models.TextChoices):
        OPEN = "open", "open"
        IN_PROGRESS = "in_progress", "in progress"
        SUBMITTED = "submitted", "submitted"
        ACCEPTED = "accepted", "accepted"
        SENT_BACK = "sent_back", "sent back"
        SKIPPED = "skipped", "skipped"

    class Priority(models.IntegerChoices):
        LOW = 0, "low"
        NORMAL = 1, "normal"
        HIGH = 2, "high"
        URGENT = 3, "urgent"

    scene = models.ForeignKey("scenes.Scene", on_delete=models.CASCADE, related_name="tasks")
    first_frame = models.PositiveIntegerField(default=0)
    last_frame = models.PositiveIntegerField(null=True)
    state = models.CharField(max_length=11, choices=State.choices, default=State.OPEN)
    priority = models.PositiveSmallIntegerField(choices=Priority.choices, default=Priority.NORMAL)
    due = models.DateField(null=True)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="tasks"
    )
    # Taken from the queue, not given: it goes back there when nothing is done to it for long.
    was_taken = models.BooleanField(default=False)
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    flag = models.CharField(max_length=6, choices=Flag.choices, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    state_at = models.DateTimeField(default=timezone.now)  # since when it is in its state
    accepted_revision = models.PositiveBigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["scene", "first_frame"], name="one_task_begins_at_a_frame"
            )
        ]
        indexes = [models.Index(fields=["state", "-priority", "due"], name="tasks_in_a_queue")]


class Fault(models.TextChoices):
    """What is wrong with work that is sent back: a fixed list, so that it can be counted."""

    MISSING = "missing", "an object is missing"
    FALSE = "false", "there is no such object"
    CLASS = "class", "wrong class"
    OUTLINE = "outline", "mask in a picture is off"
    POINTS = "points", "points are wrong or missing"
    IDENTITY = "identity", "two objects in one track, or one in two"
    LOST = "lost", "followed too short or too long"
    GUIDELINE = "guideline", "against the guidelines"
    OTHER = "other", "something else"


class WhySkipped(models.TextChoices):
    NOTHING = "nothing", "nothing to label"
    DATA = "data", "the recording is broken"
    HARD = "hard", "too hard for me"
    OTHER = "other", "something else"


class Review(models.Model):
    """A verdict on a finished task, with the reason and the kinds of faults when it is sent back."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="reviews")
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    accepted = models.BooleanField()
    reason = models.TextField(blank=True)
    faults = ArrayField(models.CharField(max_length=12, choices=Fault.choices), default=list)
    revision = models.PositiveBigIntegerField()
    at = models.DateTimeField(auto_now_add=True)


class Step(models.Model):
    """One move of a task, kept for ever: what figures and histories are made of."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="steps")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    before = models.CharField(max_length=11, choices=Task.State.choices)
    after = models.CharField(max_length=11, choices=Task.State.choices)
    why = models.CharField(max_length=12, blank=True)  # one of WhySkipped
    note = models.TextField(blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        triggers = [pgtrigger.ReadOnly(name="steps_do_not_change", exclude=["by"])]


class Issue(models.Model):
    """Something that a person says of a place: pinned to a frame, and there to a sensor and a track.

    position: (u, v) pixels in a camera, (x, y, z) metres in ego in a LiDAR.  suggestion: a change of labels
    (`protocol.messages.Suggestion`) that whoever labels may take over.
    """

    class Verdict(models.TextChoices):
        NONE = "", "not decided"
        TAKEN = "taken", "taken"
        DECLINED = "declined", "declined"

    scene = models.ForeignKey("scenes.Scene", on_delete=models.CASCADE, related_name="issues")
    frame = models.PositiveIntegerField()
    sensor = models.PositiveIntegerField(null=True)
    position = ArrayField(models.FloatField(), null=True)
    track = models.PositiveIntegerField(null=True)
    fault = models.CharField(max_length=12, choices=Fault.choices, blank=True)
    # Which rule found it (`inference.checks.RULES`), and whether it does so still; empty: a person did.
    rule = models.CharField(max_length=12, blank=True)
    holds = models.BooleanField(default=True)
    is_open = models.BooleanField(default=True)
    suggestion = models.JSONField(null=True)
    verdict = models.CharField(max_length=8, choices=Verdict.choices, blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["frame", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["scene", "rule", "track"],
                condition=~models.Q(rule=""),
                name="a_rule_says_a_thing_once",
            )
        ]


class Comment(models.Model):
    """What was said about an issue; the first one is what it was raised with."""

    issue = models.ForeignKey(Issue, on_delete=models.CASCADE, related_name="comments")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    text = models.TextField()
    mentioned = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
