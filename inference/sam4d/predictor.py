"""The `Predictor` face over the model (see `inference.predictor`).

What people say is the truth: masks that come with `known` are conditioning frames, and are given back
as they came. Where such a mask is just what the model answered before, the model's own logits and
pointer stand for it, as in the authors' predictor; otherwise the mask itself does.
"""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b, file_digest
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inference.prompts import (
    BoxPrompt,
    FramePrediction,
    Known,
    MaskPrediction,
    MaskPrompt,
    PointPrompt,
    Prompt,
)
from inference.sam4d.answers import Answer, Answers, Prompts
from inference.sam4d.asked import Asked, Asking
from inference.sam4d.holes import filled
from inference.sam4d.model import Sam4d
from inference.sam4d.runtime import Runtime, best_runtime
from inference.sam4d.sight import SWEEP
from inference.sam4d.sights import Seen, Sights
from inference.sam4d.tracking import Kept, Track, Tracker, to_be_corrected
from inference.sam4d.weights import load_model
from inference.scene import Scene

BoolArray = npt.NDArray[np.bool_]
Masks = Mapping[str, BoolArray]  # sensor -> flat mask
GIB = 1 << 30


@dataclass(frozen=True)
class Budget:
    """How much a scene may keep. The bytes are of frames' features, in memory, then on disk.

    answers: how many answers to prompts are kept with their logits.  tracks: how many tracks keep
    their memories; one that lost them begins again from what people know of it.
    """

    memory_bytes: int = 2 * GIB
    disk_bytes: int = 8 * GIB
    answers: int = 64
    tracks: int = 64


@dataclass
class OpenScene:
    """What is kept of a scene in use.

    said: answers to prompts by frame and by the masks that were made of them, the latest last.
    asked: the same by frame and prompts, to go on from when a prompt is added.
    masks_of: by track and frame, which masks the model last knew or gave.
    own_frame: by track, from where it goes on.
    """

    scene: Scene
    sights: Sights
    tracker: Tracker
    said: OrderedDict[tuple[int, bytes], Answers] = field(default_factory=OrderedDict)
    asked: OrderedDict[tuple[int, bytes], Answers] = field(default_factory=OrderedDict)
    masks_of: dict[int, dict[int, bytes]] = field(default_factory=dict)
    own_frame: dict[int, int] = field(default_factory=dict)


def load_sam4d(path: Path) -> Sam4dPredictor:
    """The predictor of a checkpoint. Raises WrongCheckpoint (a ValueError), or OSError."""
    with path.open("rb") as opened:
        version = file_digest(opened, "sha256").hexdigest()[:12]
    return Sam4dPredictor(load_model(path), version=version)


