from __future__ import annotations

from django.db import models


class Archive(models.Model):
    """What an export job made: one file in object storage."""

    job = models.OneToOneField("jobs.Job", on_delete=models.CASCADE, related_name="archive")
    key = models.CharField(max_length=100)
    file_name = models.CharField(max_length=200)
    size = models.PositiveBigIntegerField()
