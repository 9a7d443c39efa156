"""What goes into the model for tracks, what comes out, and what is kept for later frames.

B tracks, W channels, S px side of the model's picture, N points, n4 voxels of stride 4, M tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from inference.sam4d.sight import Whereabouts


@dataclass(frozen=True)
class Prompts:
    """Of B tracks in one frame, by reading (a camera's name or SWEEP); all of one kind and number.

    points: coordinates [B, P, 2] px of the model's picture or [B, P, 3] metres, and labels [B, P].
    masks: logits at stride 4, [B, S/4, S/4] or [B, n4].
    """

    points: Mapping[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    masks: Mapping[str, Tensor] = field(default_factory=dict)

    def are_ambiguous(self, *, first_reading_decides: bool) -> bool:
        """At most one point: then several masks are offered, and the best one is taken."""
        counts = [labels.shape[1] for _, labels in self.points.values()]
        return sum(counts[:1] if first_reading_decides else counts) <= 1


@dataclass(frozen=True)
class Answer:
    """Of B tracks in one reading.

    low: logits at stride 4, [B, S/4, S/4] or [B, n4].  iou: [B], estimated.  pointer: [B, W].
    object_logit: [B], above 0 where the object is there.  given: logits [B, S, S] or [B, N] of
    masks that were given; None where they follow from `low`.
    """

    low: Tensor
    iou: Tensor
    pointer: Tensor
    object_logit: Tensor
    given: Tensor | None = None

    def of(self, track: int) -> Answer:
        """Of one of the tracks, alone; nothing of the others is kept alive."""
        row = slice(track, track + 1)
        given = None if self.given is None else self.given[row].clone()
        return Answer(
            self.low[row].clone(),
            self.iou[row].clone(),
            self.pointer[row].clone(),
            self.object_logit[row].clone(),
            given,
        )


Answers = Mapping[str, Answer]  # by reading


@dataclass(frozen=True)
class Memory:
    """Of one track in one frame: by reading, tokens [M, W], in memory_dtype, and the pointer [W]."""

    tokens: Mapping[str, Tensor]
    pointers: Mapping[str, Tensor]
    where: Whereabouts


@dataclass(frozen=True)
class Remembered:
    """What B tracks keep of one frame, as a later frame looks back at it.

    places: by reading, where its tokens are now, [M, W].  row: of the temporal embedding.
    """

    memories: Sequence[Memory]
    places: Mapping[str, Tensor]
    row: int


@dataclass(frozen=True)
class Pointed:
    """The pointers that B tracks keep of one frame.  place: when and where that was, [W]."""

    memories: Sequence[Memory]
    place: Tensor


@dataclass(frozen=True)
class Past:
    """What B tracks look back at."""

    remembered: Sequence[Remembered]
    pointed: Sequence[Pointed] = ()
