"""What a step of SAM4D itself learns from: objects shown once, corrected, and followed (sheet, 1.1, 2.9).

A clip is a few frames of a drive with up to three objects. In the first one they are shown by masks,
boxes or clicks, in either modality; then clicks come where the answer is wrong; and through the
other frames the objects are followed with what the model itself remembers of them.

T objects, B tracks (the same), C cameras, S px side of the model's picture, N points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from inference.prompts import BoxPrompt
from inference.sam4d.answers import Answer, Past, Prompts
from inference.sam4d.config import Sam4dConfig
from inference.sam4d.frames import Poses, camera_of, picture_of
from inference.sam4d.mask_decoder import Candidates
from inference.sam4d.model import Sam4d
from inference.sam4d.prompt_encoder import HIGH_CORNER, LOW_CORNER, NEGATIVE, PADDING, POSITIVE
from inference.sam4d.sight import SWEEP, Camera, Features, Sight
from inference.sam4d.tracking import Kept, Track, Tracker, to_be_corrected
from inference.training.losses import overlap
from inference.training.shots import IGNORED, Shot, Shots
from inference.training.simulation import (
    box_in_cloud,
    box_in_picture,
    click_in_cloud,
    click_in_picture,
    larger_error,
)
from inference.training.sums import Sums

Random = np.random.Generator
BoolArray = npt.NDArray[np.bool_]

FOCAL, DICE, IOU, OBJECT = 20.0, 1.0, 1.0, 1.0  # weights of the losses
ALPHA, GAMMA = 0.25, 2.0  # of the focal loss
LOSS_STRIDE = 2  # side of the cells on which masks in pictures are compared, px of S
_LEAST_SHARE, _LEAST_POINTS = 5e-4, 8  # of a picture, and of the sweep, that count as seen
_TRIES = 200
MASK, BOX, CLICK = "mask", "box", "click"


@dataclass(frozen=True)
class ClipStage:
    """frames: of a clip.  apart: from one to the next, in frames of the drive, at most.
    objects: of a clip, cameras: of its frames, at most.
    alone: the share of clips that see one modality only.
    masks, boxes: shares of first prompts; the rest are clicks.  corrections: clicks that follow
    a box or a click.  corrected: frames in which they come, at most; the first is always one.
    """

    frames: int = 1
    apart: int = 1
    objects: int = 3
    cameras: int = 1
    alone: float = 0.1
    masks: float = 0.5
    boxes: float = 0.25
    corrections: int = 7
    corrected: int = 2


@dataclass(frozen=True)
class ClipFrame:
    """pictures: [C, 3, S, S], normalised, of the `cameras` in their order.  points: [N, 3] in ego, or None.

    gold: by reading, how much of a cell each object covers, [T, S/2, S/2], or which points it has,
    [T, N].  judged: [N] the points of which it is known what they are.
    """

    pictures: Tensor
    cameras: Mapping[str, Camera]
    points: Tensor | None
    world_from_ego: Tensor
    gold: Mapping[str, Tensor]
    judged: Tensor | None


@dataclass(frozen=True)
class TrackClip:
    """kind: of the first prompts.  seed: of all that is drawn while it is learnt."""

    frames: Sequence[ClipFrame]
    kind: str
    seed: int


# --- before learning -----------------------------------------------------------------------------


def draw_track_clip(
    shots: Shots, config: Sam4dConfig, stage: ClipStage, random: Random
) -> TrackClip:
    """Raises ValueError for drives in which there is nothing to learn."""
    for _ in range(_TRIES):
        drive = shots.drive(int(random.integers(len(shots))))
        if random.random() < 0.5:
            drive.reverse()
        steps = random.integers(1, stage.apart + 1, stage.frames - 1)
        places = int(random.integers(len(drive))) + np.append(0, np.cumsum(steps)).astype(int)
        if places[-1] >= len(drive):
            continue
        chosen = [shots[drive[place]] for place in places.tolist()]
        cameras, with_sweep = _modalities(chosen[0], stage, random)
        objects = _objects(chosen[0], cameras, with_sweep, stage.objects, random)
        if objects:
            frames = [_frame(shot, objects, cameras, with_sweep, config) for shot in chosen]
            return TrackClip(frames, _kind(stage, random), int(random.integers(2**31)))
    raise ValueError(
        f"no clip of {stage.frames} frames, {stage.apart} apart at most, shows an object in these drives; "
        "render more frames of each, or ask for shorter clips"
    )


def _modalities(shot: Shot, stage: ClipStage, random: Random) -> tuple[list[str], bool]:
    """Which cameras a clip sees, and whether it sees the sweep."""
    cameras = [str(name) for name in random.permutation(sorted(shot.ids))[: stage.cameras]]
    if not len(shot.point_ids):
        return cameras, False
    if random.random() >= stage.alone:
        return cameras, True
    return ([], True) if random.random() < 0.5 else (cameras, False)


def _objects(
    shot: Shot, cameras: Sequence[str], with_sweep: bool, most: int, random: Random
) -> list[int]:
    """Things that can be shown in the first frame."""
    seen: set[int] = set()
    for camera in cameras:
        numbers, counts = np.unique(shot.ids[camera], return_counts=True)
        seen |= set(numbers[counts >= _LEAST_SHARE * shot.ids[camera].size].tolist())
    if with_sweep:
        numbers, counts = np.unique(shot.point_ids, return_counts=True)
        seen |= set(numbers[counts >= _LEAST_POINTS].tolist())
    things = sorted(n for n in seen if n in shot.gold and not shot.gold[n].is_stuff)
    return [int(number) for number in random.permutation(things)[:most]]


def _kind(stage: ClipStage, random: Random) -> str:
    drawn = random.random()
    return MASK if drawn < stage.masks else BOX if drawn < stage.masks + stage.boxes else CLICK


def _frame(
    shot: Shot, objects: Sequence[int], cameras: Sequence[str], with_sweep: bool,
    config: Sam4dConfig,
) -> ClipFrame:  # fmt: skip
    prepared = shot.prepared
    frame, poses = prepared.frame, Poses([prepared.frame])
    sensors = [prepared.scene.sensor(name) for name in cameras if name in frame.images]
    cells = config.side_px // LOSS_STRIDE
    gold = {}
    for sensor in sensors:
        inside = [(shot.ids[sensor.name] == n).astype(np.float32) for n in objects]
        shares = [cv2.resize(each, (cells, cells), interpolation=cv2.INTER_AREA) for each in inside]
        gold[sensor.name] = torch.from_numpy(np.stack(shares))
    points = judged = None
    if with_sweep and len(shot.point_ids):
        points = torch.from_numpy(np.asarray(prepared.cloud.points, np.float32))
        judged = torch.from_numpy(shot.point_ids != IGNORED)
        gold[SWEEP] = torch.from_numpy(
            np.stack([shot.point_ids == number for number in objects]).astype(np.float32)
        )
    side = config.side_px
    pictures = [picture_of(sensor, frame.images[sensor.name], frame, side) for sensor in sensors]
    return ClipFrame(
        torch.stack(pictures) if pictures else torch.zeros(0, 3, side, side),
        {
            sensor.name: camera_of(sensor, frame.images[sensor.name], frame, poses, side)
            for sensor in sensors
        },
        points,
        torch.from_numpy(frame.world_from_ego),
        gold,
        judged,
    )


# --- seeing --------------------------------------------------------------------------------------


def on_device(frame: ClipFrame, device: torch.device) -> ClipFrame:
    def there(x: Tensor) -> Tensor:
        return x.to(device, non_blocking=True)

    return ClipFrame(
        there(frame.pictures),
        {
            name: Camera(
                there(camera.lens), there(camera.sweep_from_camera),
                there(camera.image_from_model), camera.distortion,
            )
            for name, camera in frame.cameras.items()
        },
        None if frame.points is None else there(frame.points),
        there(frame.world_from_ego),
        {name: there(gold) for name, gold in frame.gold.items()},
        None if frame.judged is None else there(frame.judged),
    )  # fmt: skip


def see(model: Sam4d, frame: ClipFrame) -> Sight:
    """All pictures of a frame at once, and its sweep."""
    pictures = {}
    if frame.cameras:
        features = model.picture_features(frame.pictures)
        parts = (features.at16, features.fine8, features.fine4)
        for row, (name, camera) in enumerate(frame.cameras.items()):
            own = Features(*(part[row : row + 1] for part in parts))
            pictures[name] = model.picture_sight(own, camera)
    sweep = None
    if frame.points is not None:
        cells = model.cells(frame.points)
        sweep = model.sweep_sight(model.sweep_features(cells), cells)
    return Sight(pictures, sweep, frame.world_from_ego)


# --- showing -------------------------------------------------------------------------------------


class Shown:
    """The points that stand for B objects in one frame; those that have fewer are filled up."""

    def __init__(self, frame: ClipFrame, config: Sam4dConfig, random: Random) -> None:
        self._frame, self._random = frame, random
        self._side_px = config.side_px
        self._marks: dict[str, list[list[tuple[tuple[float, ...], int]]]] = {
            name: [[] for _ in gold] for name, gold in frame.gold.items()
        }

    def show(self, kind: str) -> list[str | None]:
        """Each object once, by a box or a click; returns in which reading."""
        where: list[str | None] = []
        for row in range(len(next(iter(self._frame.gold.values())))):
            readings = [name for name in self._frame.gold if is_seen(self._frame, name, row)]
            name = None if not readings else readings[int(self._random.integers(len(readings)))]
            where.append(name)
            if name is not None:
                region = self._region(name, row)
                marks = self._box(name, region) if kind == BOX else self._click(name, region, True)
                self._marks[name][row] += marks
        return where

    def correct(self, answers: Mapping[str, BoolArray]) -> bool:
        """One click more for each object that is wrong somewhere.  answers: by reading, [B, ...].

        Returns whether there was one.
        """
        found = False
        for row in range(len(next(iter(answers.values())))):
            names = list(answers)
            self._random.shuffle(names)
            for name in names:
                error = larger_error(self._region(name, row), answers[name][row])
                if error is not None:
                    self._marks[name][row] += self._click(name, *error)
                    found = True
                    break
        return found

    def points(self, device: torch.device) -> dict[str, tuple[Tensor, Tensor]]:
        """What `Prompts` takes; readings in which nothing was shown are left out."""
        given = {}
        for name, rows in self._marks.items():
            most = max(map(len, rows))
            if not most:
                continue
            nowhere = ((0.0,) * (3 if name == SWEEP else 2), PADDING)
            filled = [row + [nowhere] * (most - len(row)) for row in rows]
            places = torch.tensor([[place for place, _ in row] for row in filled])
            labels = torch.tensor([[label for _, label in row] for row in filled])
            given[name] = places.to(device), labels.to(device)
        return given

    def _region(self, name: str, row: int) -> BoolArray:
        inside = self._frame.gold[name][row].cpu().numpy() >= 0.5
        return np.asarray(inside)

    def _places(self) -> npt.NDArray[np.float32]:
        assert self._frame.points is not None
        return np.asarray(self._frame.points.cpu().numpy())

    def _click(
        self, name: str, region: BoolArray, positive: bool
    ) -> list[tuple[tuple[float, ...], int]]:
        label = POSITIVE if positive else NEGATIVE
        central = bool(self._random.random() < 0.5)
        if name == SWEEP:
            every = {SWEEP: slice(0, region.size)}
            click = click_in_cloud(region, self._places(), every, self._random, central=central)
            return [(click.position, label)]
        click = click_in_picture(region, name, self._random, central=central)
        return [(_in_model_px(click.position), label)]

    def _box(self, name: str, region: BoolArray) -> list[tuple[tuple[float, ...], int]]:
        if name != SWEEP:
            box = box_in_picture(region, name, self._random)
            corners = _in_model_px(box.low), _in_model_px(box.high)
        else:
            places = self._places()
            box = box_in_cloud(region, places, {SWEEP: slice(0, region.size)}, self._random)
            corners = _with_heights(box, places)
        return list(zip(corners, (LOW_CORNER, HIGH_CORNER), strict=True))


def _in_model_px(cells: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(LOSS_STRIDE * x for x in cells)


def _with_heights(
    box: BoxPrompt, places: npt.NDArray[np.float32]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The corners of a box, also of one seen from above: it reaches over the points in it."""
    if len(box.low) == 3:
        return box.low, box.high
    inside = ((places[:, :2] >= box.low) & (places[:, :2] <= box.high)).all(axis=1)
    heights = places[inside, 2] if inside.any() else np.zeros(1, np.float32)
    return (*box.low, float(heights.min())), (*box.high, float(heights.max()))


