"""What the paper's ideas are worth here: the same training with one of them switched off, each in turn.

    python -m inference.training.ablations OUT --data DRIVES --from CHECKPOINT [--steps 200] [--processes 2]

All runs begin with the same checkpoint and take the same steps, twice with other seeds; the reference
takes them, too. Each has a process to itself, and so many run side by side. What they learnt is measured
on held-out drives with the network alone, without geometry's choice of points and without the second look,
as those would hide the differences. It goes on where it was stopped, and ends with `ablations.json` and a
table.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from inference.prompts import Known
from inference.scene import Scene, SensorKind
from inference.training import train
from inference.training.cases import Case, Clip, click, iou_of, render
from inference.training.evaluate import (
    FRAME,
    LEAST_POINTS,
    RIGS,
    WIDTH_PX,
    Scores,
    cases_of,
)
from inference.training.pool import worked
from inference.training.shots import parse_seeds

SEEDS = (11, 12)
FOLLOWED = 10  # frames


@dataclass(frozen=True)
class Variant:
    """model, wear: what its training config says beside the reference's.  sees: of scenes, at the end."""

    model: str = ""
    wear: str = ""
    sees: tuple[SensorKind, ...] = (SensorKind.CAMERA, SensorKind.LIDAR)


VARIANTS: Mapping[str, Variant] = {
    "reference": Variant(),
    "no UMPE": Variant("shared_places = false"),
    "no MCMA": Variant("cross_modal = false"),
    "no ego motion": Variant("ego_motion = false"),
    "pictures alone": Variant(wear="no_sweep = 1.0, no_picture = 0.0", sees=(SensorKind.CAMERA,)),
    "sweeps alone": Variant(wear="no_picture = 1.0, no_sweep = 0.0", sees=(SensorKind.LIDAR,)),
}
_CONFIG = """\
seed = {seed}
[model]
remembers = true
{model}
[[stages]]
name = "frames"
schedule = {{ steps = {steps}, rate = 1e-3, warm_up = 20, flat = 0.2 }}
[stages.frames]
views = 4
objects = 10
crops = 0
followed = {followed}
followed_objects = 8
apart = 3
wear = {{ no_prior = 0.5{wear} }}
"""


def config_of(variant: Variant, seed: int, steps: int) -> str:
    """TOML. What sees no sweep cannot be followed."""
    wear = f", {variant.wear}" if variant.wear else ""
    followed = 0.3 if SensorKind.LIDAR in variant.sees else 0.0
    return _CONFIG.format(seed=seed, model=variant.model, steps=steps, followed=followed, wear=wear)


# --- measuring -----------------------------------------------------------------------------------


def seen_by(scene: Scene, kinds: Sequence[SensorKind]) -> Scene:
    """A scene with the readings of some kinds of sensors only."""
    return replace(
        scene,
        sensors=[sensor for sensor in scene.sensors if sensor.kind in kinds],
        frames=[
            replace(
                frame,
                images=frame.images if SensorKind.CAMERA in kinds else {},
                sweeps=frame.sweeps if SensorKind.LIDAR in kinds else {},
            )
            for frame in scene.frames
        ],
    )


def score_drive(clip: Clip, seed: int, weights: Path, sees: Sequence[SensorKind]) -> Scores:
    """One click in every modality that is seen, the masks in all of them; and what is left of the
    LiDAR's ten frames on, from gold in the first.

    clip: of held-out drive `seed`, FOLLOWED frames and the one before them.
    """
    from inference.nano.predictor import NanoPredictor
    from inference.nano.weights import load

    predictor = NanoPredictor(load(weights), version="ablation", use_geometry=False, refine=False)
    opened = predictor.open(seen_by(clip.scene, sees))
    scores: Scores = defaultdict(list)
    cases = cases_of(clip, 8, seed)
    for case in cases:
        sensors = {
            letter: sensor
            for letter, sensor, kind in (
                ("C", case.camera, SensorKind.CAMERA), ("L", clip.lidar, SensorKind.LIDAR),
            )
            if kind in sees
        }  # fmt: skip
        for letter, sensor in sensors.items():
            prompt = click(case, sensor, None)
            assert prompt is not None
            answers = predictor.add_prompt(opened, frame=0, prompts=[prompt])
            masks = {answer.sensor: answer for answer in answers}
            for to, seen in sensors.items():
                scores[f"iou@1|{letter}→{to}"].append(iou_of(masks.get(seen), case.truth(seen)))
    if SensorKind.LIDAR in sees:
        _score_following(predictor, opened, clip, cases, scores)
    return dict(scores)


