from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from inference.scene import SensorKind


def matrix_field(*, null: bool = False) -> ArrayField[list[float], list[float]]:
    """A 4x4 matrix, row-major, float64."""
    return ArrayField(models.FloatField(), size=16, null=null)


class Scene(models.Model):
    """One recorded drive. It is `arriving` while a growing drive still adds frames."""

    class State(models.TextChoices):
        ARRIVING = "arriving"
        READY = "ready"

    project = models.ForeignKey("projects.Project", on_delete=models.CASCADE, related_name="scenes")
    name = models.CharField(max_length=200)
    # The recording's own identity: importing it again finds the scene instead of doubling it.
    source_format = models.CharField(max_length=40)
    source_name = models.CharField(max_length=300)
    state = models.CharField(max_length=10, choices=State.choices, default=State.READY)
    expected_frames = models.PositiveIntegerField()
    source_from_world = matrix_field()
    facts = models.JSONField(default=dict)
    import_report = models.JSONField(default=dict)
    imported_at = models.DateTimeField(auto_now_add=True)
    # A blind copy: the same readings, for labels of somebody who does not see the original's. Its
    # frame 0 is the original's `copied_from`.
    original = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="copies")
    copied_from = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "source_format", "source_name"],
                condition=models.Q(original=None),
                name="a_recording_comes_once",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Sensor(models.Model):
    """A camera or LiDAR on the vehicle. `number` is its name on the wire."""

    scene = models.ForeignKey(Scene, on_delete=models.CASCADE, related_name="sensors")
    number = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=60)
    kind = models.CharField(max_length=6, choices=[(kind.value, kind.value) for kind in SensorKind])

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["scene", "number"], name="sensor_numbers_are_unique"),
            models.UniqueConstraint(fields=["scene", "name"], name="sensor_names_are_unique"),
        ]


class Calibration(models.Model):
    """Where the sensor sits and how it sees; see inference.scene.Calibration."""

    sensor = models.OneToOneField(Sensor, on_delete=models.CASCADE, related_name="calibration")
    ego_from_sensor = matrix_field()
    # fx fy cx cy k1 k2 p1 p2 k3 in pixels, width and height; null for a LiDAR.
    intrinsics = models.JSONField(null=True)
    shutter_direction = models.CharField(max_length=20)
    beam_elevations = ArrayField(models.FloatField(), default=list)  # radians, top beam first


class Frame(models.Model):
    scene = models.ForeignKey(Scene, on_delete=models.CASCADE, related_name="frames")
    index = models.PositiveIntegerField()
    timestamp_us = models.BigIntegerField()
    world_from_ego = matrix_field()

    class Meta:
        ordering = ["index"]
        constraints = [
            models.UniqueConstraint(fields=["scene", "index"], name="frame_indices_are_unique")
        ]


class Reading(models.Model):
    """What one sensor took in one frame, and the keys of its two objects in storage.

    source: the lossless sweep (sweep_codec) or the recording's own JPEG or PNG.
    view: what browsers get: the compact sweep, or the half-size JPEG. It can be made again.
    """

    frame = models.ForeignKey(Frame, on_delete=models.CASCADE, related_name="readings")
    sensor = models.ForeignKey(Sensor, on_delete=models.CASCADE, related_name="readings")
    timestamp_us = models.BigIntegerField()
    # Points of a sweep, or width x height pixels: how many elements a mask of it has.
    size = models.PositiveIntegerField()
    source_key = models.CharField(max_length=100, db_index=True)
    source_bytes = models.PositiveIntegerField()
    view_key = models.CharField(max_length=100, db_index=True)
    view_bytes = models.PositiveIntegerField()
    world_from_ego = matrix_field(null=True)  # where it differs from the frame's
    shutter = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["frame", "sensor"], name="one_reading_per_sensor")
        ]
