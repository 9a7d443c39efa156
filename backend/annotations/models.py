"""Labels as intervals of revisions.

A mask or cuboid row never changes: it holds from the revision that made it until the revision that
replaced it. So any revision can be read back, what changed between two revisions is a query, and
undo puts the earlier row back. `until_revision` null means: holds now.
"""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from backend.scenes.models import Frame, Reading


class Source(models.TextChoices):
    PERSON = "person"
    MODEL = "model"
    ENGINE = "engine"
    IMPORT = "import"


class Document(models.Model):
    """A scene's labels as a whole: the edit counter, and whether they may be edited."""

    scene = models.OneToOneField(
        "scenes.Scene", on_delete=models.CASCADE, primary_key=True, related_name="document"
    )
    revision = models.PositiveBigIntegerField(default=0)
    why_frozen = models.CharField(max_length=200, blank=True)  # "" = may be edited
    # Parts that may not be edited while others may: [first frame, last frame, why], frames by index.
    frozen_frames = models.JSONField(default=list)
    next_track = models.PositiveIntegerField(default=1)  # 0 is "no track" in the browser


class Track(models.Model):
    """One real object through the whole scene, all sensors. `number` is its name on the wire."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="tracks")
    number = models.PositiveIntegerField()
    label_class = models.ForeignKey("projects.LabelClass", on_delete=models.PROTECT)
    name = models.CharField(max_length=100, blank=True)
    # One track per class and scene; instance 0 in every format. Copied from the class, which may
    # not change it while tracks exist.
    is_stuff = models.BooleanField(default=False)
    draw_order = models.IntegerField(default=0)  # higher wins where masks overlap
    source = models.CharField(max_length=8, choices=Source.choices)
    source_key = models.CharField(max_length=200, blank=True)  # its id in the recording
    score = models.FloatField(null=True)
    from_revision = models.PositiveBigIntegerField()
    changed_revision = models.PositiveBigIntegerField()  # of itself or of a mask or cuboid of it
    deleted_revision = models.PositiveBigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["document", "number"], name="track_numbers_are_unique"),
            models.UniqueConstraint(
                fields=["document", "label_class"],
                condition=models.Q(is_stuff=True, deleted_revision=None),
                name="stuff_is_one_track_per_class",
            ),
        ]
        indexes = [models.Index(fields=["document", "changed_revision"], name="tracks_since")]


class Mask(models.Model):
    """The pixels or points of one track in one reading, as run lengths (inference/masks.py)."""

    track = models.ForeignKey(Track, on_delete=models.CASCADE, related_name="masks")
    reading = models.ForeignKey(Reading, on_delete=models.CASCADE, related_name="masks")
    runs = models.BinaryField()
    area = models.PositiveIntegerField()
    source = models.CharField(max_length=8, choices=Source.choices)
    confidence = models.FloatField(null=True)
    from_revision = models.PositiveBigIntegerField()
    until_revision = models.PositiveBigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["track", "reading"],
                condition=models.Q(until_revision=None),
                name="one_mask_per_track_and_reading",
            )
        ]
        indexes = [
            models.Index(
                fields=["reading"],
                condition=models.Q(until_revision=None),
                name="masks_of_a_reading",
            ),
            models.Index(fields=["track", "from_revision"], name="masks_since"),
            models.Index(
                fields=["track", "until_revision"],
                condition=models.Q(until_revision__isnull=False),
                name="masks_gone_since",
            ),
        ]
        triggers = [pgtrigger.ReadOnly(name="masks_do_not_change", exclude=["until_revision"])]


class Cuboid(models.Model):
    """A 3D box in ego of its frame: centre and size (length, width, height) in metres."""

    track = models.ForeignKey(Track, on_delete=models.CASCADE, related_name="cuboids")
    frame = models.ForeignKey(Frame, on_delete=models.CASCADE, related_name="cuboids")
    centre_ego = ArrayField(models.FloatField(), size=3)
    size = ArrayField(models.FloatField(), size=3)
    heading = models.FloatField()  # radians about z, counter-clockwise from ego x
    source = models.CharField(max_length=8, choices=Source.choices)
    from_revision = models.PositiveBigIntegerField()
    until_revision = models.PositiveBigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["track", "frame"],
                condition=models.Q(until_revision=None),
                name="one_cuboid_per_track_and_frame",
            )
        ]
        triggers = [pgtrigger.ReadOnly(name="cuboids_do_not_change", exclude=["until_revision"])]


class Rectangle(models.Model):
    """A 2D box that came with the recording: (u0, v0, u1, v1) pixels. Kept, not edited."""

    track = models.ForeignKey(Track, on_delete=models.CASCADE, related_name="rectangles")
    reading = models.ForeignKey(Reading, on_delete=models.CASCADE, related_name="rectangles")
    corners_px = ArrayField(models.FloatField(), size=4)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["track", "reading"], name="one_rectangle_per_track_and_reading"
            )
        ]


class Edit(models.Model):
    """One change of the labels, kept for ever: who, when, what, with which tool or model.

    `group` joins the edits of one thing a person did (a click, a whole propagation): they are
    undone together. An undo is an edit too, and names the group it takes back.
    """

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="edits")
    revision = models.PositiveBigIntegerField()
    operation_id = models.UUIDField()
    group = models.UUIDField()
    undoes = models.UUIDField(null=True)
    change = models.JSONField()
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now)  # a restored history brings its own times
    tool = models.CharField(max_length=40, blank=True)
    model = models.CharField(max_length=80, blank=True)
    model_version = models.CharField(max_length=80, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["document", "revision"], name="revisions_are_unique"),
            models.UniqueConstraint(
                fields=["document", "operation_id"], name="an_operation_happens_once"
            ),
        ]
        indexes = [models.Index(fields=["document", "group"], name="edits_of_a_group")]
        triggers = [
            # "by" may become null when an account is deleted; nothing else ever changes.
            pgtrigger.ReadOnly(name="edits_do_not_change", exclude=["by"]),
            pgtrigger.Protect(name="edits_are_not_deleted", operation=pgtrigger.Delete),
        ]
