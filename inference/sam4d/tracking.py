"""Following tracks through a clip: which frames are remembered, and who looks back at what.

A frame is prompted or followed. What was prompted becomes a conditioning frame when tracks are
followed next; a followed frame looks back at the conditioning frames, at the frames just before it,
and at the objects' pointers (SAM 2, section 4; paper section 3.4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from inference.sam4d.model import (
    Answer,
    Memory,
    Pointed,
    Prompts,
    Remembered,
    Sam4d,
    Sight,
)

CLAMP = 32.0  # of earlier logits that come back as a mask prompt
Answers = Mapping[str, Answer]


@dataclass(frozen=True)
class Kept:
    """What was said of a track in one frame, and how it is remembered."""

    answers: Answers
    memory: Memory


@dataclass
class Track:
    """Of one object: frame -> what is known.

    waiting: prompted, not yet remembered.  conditioning: prompted and remembered, in the order of
    their prompts.  followed: the others.  visited: frames that were followed or passed, and whether
    backwards.
    """

    waiting: dict[int, Answers] = field(default_factory=dict)
    conditioning: dict[int, Kept] = field(default_factory=dict)
    followed: dict[int, Kept] = field(default_factory=dict)
    visited: dict[int, bool] = field(default_factory=dict)

    def answers(self, frame: int) -> Answers | None:
        """What is known of a frame, the newest first."""
        if frame in self.waiting:
            return self.waiting[frame]
        kept = self.conditioning.get(frame) or self.followed.get(frame)
        return kept.answers if kept else None


class Tracker:
    """The tracks of one clip. `sight` gives what the model sees in a frame, and may keep it."""

    def __init__(self, model: Sam4d, sight: Callable[[int], Sight], frames: int) -> None:
        self.model = model
        self.sight = sight
        self.frames = frames
        self.tracks: dict[int, Track] = {}

    def prompt(
        self,
        track: int,
        frame: int,
        points: Mapping[str, tuple[Tensor, Tensor]],
    ) -> Answers:
        """All points that stand for a track in a frame; earlier ones there are to be sent again.

        points: see model.Prompts.
        """
        state = self.tracks.setdefault(track, Track())
        before = state.answers(frame) or {}
        prompts = Prompts(points, {name: a.low.clamp(-CLAMP, CLAMP) for name, a in before.items()})
        sight = self.sight(frame)
        if frame in state.visited:
            looked_back = self._look_back(state, frame, backwards=state.visited[frame])
            answers = self.model.answer(sight, prompts, *looked_back)
        else:
            answers = self.model.answer(sight, prompts, None)
        state.waiting[frame] = answers
        return answers

    def prompt_masks(self, track: int, frame: int, masks: Mapping[str, Tensor]) -> Answers:
        """Masks of 0 and 1 for every reading of a frame: [S, S] and [N]."""
        answers = self.model.answer_masks(self.sight(frame), masks)
        self.tracks.setdefault(track, Track()).waiting[frame] = answers
        return answers

    def propagate(
        self, start: int | None = None, *, steps: int | None = None, backwards: bool = False
    ) -> Iterator[tuple[int, dict[int, Answers]]]:
        """Frame by frame from the first prompted one, what is said of every track.

        It can be left at any frame; what was yielded stays.
        """
        for state in self.tracks.values():
            self._remember_prompts(state)
        if start is None:
            start = min(frame for state in self.tracks.values() for frame in state.conditioning)
        reach = self.frames if steps is None else steps
        if backwards:
            order = range(start, max(start - reach, 0) - 1, -1) if start else range(0)
        else:
            order = range(start, min(start + reach, self.frames - 1) + 1)
        for frame in order:
            yield (
                frame,
                {
                    track: self._step(state, frame, backwards)
                    for track, state in self.tracks.items()
                },
            )

    def _remember_prompts(self, state: Track) -> None:
        for frame, answers in state.waiting.items():
            memory = self.model.remember(self.sight(frame), answers)
            state.conditioning[frame] = Kept(answers, memory)
            state.followed.pop(frame, None)
        state.waiting.clear()

    def _step(self, state: Track, frame: int, backwards: bool) -> Answers:
        state.visited[frame] = backwards
        if frame in state.conditioning:
            return state.conditioning[frame].answers
        sight = self.sight(frame)
        remembered, pointed = self._look_back(state, frame, backwards=backwards)
        answers = self.model.answer(sight, Prompts(), remembered, pointed)
        state.followed[frame] = Kept(answers, self.model.remember(sight, answers))
        return answers

    def _look_back(
        self, state: Track, frame: int, *, backwards: bool
    ) -> tuple[list[Remembered], list[Pointed]]:
        """The memories and pointers that a frame looks back at."""
        config = self.model.config
        count, direction = config.memory_frames, -1 if backwards else 1
        near = count + 1 if config.quirks.forget_far_prompts else self.frames
        chosen = {f: kept for f, kept in state.conditioning.items() if abs(frame - f) <= near}
        others = {f: kept for f, kept in state.conditioning.items() if f not in chosen}
        remembered = [self._remembered(kept, f, frame, count - 1) for f, kept in chosen.items()]
        for ago in range(count - 1, 0, -1):
            then = frame - direction * ago
            kept = state.followed.get(then) or others.get(then)
            if kept:
                remembered.append(self._remembered(kept, then, frame, ago - 1))
        most = min(self.frames, config.pointers)
        longest = max(most - 1, 1)
        pointed = [
            self._pointed(kept, f, frame, direction * (frame - f) / longest)
            for f, kept in chosen.items()
            if direction * (frame - f) >= 0
        ]
        for ago in range(1, most):
            then = frame - direction * ago
            kept = state.followed.get(then) or others.get(then)
            if kept:
                pointed.append(self._pointed(kept, then, frame, ago / longest))
        return remembered, pointed

    def _remembered(self, kept: Kept, then: int, now: int, row: int) -> Remembered:
        return Remembered(kept.memory, self.sight(then), row, self._now_from_then(then, now))

    def _pointed(self, kept: Kept, then: int, now: int, ago: float) -> Pointed:
        return Pointed(kept.memory, ago, self._now_from_then(then, now))

    def _now_from_then(self, then: int, now: int) -> Tensor:
        """From the sweep's frame of reference of one frame to that of another: [4, 4] float64."""
        here = torch.linalg.inv(self.sight(now).world_from_sweep)
        return here @ self.sight(then).world_from_sweep