def is_seen(frame: ClipFrame, name: str, row: int) -> bool:
    """Whether enough of an object is in a reading to be shown there."""
    gold = frame.gold[name][row]
    least = _LEAST_POINTS if name == SWEEP else _LEAST_SHARE * gold.numel()
    return bool((gold >= 0.5).sum() >= max(least, 1))


# --- losses --------------------------------------------------------------------------------------


def focal(logits: Tensor, shares: Tensor) -> Tensor:
    """logits: [B, K, M].  shares: [B, 1, M].  Returns [B, K]."""
    errors = F.binary_cross_entropy_with_logits(logits, shares.expand_as(logits), reduction="none")
    likely = torch.sigmoid(logits)
    wrong = likely * (1 - shares) + (1 - likely) * shares
    weights = ALPHA * shares + (1 - ALPHA) * (1 - shares)
    return (weights * wrong**GAMMA * errors).mean(dim=2)


def dice(logits: Tensor, shares: Tensor) -> Tensor:
    """logits: [B, K, M].  shares: [B, 1, M].  Returns [B, K]."""
    likely = torch.sigmoid(logits)
    both = (likely * shares).sum(dim=2)
    return 1 - (2 * both + 1) / (likely.sum(dim=2) + shares.sum(dim=2) + 1)


def candidates_loss(
    logits: Tensor, ious: Tensor, object_logits: Tensor, shares: Tensor
) -> tuple[Tensor, Tensor]:
    """Of several masks the best one learns, their estimated IoUs all do (SAM 2; sheet, 2.9).

    logits: [B, K, M].  ious: [B, K], estimated.  object_logits: [B].  shares: [B, M].
    Returns the loss [B], and the IoU of the mask that the model would take [B].
    """
    shares = shares[:, None]
    there = (shares > 0.5).any(dim=2)[:, 0].float()
    wrong = FOCAL * focal(logits, shares) + DICE * dice(logits, shares)
    true = torch.stack([overlap(logits[:, k], shares[:, 0]) for k in range(logits.shape[1])], dim=1)
    off = (ious - true.detach()).abs().mean(dim=1)
    presence = F.binary_cross_entropy_with_logits(object_logits, there, reduction="none")
    taken = true.gather(1, ious.argmax(dim=1, keepdim=True))[:, 0]
    return there * (wrong.amin(dim=1) + IOU * off) + OBJECT * presence, taken


