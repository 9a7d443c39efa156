"""How good a predictor is: masks against gold on held-out procedural drives, and on real frames.

    python -m inference.training.evaluate --predictor nano|geometric|PATH --seeds 9001-9030
        [--real FOLDER] [--json FILE] [--against FILE]

Drives: seed by seed the rigs "waymo", "nuscenes", "kitti", "pandaset" and "demo", none of which is
trained on, every second one in a random look. In one frame of each, objects (things) that a camera
shows with at least 80 px of 384 x 256 and the LiDAR with at least 12 points are asked for:

    iou@K   K clicks, the first in the middle, the others in the middle of the larger error,
            in the sensor that was clicked first; C→L: clicked in a camera, the LiDAR's mask
    iou@1/CLASS, pole@1     the same for a class
    box     a tight box in the camera
    camera_only@1, lidar_only@1    objects that only one of them shows well enough
    carry@20    one LiDAR click, followed over 20 frames: the mask in the 21st, where gold is to be seen
    carry_kept@20   the share of those whose mask there overlaps its own object more than any other
    pandaset@1, nuscenes@1  real frames with cuboids (`recordings`); report only

Results are kept by seed beside the JSON file, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from inference.predictor import Predictor, load_predictor
from inference.prompts import Known, MaskPrediction, PointPrompt
from inference.training.cases import Case, Clip, click, iou_of, render, tight_box
from inference.training.pool import worked
from inference.training.recordings import score_recordings
from inference.training.shots import parse_seeds

RIGS = ("waymo", "nuscenes", "kitti", "pandaset", "demo")
WIDTH_PX = 960
LEAST_SHARE, LEAST_POINTS = 80 / (384 * 256), 12
CLICKS = 5
FRAME, CARRIED = 20, 20
Scores = dict[str, list[float]]  # "metric|route" -> IoUs


@dataclass(frozen=True)
class Plan:
    """objects: asked for in each drive.  followed: objects of each drive that is followed;
    every how many drives one is.
    """

    objects: int = 8
    followed: int = 3
    follow_every: int = 4


def score_seed(predictor: Predictor, seed: int, plan: Plan) -> Scores:
    cv2.setNumThreads(1)
    rig, look = RIGS[seed % len(RIGS)], ("plain", "random")[seed // len(RIGS) % 2]
    scores: Scores = defaultdict(list)
    clip = render(seed, [FRAME], rig, width_px=WIDTH_PX, look=look)
    opened = predictor.open(clip.scene)
    for case in cases_of(clip, plan.objects, seed):
        _score_clicks(predictor, opened, case, scores)
    _score_alone(predictor, opened, clip, scores, seed)
    predictor.close(opened)
    if seed % plan.follow_every == 0:
        frames = range(FRAME, FRAME + CARRIED + 1)
        _score_carry(predictor, render(seed, frames, rig, width_px=WIDTH_PX, look=look), plan,
                     scores, seed)  # fmt: skip
    return dict(scores)


def cases_of(clip: Clip, most: int, seed: int) -> list[Case]:
    """Objects that some camera and the LiDAR show, each in the camera that shows it largest."""
    random = np.random.default_rng([seed, 5])
    ids = clip.ids[0]
    size = 1 + max(clip.classes)
    points = np.bincount(ids[clip.lidar], minlength=size)
    best: dict[int, tuple[int, str]] = {}
    for camera in clip.scene.cameras:
        shown = ids[camera.name]
        pixels = np.bincount(shown.ravel(), minlength=size)
        for number in clip.classes:
            if pixels[number] >= LEAST_SHARE * shown.size and points[number] >= LEAST_POINTS:
                best[number] = max(best.get(number, (0, "")), (int(pixels[number]), camera.name))
    numbers = sorted(best)
    random.shuffle(numbers)
    # No class crowds out the others: the rarest come first.
    seen: dict[str, int] = defaultdict(int)
    rank = {}
    for number in numbers:
        seen[clip.classes[number]] += 1
        rank[number] = seen[clip.classes[number]]
    numbers.sort(key=lambda number: rank[number])
    return [Case(clip, 0, best[number][1], number) for number in numbers[:most]]


def _score_clicks(predictor: Predictor, opened: Any, case: Case, scores: Scores) -> None:
    lidar = case.clip.lidar
    for letter, sensor in (("C", case.camera), ("L", lidar)):
        prompts: list[PointPrompt] = []
        masks: dict[str, MaskPrediction] = {}
        for number in range(1, CLICKS + 1):
            prompt = click(case, sensor, masks[sensor].mask if sensor in masks else None)
            if prompt is not None:
                prompts.append(prompt)
                answers = predictor.add_prompt(opened, frame=case.frame, prompts=prompts)
                masks = {answer.sensor: answer for answer in answers}
            if number == 4:
                continue
            for to, seen in (("C", case.camera), ("L", lidar)):
                iou = iou_of(masks.get(seen), case.truth(seen))
                scores[f"iou@{number}|{letter}→{to}"].append(iou)
                if number == 1:
                    scores[f"iou@1/{case.label_class}|{letter}→{to}"].append(iou)
    answers = predictor.add_prompt(opened, frame=case.frame, prompts=[tight_box(case)])
    masks = {answer.sensor: answer for answer in answers}
    scores["box|C→C"].append(iou_of(masks.get(case.camera), case.truth(case.camera)))
    scores["box|C→L"].append(iou_of(masks.get(lidar), case.truth(lidar)))


def _score_alone(
    predictor: Predictor, opened: Any, clip: Clip, scores: Scores, seed: int, most: int = 2
) -> None:
    """Objects that one sensor alone shows."""
    random = np.random.default_rng([seed, 6])
    ids, size = clip.ids[0], 1 + max(clip.classes)
    points = np.bincount(ids[clip.lidar], minlength=size)
    pixels = {
        camera.name: np.bincount(ids[camera.name].ravel(), minlength=size)
        for camera in clip.scene.cameras
    }
    anywhere = np.sum([*pixels.values()], axis=0)
    for number in random.permutation(sorted(clip.classes))[: 10 * most].tolist():
        camera = max(pixels, key=lambda name: pixels[name][number])
        enough = pixels[camera][number] >= LEAST_SHARE * ids[camera].size
        case = Case(clip, 0, camera, number)
        for name, route, sensor, holds in (
            ("camera_only@1", "C→C", camera, enough and points[number] == 0),
            ("lidar_only@1", "L→L", clip.lidar,
             anywhere[number] == 0 and points[number] >= LEAST_POINTS),
        ):  # fmt: skip
            key = f"{name}|{route}"
            if not holds or len(scores.get(key, [])) >= most:
                continue
            prompt = click(case, sensor, None)
            assert prompt is not None
            answers = predictor.add_prompt(opened, frame=0, prompts=[prompt])
            masks = {answer.sensor: answer for answer in answers}
            scores[key].append(iou_of(masks.get(sensor), case.truth(sensor)))


def _score_carry(predictor: Predictor, clip: Clip, plan: Plan, scores: Scores, seed: int) -> None:
    opened, lidar = predictor.open(clip.scene), clip.lidar
    last = len(clip.ids) - 1
    still = [
        case for case in cases_of(clip, 40, seed)
        if case.truth(lidar, last).sum() >= LEAST_POINTS
    ][: plan.followed]  # fmt: skip
    known: dict[int, Known] = {}
    for track, case in enumerate(still):
        prompt = click(case, lidar, None)
        assert prompt is not None
        answers = predictor.add_prompt(opened, frame=0, prompts=[prompt], track=track)
        known[track] = {0: {answer.sensor: answer.mask for answer in answers}}
    if not known:
        return
    found: Mapping[int, list[MaskPrediction]] = {}
    for answer in predictor.propagate(opened, known=known, frames=list(range(1, last + 1))):
        found = answer.masks
    for track, case in enumerate(still):
        masks = {answer.sensor: answer for answer in found[track]}
        own = iou_of(masks.get(lidar), case.truth(lidar, last))
        scores["carry@20|L→L"].append(own)
        ids = clip.ids[last][lidar]
        mask = masks[lidar].mask if lidar in masks else np.zeros(ids.size, bool)
        others = [
            iou_of(masks.get(lidar), ids == number)
            for number in np.unique(ids[mask]).tolist()
            if number != case.gold
        ]
        scores["carry_kept@20|L→L"].append(float(own > max(others, default=0.0)))
        camera = max(clip.scene.cameras, key=lambda c: case.truth(c.name, last).sum()).name
        truth = case.truth(camera, last)
        if truth.sum() >= LEAST_SHARE * truth.size:
            scores["carry@20|L→C"].append(iou_of(masks.get(camera), truth))
    predictor.close(opened)


# --- the command ---------------------------------------------------------------------------------


def rows_of(scores: Scores) -> list[dict[str, Any]]:
    rows = []
    for key in sorted(scores):
        metric, route = key.split("|")
        values = scores[key]
        row = {"metric": metric, "route": route, "value": round(float(np.mean(values)), 4),
               "n": len(values)}  # fmt: skip
        rows.append(row)
        if metric == "iou@1/pole":
            rows.append({**row, "metric": "pole@1"})
    return rows


# What decides which predictor is the default: the published table, but for nuScenes, which may not.
_DECIDES = ("iou@1", "iou@3", "box", "pole@1", "carry@20", "pandaset@1")
_MAY_LOSE = 0.01


def compared(
    rows: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]
) -> tuple[bool, list[tuple[str, float]]]:
    """Whether a predictor may be the default instead of another one: in no row below it by more than
    a hundredth, and above it in the mean. With it the differences by row.
    """
    before = {(row["metric"], row["route"]): row["value"] for row in others}
    ahead = [
        (
            f"{row['metric']} {row['route']}",
            round(row["value"] - before[row["metric"], row["route"]], 4),
        )
        for row in rows
        if row["metric"] in _DECIDES and (row["metric"], row["route"]) in before
    ]
    gains = [gain for _, gain in ahead]
    return bool(gains) and min(gains) >= -_MAY_LOSE and float(np.mean(gains)) > 0, ahead


def _tell_compared(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    is_better, ahead = compared(rows, json.loads(path.read_text())["rows"])
    print(f"\nless {path.name}:")
    for name, gain in ahead:
        print(f"{name:22s} {gain:+.3f}")
    mean = float(np.mean([gain for _, gain in ahead])) if ahead else 0.0
    print(f"mean {mean:+.3f}: it {'may' if is_better else 'may not'} be the default instead")


def _work(job: tuple[str, int, Plan]) -> tuple[int, Scores]:
    import torch

    torch.set_num_threads(1)
    name, seed, plan = job
    return seed, score_seed(load_predictor(name), seed, plan)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m inference.training.evaluate", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--predictor", default="nano")
    parser.add_argument("--seeds", type=parse_seeds, default=parse_seeds("9001-9030"))
    parser.add_argument("--real", type=Path, help="a folder with recordings (see recordings.py)")
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--against", type=Path, help="another predictor's JSON, to be compared with"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args(arguments)
    parts = None if asked.json is None else asked.json.with_suffix(".parts")
    by_seed: dict[int, Scores] = {}
    if parts is not None and parts.is_file():
        for line in parts.read_text().splitlines():
            kept = json.loads(line)
            if kept["predictor"] == asked.predictor and kept["seed"] in asked.seeds:
                by_seed[kept["seed"]] = kept["scores"]
    try:
        _score_all(asked, parts, by_seed)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    scores: Scores = defaultdict(list)
    for seed in sorted(by_seed):
        for key, values in by_seed[seed].items():
            scores[key] += values
    if asked.real is not None:
        for key, values in score_recordings(load_predictor(asked.predictor), asked.real).items():
            scores[key] += values
    rows = rows_of(scores)
    for row in rows:
        print(f"{row['metric']:18s} {row['route']}  {row['value']:.3f}  n={row['n']}")
    if asked.json is not None:
        asked.json.write_text(json.dumps({"rows": rows}, ensure_ascii=False, indent=1))
    if asked.against is not None:
        _tell_compared(rows, asked.against)
    return 0


def _score_all(asked: argparse.Namespace, parts: Path | None, by_seed: dict[int, Scores]) -> None:
    load_predictor(asked.predictor)  # a wrong name is told before anything is rendered
    jobs = [(asked.predictor, seed, Plan()) for seed in asked.seeds if seed not in by_seed]
    for seed, scores in worked(_work, jobs, asked.processes, lambda of: f"drive {of[0]}"):
        by_seed[seed] = scores
        if parts is not None:
            line = {"predictor": asked.predictor, "seed": seed, "scores": scores}
            with parts.open("a") as opened:
                opened.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
