"""Bench area `engine`: how fast whole drives are pre-labelled, and how well.

Procedural drives of seeds that are held out, 40 frames each, rendered before the clock runs; two of
them, or twenty with --full. One thread. Quality is against gold (`inference.engine.gold`); pixels count
where their mask is trusted, and with --full at other thresholds, too: precision against coverage.

    python -m tests.bench.engine [--full]
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import perf_counter

import cv2
import numpy as np
import numpy.typing as npt
import torch

from inference.engine.gold import Score, agreement, judged
from inference.engine.pipeline import PreLabels
from inference.engine.pipeline import run as pre_label
from inference.engine.providers import NanoProvider
from inference.geometric.frames import PreparedFrame, merged_cloud
from inference.scene import FrameLabels, Scene
from inference.world.drive import DriveFrames, make_drive
from tests.bench.report import Report

AREA = "engine"
SEEDS, SEEDS_FULL = range(9201, 9203), range(9201, 9221)
FRAMES, SHORTER = 40, 20
FRAMES_PER_HOUR = 1000
OBJECTS, LEAST_CLUSTER = (10, 30, 60), 12
LEAST = {("precision", "points"): 0.92, ("coverage", "points"): 0.8, ("precision", "pixels"): 0.92,
         ("coverage", "pixels"): 0.7}  # fmt: skip
CURVE = (0.0, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85)


def rendered(seed: int, count: int) -> tuple[Scene, DriveFrames]:
    """A drive whose frames are in memory, and the one that knows their gold."""
    drive = make_drive(seed, "demo", count)
    assert isinstance(drive.frames, DriveFrames)
    return replace(drive, frames=[drive.frames[index] for index in range(count)]), drive.frames


Gold = Sequence[Mapping[str, npt.NDArray[np.int32]]]


def scores_of(
    found: PreLabels, ids: Gold, things: frozenset[int], least: float | None = None
) -> dict[str, Score]:
    trusts = found.quality.is_trusted
    if least is not None:
        masks = found.quality.masks
        return judged(
            found.drive, found.labels, ids, things,
            lambda camera, position, track: masks.get((camera, position, track), 0.0) >= least,
        )  # fmt: skip
    return judged(found.drive, found.labels, ids, things, trusts)


def run(report: Report, full: bool) -> None:
    threads, cv_threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        _measure(report, full)
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(cv_threads)


def _measure(report: Report, full: bool) -> None:
    provider = NanoProvider()
    _by_objects(report, provider)
    seconds: dict[str, float] = defaultdict(float)
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    curve: dict[float, list[Score]] = defaultdict(list)
    taken: dict[int, list[float]] = defaultdict(list)
    for seed in SEEDS_FULL if full else SEEDS:
        scene, frames = rendered(seed, FRAMES)
        for count in (SHORTER, FRAMES):
            some = replace(scene, frames=list(scene.frames)[:count])
            began = last = perf_counter()

            def told(stage: str, done: int, total: int, count: int = count) -> None:
                nonlocal last
                now = perf_counter()
                if count == FRAMES:
                    seconds[stage] += now - last
                last = now

            found = pre_label(some, provider, told=told)
            taken[count].append(perf_counter() - began)
        things = frozenset(number for number, track in frames.gold.items() if not track.is_stuff)
        ids = [frames.gold_ids(frame.index) for frame in found.drive.frames]
        for kind, score in scores_of(found, ids, things).items():
            for name in ("precision", "coverage", "pq", "matched_iou", "switches"):
                values[name, kind].append(float(getattr(score, name)))
        values["cross-modal IoU", ""].append(agreement(found.drive, found.labels))
        if full:
            for least in CURVE:
                curve[least].append(scores_of(found, ids, things, least)["pixels"])
    hour = 3600 * FRAMES * len(taken[FRAMES]) / sum(taken[FRAMES])
    report.row(
        AREA, "frames an hour, one thread, 3 cameras", hour, "", target=f">={FRAMES_PER_HOUR}"
    )
    for stage, value in seconds.items():
        report.row(AREA, f"of which {stage}", 100 * value / sum(seconds.values()), "%")
    each = sum(taken[FRAMES]) / sum(taken[SHORTER]) / (FRAMES / SHORTER)
    report.row(AREA, f"a frame of {FRAMES} to one of {SHORTER}", each, "x", target="<=1.2")
    for (name, kind), some_values in values.items():
        target = LEAST.get((name, kind))
        report.row(AREA, f"{name} {kind}".strip(), float(np.mean(some_values)),
                   target=">=0.8" if name == "cross-modal IoU" else f">={target}" if target else None)  # fmt: skip
    for least, scores in curve.items():
        precision, coverage = (
            float(np.mean([getattr(score, name) for score in scores]))
            for name in ("precision", "coverage")
        )
        report.row(
            AREA, f"pixels trusted from {least}: precision, at coverage {coverage:.3f}", precision
        )


def _by_objects(report: Report, provider: NanoProvider) -> None:
    """What a key frame of three cameras costs when the nearest 10, 30 or 60 clusters are asked about."""
    scene, _ = rendered(SEEDS[0], 1)
    frame = replace(scene.frames[0], labels=FrameLabels())
    cloud = merged_cloud(scene, frame)
    there = cloud.cluster >= 0
    away = np.full(int(cloud.cluster.max()) + 1, np.inf)
    np.minimum.at(away, cloud.cluster[there], cloud.range_m[there])
    nearest = [k for k in np.argsort(away) if (cloud.cluster == k).sum() >= LEAST_CLUSTER]
    for count in OBJECTS:
        kept = np.isin(cloud.cluster, nearest[:count])
        some = replace(cloud, cluster=np.where(kept, cloud.cluster, -1).astype(np.int32))
        taken = []
        for _ in range(3):
            prepared = PreparedFrame(scene, frame, some)
            began = perf_counter()
            for camera in prepared.cameras:
                provider.propose(prepared, camera)
            taken.append(perf_counter() - began)
        report.row(
            AREA, f"a key frame, {min(count, len(nearest))} clusters", 1000 * min(taken), "ms"
        )


def main() -> None:
    report = Report()
    run(report, "--full" in sys.argv[1:])
    print(report.table())


if __name__ == "__main__":
    main()
