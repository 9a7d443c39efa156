"""Training: from drives with gold masks to weights.

    python -m inference.training.train CONFIG --data DRIVES --out RUN [--processes 2] [--from FILE]

CONFIG is a name in `configs` or a TOML file. The run goes on from its last checkpoint when it is
started again; on one thread of one machine that is the same, bit for bit, as if it had never stopped: what a
step draws follows from the seed, the step and the process alone. RUN holds `checkpoint.pt`,
`curves.csv` and, at the end, `weights.safetensors` (the averaged weights).

Several processes share a step and average their gradients: `--processes` starts them on this
machine, or torchrun does.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

from inference.nano.model import Nano
from inference.nano.weights import save
from inference.sam4d.runtime import best_runtime
from inference.training.frames_stage import Sums, step_loss
from inference.training.settings import Schedule, Stage, Training, read_training
from inference.training.shots import Shots

SAVE_EVERY_S = 120.0
REPORT_EVERY = 20  # steps


class Diverged(RuntimeError):
    """The loss is no number any more; what led to it was saved."""


@dataclass
class Run:
    """Everything that a checkpoint holds.  step: of all stages together, the next to be taken."""

    training: Training
    model: Nano
    average: dict[str, Tensor]
    optimiser: torch.optim.Optimizer
    step: int = 0
    sums: Sums = field(default_factory=Sums)


@dataclass(frozen=True)
class Place:
    """Where this process stands among those that share a step."""

    rank: int = 0
    count: int = 1


def begin(training: Training) -> Run:
    torch.manual_seed(training.seed)
    model = Nano(training.model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(_groups(model, training.weight_decay), lr=1.0, betas=(0.9, 0.98))
    average = {name: value.clone() for name, value in model.state_dict().items()}
    return Run(training, model, average, optimiser)


def _groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Norms, biases and single vectors are not pulled to 0."""
    plain = [p for p in model.parameters() if p.ndim < 2]
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    return [{"params": decayed, "weight_decay": decay}, {"params": plain, "weight_decay": 0.0}]


def stage_at(training: Training, step: int) -> tuple[Stage, int] | None:
    """The stage of a step and how many of its steps lie behind; None after the last."""
    for stage in training.stages:
        if step < stage.schedule.steps:
            return stage, step
        step -= stage.schedule.steps
    return None


def rate_at(schedule: Schedule, step: int) -> float:
    warm = min(1.0, (step + 1) / max(schedule.warm_up, 1))
    share = (step / schedule.steps - schedule.flat) / (1 - schedule.flat)
    fall = (1 + math.cos(math.pi * min(max(share, 0.0), 1.0))) / 2
    return schedule.rate * warm * (schedule.last + (1 - schedule.last) * fall)


def take_step(run: Run, shots: Shots, place: Place, folder: Path, precision: torch.dtype) -> float:
    """One step of the optimiser. Raises Diverged."""
    found = stage_at(run.training, run.step)
    assert found is not None
    stage, within = found
    random = np.random.default_rng([run.training.seed, place.rank, run.step])
    run.model.train()
    loss, sums = step_loss(run.model, shots, stage.frames, random, precision=precision)
    if not bool(torch.isfinite(loss.detach())):
        path = folder / f"diverged-{run.step}-{place.rank}.pt"
        torch.save({"model": run.model.state_dict(), "step": run.step, "rank": place.rank,
                    "seed": run.training.seed}, path)  # fmt: skip
        raise Diverged(
            f"the loss of step {run.step} is {float(loss.detach())}; the model and the numbers that draw the "
            f"batch again are in {path}. Try a lower rate than {stage.schedule.rate}"
        )
    run.optimiser.zero_grad()
    loss.backward()
    _share_gradients(run.model, place)
    nn.utils.clip_grad_norm_(run.model.parameters(), run.training.clip)
    for group in run.optimiser.param_groups:
        group["lr"] = rate_at(stage.schedule, within)
    run.optimiser.step()
    _follow(run)
    run.step += 1
    for route, (total, count) in sums.of.items():
        kept = run.sums.of.setdefault(route, [0.0, 0])
        kept[0] += total
        kept[1] += count
    return float(loss.detach())


def _share_gradients(model: nn.Module, place: Place) -> None:
    """The mean over the processes; what one of them did not use counts as 0 there."""
    if place.count == 1:
        return
    parameters = list(model.parameters())
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    flat = torch.cat([p.grad.flatten() for p in parameters])  # type: ignore[union-attr]
    dist.all_reduce(flat)
    flat /= place.count
    for parameter, part in zip(
        parameters, flat.split([p.numel() for p in parameters]), strict=True
    ):
        parameter.grad.copy_(part.view_as(parameter))  # type: ignore[union-attr]


@torch.no_grad()
def _follow(run: Run) -> None:
    """The averaged weights take a small step; fast at first, when there is little to average."""
    keep = min(run.training.ema, 1 - 1 / (1 + 0.2 * run.step))
    for name, value in run.model.state_dict().items():
        if value.is_floating_point():
            run.average[name].mul_(keep).add_(value, alpha=1 - keep)
        else:
            run.average[name].copy_(value)


# --- on disk -------------------------------------------------------------------------------------