class Sam4dPredictor:
    name = "sam4d"

    def __init__(
        self,
        model: Sam4d,
        *,
        version: str,
        runtime: Runtime | None = None,
        budget: Budget | None = None,
        cache_folder: Path | None = None,
    ) -> None:
        """version: says which weights these are.  cache_folder: for features; None: the system's."""
        self.runtime = runtime or best_runtime()
        self.model = self.runtime.prepare(model)
        self.version = version
        self.budget = budget or Budget()
        self._folder = cache_folder or Path(tempfile.gettempdir())

    def open(self, scene: Scene) -> OpenScene:
        sights = Sights(
            self.model,
            scene,
            memory_bytes=self.budget.memory_bytes,
            disk_bytes=self.budget.disk_bytes,
            folder=self._folder,
        )
        tracker = Tracker(
            self.model,
            lambda frame: sights[frame].sight,
            len(scene.frames),
            keep=self.model.config.memory_frames,
        )
        return OpenScene(scene, sights, tracker)

    def close(self, opened: OpenScene) -> None:
        opened.sights.close()
        opened.tracker.tracks.clear()
        opened.said.clear()
        opened.asked.clear()

    def remove_track(self, opened: OpenScene, track: int) -> None:
        opened.tracker.tracks.pop(track, None)
        opened.masks_of.pop(track, None)
        opened.own_frame.pop(track, None)

    # --- prompts ---------------------------------------------------------------------------------

    def add_prompt(
        self,
        opened: OpenScene,
        *,
        frame: int,
        prompts: Sequence[Prompt],
        track: int | None = None,
    ) -> list[MaskPrediction]:
        """Later prompts in a frame go on from the answer to the earlier ones, when all are sent."""
        with self.runtime():
            seen = opened.sights[frame]
            asked = Asking(self.model.config, opened.scene, seen).asked(prompts)
            state = opened.tracker.tracks.get(track, Track()) if track is not None else Track()
            past = opened.tracker.past(state, frame)
            if asked.points:
                before = self._before(opened, seen, state, frame, prompts, asked)
                answers = self.model.answer(seen.sight, self._prompts(asked, before), past)
            else:
                masks = {name: mask[None].to(self._device) for name, mask in asked.masks.items()}
                answers = self.model.answer_masks(seen.sight, masks, past)
            predicted = self._predicted(answers, seen, prompted=True)
            kept = {name: answer.of(0) for name, answer in answers.items()}
            _keep(opened.said, (frame, _digest(_masks(predicted))), kept, self.budget.answers)
            _keep(opened.asked, (frame, _digest_of_prompts(prompts)), kept, self.budget.answers)
            return predicted

    @property
    def _device(self) -> torch.device:
        return self.runtime.device

    def _before(
        self,
        opened: OpenScene,
        seen: Seen,
        state: Track,
        frame: int,
        prompts: Sequence[Prompt],
        asked: Asked,
    ) -> Mapping[str, Tensor]:
        """Logits at stride 4 that the prompts correct, by reading."""
        earlier = opened.asked.get((frame, _digest_of_prompts(prompts[:-1])))
        if earlier is None and asked.masks:
            drawn = {p.sensor: p.mask.ravel() for p in prompts if isinstance(p, MaskPrompt)}
            earlier = opened.said.get((frame, _digest(drawn)))
        if earlier is None and asked.masks:
            return {
                name: self.model.mask_logits(mask[None].to(self._device), seen.sight, name)
                for name, mask in asked.masks.items()
            }
        return to_be_corrected(earlier or state.answers(frame) or {})

    def _prompts(self, asked: Asked, before: Mapping[str, Tensor]) -> Prompts:
        points = {
            name: (where[None].to(self._device), labels[None].to(self._device))
            for name, (where, labels) in asked.points.items()
        }
        return Prompts(points, before)

    # --- through time ----------------------------------------------------------------------------

    def propagate(
        self, opened: OpenScene, *, known: Mapping[int, Known], frames: Sequence[int]
    ) -> Iterator[FramePrediction]:
        """Peak memory: the budget of features, and of each track the tokens of at most
        `prompted_frames` + `memory_frames` + 1 frames in the readings that show the object; it
        does not grow with the frames that were followed.
        """
        step = frames[1] - frames[0] if len(frames) > 1 else _away_from(known, frames[0])
        self._make_room(opened, known)
        for track in known:
            opened.tracker.tracks[track] = opened.tracker.tracks.pop(track, Track())
            # Going on where an earlier run stopped: that frame is ours still, not a person's.
            opened.own_frame[track] = frames[0] - step
            opened.masks_of.setdefault(track, {})
        digests = {track: _Digests(masks) for track, masks in known.items()}
        for frame in frames:
            found = self._step(opened, known, digests, frame, backwards=step < 0)
            yield FramePrediction(frame, found)

    def _make_room(self, opened: OpenScene, known: Mapping[int, Known]) -> None:
        """The tracks that were followed longest ago lose their memories."""
        others = [track for track in opened.tracker.tracks if track not in known]
        for track in others[: max(0, len(others) + len(known) - self.budget.tracks)]:
            self.remove_track(opened, track)

    def _step(
        self,
        opened: OpenScene,
        known: Mapping[int, Known],
        digests: Mapping[int, _Digests],
        frame: int,
        *,
        backwards: bool,
    ) -> dict[int, list[MaskPrediction]]:
        with self.runtime():
            for track, masks in known.items():
                self._condition(opened, track, masks, digests[track], frame)
            seen = opened.sights[frame]
            followed = opened.tracker.step(frame, backwards=backwards, tracks=list(known))
            found = {
                track: self._predicted(each, seen, prompted=False)
                for track, each in followed.items()
            }
        for track, masks in known.items():
            predicted = found.setdefault(track, [])
            if frame not in masks:
                opened.masks_of[track][frame] = _digest(_masks(predicted))
                continue
            said = {name: MaskPrediction(name, mask, 1.0) for name, mask in masks[frame].items()}
            others = [each for each in predicted if each.sensor not in said]
            found[track] = [*said.values(), *others]
        return found

    def _condition(
        self, opened: OpenScene, track: int, known: Known, digests: _Digests, frame: int
    ) -> None:
        """The known frames that this one looks back at become its conditioning frames; no others."""
        state, rest_on = opened.tracker.tracks[track], opened.masks_of[track]
        wanted = opened.tracker.prompts_seen(digests.shown, frame)
        wanted += [frame] if frame in digests.shown and frame not in wanted else []
        for then in list(state.conditioning):
            if then not in wanted or rest_on.get(then) != digests[then]:
                del state.conditioning[then]
        for then in [then for then in wanted if then not in state.conditioning]:
            is_own = then in state.followed and rest_on.get(then) == digests[then]
            if is_own and then == opened.own_frame[track]:
                continue
            kept = state.followed.pop(then, None)
            if not is_own or kept is None:
                kept = self._kept(opened, then, known[then], digests[then])
            state.conditioning[then] = kept
            rest_on[then] = digests[then]

    def _kept(self, opened: OpenScene, then: int, masks: Masks, digest: bytes) -> Kept:
        """A known frame as later ones look back at it."""
        seen = opened.sights[then]
        answers = opened.said.get((then, digest))
        if answers is None:
            asking = Asking(self.model.config, opened.scene, seen)
            given = {
                name: mask[None].to(self._device) for name, mask in asking.given(masks).items()
            }
            answers = self.model.answer_masks(seen.sight, given)
        (memory,) = self.model.remember(seen.sight, answers)
        return Kept(answers, memory)

    # --- as masks --------------------------------------------------------------------------------

    def _predicted(self, answers: Answers, seen: Seen, *, prompted: bool) -> list[MaskPrediction]:
        """One track's answers as masks of the recording; sensors that do not see it are left out."""
        found = []
        for name, answer in answers.items():
            if not bool(answer.object_logit[0] > 0):
                continue
            iou, score = float(answer.iou[0]), float(answer.object_logit[0].sigmoid())
            for sensor, mask in self._as_masks(name, answer, seen, prompted=prompted).items():
                if mask.any():
                    found.append(MaskPrediction(sensor, mask, min(max(iou, 0.0), 1.0), score))
        return found

    def _as_masks(
        self, name: str, answer: Answer, seen: Seen, *, prompted: bool
    ) -> dict[str, BoolArray]:
        """sensor -> flat mask."""
        if name == SWEEP:
            inside = (self.model.high(answer, seen.sight, name)[0] > 0).cpu().numpy()
            return seen.parts.apart(inside)
        if prompted or not self.model.config.quirks.holes_when_followed:
            answer = filled(answer)
        logits = self.model.full_size(answer, seen.sight, name, seen.sizes[name], prompted=prompted)
        return {name: (logits[0] > 0).cpu().numpy().ravel()}


