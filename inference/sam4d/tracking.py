"""Following tracks through a clip: which frames are remembered, and who looks back at what.

A frame is prompted or followed. What was prompted becomes a conditioning frame when tracks are
followed next; a followed frame looks back at the conditioning frames, at the frames just before it,
and at the objects' pointers (SAM 2, section 4; paper section 3.4). Tracks that look back at the same
frames are answered together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from inference.sam4d.answers import Answers, Memory, Past, Pointed, Prompts, Remembered
from inference.sam4d.model import Sam4d
from inference.sam4d.sight import Sight, Whereabouts

CLAMP = 32.0  # of earlier logits that come back as a mask prompt
TOGETHER = 8  # tracks that are answered at once: what bounds the memory of a step


@dataclass(frozen=True)
class Kept:
    """What was said of a track in one frame, and how it is remembered."""

    answers: Answers
    memory: Memory


@dataclass(frozen=True)
class LookBack:
    """The frames that a frame looks back at.

    remembered: frame and row of the temporal embedding.  pointed: frame and how long ago, as a
    share of the longest time.
    """

    remembered: tuple[tuple[int, int], ...]
    pointed: tuple[tuple[int, float], ...]


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
        kept = self.kept(frame)
        return kept.answers if kept else None

    def kept(self, frame: int) -> Kept | None:
        """What is remembered of a frame, which is never both prompted and followed."""
        return self.conditioning.get(frame) or self.followed.get(frame)


class Tracker:
    """The tracks of one clip. `sight` gives what the model sees in a frame, and may keep it.

    keep: frames round the present one in which followed frames are remembered; None: all of them,
    as the release does.
    """

    def __init__(
        self,
        model: Sam4d,
        sight: Callable[[int], Sight],
        frames: int,
        *,
        keep: int | None = None,
        together: int = TOGETHER,
    ) -> None:
        self.model = model
        self.sight = sight
        self.frames = frames
        self.keep = keep
        self.together = together
        self.tracks: dict[int, Track] = {}

    def prompt(
        self, track: int, frame: int, points: Mapping[str, tuple[Tensor, Tensor]]
    ) -> Answers:
        """All points that stand for a track in a frame; earlier ones there are to be sent again.

        points: see answers.Prompts, of one track: [P, 2 or 3] and [P].
        """
        state = self.tracks.setdefault(track, Track())
        before = state.answers(frame) or {}
        prompts = Prompts(
            {name: (where[None], labels[None]) for name, (where, labels) in points.items()},
            to_be_corrected(before),
        )
        answers = self.model.answer(self.sight(frame), prompts, self.past(state, frame))
        state.waiting[frame] = answers
        return answers

    def prompt_masks(self, track: int, frame: int, masks: Mapping[str, Tensor]) -> Answers:
        """Masks of 0 and 1 for readings of a frame: [S, S] and [N]."""
        state = self.tracks.setdefault(track, Track())
        given = {name: mask[None] for name, mask in masks.items()}
        answers = self.model.answer_masks(self.sight(frame), given, self.past(state, frame))
        state.waiting[frame] = answers
        return answers

    def past(self, state: Track, frame: int) -> Past | None:
        """What a prompted frame looks back at: nothing, unless the track has been there."""
        if frame not in state.visited:
            return None
        look_back = self.look_back(state, frame, backwards=state.visited[frame])
        return self.past_of([state], look_back, self.from_here(frame))

    def propagate(
        self, start: int | None = None, *, steps: int | None = None, backwards: bool = False
    ) -> Iterator[tuple[int, dict[int, Answers]]]:
        """Frame by frame from the first prompted one, what is said of every track.

        It can be left at any frame; what was yielded stays.
        """
        self.remember_prompts()
        if start is None:
            start = min(frame for state in self.tracks.values() for frame in state.conditioning)
        reach = self.frames if steps is None else steps
        if backwards:
            order = range(start, max(start - reach, 0) - 1, -1) if start else range(0)
        else:
            order = range(start, min(start + reach, self.frames - 1) + 1)
        for frame in order:
            yield frame, self.step(frame, backwards=backwards)

    def remember_prompts(self) -> None:
        """What was prompted becomes a conditioning frame."""
        for state in self.tracks.values():
            for frame, answers in state.waiting.items():
                (memory,) = self.model.remember(self.sight(frame), answers)
                state.conditioning[frame] = Kept(answers, memory)
                state.followed.pop(frame, None)
            state.waiting.clear()

    def step(
        self, frame: int, *, backwards: bool = False, tracks: Sequence[int] | None = None
    ) -> dict[int, Answers]:
        """What is said of tracks (None: of all) in a frame; those that have not begun are left out."""
        asked = list(self.tracks if tracks is None else tracks)
        answers: dict[int, Answers] = {}
        alike: dict[LookBack, list[int]] = {}
        for track in asked:
            state = self.tracks[track]
            if not self._has_begun(state, frame, backwards):
                continue
            state.visited[frame] = backwards
            if frame in state.conditioning:
                answers[track] = state.conditioning[frame].answers
            else:
                look_back = self.look_back(state, frame, backwards=backwards)
                alike.setdefault(look_back, []).append(track)
        from_here = self.from_here(frame)
        for look_back in alike:
            for first in range(0, len(alike[look_back]), self.together):
                some = alike[look_back][first : first + self.together]
                answers |= self._follow(some, frame, look_back, from_here)
        self._forget(frame, asked)
        return {track: answers[track] for track in asked if track in answers}

    def _has_begun(self, state: Track, frame: int, backwards: bool) -> bool:
        if not state.conditioning:
            return False
        if self.model.config.quirks.drawn_before_prompted:
            return True
        prompted = state.conditioning
        return frame <= max(prompted) if backwards else frame >= min(prompted)

    def _follow(
        self, tracks: Sequence[int], frame: int, look_back: LookBack, from_here: Places
    ) -> dict[int, Answers]:
        sight, states = self.sight(frame), [self.tracks[track] for track in tracks]
        together = self.model.answer(sight, Prompts(), self.past_of(states, look_back, from_here))
        memories = self.model.remember(sight, together)
        found: dict[int, Answers] = {}
        for row, (track, state, memory) in enumerate(zip(tracks, states, memories, strict=True)):
            found[track] = {name: answer.of(row) for name, answer in together.items()}
            state.followed[frame] = Kept(found[track], memory)
        return found

    def _forget(self, frame: int, tracks: Sequence[int]) -> None:
        if self.keep is None:
            return
        for state in (self.tracks[track] for track in tracks):
            for far in [then for then in state.followed if abs(then - frame) > self.keep]:
                del state.followed[far]

    def look_back(self, state: Track, frame: int, *, backwards: bool) -> LookBack:
        """Conditioning frames, then the frames just before, the oldest first."""
        config = self.model.config
        count, direction = config.memory_frames, -1 if backwards else 1
        chosen = self.prompts_seen(state.conditioning, frame)
        remembered = [(then, count - 1) for then in chosen]
        others = {then for then in (*state.followed, *state.conditioning) if then not in chosen}
        if not config.quirks.sees_own_past:
            others.discard(frame)
        for ago in range(count - 1, 0, -1):
            then = frame - direction * ago
            if then in others:
                remembered.append((then, ago - 1))
        most = min(self.frames, config.pointers)
        longest = max(most - 1, 1)
        pointed = [
            (then, direction * (frame - then) / longest)
            for then in chosen
            if direction * (frame - then) >= 0
        ]
        for ago in range(1, most):
            then = frame - direction * ago
            if then in others:
                pointed.append((then, ago / longest))
        return LookBack(tuple(remembered), tuple(pointed))

    def prompts_seen(self, prompted: Iterable[int], frame: int) -> list[int]:
        """Which of the prompted frames a frame looks back at, in the order given."""
        config = self.model.config
        near = config.memory_frames + 1 if config.quirks.forget_far_prompts else self.frames
        chosen = [then for then in prompted if abs(frame - then) <= near]
        if not config.quirks.sees_own_past:
            chosen = [then for then in chosen if then != frame]
        nearest = sorted(chosen, key=lambda then: abs(frame - then))[: config.prompted_frames]
        return [then for then in chosen if then in nearest]

    def from_here(self, frame: int) -> Places:
        return Places(self.model, self.sight(frame).whereabouts)

    def past_of(self, states: Sequence[Track], look_back: LookBack, from_here: Places) -> Past:
        def memories(then: int) -> list[Memory]:
            return [kept.memory for state in states if (kept := state.kept(then))]

        return Past(
            [
                Remembered(memories(then), from_here.of(memories(then)[0].where), row)
                for then, row in look_back.remembered
            ],
            [
                Pointed(memories(then), from_here.pointer(memories(then)[0].where, ago))
                for then, ago in look_back.pointed
            ],
        )


def to_be_corrected(answers: Answers) -> dict[str, Tensor]:
    """Earlier answers as the mask prompts that new prompts correct: see answers.Prompts."""
    return {name: answer.low.clamp(-CLAMP, CLAMP) for name, answer in answers.items()}


class Places:
    """Where other frames' tokens are, seen from one frame; each is worked out once."""

    def __init__(self, model: Sam4d, here: Whereabouts) -> None:
        self._model, self._here = model, here
        self._known: dict[int, tuple[Whereabouts, Mapping[str, Tensor]]] = {}

    def of(self, then: Whereabouts) -> Mapping[str, Tensor]:
        """By reading, [M, W]."""
        if id(then) not in self._known:
            places = self._model.places_then(then, then.seen_from(self._here))
            self._known[id(then)] = then, places  # kept, so that its id stays its own
        return self._known[id(then)][1]

    def pointer(self, then: Whereabouts, ago: float) -> Tensor:
        """[W]."""
        return self._model.place_of_pointer(ago, then.seen_from(self._here))
