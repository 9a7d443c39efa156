from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models


class Role(models.TextChoices):
    VIEWER = "viewer", "viewer"
    ANNOTATOR = "annotator", "annotator"
    REVIEWER = "reviewer", "reviewer"
    MANAGER = "manager", "project manager"
    ADMIN = "admin", "admin"


class Project(models.Model):
    class ReviewPolicy(models.TextChoices):
        ALL = "all", "everything"
        EXCEPTIONS = "exceptions", "what rules, models or sampling flag"

    name = models.CharField(max_length=100, unique=True)
    # Shown with the project's data where a recording's terms ask for it.
    attribution = models.TextField(blank=True)
    # The key of a predictor that model workers offer; empty: what the installation has as its own.
    predictor = models.CharField(max_length=40, blank=True)
    # Markdown, beside the work of everybody who labels.
    guidelines = models.TextField(blank=True)
    review_policy = models.CharField(
        max_length=10, choices=ReviewPolicy.choices, default=ReviewPolicy.ALL
    )
    review_share = models.PositiveSmallIntegerField(default=10)  # percent of the unflagged
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class Member(models.Model):
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=10, choices=Role.choices)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="one_role_per_project")
        ]


class LabelClass(models.Model):
    """An entry of the project's ontology."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="label_classes")
    name = models.CharField(max_length=60)
    colour = models.CharField(max_length=7)  # #rrggbb
    is_stuff = models.BooleanField(default=False)  # one track per scene, no instances
    position = models.PositiveIntegerField(default=0)
    # What it is a kind of; one level deep.
    parent = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="kinds", blank=True
    )
    hint = models.CharField(max_length=200, blank=True)  # when to choose it
    longest_m = models.FloatField(null=True)  # how long an object of it can be
    # No new objects of it; those that are there keep it.
    is_archived = models.BooleanField(default=False)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="class_names_are_unique")
        ]

    def __str__(self) -> str:
        return self.name


class OntologyVersion(models.Model):
    """The project's classes after a change of them, kept for ever: what a label meant when it was made."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="ontologies")
    number = models.PositiveIntegerField()
    classes = models.JSONField()
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "number"], name="ontology_versions_are_numbered"
            )
        ]
        triggers = [pgtrigger.ReadOnly(name="ontologies_do_not_change", exclude=["by"])]


class Invitation(models.Model):
    """A way in for somebody without an account: one link, used once, into one project. Only its hash is kept."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=10, choices=Role.choices)
    note = models.CharField(max_length=100, blank=True)  # for whom, in the inviter's words
    digest = models.CharField(max_length=64, unique=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    accepted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
