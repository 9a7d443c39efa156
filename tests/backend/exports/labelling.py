"""A labelled scene: two cars that overlap, the road, a box, edits by two people, an undo."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np

from backend.accounts.models import User
from backend.annotations import actions as annotations
from backend.annotations.models import Cuboid, Rectangle, Track
from backend.exports.actions import wish, write_export
from backend.projects.models import Project
from backend.protocol import messages
from backend.scenes.models import Frame, Reading, Scene
from backend.tasks import actions as tasks
from inference.masks import encode_runs
from tests.builders import (
    CAMERA,
    CAR_POINTS,
    HEIGHT_PX,
    LIDAR,
    POINTS,
    WIDTH_PX,
)

# Under the upper car: 10 x 16 pixels of which 4 x 16 are shared, and all 40 points of which 10 are.
LOWER_PIXELS = np.s_[20:30, 24:40]
UPPER_PIXELS = np.s_[26:34, 24:40]
SHARED_PIXELS, SHARED_POINTS = 4 * 16, 10


@dataclass(frozen=True)
class Labelled:
    project: Project
    scene: Scene
    ann: User
    manager: User


def edit(scene: Scene, change: messages.Change, *, by: User, tool: str = "brush") -> None:
    annotations.apply_edit(
        scene.pk, messages.Edit(operation_id=str(uuid4()), tool=tool, change=change), by=by
    )


def put(scene: Scene, track: int, frame: int, sensor: int, mask: np.ndarray, *, by: User) -> None:
    runs = base64.b64encode(encode_runs(mask)).decode()
    edit(scene, messages.PutMask(track=track, frame=frame, sensor=sensor, runs=runs), by=by)


def pixels(where: object) -> np.ndarray:
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), dtype=bool)
    mask[where] = True
    return mask


def points(where: object) -> np.ndarray:
    mask = np.zeros(POINTS, dtype=bool)
    mask[where] = True
    return mask


def label_scene(scene: Scene, ann: User, manager: User) -> None:
    classes = {row.name: row.pk for row in scene.project.label_classes.all()}
    numbers = {sensor.name: sensor.number for sensor in scene.sensors.all()}
    camera, lidar = numbers[CAMERA], numbers[LIDAR]
    for name in ("car", "truck", "road"):
        edit(scene, messages.CreateTrack(label_class=classes[name], name=f"a {name}"), by=ann)
    for frame in range(2):
        put(scene, 1, frame, camera, pixels(LOWER_PIXELS), by=ann)
        put(scene, 2, frame, camera, pixels(UPPER_PIXELS), by=manager)
        put(scene, 1, frame, lidar, points(CAR_POINTS), by=ann)
        put(scene, 2, frame, lidar, points(slice(30, 60)), by=ann)
    put(scene, 3, 0, camera, pixels(np.s_[36:]), by=ann)
    # Changed, taken back, deleted: the history holds what no longer shows.
    put(scene, 1, 1, camera, pixels(np.s_[0:5, 0:5]), by=ann)
    edit(scene, messages.UndoLast(), by=ann)
    edit(scene, messages.UpdateTrack(track=1, label_class=classes["bus"], name="x"), by=manager)
    edit(scene, messages.CreateTrack(label_class=classes["car"]), by=ann)
    put(scene, 4, 0, camera, pixels(np.s_[0:2, 0:2]), by=ann)
    edit(scene, messages.DeleteTrack(track=4), by=ann)
    track = Track.objects.get(document=scene.pk, number=2)
    Cuboid.objects.create(
        track=track,
        frame=Frame.objects.get(scene=scene, index=0),
        centre_ego=[12.0, 0.1, 0.9],
        size=[4.4, 2.2, 1.6],
        heading=0.1,
        source="import",
        from_revision=1,
    )
    Rectangle.objects.create(
        track=track,
        reading=Reading.objects.get(frame__scene=scene, frame__index=0, sensor__name=CAMERA),
        corners_px=[24.0, 20.5, 40.0, 30.0],
    )


def accept(labelled: Labelled) -> None:
    task = labelled.scene.tasks.get()
    tasks.submit(task, by=labelled.ann)
    tasks.accept(task, by=labelled.manager)


def export(
    scene: Scene,
    folder: Path,
    format_name: str,
    *,
    include_unreviewed: bool = True,
    with_readings: bool = False,
) -> dict:
    folder.mkdir()
    wanted = wish(format_name, include_unreviewed=include_unreviewed, with_readings=with_readings)
    return write_export([scene], wanted, folder, progress=lambda done, total, what: None)
