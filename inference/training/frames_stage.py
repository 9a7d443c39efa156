"""The first stages: single frames, prompts in either modality, masks in both.

A step draws some views, asks them all, corrects half of them once or twice, and learns from the last
answers and from crops of their masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from inference.nano.config import NanoConfig
from inference.nano.decoder import Asked, Decoded, asked_of
from inference.nano.hints import HintArrays
from inference.nano.model import Nano, filled, looked_of
from inference.training.lessons import View, Wear, correct, draw_view
from inference.training.losses import estimate_loss, is_there, mask_loss, overlap
from inference.training.shots import Shots
from inference.training.simulation import Mix

Random = np.random.Generator


@dataclass(frozen=True)
class FrameStage:
    """views: frames of a step and process.  objects: of each.  crops: refined of each.

    corrected: of steps, those with corrections.
    """

    views: int = 4
    objects: int = 12
    crops: int = 5
    corrected: float = 0.5
    mix: Mix = field(default_factory=Mix)
    wear: Wear = field(default_factory=Wear)


@dataclass
class Sums:
    """By route: the sum of IoUs and how many."""

    of: dict[str, list[float]] = field(default_factory=dict)

    def add(self, route: str, values: Tensor) -> None:
        total = self.of.setdefault(route, [0.0, 0])
        total[0] += float(values.sum())
        total[1] += len(values)


def step_loss(
    model: Nano, shots: Shots, stage: FrameStage, random: Random, *, precision: torch.dtype
) -> tuple[Tensor, Sums]:
    views = draw_views(shots, model.config, stage, random)
    rounds = 0
    if random.random() < stage.corrected:
        rounds = 1 if random.random() < 0.6 else 2
    sums = Sums()
    total = torch.zeros(())
    # Views of one step see the same modalities, so that they can be looked at together.
    groups: dict[tuple[bool, bool], list[View]] = {}
    for view in views:
        kind = (view.glances.picture is not None, view.glances.sweep is not None)
        groups.setdefault(kind, []).append(view)
    for some in groups.values():
        loss = _group_loss(model, some, rounds, stage, random, sums, precision)
        total = total + loss * (len(some) / len(views))
    return total, sums


def rounding_to(precision: torch.dtype) -> torch.autocast:
    """Around what may be computed in half precision; without effect for float32."""
    rounds = precision != torch.float32
    return torch.autocast("cpu", precision if rounds else None, enabled=rounds)


def draw_views(shots: Shots, config: NanoConfig, stage: FrameStage, random: Random) -> list[View]:
    views: list[View] = []
    while len(views) < stage.views:
        shot = shots[int(random.integers(len(shots)))]
        view = draw_view(
            shot, config, random, objects=stage.objects, mix=stage.mix, wear=stage.wear
        )
        if view is not None:
            views.append(view)
    return views


def _group_loss(
    model: Nano, views: Sequence[View], rounds: int, stage: FrameStage, random: Random, sums: Sums,
    precision: torch.dtype,
) -> Tensor:  # fmt: skip
    with rounding_to(precision):
        pairs = [view.looked() for view in views]
        pictures = [picture for picture, _ in pairs if picture is not None]
        sweeps = [sweep for _, sweep in pairs if sweep is not None]
        looked = looked_of(pictures or None, sweeps or None)
        picture, sweep = model.see(looked)
        for _ in range(rounds):
            with torch.no_grad():
                arrays, asked = _asked(views)
                answers = model.decode(asked, picture, sweep)
            _correct_all(views, answers, arrays, stage, random)
        arrays, asked = _asked(views)
        in_picture, in_sweep = model.decode(asked, picture, sweep)
    loss = torch.zeros(())
    first = ["C" if q.in_picture else "L" for view in views for q in view.questions]
    if in_picture is not None:
        gold = torch.from_numpy(np.concatenate([view.picture_gold() for view in views]))
        loss = loss + _learn(in_picture, gold, None, first, "C", sums)
        refined = _refined_loss(model, views, in_picture, stage, random, sums, precision)
        loss = loss + refined
    if in_sweep is not None:
        golds, valids = zip(
            *(view.sweep_gold(each) for view, each in zip(views, arrays, strict=True)), strict=True
        )
        rows = in_sweep.logits.shape[1]
        gold = torch.from_numpy(np.concatenate([filled(each, rows, 1) for each in golds]))
        valid = torch.from_numpy(np.concatenate([filled(each, rows, 1) for each in valids]))
        loss = loss + _learn(in_sweep, gold, valid, first, "L", sums)
    return loss


def _asked(views: Sequence[View]) -> tuple[list[list[HintArrays]], Asked]:
    arrays = [view.arrays() for view in views]
    most = max(
        (
            len(each.sweep_maps[0])
            for some in arrays
            for each in some
            if each.sweep_maps is not None
        ),
        default=0,
    )
    flat = [_with_rows(each, most) for some in arrays for each in some]
    frames = [k for k, some in enumerate(arrays) for _ in some]
    return arrays, asked_of(flat, frames)


def _with_rows(arrays: HintArrays, rows: int) -> HintArrays:
    maps = arrays.sweep_maps
    return arrays if maps is None else replace(arrays, sweep_maps=filled(maps, rows, 1))


def _learn(
    decoded: Decoded,
    gold: Tensor,
    weights: Tensor | None,
    first: Sequence[str],
    to: str,
    sums: Sums,
) -> Tensor:
    losses, ious = mask_loss(decoded.logits, gold, weights)
    there = is_there(gold, weights)
    losses = losses + estimate_loss(decoded.iou, decoded.seen, ious, there)
    for letter in ("C", "L"):
        rows = torch.tensor([each == letter for each in first]) & (there > 0)
        if rows.any():
            sums.add(f"{letter}→{to}", ious[rows])
    return losses.mean()


def _refined_loss(
    model: Nano, views: Sequence[View], decoded: Decoded, stage: FrameStage, random: Random,
    sums: Sums, precision: torch.dtype,
) -> Tensor:  # fmt: skip
    logits = decoded.logits.detach().float().numpy()
    crops, golds, first = [], [], 0
    for view in views:
        own = logits[first : first + len(view.questions)]
        first += len(view.questions)
        some, drawn = view.crops(own, random, stage.crops)
        crops.append(some)
        golds.append(drawn)
    stacked = torch.from_numpy(np.concatenate(crops))
    if not len(stacked):
        return torch.zeros(())
    gold = torch.from_numpy(np.concatenate(golds))
    with rounding_to(precision):
        refined, iou = model.refiner(stacked)
    losses, ious = mask_loss(refined, gold)
    there = is_there(gold)
    losses = losses + estimate_loss(iou, torch.where(there > 0, 10.0, -10.0), ious, there)
    coarse = overlap(stacked[:, 3], gold)
    if (there > 0).any():
        sums.add("crop", ious[there > 0])
        sums.add("crop before", coarse[there > 0])
    return losses.mean()


def _correct_all(
    views: Sequence[View], answers: tuple[Decoded | None, Decoded | None],
    arrays: Sequence[Sequence[HintArrays]], stage: FrameStage, random: Random,
) -> None:  # fmt: skip
    in_picture, in_sweep = (
        None if each is None else each.logits.float().numpy() for each in answers
    )
    first = 0
    for view, some in zip(views, arrays, strict=True):
        rows = slice(first, first + len(view.questions))
        first = rows.stop
        correct(
            view,
            None if in_picture is None else in_picture[rows],
            None if in_sweep is None else in_sweep[rows],
            some, stage.mix, random,
        )  # fmt: skip
