from __future__ import annotations

from django.conf import settings
from django.db import models


class Comparison(models.Model):
    """How far the labels of two scenes of one recording agree. One is a blind copy, or both are.

    is_gold: the reference is the original, and was accepted; else nobody says which of them is right.
    iou_pixels, iou_points: null where no such sensor has labels. report: an `inference.agreement.Result` as
    JSON; frames in it count as the judged scene's do.
    """

    judged = models.ForeignKey("scenes.Scene", on_delete=models.CASCADE, related_name="+")
    reference = models.ForeignKey("scenes.Scene", on_delete=models.CASCADE, related_name="+")
    is_gold = models.BooleanField()
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    # Whose labels the reference is, where it is no gold.
    other = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    judged_revision = models.PositiveBigIntegerField()
    reference_revision = models.PositiveBigIntegerField()
    iou_pixels = models.FloatField(null=True)
    iou_points = models.FloatField(null=True)
    report = models.JSONField()
    at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["judged", "reference"], name="scenes_are_compared_once")
        ]
