"""Bench area `quality`: what it costs to compare two labellings of a drive, and to let rules look at one.

A procedural drive with three cameras of 960 x 640 and 64 beams; its gold against the same with every mask of the
pictures shifted by four pixels and a tenth of the points of each object lost. Process time, one thread.

    python -m tests.bench.quality [--full]
"""

from __future__ import annotations

import sys
from collections import Counter
from time import process_time

import cv2
import numpy as np

from inference.agreement import Agreement, Side, Track
from inference.checks import Checks, FrameLabels, PictureLabels, SweepLabels, Thing
from inference.geometry import inverse
from inference.world.drive import DriveFrames, make_drive
from tests.bench.report import Report

AREA = "quality"
SEED, FRAMES, FRAMES_FULL = 9201, 8, 40
SHIFT_PX, LOST = 4, 0.1


def run(report: Report, full: bool) -> None:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        _measure(report, FRAMES_FULL if full else FRAMES)
    finally:
        cv2.setNumThreads(threads)


def _measure(report: Report, count: int) -> None:
    drive = make_drive(SEED, "demo", count)
    frames = drive.frames
    assert isinstance(frames, DriveFrames)
    tracks = {
        number: Track(track.label_class, track.is_stuff) for number, track in frames.gold.items()
    }
    agreement = Agreement(tracks, tracks)
    checks = Checks({
        number: Thing(f"{track.label_class} {number}", track.label_class, 25.0)
        for number, track in tracks.items() if not track.is_stuff
    })  # fmt: skip
    random = np.random.default_rng(0)
    comparing = checking = 0.0
    masks_seen = 0
    for index in range(count):
        frame, ids = frames[index], frames.gold_ids(index)
        sweeps, pictures = [], []
        for number, sensor in enumerate(drive.sensors):
            own = ids[sensor.name]
            masks = {k: own == k for k in np.unique(own).tolist() if k in tracks}
            masks_seen += len(masks)
            gold = Side([(k, mask.ravel()) for k, mask in masks.items()])
            if sensor.name in frame.sweeps:
                points = frame.sweeps[sensor.name].points_ego
                judged = Side([
                    (k, mask & (random.random(len(mask)) > LOST)) for k, mask in masks.items()
                ])  # fmt: skip
                began = process_time()
                agreement.add_sweep(
                    index, sensor.name, judged, gold, np.linalg.norm(points, axis=1)
                )
                comparing += process_time() - began
                sweeps.append(SweepLabels(number, points, masks))
                continue
            lens = sensor.calibration.intrinsics
            assert lens is not None
            judged = Side([
                (k, np.roll(mask, SHIFT_PX, axis=1).ravel()) for k, mask in masks.items()
            ])  # fmt: skip
            began = process_time()
            agreement.add_picture(
                index, sensor.name, judged, gold, width=lens.width_px, height=lens.height_px
            )
            comparing += process_time() - began
            camera_from_ego = inverse(sensor.calibration.ego_from_sensor)
            then = frame.images[sensor.name].world_from_ego
            if then is not None:  # where the vehicle was when this camera looked
                camera_from_ego = camera_from_ego @ inverse(then) @ frame.world_from_ego
            at_its_time = np.asarray(camera_from_ego, np.float64)
            pictures.append(PictureLabels(number, lens, at_its_time, masks))
        began = process_time()
        checks.add(FrameLabels(
            index, frame.timestamp_us / 1e6, np.asarray(frame.world_from_ego, np.float64), sweeps, pictures
        ))  # fmt: skip
        checking += process_time() - began
    began = process_time()
    result = agreement.result()
    comparing += process_time() - began
    report.row(AREA, "masks of a frame", masks_seen / count)
    report.row(AREA, "comparing a frame of two labellings", 1000 * comparing / count, "ms")
    report.row(AREA, "rules over a frame", 1000 * checking / count, "ms")
    report.row(AREA, "IoU of pixels, shifted by 4", result.figures["pixels"].iou)
    report.row(AREA, "IoU of points, a tenth lost", result.figures["points"].iou)
    rules = Counter(finding.rule for finding in checks.findings())
    report.row(AREA, "things of gold", len(checks.things))
    report.row(AREA, "specks among them, rightly found", rules["speck"])
    report.row(AREA, "other findings, all wrong", rules.total() - rules["speck"], target="<=5")


if __name__ == "__main__":
    report = Report()
    run(report, "--full" in sys.argv)
    print(report.table())
