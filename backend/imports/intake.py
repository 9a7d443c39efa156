"""One frame of a recording: its bytes stored, its labels packed, its joins voted for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from backend.annotations.imported import ImportedFrame, ImportedMask
from backend.imports.joining import Votes, boxes_of_image_instances, boxes_of_instances
from backend.imports.spool import SpooledFrame
from backend.jobs import lease
from backend.jobs.models import Job
from backend.scenes import actions as scenes
from backend.scenes import storage
from inference import scene as sensed
from inference.datasets.sensor_origin import origin_problems
from inference.geometry import BoolArray, FloatArray, inverse, project_to_image
from inference.masks import encode_runs
from inference.scene import BadScene, Problem


def taken_in(job: Job, source: sensed.Scene, index: int) -> SpooledFrame:
    """Read one frame, store its readings, and pack what its rows need."""
    known = len(source.problems)
    frame = source.frames[index]
    assert frame.index == index, f"the reader gave frame {frame.index} for {index}"
    objects = store_readings(job, source, frame)
    labels, problems = _packed_labels(frame, objects)
    if index == 0:
        problems += origin_problems(source, frame)
    return SpooledFrame(
        stored=scenes.stored_frame(frame, objects),
        labels=labels,
        votes=_votes(source, frame),
        problems=(*source.problems[known:], *problems),
        projected_rectangles=sum(r.is_projected for r in frame.labels.rectangles),
    )


def store_readings(
    job: Job, source: sensed.Scene, frame: sensed.Frame
) -> dict[str, storage.StoredReading]:
    """Store a frame's bytes; cancel is heard between readings. Raises BadScene."""
    objects: dict[str, storage.StoredReading] = {}
    for name, sweep in frame.sweeps.items():
        lease.check(job)
        objects[name] = storage.write_sweep(sweep)
    for name, image in frame.images.items():
        lease.check(job)
        lens = source.sensor(name).calibration.intrinsics
        if lens is None:
            raise BadScene(f"camera {name} has images but no intrinsics", record=frame.index)
        try:
            objects[name] = storage.write_image(
                image, width_px=lens.width_px, height_px=lens.height_px
            )
        except BadScene as error:
            raise BadScene(
                f"frame {frame.index}, camera {name}: {error.message}", record=frame.index
            ) from error
    return objects


def _packed_labels(
    frame: sensed.Frame, objects: Mapping[str, storage.StoredReading]
) -> tuple[ImportedFrame, list[Problem]]:
    masks: list[ImportedMask] = []
    blind: dict[str, int] = {}
    for label in frame.labels.masks:
        if label.sensor not in objects:
            blind[label.sensor] = blind.get(label.sensor, 0) + 1
            continue
        size = objects[label.sensor].size
        if label.mask.size != size:
            raise BadScene(
                f"frame {frame.index}: a mask of {label.track!r} has {label.mask.size} elements, "
                f"the reading of {label.sensor} has {size}",
                record=frame.index,
            )
        if runs := encode_runs(label.mask):
            masks.append(
                ImportedMask(label.track, label.label_class, label.sensor, runs, label.is_stuff)
            )
    drawn = [rectangle for rectangle in frame.labels.rectangles if not rectangle.is_projected]
    for rectangle in drawn:
        if rectangle.sensor not in objects:
            blind[rectangle.sensor] = blind.get(rectangle.sensor, 0) + 1
    problems = [
        Problem("", frame.index, f"{count} labels of {name} left out: it has no reading there")
        for name, count in blind.items()
    ]
    return ImportedFrame(
        index=frame.index,
        masks=tuple(masks),
        cuboids=frame.labels.cuboids,
        rectangles=tuple(rectangle for rectangle in drawn if rectangle.sensor in objects),
    ), problems


def _votes(source: sensed.Scene, frame: sensed.Frame) -> dict[str, Votes]:
    """Which box holds each instance of this frame, by sensor."""
    instances: dict[str, dict[str, BoolArray]] = {}
    for label in frame.labels.masks:
        if not label.is_stuff:
            instances.setdefault(label.sensor, {})[label.track] = label.mask
    cuboids = frame.labels.cuboids
    votes: dict[str, Votes] = {}
    for name, masks in instances.items() if cuboids else ():
        if name in frame.sweeps:
            votes[name] = boxes_of_instances(frame.sweeps[name].points_ego, masks, cuboids)
        elif name in frame.images and frame.sweeps:
            points_ego, places = _points_in_image(source.sensor(name), frame)
            votes[name] = boxes_of_image_instances(points_ego, places, masks, cuboids)
    return votes


def _points_in_image(
    camera: sensed.Sensor, frame: sensed.Frame
) -> tuple[FloatArray, NDArray[np.int64]]:
    """LiDAR points that a camera has in view: points_ego [N, 3], flat pixel index [N].

    Where the vehicle drove on between the sweep and the picture, standing things are put right;
    what moved by itself lands a little beside, which costs a join and makes no wrong one.
    """
    lens = camera.calibration.intrinsics
    assert lens is not None, "its image was stored, so it has intrinsics"
    points_ego = np.concatenate([sweep.points_ego for sweep in frame.sweeps.values()])
    camera_from_ego = inverse(camera.calibration.ego_from_sensor)
    moved = frame.images[camera.name].world_from_ego
    if moved is not None:
        camera_from_ego = camera_from_ego @ inverse(moved) @ frame.world_from_ego
    pixels, _, in_view = project_to_image(points_ego, camera_from_ego, lens)
    columns, rows = np.floor(pixels[in_view]).astype(np.int64).T
    return points_ego[in_view], rows * lens.width_px + columns
