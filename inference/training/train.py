"""Training: from drives with gold masks to weights.

    python -m inference.training.train CONFIG --data DRIVES --out RUN [--processes 2] [--from FILE]

CONFIG is a name in `configs` (nano, nano_crops, small, base) or a TOML file. The run goes on from its last checkpoint when it is
started again; on one thread of one machine that is the same, bit for bit, as if it had never stopped: what a
step draws follows from the seed, the step and the process alone. RUN holds `checkpoint.pt`,
`curves.csv` and, at the end, `weights.safetensors` (the averaged weights).

Several processes share a step and average their gradients: `--processes` starts them on this
machine, or torchrun does.
"""

from __future__ import annotations

import argparse
import csv
import fcntl
import math
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from types import FrameType
from typing import Any, Self

import cv2
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

from inference.nano import weights as nano_weights
from inference.nano.model import Nano
from inference.sam4d import weights as sam4d_weights
from inference.sam4d.model import Sam4d
from inference.sam4d.runtime import Runtime, best_runtime
from inference.training.crops import Crops
from inference.training.feed import Learnt, Lessons, Model, Snapshot, fed
from inference.training.frames_stage import lessons_loss, rounding
from inference.training.sam4d_stage import TrackClip, clip_loss
from inference.training.settings import Schedule, Training, read_training
from inference.training.shots import Shots, cut_up, is_labelled
from inference.training.sums import Sums

SAVE_EVERY_S = 120.0
REPORT_EVERY = 20  # steps
SHOW_EVERY = 4  # steps after which the processes that prepare lessons get younger weights


class Diverged(RuntimeError):
    """The loss is no number any more; what led to it was saved."""


@dataclass
class Run:
    """Everything that a checkpoint holds.  step: of all stages together, the next to be taken."""

    training: Training
    model: Model
    average: dict[str, Tensor]
    optimiser: torch.optim.Optimizer
    step: int = 0
    sums: Sums = field(default_factory=Sums)


@dataclass(frozen=True)
class Place:
    """Where this process stands among those that share a step."""

    rank: int = 0
    count: int = 1


def begin(training: Training, device: torch.device | None = None) -> Run:
    """device: where it learns; None: the CPU."""
    torch.manual_seed(training.seed)
    model: Model = Nano(training.model) if training.sam4d is None else Sam4d(training.sam4d)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.to(device)
    optimiser = torch.optim.AdamW(grouped(model, training.weight_decay), lr=1.0, betas=(0.9, 0.98))
    average = {name: value.clone() for name, value in model.state_dict().items()}
    return Run(training, model, average, optimiser)


# What SAM4D makes of places is the same three numbers 128 times, or nearly: at the rate of the others one
# step would move all encodings by more than they differ.
_SLOW = {"places.hidden.": 0.01, "places.out.": 0.3}


def grouped(model: Model, decay: float) -> list[dict[str, Any]]:
    """Norms, biases and single vectors are not pulled to 0.  scale: of a group's rate."""
    slow = _SLOW if isinstance(model, Sam4d) else {}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {(1.0, decay): [], (1.0, 0.0): []}
    for name, parameter in model.named_parameters():
        scale = next((scale for start, scale in slow.items() if name.startswith(start)), 1.0)
        groups.setdefault((scale, decay if parameter.ndim >= 2 else 0.0), []).append(parameter)
    return [
        {"params": some, "weight_decay": pull, "scale": scale}
        for (scale, pull), some in groups.items()
    ]


def rate_at(schedule: Schedule, step: int) -> float:
    warm = min(1.0, (step + 1) / max(schedule.warm_up, 1))
    share = (step / schedule.steps - schedule.flat) / (1 - schedule.flat)
    fall = (1 + math.cos(math.pi * min(max(share, 0.0), 1.0))) / 2
    return schedule.rate * warm * (schedule.last + (1 - schedule.last) * fall)


def take_step(run: Run, learnt: Learnt, place: Place, folder: Path, runtime: Runtime) -> Tensor:
    """One step of the optimiser; returns its loss. Raises Diverged."""
    found = run.training.stage_at(run.step)
    assert found is not None
    stage, within = found
    run.model.train()
    if isinstance(learnt, TrackClip):
        assert isinstance(run.model, Sam4d)
        assert stage.clips is not None
        with rounding(runtime):
            loss = clip_loss(run.model, learnt, stage.clips, runtime.device, run.sums)
    else:
        assert isinstance(run.model, Nano)
        run.model.requires_grad_(stage.crops is None)
        run.model.refiner.requires_grad_()
        loss = lessons_loss(run.model, learnt, runtime, run.sums)
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
        group["lr"] = rate_at(stage.schedule, within) * group["scale"]
    run.optimiser.step()
    _follow(run)
    run.step += 1
    return loss.detach()


