"""Labels of which everybody knows how far they are off."""

from __future__ import annotations

import numpy as np

from backend.annotations.models import Track
from backend.protocol import messages
from tests.backend.exports.labelling import edit, put
from tests.builders import CAR_POINTS, HEIGHT_PX, POINTS, WIDTH_PX

CAMERA, LIDAR = 0, 1  # sensors' numbers
FRAMES = 4


def label(scene, by, *, off=0, frames=range(FRAMES), name="car"):
    """One car of 16 x 20 pixels and 40 points in each frame; `off`: by so many pixels and points."""
    car = scene.project.label_classes.get(name=name)
    edit(scene, messages.CreateTrack(label_class=car.pk), by=by)
    number = Track.objects.filter(document=scene.pk).latest("number").number
    picture = np.zeros((HEIGHT_PX, WIDTH_PX), bool)
    picture[20:36, 22 + off : 42 + off] = True
    points = np.zeros(POINTS, bool)
    points[CAR_POINTS.start + off : CAR_POINTS.stop + off] = True
    for frame in frames:
        put(scene, number, frame, CAMERA, picture.ravel(), by=by)
        put(scene, number, frame, LIDAR, points, by=by)
    return number
