"""The small model: one frame in, masks out.

F frames are seen once (`see`); objects are then answered from what was seen and from hints
(`decode`), and their masks in pictures drawn again close up (`refiner`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.nano.config import NanoConfig
from inference.nano.decoder import Asked, Decoded, Decoder, Seen, SweepSeen
from inference.nano.encoders import PictureEncoder, Places, ShareCode, SweepEncoder
from inference.nano.glance import PictureGlance, SweepGlance
from inference.nano.memory import Memories, MemoryEncoder, Recall
from inference.nano.refiner import Refiner
from inference.sam4d.memory import MemoryAttention

S = TypeVar("S", bound=Seen)

_SEAM = 32  # columns of the other end that are put before and after the range view
_NOWHERE_M = 1e3


@dataclass(frozen=True)
class Looked:
    """Frames as tensors.  pictures: [F, 5, h, w].  sweeps: [F, C, R, columns].

    The others: see PictureGlance and SweepGlance.
    """

    pictures: Tensor | None
    picture_xyz: Tensor | None
    picture_known: Tensor | None
    sweeps: Tensor | None
    cells_xyz: Tensor | None
    sweep_xyz: Tensor | None
    sweep_known: Tensor | None


def looked_of(
    pictures: Sequence[PictureGlance] | None, sweeps: Sequence[SweepGlance] | None
) -> Looked:
    """A batch of frames; range views with fewer rows get empty ones below."""
    of_pictures: list[Tensor | None] = [None, None, None]
    if pictures is not None:
        of_pictures = [
            _stacked([each.channels for each in pictures]),
            _stacked([each.token_xyz for each in pictures]),
            _stacked([each.token_known for each in pictures]),
        ]
    of_sweeps: list[Tensor | None] = [None, None, None, None]
    if sweeps is not None:
        rows = max(len(each.valid) for each in sweeps)
        tokens = max(len(each.token_known) for each in sweeps)
        of_sweeps = [
            _stacked([filled(each.channels, rows, 1) for each in sweeps]),
            _stacked([
                filled(np.where(each.valid[..., None], each.xyz, _NOWHERE_M), rows, 0, _NOWHERE_M)
                for each in sweeps
            ]),
            _stacked([filled(each.token_xyz, tokens, 0) for each in sweeps]),
            _stacked([filled(each.token_known, tokens, 0) for each in sweeps]),
        ]  # fmt: skip
    return Looked(*of_pictures, *of_sweeps)


def _stacked(arrays: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(arrays).astype(np.float32))


def filled(array: np.ndarray, size: int, axis: int, fill: float = 0) -> np.ndarray:
    """An array made `size` long along an axis."""
    missing = size - array.shape[axis]
    if not missing:
        return array
    widths = [(0, 0)] * array.ndim
    widths[axis] = (0, missing)
    return np.pad(array, widths, constant_values=fill)


class Nano(nn.Module):
    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.picture_encoder = PictureEncoder(config)
        self.sweep_encoder = SweepEncoder(config)
        self.places = Places(width)
        self.own_places = None if config.shared_places else Places(width)
        self.share_code = ShareCode(width)
        self.modality = nn.Embedding(2, width)
        self.attention = MemoryAttention(width, config.hidden, config.memory_layers)
        self.no_memory = nn.Parameter(torch.zeros(1, 1, width))
        self.memory_encoder = MemoryEncoder(width, config.hidden) if config.remembers else None
        self.decoder = Decoder(config)
        self.refiner = Refiner(config)

    def see(self, looked: Looked) -> tuple[Seen | None, SweepSeen | None]:
        """Encode, say where everything is, and let the modalities look at each other."""
        picture = None if looked.pictures is None else self.see_pictures(looked)
        sweep = None if looked.sweeps is None else self.see_sweeps(looked)
        return self.fused(picture, sweep)

    def fused(
        self, picture: Seen | None, sweep: SweepSeen | None
    ) -> tuple[Seen | None, SweepSeen | None]:
        """Both after a look at the other, frame by frame; a modality alone stays as it is."""
        if picture is None or sweep is None or not self.config.cross_modal:
            return picture, sweep
        return (
            _with_tokens(picture, self._fused(picture, sweep, None, None)),
            _with_tokens(sweep, self._fused(sweep, picture, None, None)),
        )

    def _fused(
        self, own: Seen, other: Seen | None, frame: Tensor | None, recall: Recall | None
    ) -> Tensor:
        """MCMA: own tokens after a look at the other modality's and at what is remembered.

        frame: [B] of each object; None: each frame for itself, and nothing is remembered.
        """

        def each(x: Tensor) -> Tensor:
            return x if frame is None or len(x) == 1 else x.index_select(0, frame)

        count = len(own.plain) if recall is None else len(recall.tokens)
        nothing = self.no_memory.expand(count, -1, -1)
        memory, places = [nothing], [torch.zeros_like(nothing)]
        if other is not None and self.config.cross_modal:
            memory.append(each(other.plain).expand(count, -1, -1))
            places.append(each(other.places).expand(count, -1, -1))
        if recall is not None:
            assert self.memory_encoder is not None
            there = (recall.age >= 0)[..., None]
            aged = recall.tokens + self.memory_encoder.ages(recall.age.clamp(min=0))
            memory.append(torch.where(there, aged, self.no_memory))
            places.append(self.places(recall.xyz, recall.known) * there)
        fused: Tensor = self.attention(
            each(own.plain), each(own.places), torch.cat(memory, 1), torch.cat(places, 1)
        )
        return fused

    def remembered(
        self, memories: Memories, picture: Seen | None, sweep: SweepSeen | None
    ) -> Recall:
        """What is kept of frames that were seen; their features are not learnt from."""
        assert self.memory_encoder is not None
        tokens = torch.cat([each.plain for each in (picture, sweep) if each is not None], dim=1)
        features = tokens.detach()[memories.frame[..., None], memories.index]
        encoded = self.memory_encoder(features, memories.share)
        age = memories.age[..., None].expand(encoded.shape[:-1])
        return Recall(
            encoded.flatten(1, 2), memories.xyz.flatten(1, 2), memories.known.flatten(1, 2),
            age.flatten(1, 2),
        )  # fmt: skip

    def see_pictures(self, looked: Looked) -> Seen:
        assert looked.pictures is not None
        assert looked.picture_xyz is not None
        assert looked.picture_known is not None
        fine, middle, tokens = self.picture_encoder(looked.pictures)
        height, width = self.config.picture_tokens
        places = self.places(looked.picture_xyz, looked.picture_known)
        places = places + self._grid_code(height, width) + self.modality.weight[0]
        flat = tokens.flatten(2).transpose(1, 2)
        return Seen(fine, middle, flat, flat, places,
                    looked.picture_xyz, looked.picture_known, (height, width))  # fmt: skip

    def _grid_code(self, height: int, width: int) -> Tensor:
        device = self.share_code.weight.device
        v, u = torch.meshgrid(
            (torch.arange(height, device=device) + 0.5) / height,
            (torch.arange(width, device=device) + 0.5) / width, indexing="ij",
        )  # fmt: skip
        out: Tensor = self.share_code(torch.stack([u, v], -1).flatten(0, 1))
        return out

    def see_sweeps(self, looked: Looked) -> SweepSeen:
        assert looked.sweeps is not None
        assert looked.cells_xyz is not None
        assert looked.sweep_xyz is not None
        assert looked.sweep_known is not None
        is_whole = looked.sweeps.shape[-1] == self.config.columns
        around = F.pad(
            looked.sweeps, (_SEAM, _SEAM, 0, 0), mode="circular" if is_whole else "constant"
        )
        fine, middle, tokens = self.sweep_encoder(around)
        fine, middle, tokens = (
            x[..., _SEAM // stride : x.shape[-1] - _SEAM // stride]
            for x, stride in ((fine, 1), (middle, 4), (tokens, 8))
        )
        encode = self.own_places or self.places
        places = encode(looked.sweep_xyz, looked.sweep_known) + self.modality.weight[1]
        shape = (tokens.shape[-2], tokens.shape[-1])
        flat = tokens.flatten(2).transpose(1, 2)
        return SweepSeen(fine, middle, flat, flat, places,
                         looked.sweep_xyz, looked.sweep_known, shape, looked.cells_xyz)  # fmt: skip

    def decode(
        self, asked: Asked, picture: Seen | None, sweep: SweepSeen | None,
        recall: Recall | None = None,
    ) -> tuple[Decoded | None, Decoded | None]:  # fmt: skip
        """recall: of the objects that are asked for, where they are followed."""
        own: tuple[Tensor | None, Tensor | None] = (None, None)
        if recall is not None:
            own = (
                None if picture is None else self._fused(picture, sweep, asked.frame, recall),
                None if sweep is None else self._fused(sweep, picture, asked.frame, recall),
            )
        decoded: tuple[Decoded | None, Decoded | None] = self.decoder(
            asked, self.places, picture, sweep, own
        )
        return decoded


def _with_tokens(seen: S, tokens: Tensor) -> S:
    return replace(seen, tokens=tokens)
