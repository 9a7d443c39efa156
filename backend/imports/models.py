from __future__ import annotations

from django.conf import settings
from django.db import models


class Upload(models.Model):
    """A recording on its way in, in pieces; `offset` is how much has arrived."""

    project = models.ForeignKey("projects.Project", on_delete=models.CASCADE, related_name="+")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=200)
    size = models.PositiveBigIntegerField()
    offset = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
