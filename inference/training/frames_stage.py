"""What a step learns from: single frames, prompts in either modality, masks in both; or clips, where
objects are followed with what is remembered of them.

A step's views are first prepared: drawn, asked, half of them corrected once or twice, their masks cut
out close up. Nothing is learnt there, so that it can be done beside the learning, by other processes
with weights of a moment ago. Then all of it is answered once more, to learn from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inference.nano.config import NanoConfig
from inference.nano.decoder import Asked, Decoded, asked_of
from inference.nano.glance import PictureGlance, SweepGlance
from inference.nano.hints import HintArrays
from inference.nano.memory import Memories, Recall, memories_of
from inference.nano.model import Looked, Nano, filled, looked_of
from inference.nano.refiner import FIRST_MASK, OUTLINE
from inference.nano.tensors import mapped, on
from inference.sam4d.runtime import Runtime
from inference.training.clips import Clip, draw_clip
from inference.training.lessons import View, Wear, correct, draw_view
from inference.training.losses import estimate_loss, iou_loss, is_there, mask_loss, overlap
from inference.training.shots import Shots
from inference.training.simulation import Mix
from inference.training.sums import Sums

Random = np.random.Generator


@dataclass(frozen=True)
class FrameStage:
    """views: frames of a step and process.  objects: of each.  crops: refined of each.

    corrected: of steps, those with corrections.  followed: of steps, those of clips, with followed_objects
    in each view; the frames of a clip lie at most `apart` files of its drive from each other.
    """

    views: int = 4
    objects: int = 12
    crops: int = 5
    corrected: float = 0.5
    followed: float = 0.0
    followed_objects: int = 6
    apart: int = 2
    mix: Mix = field(default_factory=Mix)
    wear: Wear = field(default_factory=Wear)


@dataclass(frozen=True)
class Lesson:
    """Views of a step that see the same modalities, with all that is asked of them, and gold; or crops
    alone.

    share: of the step's views.  in_picture: [B] whether an object was first shown there.
    picture_gold: [B, h/4, w/4].  sweep_gold, sweep_valid: [B, R, window].  crops: [n, 12, S, S] and
    crop_gold [n, S, S].  before, memories: of clips, the remembered frames and what is kept of them.
    """

    share: float
    looked: Looked | None = None
    asked: Asked | None = None
    in_picture: Tensor | None = None
    picture_gold: Tensor | None = None
    sweep_gold: Tensor | None = None
    sweep_valid: Tensor | None = None
    crops: Tensor | None = None
    crop_gold: Tensor | None = None
    before: Looked | None = None
    memories: Memories | None = None

    def on(self, device: torch.device) -> Lesson:
        """There, and in float32 again."""
        return mapped(self, lambda x: _whole(x.to(device, non_blocking=True)))

    def packed(self) -> Lesson:
        """Half as large, to be sent to another process; places keep their precision."""
        asked = self.asked
        return replace(
            self,
            looked=self.looked and _packed(self.looked),
            asked=asked
            and replace(
                asked,
                picture_maps=_half(asked.picture_maps),
                sweep_maps=_half(asked.sweep_maps),
            ),
            picture_gold=_half(self.picture_gold),
            sweep_gold=_half(self.sweep_gold),
            sweep_valid=_half(self.sweep_valid),
            crops=_half(self.crops),
            crop_gold=_half(self.crop_gold),
            before=self.before and _packed(self.before),
        )

    def pin_memory(self) -> Lesson:
        """What a DataLoader asks for, so that a GPU can fetch it while it works."""
        return mapped(self, lambda x: x.pin_memory())


def _packed(looked: Looked) -> Looked:
    return replace(looked, pictures=_half(looked.pictures), sweeps=_half(looked.sweeps))


def _half(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.half()


def _whole(x: Tensor) -> Tensor:
    return x.float() if x.dtype == torch.float16 else x


# --- before learning -----------------------------------------------------------------------------


def prepared(
    model: Nano, shots: Shots, stage: FrameStage, random: Random, runtime: Runtime
) -> list[Lesson]:
    """What one step learns from. The model answers for the corrections and the crops."""
    clips: list[Clip] | None = None
    rounds = 0
    if stage.followed and random.random() < stage.followed:
        clips = draw_clips(shots, model.config, stage, random)
        views = [clip.view for clip in clips]
    else:
        views = draw_views(shots, model.config, stage, random)
        if random.random() < stage.corrected:
            rounds = 1 if random.random() < 0.6 else 2
    # Views that see the same modalities can be looked at together.
    groups: dict[tuple[bool, bool], list[int]] = {}
    for k, view in enumerate(views):
        kind = (view.glances.picture is not None, view.glances.sweep is not None)
        groups.setdefault(kind, []).append(k)
    was_training = model.training
    model.eval()
    lessons = []
    for some in groups.values():
        before, memories = (None, None) if clips is None else _memories([clips[k] for k in some])
        lesson = _lesson(
            model, [views[k] for k in some], rounds, stage, random, runtime, memories, before
        )
        lessons.append(replace(lesson, share=len(some) / len(views)))
    model.train(was_training)
    return lessons


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


def draw_clips(shots: Shots, config: NanoConfig, stage: FrameStage, random: Random) -> list[Clip]:
    """Raises ValueError for drives of single frames."""
    clips: list[Clip] = []
    tries = 0
    while len(clips) < stage.views:
        tries += 1
        if tries > 200 * stage.views:
            raise ValueError(
                "nothing can be followed in these drives: render several frames of each"
            )
        drive = shots.drive(int(random.integers(len(shots))))
        if random.random() < 0.5:
            drive.reverse()
        steps = random.integers(1, stage.apart + 1, 1 + int(random.random() < 0.5))
        places = int(random.integers(len(drive))) + np.append(0, np.cumsum(steps))
        if places[-1] >= len(drive):
            continue
        chosen = [shots[drive[k]] for k in places.tolist()]
        clip = draw_clip(chosen, config, random, objects=stage.followed_objects,
                         wear=replace(stage.wear, no_sweep=0))  # fmt: skip
        if clip is not None:
            clips.append(clip)
    return clips


def _memories(clips: Sequence[Clip]) -> tuple[Looked, Memories]:
    """Of clips that see the same modalities: their remembered frames in a row."""
    objects, first = [], 0
    for clip in clips:
        objects += [[replace(r, frame=r.frame + first) for r in each] for each in clip.readings]
        first += len(clip.before)
    before = _looked((each.picture, each.sweep) for clip in clips for each in clip.before)
    return before, memories_of(objects)


def _looked(glances: Iterable[tuple[PictureGlance | None, SweepGlance | None]]) -> Looked:
    """Of frames that see the same modalities."""
    both = list(glances)
    pictures = [picture for picture, _ in both if picture is not None]
    sweeps = [sweep for _, sweep in both if sweep is not None]
    return looked_of(pictures or None, sweeps or None)


def _lesson(
    model: Nano, views: Sequence[View], rounds: int, stage: FrameStage, random: Random,
    runtime: Runtime, memories: Memories | None, before: Looked | None,
) -> Lesson:  # fmt: skip
    looked = _looked(view.looked() for view in views)
    recall = None
    with runtime():
        seen = model.see(on(runtime.device, looked))
        if memories is not None and before is not None:
            recall = model.remembered(
                on(runtime.device, memories), *model.see(on(runtime.device, before))
            )
    for _ in range(rounds):
        arrays, asked = _asked(views)
        logits = _answers(model, asked, seen, recall, runtime)
        _correct_all(views, logits, arrays, stage, random)
    arrays, asked = _asked(views)
    crops, crop_golds = None, None
    if looked.pictures is not None:
        in_picture, _ = _answers(model, asked, seen, recall, runtime)
        assert in_picture is not None
        crops, crop_golds = _crops(views, in_picture, stage, random)
    sweep_gold, sweep_valid = (None, None) if looked.sweeps is None else _sweep_golds(views, arrays)
    return Lesson(
        1.0,
        looked,
        asked,
        torch.tensor([q.in_picture for view in views for q in view.questions]),
        None
        if looked.pictures is None
        else torch.from_numpy(np.concatenate([v.picture_gold() for v in views])),
        sweep_gold,
        sweep_valid,
        crops,
        crop_golds,
        before,
        memories,
    )


def _answers(
    model: Nano, asked: Asked, seen: Any, recall: Recall | None, runtime: Runtime
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Logits in pictures and in sweeps."""
    with runtime():
        picture, sweep = seen
        answers = model.decode(on(runtime.device, asked), picture, sweep, recall)
    in_picture, in_sweep = (
        None if each is None else each.logits.float().cpu().numpy() for each in answers
    )
    return in_picture, in_sweep


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


