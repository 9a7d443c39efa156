"""From a sweep to features: a MinkUNet over occupied voxels (arXiv 1904.08755, as used by SAM4D).

N points, n voxels of a level. The sweep is cut into cubes; each stage of the encoder halves the
resolution; the decoder climbs back to stride 4, where masks are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.sam4d.config import LidarEncoderConfig
from inference.sam4d.layers import exactly
from inference.sam4d.sparse import KernelMap, Voxels, convolve


@dataclass(frozen=True)
class Pyramid:
    """Levels of strides 1, 2, 4, 8, 16, the maps from each to the next, and features of each.

    features: [n, C] of each level's voxels, in their order.
    """

    levels: tuple[Voxels, ...]
    maps: tuple[KernelMap, ...]
    features: tuple[Tensor, ...]


class LidarEncoder(nn.Module):
    """Voxels with one feature each -> features at strides 4, 8 and 16."""

    def __init__(self, config: LidarEncoderConfig, *, keep_incomplete: bool = True) -> None:
        """keep_incomplete: see Voxels.coarser."""
        super().__init__()
        self.keep_incomplete = keep_incomplete
        first, *widths = config.encoder_widths
        self.conv_input = nn.Sequential(
            SubmanifoldConv(1, first), nn.BatchNorm1d(first), nn.ReLU(),
            SubmanifoldConv(first, first), nn.BatchNorm1d(first), nn.ReLU(),
        )  # fmt: skip
        self.encoder = nn.ModuleList(
            DownStage(before, width, count)
            for (before, width), count in zip(
                pairwise(config.encoder_widths), config.encoder_blocks, strict=True
            )
        )
        at16, at8 = widths[3], config.decoder_widths[0]
        self.decoder = nn.ModuleList(
            [
                UpStage(at16, widths[2], at8, config.decoder_blocks[0]),
                UpStage(at8, widths[1], config.decoder_widths[1], config.decoder_blocks[1]),
            ]
        )

    def forward(self, voxels: Voxels, features: Tensor) -> Pyramid:
        """voxels: of stride 1, with features [n, 1].

        Returns 32 and 32 channels at strides 1 and 2 (the way down), 128 and 256 at 4 and 8 (the
        way up), 256 at 16.
        """
        with exactly(features):  # like the release, which runs it in float32
            down = self.descend(voxels, features)
            x = down.features[4]
            outputs = list(down.features)
            for level, stage in zip((3, 2), self.decoder, strict=True):
                x = stage(x, down.features[level], down.maps[level].transposed, down.levels[level])
                outputs[level] = x
        return Pyramid(down.levels, down.maps, tuple(outputs))

    def levels(self, voxels: Voxels) -> tuple[tuple[Voxels, ...], tuple[KernelMap, ...]]:
        """The voxels of strides 1, 2, 4, 8, 16, and the maps from each to the next."""
        levels, maps = [voxels], []
        for _ in self.encoder:
            coarser = levels[-1].coarser(2, keep_incomplete=self.keep_incomplete)
            levels.append(coarser.voxels)
            maps.append(coarser.kernel_map)
        return tuple(levels), tuple(maps)

    def descend(self, voxels: Voxels, features: Tensor) -> Pyramid:
        """The encoder alone: 32, 32, 64, 128 and 256 channels."""
        levels, maps = self.levels(voxels)
        x = features
        for layer in self.conv_input:
            x = layer(x, voxels.neighbours(3)) if isinstance(layer, SubmanifoldConv) else layer(x)
        outputs = [x]
        for stage, level, kernel_map in zip(self.encoder, levels[1:], maps, strict=True):
            x = stage(x, level, kernel_map)
            outputs.append(x)
        return Pyramid(levels, maps, tuple(outputs))


class SparseConv(nn.Module):
    """A convolution over a kernel map; its weights are `kernel`, [K, C_in, C_out]."""

    def __init__(self, weights: int, width_in: int, width: int, *, bias: bool = False) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(weights, width_in, width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None
        nn.init.normal_(self.kernel, std=(2 / (width_in * weights)) ** 0.5)

    def forward(self, features: Tensor, kernel_map: KernelMap) -> Tensor:
        out = convolve(features, self.kernel, kernel_map)
        return out if self.bias is None else out + self.bias


class SubmanifoldConv(SparseConv):
    """3 x 3 x 3, keeping the cells."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__(27, width_in, width)


