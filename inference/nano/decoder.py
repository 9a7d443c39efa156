"""From hints and features to masks in one picture and in the sweep's window, together.

SAM's two-way transformer runs over the tokens of both modalities at once, so that what the prompt
learns in one of them shapes the mask in the other. Explicit distances to the clicks go with every
token and every cell: they are what lets a small model learn in hours (decision 0015).

B objects, K hints, T tokens, W channels; h x w cells of the picture at stride 4, R x C of the window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.nano.config import SWEEP_STRIDE, NanoConfig
from inference.nano.encoders import EYE_M, Conv, Places, ShareCode
from inference.nano.hints import SPEAKS_FOR, HintArrays, Kind
from inference.sam4d.layers import Perceptron
from inference.sam4d.mask_decoder import TwoWayTransformer

_NEAR_SHARES = (0.03, 0.15)  # widths of a picture's bumps round clicks, in picture heights
_NEAR_M = (0.3, 1.0, 4.0)  # and of the sweep's
_FAR = 1e3
# What the hints say of a mask before anything is learnt, by channel: the maps, then bumps round
# positive and negative clicks. A network that starts from nothing spends its first hour on this.
_PICTURE_START = (0.5, 1.5, 0.0, 3.0, 3.0, 0.0, 3.0, 2.0, -2.0, -1.0)
_SWEEP_START = (0.5, 1.5, 3.0, 3.0, 0.0, 2.0, 2.0, 0.0, -2.0, -1.0, 0.0)
_START_BIAS = -1.5


@dataclass(frozen=True)
class Asked:
    """A batch of `HintArrays`, padded.  frame: [B] which of the seen frames is meant."""

    frame: Tensor
    kind: Tensor
    place: Tensor
    known: Tensor
    in_cloud: Tensor
    share: Tensor
    has_share: Tensor
    cell: Tensor
    has_cell: Tensor
    first_column: Tensor
    picture_maps: Tensor | None
    sweep_maps: Tensor | None


def asked_of(arrays: Sequence[HintArrays], frames: Sequence[int]) -> Asked:
    most = max(1, *(len(each.kind) for each in arrays))

    def padded(name: str, fill: float = 0) -> Tensor:
        first = getattr(arrays[0], name)
        out = np.full((len(arrays), most, *first.shape[1:]), fill, first.dtype)
        for row, each in enumerate(arrays):
            values = getattr(each, name)
            out[row, : len(values)] = values
        return torch.from_numpy(out)

    def maps(name: str) -> Tensor | None:
        found = [getattr(each, name) for each in arrays]
        return None if found[0] is None else torch.from_numpy(np.stack(found))

    return Asked(
        torch.tensor(frames),
        padded("kind", Kind.PADDING),
        padded("place"), padded("known"), padded("in_cloud"), padded("share"),
        padded("has_share"), padded("cell"), padded("has_cell"),
        torch.tensor([each.first_column for each in arrays]),
        maps("picture_maps"),
        maps("sweep_maps"),
    )  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """One modality of F frames: features and where they are.

    fine, middle: [F, c, ., .].  tokens: [F, T, W], fused; plain: before they were.  places: [F, T, W].
    xyz, known: [F, T, 3], [F, T].  shape: of the tokens.
    """

    fine: Tensor
    middle: Tensor
    tokens: Tensor
    plain: Tensor
    places: Tensor
    xyz: Tensor
    known: Tensor
    shape: tuple[int, int]


@dataclass(frozen=True)
class SweepSeen(Seen):
    """cells_xyz: [F, R, columns, 3] metres in ego; far away where there is no point."""

    cells_xyz: Tensor


@dataclass(frozen=True)
class Decoded:
    """Of B objects in one modality.

    logits: [B, h, w] or [B, R, C].  iou: [B] logit of the estimate.  seen: [B] logit of whether the
    object shows at all.  pointer: [B, W].
    """

    logits: Tensor
    iou: Tensor
    seen: Tensor
    pointer: Tensor


class Decoder(nn.Module):
    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        width = config.width
        self.config = config
        self.kinds = nn.Embedding(len(Kind), width)
        self.where_shown = nn.Embedding(2, width)
        self.share_code = ShareCode(width)
        self.from_picture = nn.Linear(width, width)
        self.from_sweep = nn.Linear(width, width)
        self.own_tokens = nn.Parameter(torch.randn(6, width) * 0.5)
        self.relations = Perceptron(20, 64, width)
        self.modality = nn.Embedding(2, width)
        self.transformer = TwoWayTransformer(width, config.hidden, config.heads)
        self.picture_head = Head(config, _PICTURE_START)
        self.sweep_head = Head(config, _SWEEP_START)
        self.tells = Perceptron(width, 64, 2)

    def forward(
        self, asked: Asked, places: Places, picture: Seen | None, sweep: SweepSeen | None,
        own_tokens: tuple[Tensor | None, Tensor | None] = (None, None),
    ) -> tuple[Decoded | None, Decoded | None]:  # fmt: skip
        """The picture's answer and the sweep's.

        own_tokens: [B, T, W] of the picture and of the sweep, where objects do not share their frame's.
        """
        in_picture, in_sweep = own_tokens
        if picture is not None and in_picture is None:
            in_picture = picture.tokens.index_select(0, asked.frame)
        if sweep is not None and in_sweep is None:
            in_sweep = sweep.tokens.index_select(0, asked.frame)
        parts, encodings = [], []
        if picture is not None:
            assert in_picture is not None
            relations = self._relations(
                asked, picture.xyz.index_select(0, asked.frame), picture.known.index_select(0, asked.frame),
                _pooled(asked.picture_maps, (4, 4)),
            )  # fmt: skip
            parts.append(in_picture + relations + self.modality.weight[0])
            encodings.append(picture.places.index_select(0, asked.frame))
        if sweep is not None:
            assert in_sweep is not None
            xyz, known, where = (
                self._windowed(x.index_select(0, asked.frame), sweep.shape, asked)
                for x in (sweep.xyz, sweep.known[..., None], sweep.places)
            )
            tokens = self._windowed(in_sweep, sweep.shape, asked)
            maps = _pooled(asked.sweep_maps, SWEEP_STRIDE)
            relations = self._relations(asked, xyz, known[..., 0], maps)
            parts.append(tokens + relations + self.modality.weight[1])
            encodings.append(where)
        own = self.own_tokens.expand(len(asked.frame), -1, -1)
        shown = self._tokens(asked, places, picture, sweep, in_picture, in_sweep)
        answers, cells = self.transformer(
            torch.cat(parts, dim=1), torch.cat(encodings, dim=1), torch.cat([own, shown], dim=1)
        )
        split = list(cells.split([part.shape[1] for part in parts], dim=1))
        out: list[Decoded | None] = [None, None]
        if picture is not None:
            logits = self.picture_head(
                _grid(split.pop(0), picture.shape), picture.middle.index_select(0, asked.frame),
                picture.fine.index_select(0, asked.frame), answers[:, 0], self._picture_hints(asked),
            )  # fmt: skip
            out[0] = self._decoded(logits, answers[:, 0], answers[:, 2])
        if sweep is not None:
            high, wide = sweep.shape[0], self.config.window // SWEEP_STRIDE[1]
            frames = asked.frame.tolist()
            fine = self._cut(sweep.fine, asked, 1, frames)
            middle = self._cut(sweep.middle, asked, 4, frames)
            cells_xyz = self._cut(sweep.cells_xyz.permute(0, 3, 1, 2), asked, 1, frames)
            logits = self.sweep_head(
                _grid(split.pop(0), (high, wide)), middle, fine, answers[:, 1],
                self._sweep_hints(asked, cells_xyz),
            )  # fmt: skip
            out[1] = self._decoded(logits, answers[:, 1], answers[:, 3])
        return out[0], out[1]

    def _decoded(self, logits: Tensor, pointer: Tensor, teller: Tensor) -> Decoded:
        iou, seen = self.tells(teller).float().unbind(-1)
        return Decoded(logits, iou, seen, pointer)

    # --- windows of the range view ---------------------------------------------------------------

    def _cut(self, maps: Tensor, asked: Asked, stride: int, frames: Sequence[int]) -> Tensor:
        """[F, c, r, columns / stride] -> [B, c, r, window / stride], each object's own columns.

        frames: of the objects, B of F.
        """
        starts = (asked.first_column // stride).tolist()
        cut: Tensor = Windows.apply(maps, frames, starts, self.config.window // stride)
        return cut

    def _windowed(self, tokens: Tensor, shape: tuple[int, int], asked: Asked) -> Tensor:
        """[B, T, C] of the whole turn -> [B, T', C] of each object's window."""
        each = range(len(asked.frame))
        cut = self._cut(_grid(tokens, shape), asked, SWEEP_STRIDE[1], each)
        return cut.flatten(2).transpose(1, 2)

    # --- hints -----------------------------------------------------------------------------------

    def _tokens(
        self, asked: Asked, places: Places, picture: Seen | None, sweep: SweepSeen | None,
        in_picture: Tensor | None, in_sweep: Tensor | None,
    ) -> Tensor:  # fmt: skip
        """[B, K, W].  in_picture, in_sweep: [B, T, W]."""
        out = places(asked.place, asked.known) + self.kinds(asked.kind)
        out = out + self.where_shown(asked.in_cloud.long())
        out = out + self.share_code(asked.share) * asked.has_share[..., None]
        if picture is not None:
            assert in_picture is not None
            sampled = _sampled(_grid(in_picture, picture.shape), asked.share)
            out = out + self.from_picture(sampled) * asked.has_share[..., None]
        if sweep is not None:
            assert in_sweep is not None
            size = torch.tensor(SWEEP_STRIDE, device=asked.cell.device) * torch.tensor(
                sweep.shape, device=asked.cell.device
            )
            share = ((asked.cell + 0.5) / size).flip(-1)
            sampled = _sampled(_grid(in_sweep, sweep.shape), share)
            out = out + self.from_sweep(sampled) * asked.has_cell[..., None]
        padding = self.kinds.weight[Kind.PADDING]
        return torch.where((asked.kind == Kind.PADDING)[..., None], padding, out)

    def _relations(self, asked: Asked, xyz: Tensor, known: Tensor, maps: Tensor) -> Tensor:
        """What the hints say of each token: [B, T, W].  maps: [B, 6 or 5, T]."""
        eye = torch.tensor([0.0, 0.0, EYE_M], device=xyz.device)
        looks, meant = F.normalize(xyz - eye, dim=-1), F.normalize(asked.place - eye, dim=-1)
        says = []
        for kinds in (SPEAKS_FOR, (Kind.NEGATIVE,)):
            spoken = _is_one_of(asked.kind, kinds)
            angle = torch.cdist(looks, meant)
            metres = torch.cdist(xyz, asked.place)
            reach = (asked.place - eye).norm(dim=-1)[:, None]
            both = (known[..., None] * asked.known[:, None]) > 0
            metres = torch.where(both, metres, angle * reach)
            metres = metres.masked_fill(~spoken[:, None], _FAR)
            nearest = metres.argmin(dim=-1, keepdim=True)
            metres = metres.gather(-1, nearest)[..., 0]
            angle = angle.gather(-1, nearest)[..., 0]
            angle = torch.where(spoken.any(1)[:, None], angle, _FAR)
            away = xyz - asked.place.gather(1, nearest.expand(-1, -1, 3))
            away = away * spoken.any(1)[:, None, None]
            says += [torch.exp(-angle / 0.03), torch.exp(-angle / 0.15)]
            says += [torch.exp(-metres / scale) for scale in (0.5, 2.0, 6.0)]
            if kinds is SPEAKS_FOR:
                says += [
                    away[..., 2].clamp(-4, 4) / 2,
                    away[..., :2].norm(dim=-1).clamp(max=10) / 5,
                ]
        says.append(known)
        maps = F.pad(maps, (0, 0, 0, 20 - len(says) - maps.shape[1]))
        out: Tensor = self.relations(torch.cat([torch.stack(says, -1), maps.transpose(1, 2)], -1))
        return out

    def _picture_hints(self, asked: Asked) -> Tensor:
        """[B, c, h, w]: the maps, and bumps round clicks."""
        assert asked.picture_maps is not None
        height, width = asked.picture_maps.shape[-2:]
        device = asked.share.device
        v = (torch.arange(height, device=device) + 0.5) / height
        u = (torch.arange(width, device=device) + 0.5) / width * (width / height)
        bumps = []
        for kinds in (SPEAKS_FOR, (Kind.NEGATIVE,)):
            spoken = _is_one_of(asked.kind, kinds) & (asked.has_share > 0)
            square = torch.full((len(asked.kind), height, width), _FAR, device=device)
            for k in range(asked.kind.shape[1]):
                dv = v[None, :, None] - asked.share[:, k, 1, None, None]
                du = u[None, None] - asked.share[:, k, 0, None, None] * (width / height)
                away = dv.square() + du.square()
                square = torch.where(spoken[:, k, None, None], torch.minimum(square, away), square)
            bumps += [torch.exp(-square / scale**2) for scale in _NEAR_SHARES]
        return torch.cat([asked.picture_maps, torch.stack(bumps, 1)], 1)

    def _sweep_hints(self, asked: Asked, cells_xyz: Tensor) -> Tensor:
        """cells_xyz: [B, 3, R, C].  Returns [B, c, R, C]."""
        assert asked.sweep_maps is not None
        bumps = []
        for kinds in (SPEAKS_FOR, (Kind.NEGATIVE,)):
            spoken = _is_one_of(asked.kind, kinds) & (asked.known > 0)
            square = torch.full_like(cells_xyz[:, 0], _FAR**2)
            for k in range(asked.kind.shape[1]):
                away = (cells_xyz - asked.place[:, k, :, None, None]).square().sum(1)
                square = torch.where(spoken[:, k, None, None], torch.minimum(square, away), square)
            metres = square.sqrt()
            bumps += [torch.exp(-metres / scale) for scale in _NEAR_M]
        return torch.cat([asked.sweep_maps, torch.stack(bumps, 1)], 1)


class Windows(torch.autograd.Function):
    """Some columns of some maps, [F, c, r, C] -> [B, c, r, size]; a window may reach over the seam.

    Left to itself, autograd would make a gradient of a whole map for every window.
    """

    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, frames: Sequence[int], starts: Sequence[int], size: int
    ) -> Tensor:
        ctx.shape, ctx.frames, ctx.starts = maps.shape, frames, starts
        out = maps.new_empty(len(frames), *maps.shape[1:-1], size)
        if maps.stride(1) == 1:  # as convolutions have it: sums of two layouts are slow
            out = out.to(memory_format=torch.channels_last)
        for row, (frame, start) in enumerate(zip(frames, starts, strict=True)):
            for into, of in _pieces(start % maps.shape[-1], size, maps.shape[-1]):
                out[row, ..., into] = maps[frame, ..., of]
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (grad,) = grads
        out = grad.new_zeros(ctx.shape)
        for row, (frame, start) in enumerate(zip(ctx.frames, ctx.starts, strict=True)):
            for into, of in _pieces(start % ctx.shape[-1], grad.shape[-1], ctx.shape[-1]):
                out[frame, ..., of] += grad[row, ..., into]
        return out, None, None, None


def _pieces(start: int, size: int, columns: int) -> list[tuple[slice, slice]]:
    """Where a window lies on a turn, in one piece or two: columns of the window, of the turn."""
    before = min(size, columns - start)
    first = (slice(0, before), slice(start, start + before))
    return [first] if before == size else [first, (slice(before, size), slice(0, size - before))]


class Head(nn.Module):
    """Tokens that have talked to the prompt, finer features and hints -> logits."""

    def __init__(self, config: NanoConfig, start: Sequence[float]) -> None:
        super().__init__()
        width, (fine, middle), hints = config.width, config.fine, len(start)
        self.from_tokens = nn.Conv2d(width, middle, 1)
        self.mix = Conv(middle, middle)
        self.to_fine = nn.Conv2d(middle, fine, 1)
        self.from_hints = nn.Conv2d(hints, fine, 1)
        self.filters = Perceptron(width, width, fine + middle)
        self.prior = nn.Conv2d(hints, 1, 1)
        with torch.no_grad():
            self.prior.weight.copy_(torch.tensor(start)[None, :, None, None])
            self.prior.bias.fill_(_START_BIAS)  # type: ignore[union-attr]
        self.split = (middle, fine)

    def forward(
        self, tokens: Tensor, middle: Tensor, fine: Tensor, answer: Tensor, hints: Tensor
    ) -> Tensor:
        """tokens: [B, W, ., .].  answer: [B, W].  hints: [B, c, H, W].  Returns [B, H, W]."""
        size = fine.shape[-2:]
        x = F.relu(_to(self.from_tokens(tokens), middle.shape[-2:]) + middle)
        x = x + self.mix(x)
        for_middle, for_fine = self.filters(answer).split(self.split, dim=-1)
        coarse = torch.einsum("bc,bchw->bhw", for_middle, x)[:, None]
        y = F.relu(_to(self.to_fine(x), size) + fine + self.from_hints(hints))
        exact = torch.einsum("bc,bchw->bhw", for_fine, y)
        out: Tensor = (_to(coarse, size)[:, 0] + exact) / 4 + self.prior(hints)[:, 0]
        return out.float()


def _is_one_of(kind: Tensor, kinds: Sequence[Kind]) -> Tensor:
    return torch.stack([kind == each for each in kinds]).any(0)


def _pooled(maps: Tensor | None, stride: tuple[int, int]) -> Tensor:
    """[B, c, H, W] -> [B, c, T]."""
    assert maps is not None
    return F.avg_pool2d(maps, stride).flatten(2)


def _grid(tokens: Tensor, shape: tuple[int, int]) -> Tensor:
    """[B, T, C] -> [B, C, *shape]."""
    return tokens.transpose(1, 2).unflatten(2, shape)


def _sampled(grid: Tensor, share: Tensor) -> Tensor:
    """grid: [B, C, ., .].  share: [B, K, 2] of width and height.  Returns [B, K, C]."""
    found = F.grid_sample(grid, (share * 2 - 1)[:, None].to(grid), align_corners=False)
    return found[:, :, 0].transpose(1, 2)


def _to(x: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    return F.interpolate(x, size=tuple(size), mode="bilinear")