def save_checkpoint(run: Run, path: Path) -> None:
    aside = path.with_suffix(".new")
    torch.save(
        {
            "training": asdict(run.training), "step": run.step, "sums": run.sums.of,
            "model": run.model.state_dict(), "average": run.average,
            "optimiser": run.optimiser.state_dict(),
        },
        aside,
    )  # fmt: skip
    aside.replace(path)


def load_checkpoint(run: Run, path: Path) -> None:
    """Raises ValueError for a checkpoint of another config, with the first difference."""
    held = torch.load(path, map_location="cpu", weights_only=True)
    difference = _difference(held["training"], asdict(run.training))
    if difference:
        raise ValueError(
            f"{path} was made with another config: {difference}. Give another --out, or the config "
            "it was made with"
        )
    run.model.load_state_dict(held["model"])
    run.average = held["average"]
    run.optimiser.load_state_dict(held["optimiser"])
    run.step, run.sums = held["step"], Sums(held["sums"])


def _difference(one: Any, other: Any, where: str = "") -> str | None:
    """The first place where two plain configs differ, but for how long stages are."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            found = _difference(one.get(key), other.get(key), f"{where}.{key}".lstrip("."))
            if found:
                return found
        return None
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        if len(one) != len(other):
            return f"{where} is {one} there and {other} here"
        pairs = enumerate(zip(one, other, strict=True))
        return next((d for k, (a, b) in pairs if (d := _difference(a, b, f"{where}[{k}]"))), None)
    return None if one == other else f"{where} is {one} there and {other} here"


# --- the loop ------------------------------------------------------------------------------------


def train(asked: argparse.Namespace, place: Place) -> None:
    torch.set_num_threads(1 if place.count > 1 else asked.threads)
    cv2.setNumThreads(1)
    training = read_training(asked.config)
    folder: Path = asked.out
    folder.mkdir(parents=True, exist_ok=True)
    run = begin(training)
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.is_file():
        load_checkpoint(run, checkpoint)
    elif asked.start is not None:
        _start_from(run, asked.start)
    shots = Shots(asked.data)
    precision = torch.float32 if asked.exact else best_runtime().precision
    steps = sum(stage.schedule.steps for stage in training.stages)
    began, first, saved, losses = time.monotonic(), run.step, time.monotonic(), []
    while run.step < steps:
        losses.append(take_step(run, shots, place, folder, precision))
        if place.rank:
            continue
        if run.step % REPORT_EVERY == 0:
            pace_s = (time.monotonic() - began) / (run.step - first)
            _report(run, float(np.mean(losses)), pace_s, steps, folder)
            losses, run.sums = [], Sums()
        if time.monotonic() - saved > SAVE_EVERY_S:
            save_checkpoint(run, checkpoint)
            saved = time.monotonic()
    if not place.rank:
        save_checkpoint(run, checkpoint)
        run.model.load_state_dict(run.average)
        save(run.model.eval(), folder / "weights.safetensors")
        print(f"{steps} steps done; the weights are {folder / 'weights.safetensors'}")


def _start_from(run: Run, path: Path) -> None:
    held = torch.load(path, map_location="cpu", weights_only=True)
    run.model.load_state_dict(held["average"])
    run.average = held["average"]


def _report(run: Run, loss: float, pace_s: float, steps: int, folder: Path) -> None:
    ious = {route: total / max(count, 1) for route, (total, count) in sorted(run.sums.of.items())}
    left_min = pace_s * (steps - run.step) / 60
    said = " ".join(f"{route} {iou:.3f}" for route, iou in ious.items())
    print(f"step {run.step}/{steps} loss {loss:.3f} {said} | {pace_s:.2f} s a step, "
          f"{left_min:.0f} min left", file=sys.stderr, flush=True)  # fmt: skip
    path = folder / "curves.csv"
    is_new = not path.is_file()
    with path.open("a", newline="") as opened:
        writer = csv.writer(opened)
        if is_new:
            writer.writerow(["step", "loss", "seconds_a_step", *ROUTES])
        writer.writerow([run.step, f"{loss:.4f}", f"{pace_s:.3f}",
                         *(f"{ious[r]:.4f}" if r in ious else "" for r in ROUTES)])  # fmt: skip


ROUTES = ("C→C", "C→L", "L→C", "L→L", "crop", "crop before")


def _join(rank: int, asked: argparse.Namespace, meeting: str) -> None:
    dist.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=asked.processes
    )
    train(asked, Place(rank, asked.processes))
    dist.destroy_process_group()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m inference.training.train", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("config")
    parser.add_argument("--data", type=Path, required=True, help="drives made by training.shots")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of a single process")
    parser.add_argument("--from", dest="start", type=Path, help="weights to begin with")
    parser.add_argument("--exact", action="store_true", help="float32 throughout")
    asked = parser.parse_args(arguments)
    try:
        if dist.is_torchelastic_launched():
            dist.init_process_group("gloo")
            train(asked, Place(dist.get_rank(), dist.get_world_size()))
        elif asked.processes > 1:
            asked.out.mkdir(parents=True, exist_ok=True)
            meeting = asked.out / f"meeting-{os.getpid()}"
            spawn(_join, (asked, str(meeting.absolute())), nprocs=asked.processes)
            meeting.unlink(missing_ok=True)
        else:
            train(asked, Place())
    except (ValueError, Diverged) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
