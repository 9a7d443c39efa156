"""Crops for the second look, cut out once and learnt from many times.

Drawing a view and asking the model costs a processor a hundred times what learning from one of its
crops does. So crops of a trained model's masks are written to disk: whole numbers of 8 bits, one
array per file, which processes map into memory together.

    python -m inference.training.crops FOLDER --weights FILE --data DRIVES --files 0-99
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from inference.nano.glance import MEAN, STD
from inference.nano.model import Nano
from inference.nano.refiner import CROP_CHANNELS, OUTLINE, POINTS
from inference.nano.weights import load
from inference.sam4d.runtime import Runtime, best_runtime
from inference.training.frames_stage import FrameStage, Lesson, prepared
from inference.training.lessons import Wear, recoloured
from inference.training.pool import worked
from inference.training.shots import Shots, parse_seeds

Float32Array = npt.NDArray[np.float32]
Random = np.random.Generator

IN_A_FILE = 256
# Few views of a kind, all of their objects: what is wanted is variety of crops, not of questions.
STAGE = FrameStage(views=2, objects=14, crops=14, corrected=0.35,
                   wear=Wear(no_picture=0, no_sweep=0.03, no_prior=0.15, mirrored=0))  # fmt: skip


@dataclass(frozen=True)
class CropStage:
    """batch: crops of a step and process.  no_outline, no_points: how often geometry's outline, or the
    points, are left out.  grey: how often a crop has no colours.
    """

    batch: int = 64
    no_outline: float = 0.1
    no_points: float = 0.1
    grey: float = 0.1


# --- writing -------------------------------------------------------------------------------------


def packed(crops: Float32Array, gold: Float32Array) -> npt.NDArray[np.uint8]:
    """[n, 13, S, S]: colours as they were, the other channels of -1 ... 1, and gold of 0 ... 1."""
    colours = crops[:, :3] * STD + MEAN
    others = crops[:, 3:] * 127 + 128
    joined = np.concatenate([colours, others, gold[:, None] * 255], axis=1)
    return np.clip(np.round(joined), 0, 255).astype(np.uint8)


def unpacked(numbers: npt.NDArray[np.uint8]) -> tuple[Float32Array, Float32Array]:
    """crops [n, 12, S, S] and gold [n, S, S] again."""
    values = numbers.astype(np.float32)
    crops, gold = values[:, :-1], np.asarray(values[:, -1] / 255, np.float32)
    crops[:, :3] = (crops[:, :3] - MEAN) / STD
    crops[:, 3:] = (crops[:, 3:] - 128) / 127
    return crops, gold


def write_file(path: Path, number: int, weights: Path, data: Path) -> None:
    """The same numbers give the same file."""
    if path.is_file():
        return
    model, runtime = _model(weights)
    random = np.random.default_rng([17, number])
    shots, found, count = Shots(data), [], 0
    while count < IN_A_FILE:
        for lesson in prepared(model, shots, STAGE, random, runtime):
            if lesson.crops is not None and lesson.crop_gold is not None:
                found.append(packed(lesson.crops.numpy(), lesson.crop_gold.numpy()))
                count += len(found[-1])
    aside = path.with_suffix(f".{os.getpid()}")
    with aside.open("wb") as opened:
        np.save(opened, np.concatenate(found)[:IN_A_FILE])
    aside.replace(path)


@cache
def _model(weights: Path) -> tuple[Nano, Runtime]:
    runtime = best_runtime()
    return load(weights).to(runtime.device), runtime


# --- reading -------------------------------------------------------------------------------------


class Crops:
    """All crops in a folder."""

    def __init__(self, folder: Path) -> None:
        paths = sorted(folder.glob("*.npy"))
        if not paths:
            raise ValueError(
                f"there are no crops in {folder}; make some with python -m inference.training.crops"
            )
        self._files = [np.load(path, mmap_mode="r", allow_pickle=False) for path in paths]
        if any(each.ndim != 4 or each.shape[1] != CROP_CHANNELS + 1 for each in self._files):
            raise ValueError(f"the crops in {folder} are of another version; make them again")
        self._ends = np.cumsum([len(each) for each in self._files])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def lesson(self, stage: CropStage, random: Random) -> Lesson:
        index = random.choice(len(self), size=min(stage.batch, len(self)), replace=False)
        chosen = []
        for k in index.tolist():
            file = int(np.searchsorted(self._ends, k, side="right"))
            chosen.append(self._files[file][k - self._ends[file]])
        crops, gold = unpacked(np.stack(chosen))
        for crop, of in zip(crops, gold, strict=True):
            _spoil(crop, of, stage, random)
        return Lesson(1.0, crops=torch.from_numpy(crops), crop_gold=torch.from_numpy(gold))


def _spoil(crop: Float32Array, gold: Float32Array, stage: CropStage, random: Random) -> None:
    """In place."""
    if random.random() < 0.5:
        crop[:] = crop[..., ::-1].copy()
        gold[:] = gold[..., ::-1].copy()
    if random.random() < stage.grey:
        crop[:3] = crop[:3].mean(axis=0)
    recoloured(crop[:3], random)
    if random.random() < stage.no_outline:
        crop[OUTLINE] = 0
    if random.random() < stage.no_points:
        crop[POINTS] = 0


# --- the command ---------------------------------------------------------------------------------


def _work(job: tuple[Path, int, Path, Path]) -> int:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    folder, number, weights, data = job
    write_file(folder / f"{number:05d}.npy", number, weights, data)
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m inference.training.crops", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=Path, required=True, help="of the model that is asked")
    parser.add_argument("--data", type=Path, required=True, help="drives made by training.shots")
    parser.add_argument("--files", type=parse_seeds, required=True, help=f"of {IN_A_FILE} crops")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args(arguments)
    try:
        load(asked.weights)
        Shots(asked.data)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    asked.folder.mkdir(parents=True, exist_ok=True)
    jobs = [(asked.folder, number, asked.weights, asked.data) for number in asked.files]
    for _ in worked(_work, jobs, asked.processes, lambda number: f"file {number}"):
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