def _sweep_golds(
    views: Sequence[View], arrays: Sequence[Sequence[HintArrays]]
) -> tuple[Tensor, Tensor]:
    golds, valids = zip(
        *(view.sweep_gold(each) for view, each in zip(views, arrays, strict=True)), strict=True
    )
    rows = max(each.shape[1] for each in golds)
    gold, valid = (
        torch.from_numpy(np.concatenate([filled(each, rows, 1) for each in some]))
        for some in (golds, valids)
    )
    return gold, valid


def _crops(
    views: Sequence[View], logits: np.ndarray, stage: FrameStage, random: Random
) -> tuple[Tensor | None, Tensor | None]:
    crops, golds, first = [], [], 0
    for view in views:
        some, gold = view.crops(logits[first : first + len(view.questions)], random, stage.crops)
        first += len(view.questions)
        crops.append(some)
        golds.append(gold)
    joined = np.concatenate(crops)
    if not len(joined):
        return None, None
    return torch.from_numpy(joined), torch.from_numpy(np.concatenate(golds))


def _correct_all(
    views: Sequence[View], answers: tuple[np.ndarray | None, np.ndarray | None],
    arrays: Sequence[Sequence[HintArrays]], stage: FrameStage, random: Random,
) -> None:  # fmt: skip
    in_picture, in_sweep = answers
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