class Reading:
    """One look at a frame: what the model offers there is compared with gold, and answered."""

    def __init__(self, model: Sam4d, sight: Sight, frame: ClipFrame, sums: Sums) -> None:
        self.model, self.sight, self.frame, self.sums = model, sight, frame, sums
        self.losses: list[Tensor] = []

    def ask(
        self, prompts: Prompts, past: Past | None, route: Sequence[str] | str | None, *,
        ambiguous: bool, only: Sequence[str] | None = None,
    ) -> dict[str, Answer]:  # fmt: skip
        """The answers, and their losses beside the earlier ones.

        route: where the objects were shown, "C" or "L" each, or "then" for all; None: not counted.
        """
        model, sight = self.model, self.sight
        tokens = model.prompt_tokens(sight, prompts)
        answers = {}
        for name in sight.readings if only is None else only:
            features = model.features_of(name, sight, past)
            offered = model.candidates(name, sight, prompts, features, tokens[name])
            self._learn(name, offered, route, ambiguous)
            gold = self.frame.gold[name].flatten(1)
            told = torch.where((gold > 0.5).any(dim=1), 10.0, -10.0)[:, None]
            # What is remembered are the model's own masks, but whether the object is there is told.
            answers[name] = model.chosen(replace(offered, object_logits=told), ambiguous=ambiguous)
        return answers

    def drawn(self, answers: Mapping[str, Answer]) -> dict[str, BoolArray]:
        """What the answers look like where they are compared: [B, S/2, S/2] and [B, N]."""
        found = {}
        for name, answer in answers.items():
            logits = self._at_gold(name, answer.low.detach()[:, None].float())[:, 0]
            inside = logits > 0
            if name == SWEEP and self.frame.judged is not None:
                inside &= self.frame.judged
            found[name] = np.asarray(inside.cpu().numpy())
        return found

    def _learn(
        self, name: str, offered: Candidates, route: Sequence[str] | str | None, ambiguous: bool
    ) -> None:
        some = slice(1, None) if ambiguous else slice(0, 1)
        gold = self.frame.gold[name]
        logits = self._at_gold(name, offered.masks[:, some].float()).flatten(2)
        shares = gold.flatten(1)
        if name == SWEEP and self.frame.judged is not None:
            logits, shares = logits[..., self.frame.judged], shares[..., self.frame.judged]
        losses, taken = candidates_loss(
            logits, offered.ious[:, some].float(), offered.object_logits[:, 0].float(), shares
        )
        self.losses.append(losses.mean())
        if route is None:
            return
        there = (shares > 0.5).any(dim=1).float()
        to = "L" if name == SWEEP else "C"
        for first in sorted(set([route] if isinstance(route, str) else route)):
            asked = [1.0 if isinstance(route, str) or each == first else 0.0 for each in
                     (route if not isinstance(route, str) else [route] * len(there))]  # fmt: skip
            self.sums.add(f"{first}→{to}", taken, there * torch.tensor(asked, device=there.device))

    def _at_gold(self, name: str, masks: Tensor) -> Tensor:
        """[B, K, ...] of stride 4 -> [B, K, S/2, S/2] or [B, K, N]."""
        if name == SWEEP:
            assert self.sight.sweep is not None
            on_points = self.sight.sweep.to_points(masks.flatten(0, 1).T)
            return on_points.T.unflatten(0, masks.shape[:2])
        size = self.frame.gold[name].shape[-2:]
        return F.interpolate(masks, size=size, mode="bilinear")