def _away_from(known: Mapping[int, Known], frame: int) -> int:
    """The direction in which a single frame is followed: 1, or -1 where all is known after it."""
    return -1 if all(frame < then for masks in known.values() for then in masks) else 1


def _masks(predicted: Sequence[MaskPrediction]) -> Masks:
    return {each.sensor: each.mask for each in predicted}


def _keep(
    kept: OrderedDict[tuple[int, bytes], Answers],
    key: tuple[int, bytes],
    answers: Answers,
    most: int,
) -> None:
    kept[key] = answers
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)


def _digest(masks: Masks) -> bytes:
    """Of what masks show; sensors with empty ones do not matter."""
    digest = blake2b(digest_size=16)
    for sensor in sorted(masks):
        if masks[sensor].any():
            digest.update(sensor.encode() + b"\0" + np.packbits(masks[sensor]).tobytes())
    return digest.digest()


class _Digests:
    """Of a track's known masks, each worked out once.  shown: frames in which there are any."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._found: dict[int, bytes] = {}
        self.shown = [
            frame for frame, masks in known.items() if any(mask.any() for mask in masks.values())
        ]

    def __getitem__(self, frame: int) -> bytes:
        if frame not in self._found:
            self._found[frame] = _digest(self._known[frame])
        return self._found[frame]


def _digest_of_prompts(prompts: Sequence[Prompt]) -> bytes:
    digest = blake2b(digest_size=16)
    for prompt in prompts:
        match prompt:
            case MaskPrompt():
                digest.update(_digest({prompt.sensor: prompt.mask.ravel()}))
            case PointPrompt() | BoxPrompt():
                digest.update(repr(prompt).encode() + b"\0")
    return digest.digest()
