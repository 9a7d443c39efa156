"""A small training loop, to learn one drive by heart: all masks learn alike, and no prompt is corrected.

T objects of one drive, B tracks of a step, S px the side of the model's picture, N points. The
losses and their weights are SAM 2's (reference sheet, section 2.9).
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor, nn

from inference.sam4d.frames import Poses, camera_of, merged_points, picture_of
from inference.sam4d.mask_decoder import Candidates
from inference.sam4d.model import Answer, Past, Prompts, Sam4d
from inference.sam4d.prompt_encoder import PADDING, POSITIVE
from inference.sam4d.sight import SWEEP, Camera, Features, Sight, SweepCells
from inference.sam4d.tracking import Kept, Track, Tracker
from inference.scene import Scene
from inference.training.sam4d_stage import DICE, FOCAL, IOU, LOSS_STRIDE, OBJECT, dice, focal
from inference.training.train import grouped

WARM_UP = 20  # steps
LARGEST_GRADIENT = 1.0  # norm


# --- what is to be learnt ------------------------------------------------------------------------


@dataclass(frozen=True)
class Lesson:
    """One frame: what goes into the model and what should come out.

    pictures: [C, 3, S, S], normalised.  masks: by reading, gold of 0 and 1, [T, height, width] px
    of the recording or [T, N].  shares: by reading, what the losses compare with: how much of a
    cell the object covers, [T, S/2, S/2], or the points' masks.  inner: by reading and object,
    where a person would click, in the coordinates of prompts, [M, 2 or 3]; objects of which too
    little is seen have none.
    """

    pictures: Tensor
    cameras: Mapping[str, Camera]
    cells: SweepCells
    world_from_sweep: Tensor
    masks: Mapping[str, Tensor]
    shares: Mapping[str, Tensor]
    inner: Mapping[tuple[str, int], Tensor]


def lesson_of(
    model: Sam4d, scene: Scene, index: int, objects: Sequence[int], *, least: Mapping[str, int]
) -> Lesson:
    """A frame of a procedural drive.

    objects: gold ids.  least: pixels or points of an object that count as seen, by reading.
    """
    side_px = model.config.side_px
    frame, gold = scene.frames[index], scene.frames.gold_ids(index)  # type: ignore[attr-defined]
    poses = Poses(scene.frames)
    cameras = {
        camera.name: camera_of(camera, frame.images[camera.name], frame, poses, side_px)
        for camera in scene.cameras
    }
    (lidar,) = scene.lidars
    points = torch.from_numpy(merged_points(scene, frame)[0])
    of_reading = {name: gold[name] for name in cameras} | {SWEEP: gold[lidar.name]}
    masks = {
        name: torch.stack([torch.from_numpy(ids == number) for number in objects]).float()
        for name, ids in of_reading.items()
    }
    inner = {
        (name, row): points[mask > 0] if name == SWEEP else inner_pixels(mask, side_px)
        for name, of_objects in masks.items()
        for row, mask in enumerate(of_objects)
        if mask.sum() >= least[name]
    }
    cells = side_px // LOSS_STRIDE
    return Lesson(
        torch.stack(
            [picture_of(camera, frame.images[camera.name], frame, side_px)
             for camera in scene.cameras]
        ),
        cameras,
        model.cells(points),
        torch.from_numpy(frame.world_from_ego),
        masks,
        {
            name: mask if name == SWEEP else F.adaptive_avg_pool2d(mask[None], cells)[0]
            for name, mask in masks.items()
        },
        inner,
    )  # fmt: skip


def inner_pixels(mask: Tensor, side_px: int) -> Tensor:
    """Pixels well inside a mask, the one farthest from its outline first.

    mask: [height, width].  Returns [M, 2] (u, v) px of the model's picture.
    """
    depth = ndimage.distance_transform_edt(np.pad(mask.numpy() > 0, 1))[1:-1, 1:-1]
    v, u = np.nonzero(depth > 0.5 * depth.max())
    order = np.argsort(-depth[v, u], kind="stable")
    pixels = torch.from_numpy(np.stack([u, v], axis=1)[order]).float() + 0.5
    return pixels * torch.tensor([side_px / mask.shape[1], side_px / mask.shape[0]])


def clicks(lesson: Lesson, objects: Sequence[int], chance: random.Random) -> Prompts:
    """One click on each object, in one of the readings that see it; padding in the others."""
    readings = lesson.masks
    where = {name: torch.zeros(len(objects), 1, 3 if name == SWEEP else 2) for name in readings}
    labels = {name: torch.full((len(objects), 1), PADDING) for name in readings}
    for row, each in enumerate(objects):
        name = chance.choice([name for name in readings if (name, each) in lesson.inner])
        places = lesson.inner[name, each]
        where[name][row, 0] = places[chance.randrange(len(places))]
        labels[name][row, 0] = POSITIVE
    return Prompts({name: (where[name], labels[name]) for name in readings})


# --- losses --------------------------------------------------------------------------------------


def overlaps(logits: Tensor, shares: Tensor) -> Tensor:
    """IoU.  logits: [B, K, M].  shares: [B, 1, M].  Returns [B, K]."""
    drawn, there = logits > 0, shares > 0.5
    return (drawn & there).sum(dim=2) / (drawn | there).sum(dim=2).clamp(min=1)


def loss_of(offered: Candidates, logits: Tensor, shares: Tensor) -> Tensor:
    """Of tracks in one reading.

    All masks learn the same, not the best one alone as in SAM 2: with as few objects as masks, each
    mask would learn an object of its own by heart, whoever is asked for.

    logits: [B, 3, M] of the masks for ambiguous prompts, on the cells of the shares [B, 1, M].
    """
    there = is_there(shares).float()
    masks = (FOCAL * focal(logits, shares) + DICE * dice(logits, shares)).mean(dim=1)
    true_ious = overlaps(logits.detach(), shares)
    ious = (offered.ious[:, 1:] - true_ious).abs().mean(dim=1)
    objects = F.binary_cross_entropy_with_logits(
        offered.object_logits[:, 0], there, reduction="none"
    )
    return (there * (masks + IOU * ious) + OBJECT * objects).mean()


def is_there(shares: Tensor) -> Tensor:
    """[B, ...] -> [B]."""
    return (shares.flatten(1) > 0.5).any(dim=1)


# --- a step --------------------------------------------------------------------------------------


def see(model: Sam4d, lesson: Lesson) -> Sight:
    """All pictures of a frame at once, and its sweep."""
    features = model.picture_features(lesson.pictures)
    parts = (features.at16, features.fine8, features.fine4)
    pictures = {
        name: model.picture_sight(Features(*(part[row : row + 1] for part in parts)), camera)
        for row, (name, camera) in enumerate(lesson.cameras.items())
    }
    sweep = model.sweep_sight(model.sweep_features(lesson.cells), lesson.cells)
    return Sight(pictures, sweep, lesson.world_from_sweep)


def study(
    model: Sam4d,
    sight: Sight,
    lesson: Lesson,
    prompts: Prompts,
    past: Past | None,
    objects: Sequence[int],
) -> tuple[Tensor, dict[str, Answer]]:
    """The loss in one frame, the mean over its readings, and the answers to remember.

    What is remembered are the model's own masks, but whether the object is there is told.
    """
    losses, answers = [], {}
    tokens = model.prompt_tokens(sight, prompts)
    for name in sight.readings:
        features = model.features_of(name, sight, past)
        offered = model.candidates(name, sight, prompts, features, tokens[name])
        shares, masks = lesson.shares[name][list(objects)], offered.masks[:, 1:]
        if name == SWEEP:
            assert sight.sweep is not None
            on_points = sight.sweep.to_points(masks.flatten(0, 1).T)
            logits = on_points.T.unflatten(0, masks.shape[:2])
        else:
            logits = F.interpolate(masks, size=shares.shape[-2:], mode="bilinear").flatten(2)
        losses.append(loss_of(offered, logits, shares.flatten(1)[:, None]))
        told = torch.where(is_there(shares), 10.0, -10.0)[:, None]
        answers[name] = model.chosen(replace(offered, object_logits=told), ambiguous=True)
    return torch.stack(losses).mean(), answers


def loss_in_clip(
    model: Sam4d,
    lessons: Sequence[Lesson],
    frames: Sequence[int],
    objects: Sequence[int],
    chance: random.Random,
) -> Tensor:
    """Clicked on in the first of the frames, followed through the others: the mean over them."""
    sights = {frame: see(model, lessons[frame]) for frame in frames}
    tracker = Tracker(model, sights.__getitem__, len(lessons))
    tracks = [Track() for _ in objects]
    losses = []
    for frame in frames:
        prompts, past = Prompts(), None
        if frame == frames[0]:
            prompts = clicks(lessons[frame], objects, chance)
        else:  # all tracks began together, so that they look back alike
            look_back = tracker.look_back(tracks[0], frame, backwards=False)
            past = tracker.past_of(tracks, look_back, tracker.from_here(frame))
        loss, answers = study(model, sights[frame], lessons[frame], prompts, past, objects)
        losses.append(loss)
        if frame == frames[-1]:
            break
        for track, memory in zip(tracks, model.remember(sights[frame], answers), strict=True):
            kept = track.conditioning if frame == frames[0] else track.followed
            kept[frame] = Kept(answers, memory)
    return torch.stack(losses).mean()


# --- training ------------------------------------------------------------------------------------


def train(
    model: Sam4d,
    lessons: Sequence[Lesson],
    clips: Sequence[Sequence[int]],
    *,
    rate: float,
    seed: int,
) -> None:
    """clips: the frames of each step, in the order of time."""
    chance = random.Random(seed)
    objects = range(len(lessons[0].masks[SWEEP]))
    optimiser = torch.optim.AdamW(grouped(model, 0.01))
    model.train()
    for step, frames in enumerate(clips):
        now = min(1.0, (step + 1) / WARM_UP) * (1 + math.cos(math.pi * step / len(clips))) / 2
        for group in optimiser.param_groups:
            group["lr"] = rate * now * group["scale"]
        # Single frames are cheap: each object is clicked on twice.
        asked = [*objects] * (2 if len(frames) == 1 else 1)
        loss = loss_in_clip(model, lessons, frames, asked, chance)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
        optimiser.step()
    model.eval()
