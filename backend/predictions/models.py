from __future__ import annotations

from django.db import models


class ModelWorker(models.Model):
    """A resident model process. Alive while its heartbeat is fresh."""

    name = models.CharField(max_length=200, primary_key=True)
    predictor = models.CharField(max_length=80)
    predictor_version = models.CharField(max_length=80)
    # What can be chosen here, the default first: `inference.predictor.Card` as plain data.
    offers = models.JSONField(default=list)
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField(db_index=True)


class SceneHold(models.Model):
    """Which worker keeps an open scene's features and memory."""

    scene = models.OneToOneField("scenes.Scene", on_delete=models.CASCADE, primary_key=True)
    worker = models.ForeignKey(ModelWorker, on_delete=models.CASCADE, related_name="holds")
