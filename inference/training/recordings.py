"""Real frames with cuboids, to be measured on and never to be trained or chosen by.

Truth is what lies in a cuboid and is not ground: points of ground classes where the recording has
classes, else points lower than 0.25 m above the cuboid's floor. No recording we may use has masks in
pictures of the same objects, so only the LiDAR's masks are scored. A click in a camera is a
LiDAR return of the object that the camera sees, the one nearest to the middle of those: easier than a
free click of a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.datasets import nuscenes, pandaset
from inference.geometric.projection import camera_from_ego
from inference.geometry import project_to_image
from inference.masks import intersection_over_union
from inference.predictor import Predictor
from inference.prompts import PointPrompt
from inference.scene import Frame, FrameLabels, Scene, Sensor
from inference.training.cases import middle_point

BoolArray = npt.NDArray[np.bool_]

_LEAST_POINTS = {"pandaset": 25, "nuscenes": 15}
_GROUND = frozenset((
    "Ground", "Road", "Lane Line Marking", "Stop Line Marking", "Other Road Marking", "Sidewalk",
    "Driveway",
))  # fmt: skip
_FLOOR_M = 0.25


def recorded_scenes(folder: Path) -> Iterator[tuple[str, Scene]]:
    """What of PandaSet and nuScenes lies in a folder: the data set's name, and a scene."""
    for sequence in sorted((folder / "pandaset").glob("[0-9][0-9][0-9]")):
        yield "pandaset", pandaset.read_scene(sequence)
    if any((folder / "nuscenes").glob("v1.0-*")):
        yield "nuscenes", nuscenes.read_scene(folder / "nuscenes")


def score_recordings(
    predictor: Predictor, folder: Path, *, every: int = 2
) -> dict[str, list[float]]:
    """ "metric|route" -> IoUs, of every second frame."""
    scores: dict[str, list[float]] = {}
    for name, scene in recorded_scenes(folder):
        for index in range(0, len(scene.frames), every):
            frame = scene.frames[index]
            alone = replace(scene, frames=[replace(frame, index=0, labels=FrameLabels())])
            opened = predictor.open(alone)
            for lidar, truth, prompts in _asked(scene, frame, _LEAST_POINTS[name]):
                for route, prompt in prompts.items():
                    answers = predictor.add_prompt(opened, frame=0, prompts=[prompt])
                    masks = {answer.sensor: answer.mask for answer in answers}
                    mask = masks.get(lidar, np.zeros(truth.size, bool))
                    iou = intersection_over_union(mask, truth)
                    scores.setdefault(f"{name}@1|{route}", []).append(iou)
            predictor.close(opened)
    return scores


def _asked(
    scene: Scene, frame: Frame, least: int
) -> Iterator[tuple[str, BoolArray, Mapping[str, PointPrompt]]]:
    """The LiDAR, an object's points [N], and a click by route."""
    lidar = max(frame.sweeps, key=lambda name: len(frame.sweeps[name]))
    points = frame.sweeps[lidar].points_ego.astype(float)
    is_ground = np.zeros(len(points), bool)
    for label in frame.labels.masks:
        if label.sensor == lidar and label.label_class in _GROUND:
            is_ground |= label.mask
    has_classes = bool(frame.labels.masks)
    seen = {camera.name: _seen(camera, frame, points) for camera in scene.cameras}
    for cuboid in frame.labels.cuboids:
        truth = cuboid.contains(points, floor_m=0.0 if has_classes else _FLOOR_M) & ~is_ground
        if not truth.any():
            continue
        shown = {name: np.flatnonzero(truth & in_view) for name, (_, in_view) in seen.items()}
        camera = max(shown, key=lambda name: len(shown[name]), default="")
        if not camera or len(shown[camera]) < least:
            continue
        index = shown[camera]
        pixels = seen[camera][0][index]
        nearest = index[np.linalg.norm(pixels - np.median(pixels, axis=0), axis=1).argmin()]
        u, v = (float(value) for value in seen[camera][0][nearest])
        yield (
            lidar,
            truth,
            {
                "L→L": PointPrompt(lidar, middle_point(truth, points)),
                "C→L": PointPrompt(camera, (u, v)),
            },
        )


def _seen(
    camera: Sensor, frame: Frame, points: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], BoolArray]:
    """Pixels [N, 2] and which points lie inside the picture."""
    image, lens = frame.images.get(camera.name), camera.calibration.intrinsics
    if image is None or lens is None:
        return np.zeros((len(points), 2)), np.zeros(len(points), bool)
    pose = camera_from_ego(camera.calibration, image, frame)
    pixels, _, in_view = project_to_image(points, pose, lens)
    return np.nan_to_num(pixels), np.asarray(in_view, bool)