# --- learning ------------------------------------------------------------------------------------


def lessons_loss(model: Nano, lessons: Sequence[Lesson], runtime: Runtime, sums: Sums) -> Tensor:
    """The mean over a step's views."""
    total = torch.zeros((), device=runtime.device)
    for lesson in lessons:
        total = total + lesson.share * _lesson_loss(model, lesson.on(runtime.device), runtime, sums)
    return total


def rounding(runtime: Runtime) -> torch.autocast:
    """Around what may be computed in half precision; without effect for float32."""
    rounds = runtime.precision != torch.float32
    precision = runtime.precision if rounds else None
    return torch.autocast(runtime.device.type, precision, enabled=rounds)


def _lesson_loss(model: Nano, lesson: Lesson, runtime: Runtime, sums: Sums) -> Tensor:
    loss = torch.zeros((), device=runtime.device)
    if lesson.looked is not None:
        loss = loss + _masks_loss(model, lesson, runtime, sums)
    if lesson.crops is not None:
        assert lesson.crop_gold is not None
        loss = loss + _crop_loss(model, lesson.crops, lesson.crop_gold, runtime, sums)
    return loss


def _masks_loss(model: Nano, lesson: Lesson, runtime: Runtime, sums: Sums) -> Tensor:
    assert lesson.looked is not None
    assert lesson.asked is not None
    recall = None
    with rounding(runtime):
        if lesson.before is not None and lesson.memories is not None:
            with torch.no_grad():
                before = model.see(lesson.before)
            recall = model.remembered(lesson.memories, *before)
        in_picture, in_sweep = model.decode(lesson.asked, *model.see(lesson.looked), recall)
    loss = torch.zeros((), device=runtime.device)
    if in_picture is not None:
        assert lesson.picture_gold is not None
        loss = loss + _mask_loss(in_picture, lesson.picture_gold, None, lesson, "C", sums)
    if in_sweep is not None:
        assert lesson.sweep_gold is not None
        loss = loss + _mask_loss(in_sweep, lesson.sweep_gold, lesson.sweep_valid, lesson, "L", sums)
    return loss


def _mask_loss(
    decoded: Decoded, gold: Tensor, weights: Tensor | None, lesson: Lesson, to: str, sums: Sums
) -> Tensor:
    losses, ious = mask_loss(decoded.logits, gold, weights)
    there = is_there(gold, weights)
    losses = losses + estimate_loss(decoded.iou, decoded.seen, ious, there)
    assert lesson.in_picture is not None
    first = lesson.in_picture.float()
    if lesson.memories is not None:
        sums.add(f"then→{to}", ious, there)
    else:
        sums.add(f"C→{to}", ious, there * first)
        sums.add(f"L→{to}", ious, there * (1 - first))
    return losses.mean()


def _crop_loss(model: Nano, crops: Tensor, gold: Tensor, runtime: Runtime, sums: Sums) -> Tensor:
    with rounding(runtime):
        refined, iou, outline_iou = model.refiner(crops)
    losses, ious = mask_loss(refined, gold)
    there = is_there(gold)
    losses = losses + estimate_loss(iou, torch.where(there > 0, 10.0, -10.0), ious, there)
    outlined = crops[:, OUTLINE]
    outline_ious = overlap(outlined, gold)
    known = there * (outlined > 0).flatten(1).any(1)
    losses = losses + iou_loss(outline_iou, outline_ious, known)
    chosen = torch.where((outline_iou > iou) & (known > 0), outline_ious, ious)
    sums.add("crop", ious, there)
    sums.add("crop chosen", chosen, there)
    sums.add("crop outline", outline_ious, known)
    sums.add("crop before", overlap(crops[:, FIRST_MASK], gold), there)
    return losses.mean()
