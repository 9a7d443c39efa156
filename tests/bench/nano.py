"""Bench area `nano`: the shipped small model, how good and how fast.

Quality is `inference.training.evaluate`'s (its docstring is the protocol) on a fixed few of its
drives, or on all thirty with --full, beside the geometric predictor on the same ones. Times are
process times of one thread on a rig of five cameras and 64 beams; a figure with two threads by the
clock stands beside them. Rows of fewer than ten objects are shown and decide nothing.

    python -m tests.bench.nano [--full]
"""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import replace
from time import perf_counter, process_time

import cv2
import numpy as np
import torch

from inference.nano.predictor import NanoPredictor
from inference.predictor import Predictor, load_predictor
from inference.prompts import PointPrompt
from inference.training.cases import Clip, render
from inference.training.evaluate import Plan, Scores, cases_of, rows_of, score_seed
from tests.bench.report import Report

AREA = "nano"
SEEDS, SEEDS_FULL = range(9001, 9006), range(9001, 9031)
SHOWN = ("iou@1", "iou@3", "box", "pole@1", "carry@20", "carry_kept@20", "camera_only@1")
LEAST = {
    ("iou@1", "C→C"): 0.58, ("iou@1", "C→L"): 0.65, ("iou@1", "L→C"): 0.54, ("iou@1", "L→L"): 0.78,
    ("iou@3", "C→C"): 0.70, ("iou@3", "L→L"): 0.87, ("box", "C→C"): 0.68, ("box", "C→L"): 0.68,
    ("pole@1", "C→C"): 0.30, ("pole@1", "L→L"): 0.85, ("carry@20", "L→C"): 0.50,
    ("carry@20", "L→L"): 0.68, ("carry_kept@20", "L→L"): 0.85,
}  # fmt: skip
FEW = 10  # objects, of which a mean decides nothing
CLICK_MS, FRAME_MS_BF16, FRAME_MS_FP32 = 60, 300, 600


def quality(report: Report, predictor: Predictor, seeds: range) -> dict[tuple[str, str], float]:
    scores: Scores = defaultdict(list)
    for seed in seeds:
        for key, values in score_seed(predictor, seed, Plan()).items():
            scores[key] += values
    found = {}
    for row in rows_of(scores):
        if row["metric"] not in SHOWN:
            continue
        key = row["metric"], row["route"]
        enough = row["n"] >= FEW
        if enough:
            found[key] = row["value"]
        least = LEAST.get(key) if predictor.name == "nano" and enough else None
        name = f"{predictor.name} {row['metric']} {row['route']}, {row['n']} objects"
        target = None if least is None else f">={least}"
        report.row(AREA, name, row["value"], "IoU", target=target)
    return found


def speed(report: Report, predictor: NanoPredictor, clip: Clip, what: str) -> None:
    """A click in each of the clip's frames, every camera's features made; then the same again."""
    first, again, steps = [], [], []
    for frame in range(len(clip.ids)):
        alone = replace(clip, scene=replace(clip.scene, frames=[
            replace(clip.scene.frames[frame], index=0)]), ids=[clip.ids[frame]])  # fmt: skip
        opened = predictor.open(alone.scene)
        case = cases_of(alone, 1, 1)[0]
        points = alone.scene.frames[0].sweeps[alone.lidar].points_ego
        place = points[case.truth(alone.lidar)][0]
        prompt = PointPrompt(alone.lidar, tuple(float(v) for v in place))
        began, wall = process_time(), perf_counter()
        predictor.look(opened, 0)
        first.append((process_time() - began, perf_counter() - wall))
        for _ in range(3):
            began, wall = process_time(), perf_counter()
            predictor.add_prompt(opened, frame=0, prompts=[prompt])
            again.append((process_time() - began, perf_counter() - wall))
    opened = predictor.open(clip.scene)
    case = cases_of(clip, 1, 1)[0]
    place = clip.scene.frames[0].sweeps[clip.lidar].points_ego[case.truth(clip.lidar)][0]
    prompt = PointPrompt(clip.lidar, tuple(float(v) for v in place))
    answers = predictor.add_prompt(opened, frame=0, prompts=[prompt])
    known = {0: {0: {a.sensor: a.mask for a in answers}}}
    for frame in range(len(clip.ids)):
        predictor.look(opened, frame)
    walk = predictor.propagate(opened, known=known, frames=list(range(1, len(clip.ids))))
    for _ in range(1, len(clip.ids)):
        began, wall = process_time(), perf_counter()
        next(walk)
        steps.append((process_time() - began, perf_counter() - wall))
    column = 0 if torch.get_num_threads() == 1 else 1
    frame_ms = FRAME_MS_BF16 if predictor.runtime.precision == torch.bfloat16 else FRAME_MS_FP32
    for name, taken, target in (
        ("a new frame, 5 cameras and a sweep", first, f"<={frame_ms}"),
        ("a click, features there", again, f"<={CLICK_MS}"),
        ("a step of following, features there", steps, "<=150"),
    ):
        value = 1e3 * float(np.median(np.array(taken)[1:, column]))
        report.row(AREA, f"{name}{what}", value, "ms", target=target if column == 0 else None)


def run(report: Report, full: bool) -> None:
    threads, cv_threads = torch.get_num_threads(), cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        torch.set_num_threads(1)
        predictor = load_predictor("nano")
        assert isinstance(predictor, NanoPredictor)
        parameters = sum(p.numel() for p in predictor.model.parameters())
        report.row(AREA, "parameters", parameters / 1e6, "M", target="<=5")
        clip = render(77, range(20, 24), "waymo", width_px=960)
        speed(report, predictor, clip, "")
        torch.set_num_threads(2)
        speed(report, predictor, clip, ", 2 threads, by the clock")
        torch.set_num_threads(1)
        seeds = SEEDS_FULL if full else SEEDS
        own = quality(report, predictor, seeds)
        other = quality(report, load_predictor("geometric"), seeds)
        ahead = [own[key] - other[key] for key in own if key in other]
        report.row(AREA, "nano less geometric, the mean of all rows", float(np.mean(ahead)), "IoU",
                   target=">=0")  # fmt: skip
        report.row(AREA, "nano less geometric, the worst row", min(ahead), "IoU", target=">=-0.01")
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(cv_threads)


def main() -> None:
    report = Report()
    run(report, "--full" in sys.argv[1:])
    print(report.table())


if __name__ == "__main__":
    main()