class PointwiseConv(nn.Module):
    """The same matrix for every voxel: y = x @ kernel, [C_in, C_out]."""

    def __init__(self, width_in: int, width: int, *, bias: bool = False) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(width_in, width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None
        nn.init.normal_(self.kernel, std=(2 / width_in) ** 0.5)

    def forward(self, features: Tensor) -> Tensor:
        out = features @ self.kernel
        return out if self.bias is None else out + self.bias


class StridedBlock(nn.Module):
    """To the next coarser or finer level: convolution of 2 x 2 x 2, batch norm, ReLU."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.net = nn.ModuleList([SparseConv(8, width_in, width), nn.BatchNorm1d(width)])

    def forward(self, features: Tensor, kernel_map: KernelMap) -> Tensor:
        conv, norm = self.net
        return F.relu(over_rows(norm, conv(features, kernel_map)))


class ResidualBlock(nn.Module):
    """Two convolutions of 3 x 3 x 3 beside a shortcut."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        # Places 2 and 5 are the ReLUs, which have no weights.
        self.net = nn.ModuleList(
            [
                SubmanifoldConv(width_in, width), nn.BatchNorm1d(width), nn.ReLU(),
                SubmanifoldConv(width, width), nn.BatchNorm1d(width),
            ]
        )  # fmt: skip
        self.downsample = (
            nn.ModuleList([PointwiseConv(width_in, width), nn.BatchNorm1d(width)])
            if width_in != width
            else None
        )

    def forward(self, features: Tensor, kernel_map: KernelMap) -> Tensor:
        conv1, norm1, relu, conv2, norm2 = self.net
        x = relu(norm1(conv1(features, kernel_map)))
        x = norm2(conv2(x, kernel_map))
        if self.downsample is None:
            return F.relu(x + features)
        widen, norm = self.downsample
        return F.relu(x + norm(widen(features)))


class DownStage(nn.ModuleList):
    """To the next coarser level, then residual blocks there."""

    def __init__(self, width_in: int, width: int, blocks: int) -> None:
        super().__init__([StridedBlock(width_in, width_in), *_residuals(width_in, width, blocks)])

    def forward(self, features: Tensor, voxels: Voxels, kernel_map: KernelMap) -> Tensor:
        """voxels: of the coarser level.  kernel_map: to there."""
        down, *blocks = self
        x: Tensor = down(features, kernel_map)
        for block in blocks:
            x = block(x, voxels.neighbours(3))
        return x


class UpStage(nn.ModuleList):
    """To the next finer level, beside what the way down knew there, then residual blocks."""

    def __init__(self, width_in: int, width_beside: int, width: int, blocks: int) -> None:
        residuals = nn.ModuleList(_residuals(width + width_beside, width, blocks))
        super().__init__([StridedBlock(width_in, width), residuals])

    def forward(
        self, features: Tensor, beside: Tensor, kernel_map: KernelMap, voxels: Voxels
    ) -> Tensor:
        up, residuals = self
        assert isinstance(residuals, nn.ModuleList)
        x = torch.cat([up(features, kernel_map), beside], dim=1)
        for block in residuals:
            x = block(x, voxels.neighbours(3))
        return x


def over_rows(norm: nn.Module, x: Tensor) -> Tensor:
    """A batch norm over the rows of several tracks: x is [n, C] or [n, B, C]."""
    normed: Tensor = norm(x.flatten(0, -2))
    return normed.unflatten(0, x.shape[:-1])


def _residuals(width_in: int, width: int, count: int) -> list[ResidualBlock]:
    return [ResidualBlock(width_in if index == 0 else width, width) for index in range(count)]


@dataclass(frozen=True)
class Voxelised:
    """A sweep cut into voxels of stride 1.

    places: [N, 3] of the points, in voxels of stride 1 (float32).  rows: [N], each point's voxel.
    """

    voxels: Voxels
    places: Tensor
    rows: Tensor


def voxelise(points: Tensor, cell_m: float) -> Voxelised:
    """points: [N, 3] metres."""
    _check_finite(points)
    places = points / cell_m
    voxels, rows = Voxels.of(places.floor().long())
    return Voxelised(voxels, places.float(), rows)


def voxelise_like_release(points: Tensor) -> Voxelised:
    """As the release does: first to a grid of 5 cm that is cut towards 0 and begins at the sweep's
    lowest coordinates (quirk 1), from there to 15 cm in float32, multiplying first (quirk 4).

    points: [N, 3] metres.
    """
    _check_finite(points)
    fine = torch.trunc(points.double() / 0.05).long()
    fine = fine - fine.amin(dim=0) if len(fine) else fine
    places = fine.float() * torch.tensor(0.05) / torch.tensor(0.15)
    voxels, rows = Voxels.of(places.floor().long())
    return Voxelised(voxels, places, rows)


def _check_finite(points: Tensor) -> None:
    bad = (~points.isfinite().all(dim=1)).nonzero()
    if len(bad):
        row = int(bad[0])
        raise ValueError(f"point {row} of the sweep is not finite: {points[row].tolist()}")


@dataclass(frozen=True)
class Interpolation:
    """From the voxels of a level to points: [N, 8] rows (0 where there is none) and weights."""

    rows: Tensor
    weights: Tensor

    def __call__(self, values: Tensor) -> Tensor:
        """values: [n, C] of the voxels.  Returns [N, C]; 0 for points without any voxel near."""
        if not len(values):
            return values.new_zeros(len(self.rows), values.shape[1])
        return (values[self.rows] * self.weights[..., None].to(values)).sum(dim=1)


def interpolation(places: Tensor, voxels: Voxels, stride: int) -> Interpolation:
    """Trilinear between the centres of the voxels round each point; missing ones do not count.

    places: [N, 3] in voxels of stride 1.
    """
    at = places / stride - 0.5
    base = at.floor()
    share = at - base
    corners = torch.cartesian_prod(*[torch.arange(2, device=places.device)] * 3)
    weights = torch.where(corners[None] == 1, share[:, None], 1 - share[:, None]).prod(dim=2)
    return _weighted(base.long(), corners, weights, voxels)


def interpolation_like_release(places: Tensor, voxels: Voxels, stride: int) -> Interpolation:
    """As the release does (quirk 10): four cells apart, with weights of x and y where those of x, y
    and z were meant.

    places: [N, 3] in voxels of stride 1.
    """
    at = places / stride
    base = at.floor()
    x, y = (at - base)[:, :2].unbind(dim=1)
    none = torch.zeros_like(x)
    weights = [(1 - x) * (1 - y), (1 - x) * y, x * (1 - y), x * y, none, none, none, none]
    corners = torch.cartesian_prod(*[torch.tensor([0, 4], device=places.device)] * 3)
    return _weighted(base.long(), corners, torch.stack(weights, dim=1), voxels)


def _weighted(base: Tensor, corners: Tensor, weights: Tensor, voxels: Voxels) -> Interpolation:
    cells = base[:, None] + corners
    rows = voxels.rows_of(cells.flatten(0, 1)).unflatten(0, cells.shape[:2])
    weights = torch.where(rows >= 0, weights, 0)
    weights = weights / (weights.sum(dim=1, keepdim=True) + 1e-8)
    return Interpolation(rows.clamp(min=0), weights)