def _score_following(
    predictor: object, opened: object, clip: Clip, cases: Sequence[Case], scores: Scores
) -> None:
    from inference.nano.predictor import NanoPredictor, OpenScene

    assert isinstance(predictor, NanoPredictor)
    assert isinstance(opened, OpenScene)
    last = len(clip.ids) - 1
    still = [case for case in cases if case.truth(clip.lidar, last).sum() >= LEAST_POINTS][:4]
    seen = {sensor.name for sensor in opened.geometric.scene.sensors}
    known: dict[int, Known] = {
        track: {0: {s: case.truth(s).ravel() for s in (case.camera, clip.lidar) if s in seen}}
        for track, case in enumerate(still)
    }
    for answer in predictor.propagate(opened, known=known, frames=range(1, last + 1)):
        if answer.frame != last:
            continue
        for track, case in enumerate(still):
            masks = {each.sensor: each for each in answer.masks[track]}
            truth = case.truth(clip.lidar, last)
            scores[f"carry@{FOLLOWED}|L→L"].append(iou_of(masks.get(clip.lidar), truth))


# --- the command ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Job:
    """A run to be made; or, with a drive, all runs to be measured on it."""

    out: Path
    words: tuple[str, ...] = ()
    drive: int = -1


@cache
def _quiet() -> None:
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def runs(out: Path) -> dict[tuple[str, int], Path]:
    """The folder of each variant and seed; all of the first seed first."""
    return {
        (name, seed): out / f"{name.replace(' ', '_')}-{seed}"
        for seed in SEEDS
        for name in VARIANTS
    }


def _learn(job: _Job) -> Path:
    train.main([*job.words, "--out", str(job.out)])
    return job.out


def _measure(job: _Job) -> Path:
    """A drive is rendered once and shown to all."""
    _quiet()
    seed, place = job.drive, job.out / "scores" / f"{job.drive}.json"
    rig, look = RIGS[seed % len(RIGS)], ("plain", "random")[seed // len(RIGS) % 2]
    clip = render(seed, range(FRAME, FRAME + FOLLOWED + 1), rig, width_px=WIDTH_PX, look=look)
    scores = {
        folder.name: score_drive(clip, seed, folder / "weights.safetensors", VARIANTS[name].sees)
        for (name, _), folder in runs(job.out).items()
    }
    aside = place.with_suffix(".new")
    aside.write_text(json.dumps(scores, ensure_ascii=False))
    aside.replace(place)
    return place


def _gathered(out: Path, seeds: Sequence[int]) -> dict[str, list[Scores]]:
    """By variant, for each of its runs: the scores of all drives, one after the other."""
    gathered: dict[str, list[Scores]] = defaultdict(list)
    drives = [json.loads((out / "scores" / f"{seed}.json").read_text()) for seed in seeds]
    for (name, _), folder in runs(out).items():
        together: Scores = defaultdict(list)
        for drive in drives:
            for key, values in drive[folder.name].items():
                together[key] += values
        gathered[name].append(together)
    return gathered


def table_of(scores: Mapping[str, Sequence[Scores]]) -> list[str]:
    """A row for each variant: the mean over its seeds of each mean IoU, and how far apart they were."""
    keys = sorted({key for some in scores.values() for each in some for key in each})
    lines = ["| mean IoU (± half the difference of the seeds) | " + " | ".join(
        key.replace("|", " ") for key in keys) + " |", "|---" * (len(keys) + 1) + "|"]  # fmt: skip
    for name, some in scores.items():
        cells = []
        for key in keys:
            means = [float(np.mean(each[key])) for each in some if key in each]
            spread = (max(means) - min(means)) / 2 if means else 0.0
            cells.append(f"{np.mean(means):.3f} ± {spread:.3f}" if means else "–")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m inference.training.ablations", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--from", dest="start", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=parse_seeds, default=parse_seeds("9001-9030"))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args(arguments)
    (asked.out / "scores").mkdir(parents=True, exist_ok=True)
    learning = []
    for (name, seed), folder in runs(asked.out).items():
        if not (folder / "weights.safetensors").is_file():
            folder.mkdir(exist_ok=True)
            config = folder / "config.toml"
            config.write_text(config_of(VARIANTS[name], seed, asked.steps))
            words = (str(config), "--data", str(asked.data), "--from", str(asked.start))
            learning.append(_Job(folder, words))
    for folder in worked(_learn, learning, asked.processes, lambda folder: folder.name):
        if not (folder / "weights.safetensors").is_file():
            return 1  # stopped; it goes on from here
    left = [s for s in asked.seeds if not (asked.out / "scores" / f"{s}.json").is_file()]
    measuring = [_Job(asked.out, drive=seed) for seed in left]
    for _ in worked(_measure, measuring, asked.processes, lambda place: f"drive {place.stem}"):
        pass
    scores = _gathered(asked.out, asked.seeds)
    (asked.out / "ablations.json").write_text(json.dumps(scores, ensure_ascii=False))
    print("\n".join(table_of(scores)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