# --- a clip --------------------------------------------------------------------------------------


def clip_loss(
    model: Sam4d, clip: TrackClip, stage: ClipStage, device: torch.device, sums: Sums
) -> Tensor:
    """The mean over everything that the model was asked."""
    random = np.random.default_rng(clip.seed)
    frames = [on_device(frame, device) for frame in clip.frames]
    sights: dict[int, Sight] = {}

    def sight(index: int) -> Sight:
        if index not in sights:
            sights[index] = see(model, frames[index])
        return sights[index]

    tracker = Tracker(model, sight, len(frames))
    tracks = [Track() for _ in next(iter(frames[0].gold.values()))]
    corrected = _corrected(clip, stage, random)
    losses: list[Tensor] = []
    for index, frame in enumerate(frames):
        if not frame.gold:
            continue  # a camera that dropped out
        reading = Reading(model, sight(index), frame, sums)
        past = None
        if index:  # all tracks began together, so that they look back alike
            look_back = tracker.look_back(tracks[0], index, backwards=False)
            past = tracker.past_of(tracks, look_back, tracker.from_here(index))
        answers = _asked(reading, clip.kind, past, random, stage, is_first=index == 0,
                         corrected=index in corrected)  # fmt: skip
        losses += reading.losses
        if index + 1 < len(frames):
            memories = model.remember(sight(index), answers)
            for track, memory in zip(tracks, memories, strict=True):
                kept = track.conditioning if index in corrected or not index else track.followed
                kept[index] = Kept(answers, memory)
    return torch.stack(losses).mean()