def _share_gradients(model: nn.Module, place: Place) -> None:
    """The mean over the processes; what one of them did not use counts as 0 there."""
    if place.count == 1:
        return
    parameters = [p for p in model.parameters() if p.requires_grad]
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
    numbers = {n: v for n, v in run.model.state_dict().items() if v.is_floating_point()}
    averaged = [run.average[name] for name in numbers]
    torch._foreach_mul_(averaged, keep)
    torch._foreach_add_(averaged, list(numbers.values()), alpha=1 - keep)


# --- on disk -------------------------------------------------------------------------------------


def save_checkpoint(run: Run, path: Path) -> None:
    aside = path.with_suffix(".new")
    torch.save(
        {
            "training": asdict(run.training), "step": run.step,
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
    _set_average(run, held["average"])
    run.optimiser.load_state_dict(held["optimiser"])
    run.step = held["step"]


def _set_average(run: Run, average: Mapping[str, Tensor]) -> None:
    for name, value in average.items():
        run.average[name].copy_(value)


def _difference(one: Any, other: Any, where: str = "") -> str | None:
    """The first place where two plain configs differ, but for how long stages are: a run may become
    longer or shorter while it waits."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted((one.keys() | other.keys()) - {"steps"}):
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
    runtime = _runtime(asked, place)
    run = begin(training, runtime.device)
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.is_file():
        load_checkpoint(run, checkpoint)
    elif asked.start is not None:
        _start_from(run, asked.start)
    snapshot = Snapshot(run.model) if asked.workers else None
    shots, crops = _data(asked, training)
    lessons = Lessons(training, shots, place.rank, runtime, snapshot, crops)
    began, first, saved = 0.0, run.step + 1, time.monotonic()
    losses: list[Tensor] = []
    with _Stop() as stop:
        for some in fed(lessons, run.model, run.step, asked.workers):
            losses.append(take_step(run, some, place, folder, runtime))
            if run.step == first:  # the first step waits until everything has started
                began = time.monotonic()
            if snapshot is not None and run.step % SHOW_EVERY == 0:
                snapshot.write(run.model)
            if not place.rank and run.step % REPORT_EVERY == 0:
                pace_s = (time.monotonic() - began) / max(run.step - first, 1)
                _report(run, float(torch.stack(losses).mean()), pace_s, folder)
                losses, run.sums = [], Sums()
            is_over = _any_asked(stop, place)
            if not place.rank and (is_over or time.monotonic() - saved > SAVE_EVERY_S):
                save_checkpoint(run, checkpoint)
                saved = time.monotonic()
            if is_over:
                if not place.rank:
                    print(f"stopped after step {run.step} of {training.steps}; "
                          "start it again to go on")  # fmt: skip
                return
    if not place.rank:
        save_checkpoint(run, checkpoint)
        run.model.load_state_dict(run.average)
        _save_weights(run.model.eval(), folder / "weights.safetensors")
        print(f"{training.steps} steps done; the weights are {folder / 'weights.safetensors'}")


def _save_weights(model: Model, path: Path) -> None:
    if isinstance(model, Nano):
        nano_weights.save(model, path)
    else:
        sam4d_weights.save(model, path)


class _Stop:
    """Whether the process was asked to end (SIGTERM), so that it can save first."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGTERM, self._ask)
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._before)


def _data(asked: argparse.Namespace, training: Training) -> tuple[Shots | None, Crops | None]:
    """What the stages learn from. Raises ValueError where it is not there."""
    needs = {"crops" if stage.crops else "data" for stage in training.stages}
    for name in sorted(needs):
        if getattr(asked, name) is None:
            raise ValueError(f"a stage of this config learns from --{name}; say where that is")
    return (
        Shots(_drives(asked)) if "data" in needs else None,
        Crops(asked.crops) if "crops" in needs else None,
    )


def _drives(asked: argparse.Namespace) -> Path:
    """Drives to learn from, as they are, or cut from a data set of labels."""
    data: Path = asked.data
    return asked.out / "drives" if is_labelled(data) else data


def _any_asked(stop: _Stop, place: Place) -> bool:
    """All processes end after the same step, whichever heard of it first."""
    if place.count == 1:
        return stop.asked
    said = torch.tensor(float(stop.asked))
    if dist.get_backend() == "nccl":
        said = said.cuda()
    dist.all_reduce(said)
    return bool(said > 0)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Raises ValueError where another run writes to the same folder."""
    with (folder / "lock").open("w") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"another run is at work in {folder}; give another --out, or wait for it"
            ) from error
        yield


def _together(asked: argparse.Namespace) -> None:
    """Several processes on this machine; whoever ends this one ends them."""
    meeting = asked.out / f"meeting-{os.getpid()}"
    started = spawn(_join, (asked, str(meeting.absolute())), nprocs=asked.processes, join=False)
    assert started is not None

    def pass_on(number: int, frame: FrameType | None) -> None:
        for process in started.processes:
            process.terminate()

    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        while not started.join():
            pass
    finally:
        signal.signal(signal.SIGTERM, before)
        meeting.unlink(missing_ok=True)


def _runtime(asked: argparse.Namespace, place: Place) -> Runtime:
    """A GPU where there is one: each of several processes its own."""
    best = best_runtime()
    device = best.device
    if device.type == "cuda":
        device = torch.device("cuda", place.rank % torch.cuda.device_count())
        torch.cuda.set_device(device)
    return Runtime(device, torch.float32 if asked.exact else best.precision)


_MAY_BE_NEW = ("memory_encoder.", "refiner.outline_confidence.", "own_places.")


def _start_from(run: Run, path: Path) -> None:
    """Weights of a run whose model knew less may be begun with: what it lacks starts anew. SAM4D may
    also begin with a file of weights, or with the picture's side of SAM 2 or 2.1.
    """
    if isinstance(run.model, Sam4d) and not _is_of_a_run(path):
        found = sam4d_weights.load(run.model, sam4d_weights.read_checkpoint(path))
        print(f"from {path.name}: {'; '.join(found.lines())}", file=sys.stderr)
        _set_average(run, run.model.state_dict())
        return
    held = torch.load(path, map_location="cpu", weights_only=True)
    known: dict[str, Tensor] = held["average"]
    if isinstance(run.model, Nano) and run.model.own_places is not None:
        # An ablation: each modality goes on from what both shared.
        shared = {n: v for n, v in known.items() if n.startswith("places.")}
        known = {f"own_{name}": value for name, value in shared.items()} | known
    missing, strange = run.model.load_state_dict(known, strict=False)
    if strange or any(not name.startswith(_MAY_BE_NEW) for name in missing):
        raise ValueError(f"{path} is of another model: {[*strange, *missing][0]} is not in both")
    _set_average(run, known)


def _is_of_a_run(path: Path) -> bool:
    if path.suffix == ".safetensors":
        return False
    try:
        return "average" in torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, TypeError, UnpicklingError):
        return False  # the reader of weights will say what it is


def _report(run: Run, loss: float, pace_s: float, folder: Path) -> None:
    ious, steps = run.sums.means(), run.training.steps
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


ROUTES = ("C→C", "C→L", "L→C", "L→L", "then→C", "then→L", "crop", "crop chosen", "crop outline",
          "crop before")  # fmt: skip


def _join(rank: int, asked: argparse.Namespace, meeting: str) -> None:
    dist.init_process_group(
        _backend(), init_method=f"file://{meeting}", rank=rank, world_size=asked.processes
    )
    train(asked, Place(rank, asked.processes))
    dist.destroy_process_group()


def _backend() -> str:
    return "nccl" if torch.cuda.is_available() else "gloo"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m inference.training.train", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("config")
    parser.add_argument("--data", type=Path,
                        help="drives made by training.shots, or a data set in the Waymo-4DSeg layout")  # fmt: skip
    parser.add_argument("--crops", type=Path, help="crops made by training.crops")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of a single process")
    parser.add_argument("--workers", type=int, default=0,
                        help="processes that prepare lessons beside a GPU: one for each core")  # fmt: skip
    parser.add_argument("--from", dest="start", type=Path, help="weights to begin with")
    parser.add_argument("--exact", action="store_true", help="float32 throughout")
    asked = parser.parse_args(arguments)
    try:
        if asked.data is not None and is_labelled(asked.data):
            # Each frame once; what is there already is left alone.
            cut_up(asked.out / "drives", asked.data, 1, os.cpu_count() or 1)
        # What is wrong is said once, not by every process.
        _data(asked, read_training(asked.config))
        if dist.is_torchelastic_launched():
            dist.init_process_group(_backend())
            train(asked, Place(dist.get_rank(), dist.get_world_size()))
            return 0
        asked.out.mkdir(parents=True, exist_ok=True)
        with _alone_in(asked.out):
            if asked.processes > 1:
                _together(asked)
            else:
                train(asked, Place())
    except (ValueError, Diverged) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
