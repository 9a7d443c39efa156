"""What the small model keeps of a followed object, and how it is shown again (paper section 3.4).

Of each reading that showed the object, the tokens on it and beside it are kept: what the encoder saw
there, how much of the token the mask covered, and where it was in the world. One more stands for
the object as a whole, as SAM 2's pointers do. In another frame they stand where the vehicle's motion
puts them; those on the object move with what is known of its own motion, too.

B objects, N kept tokens, M of one reading, W channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from inference.geometry import FloatArray, transform
from inference.nano.config import SWEEP_STRIDE, NanoConfig
from inference.nano.glance import PictureGlance, SweepGlance
from inference.sam4d.layers import Perceptron

Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

KEPT = 24  # tokens of one reading, beside the one that stands for all of them
SHOWN, LATEST = 0, 1  # ages of a memory: what a person said, and the answer before this one
PADDING = -1  # the age of what fills up a batch


@dataclass(frozen=True)
class Recall:
    """What is remembered of B objects, as it stands now.

    tokens: [B, N, W] of the encoder of memories.  xyz: [B, N, 3] metres in ego, known: [B, N] whether
    their distance is.  age: [B, N] SHOWN, LATEST, or PADDING for what is none.
    """

    tokens: Tensor
    xyz: Tensor
    known: Tensor
    age: Tensor


class MemoryEncoder(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.covered = nn.Linear(2, width)
        self.mix = Perceptron(width, hidden, width)
        self.pointer = nn.Linear(width, width)
        self.ages = nn.Embedding(2, width)

    def forward(self, features: Tensor, share: Tensor) -> Tensor:
        """features: [..., M, W] of the picture's or the sweep's encoder.  share: [..., M], 0 ... 1.

        Returns [..., M + 1, W]; the last one stands for the object.
        """
        x = self.norm(features)
        own = (x * share[..., None]).sum(-2) / share.sum(-1, keepdim=True).clamp(min=0.05)
        x = x + self.covered(torch.stack([share, 1 - share], -1))
        x = x + self.mix(x)
        return torch.cat([x, self.pointer(own)[..., None, :]], dim=-2)


# --- which tokens are kept -----------------------------------------------------------------------


@dataclass(frozen=True)
class Chosen:
    """The tokens of one reading that are kept of an object.

    index: [M] into the reading's tokens.  share: [M] how much of each is the object's.  xyz: [M + 1, 3]
    metres in the ego of that frame, the last one the object's middle.  known: [M + 1].
    """

    index: npt.NDArray[np.int64]
    share: Float32Array
    xyz: Float32Array
    known: Float32Array

    @property
    def inside(self) -> BoolArray:
        """[M + 1] what moves with the object."""
        return np.append(self.share > 0.3, True)


def chosen_in_picture(
    glance: PictureGlance, mask: BoolArray, shape: tuple[int, int]
) -> Chosen | None:
    """mask: [H, W] in the recording's pixels.  shape: of the tokens.  None: it shows nothing."""
    share = cv2.resize(mask.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA)
    return _chosen(np.asarray(share, np.float32), glance.token_xyz, glance.token_known)


def chosen_in_sweep(sweep: SweepGlance, mask: BoolArray) -> Chosen | None:
    """mask: [N] of the cloud's points."""
    rows, columns = sweep.valid.shape
    high, wide = SWEEP_STRIDE
    inside = mask[sweep.point] & sweep.valid
    shape = (rows // high, high, columns // wide, wide)
    count = inside.reshape(shape).sum(axis=(1, 3))
    total = sweep.valid.reshape(shape).sum(axis=(1, 3))
    share = (count / np.maximum(total, 1)).astype(np.float32)
    return _chosen(share, sweep.token_xyz, sweep.token_known)


def _chosen(share: Float32Array, xyz: Float32Array, known: Float32Array) -> Chosen | None:
    if not share.any():
        return None
    near = cv2.GaussianBlur(share, (0, 0), 1.5, borderType=cv2.BORDER_CONSTANT)
    index = np.argsort(-(share + near).ravel(), kind="stable")[:KEPT]
    kept = share.ravel()[index]
    weights = kept * (known[index] + 1e-3)  # a pixel whose distance is not known says little
    middle = (xyz[index] * weights[:, None]).sum(axis=0) / weights.sum()
    is_known = float(known[index][kept > 0].any())
    return Chosen(
        index, kept, np.vstack([xyz[index], middle]).astype(np.float32),
        np.append(known[index], is_known).astype(np.float32),
    )  # fmt: skip


def as_it_stands(
    chosen: Chosen, now_from_then: FloatArray, middle_now: Float32Array | None, config: NanoConfig
) -> Float32Array:
    """[M + 1, 3] metres in the present ego.  middle_now: where motion puts the object, if it is known."""
    if not config.ego_motion:
        return chosen.xyz
    xyz = transform(now_from_then, chosen.xyz.astype(np.float64))
    if middle_now is not None and chosen.known[-1]:
        xyz[chosen.inside] += middle_now - xyz[-1]
    return np.asarray(xyz, np.float32)


# --- batches -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Memories:
    """What B objects are to be remembered by, of readings that have been looked at; K readings of each.

    frame: [B, K] which of the seen frames.  index: [B, K, M] into a frame's tokens, the picture's
    before the sweep's.  share: [B, K, M].  xyz, known: [B, K, M + 1, 3] in the present ego, [B, K, M + 1].
    age: [B, K].
    """

    frame: Tensor
    index: Tensor
    share: Tensor
    xyz: Tensor
    known: Tensor
    age: Tensor


@dataclass(frozen=True)
class Reading:
    """One of an object's readings.  frame, age: as in `Memories`.  offset: of its tokens in the frame's."""

    frame: int
    offset: int
    chosen: Chosen
    xyz: Float32Array
    age: int


def memories_of(objects: Sequence[Sequence[Reading]]) -> Memories:
    """At least one reading of one object."""
    most = max(1, *(len(readings) for readings in objects))
    shape = (len(objects), most)
    kept = next(len(r.chosen.index) for readings in objects for r in readings)
    frame, age = np.zeros(shape, np.int64), np.full(shape, PADDING)
    index, share = np.zeros((*shape, kept), np.int64), np.zeros((*shape, kept), np.float32)
    xyz = np.zeros((*shape, kept + 1, 3), np.float32)
    known = np.zeros((*shape, kept + 1), np.float32)
    for b, readings in enumerate(objects):
        for k, each in enumerate(readings):
            frame[b, k], age[b, k] = each.frame, each.age
            index[b, k] = each.chosen.index + each.offset
            share[b, k], xyz[b, k], known[b, k] = each.chosen.share, each.xyz, each.chosen.known
    return Memories(*(torch.from_numpy(x) for x in (frame, index, share, xyz, known, age)))