def _corrected(clip: TrackClip, stage: ClipStage, random: Random) -> set[int]:
    """The frames in which clicks come; none where masks were given (sheet, 1.1)."""
    if clip.kind == MASK or not stage.corrections:
        return set()
    count = int(random.integers(1, stage.corrected + 1))
    later = random.permutation(np.arange(1, len(clip.frames)))[: count - 1]
    return {0, *later.tolist()}


def _asked(
    reading: Reading, kind: str, past: Past | None, random: Random, stage: ClipStage, *,
    is_first: bool, corrected: bool,
) -> dict[str, Answer]:  # fmt: skip
    """All that is asked in one frame; the last answers are those to be remembered."""
    shown = Shown(reading.frame, reading.model.config, random)
    device = reading.frame.world_from_ego.device
    if not is_first:
        answers = reading.ask(Prompts(), past, "then", ambiguous=False)
    elif kind == MASK:
        return _from_masks(reading, random)
    else:
        where = shown.show(kind)
        route = ["L" if name == SWEEP else "C" for name in where]
        prompts = Prompts(shown.points(device))
        answers = reading.ask(prompts, past, route, ambiguous=kind == CLICK)
    for _ in range(stage.corrections if corrected else 0):
        if not shown.correct(reading.drawn(answers)):
            break
        before = {name: low.detach() for name, low in to_be_corrected(answers).items()}
        answers = reading.ask(Prompts(shown.points(device), before), past, None, ambiguous=False)
    return answers


def _from_masks(reading: Reading, random: Random) -> dict[str, Answer]:
    """Masks are given in the reading that shows most; the others are answered from points of them."""
    frame = reading.frame
    seen = {
        name: sum(is_seen(frame, name, row) for row in range(len(gold)))
        for name, gold in frame.gold.items()
    }
    most = [name for name in seen if seen[name] == max(seen.values())]
    name = most[int(random.integers(len(most)))]
    gold = frame.gold[name]
    masks = _at_model(name, gold, reading.model.config)
    answers = {name: reading.model.answer_masks(reading.sight, {name: masks})[name]}
    others = [other for other in reading.sight.readings if other != name]
    if others:
        prompts = Prompts({name: reading.model.three_points(name, masks, reading.sight)})
        route = "L" if name == SWEEP else "C"
        answers |= reading.ask(prompts, None, route, ambiguous=False, only=others)
    return {each: answers[each] for each in reading.sight.readings}


def _at_model(name: str, gold: Tensor, config: Sam4dConfig) -> Tensor:
    """Gold as masks of 0 and 1: [B, S, S] or [B, N]."""
    if name == SWEEP:
        return (gold >= 0.5).float()
    size = (config.side_px, config.side_px)
    return (F.interpolate(gold[:, None], size=size, mode="bilinear")[:, 0] >= 0.5).float()
