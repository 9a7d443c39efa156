"""Convolutions over the occupied cells of a grid, in plain PyTorch.

N cells or points, P pairs, K weights of a kernel, B tracks, C channels. Cells are integer (x, y, z)
rows in units of their own level: a cell at the next coarser level has divided coordinates. Occupied
cells are kept in lexicographic order, so that a cell is found by a binary search in sorted keys;
which input row meets which output row through which weight (the kernel map) is worked out once per
level and shared by all layers there. Each weight's pairs are gathered, multiplied and added (gather,
GEMM, scatter); the way back is a convolution, too, over the transposed map.

Layout of the weights, as in the released checkpoints: [K, C_in, C_out]. Odd kernels count x fastest,
strided kernels z fastest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

# Of each coordinate in a key, so that three fill an int64 and neighbours never run over.
BITS = 21
LIMIT = 1 << (BITS - 1)


class BadCells(ValueError):
    """Coordinates that cannot be cells of a grid; the message says which and why."""


@dataclass(frozen=True)
class KernelMap:
    """Which input row meets which output row through which weight.

    inputs, outputs: [P] int64 rows, the pairs of weight 0 first, then those of weight 1, ...
    counts: how many pairs each weight has. identity: the weight through which each cell meets
    itself, whose pairs are left out of the lists; None where there is none.
    """

    inputs: Tensor
    outputs: Tensor
    counts: tuple[int, ...]
    input_count: int
    output_count: int
    identity: int | None = None

    @cached_property
    def transposed(self) -> KernelMap:
        """The way back: outputs become inputs, through the same weights."""
        return KernelMap(
            self.outputs,
            self.inputs,
            self.counts,
            self.output_count,
            self.input_count,
            self.identity,
        )

    @property
    def pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Input and output rows of each weight."""
        return zip(self.inputs.split(self.counts), self.outputs.split(self.counts), strict=True)

    @property
    def pair_count(self) -> int:
        """Rows that are multiplied: the work of a convolution is this times C_in times C_out."""
        return sum(self.counts) + (0 if self.identity is None else self.output_count)


def convolve(features: Tensor, weights: Tensor, kernel_map: KernelMap) -> Tensor:
    """out[o] = sum over pairs (i, o) of weight k: features[i] @ weights[k].

    features: [N_in, C_in] or, of B tracks, [N_in, B, C_in].  weights: [K, C_in, C_out], whose
    precision it keeps under autocast.  Returns [N_out, (B,) C_out]; outputs that meet no input are 0.
    """
    if features.shape[0] != kernel_map.input_count:
        raise ValueError(f"{features.shape[0]} rows of features for {kernel_map.input_count} cells")
    with torch.autocast(features.device.type, enabled=False):
        out: Tensor = _Convolution.apply(features.to(weights.dtype), weights, kernel_map)
    return out


class _Convolution(torch.autograd.Function):
    """One step of autograd for all weights.

    Step by step it would keep the rows that each weight gathers, ten times the features, and add
    up the features' gradient as often as there are weights.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, weights: Tensor, kernel_map: KernelMap) -> Tensor:
        ctx.save_for_backward(features, weights)
        ctx.kernel_map = kernel_map
        if kernel_map.identity is None:
            out = features.new_zeros(
                kernel_map.output_count, *features.shape[1:-1], weights.shape[-1]
            )
        else:
            out = features @ weights[kernel_map.identity]
        for weight, (rows, into) in enumerate(kernel_map.pairs):
            if len(rows):
                out.index_add_(0, into, features.index_select(0, rows) @ weights[weight])
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        features, weights = ctx.saved_tensors
        kernel_map: KernelMap = ctx.kernel_map
        of_features = of_weights = None
        if ctx.needs_input_grad[0]:
            of_features = convolve(grad, weights.transpose(1, 2), kernel_map.transposed)
        if ctx.needs_input_grad[1]:
            met = (
                (features, grad)
                if weight == kernel_map.identity
                else (features.index_select(0, rows), grad.index_select(0, into))
                for weight, (rows, into) in enumerate(kernel_map.pairs)
            )
            of_weights = torch.stack([x.flatten(0, -2).T @ g.flatten(0, -2) for x, g in met])
        return of_features, of_weights, None


class Voxels:
    """The occupied cells of one level, in lexicographic order, and the kernel maps that start here.

    cells: [N, 3] int64, each once.
    """

    def __init__(self, cells: Tensor) -> None:
        self.cells = cells
        self.keys = keys_of(cells)
        if len(cells) > 1 and not bool((self.keys[1:] > self.keys[:-1]).all()):
            raise BadCells("cells must be unique and in lexicographic order")
        self._neighbours: dict[int, KernelMap] = {}
        self._coarser: dict[tuple[int, bool], Coarser] = {}

    @classmethod
    def of(cls, cells: Tensor) -> tuple[Voxels, Tensor]:
        """The voxels of points' cells [N, 3] in any order, and the voxel's row for each point [N]."""
        keys, rows = torch.unique(keys_of(cells), return_inverse=True)
        return cls(cells_of(keys)), rows

    def __len__(self) -> int:
        return len(self.cells)

    def rows_of(self, cells: Tensor) -> Tensor:
        """The row of each cell [M, 3], or -1 where it is not occupied: [M] int64."""
        return _find(self.keys, keys_of(cells))

    def neighbours(self, size: int) -> KernelMap:
        """The map of an odd kernel that keeps the cells (submanifold convolution).

        Weight (dx + r) + size (dy + r) + size² (dz + r) of a cell meets its neighbour at (dx, dy,
        dz), where r = (size - 1) / 2: a correlation.
        """
        if size not in self._neighbours:
            self._neighbours[size] = self._find_neighbours(size)
        return self._neighbours[size]

    def _find_neighbours(self, size: int) -> KernelMap:
        if size % 2 != 1:
            raise ValueError(f"a kernel that keeps the cells has an odd size, not {size}")
        weights, columns, radius = size**3, size**2, size // 2
        none = self.keys[:0]
        # Weight k leads to a neighbour, weight K - 1 - k leads back: half of them are looked up.
        inputs, outputs = [none] * weights, [none] * weights
        ended = torch.cat([self.keys, none.new_full((1,), torch.iinfo(none.dtype).max)])
        for column in range(columns // 2 + 1):
            dx, dy = column % size - radius, column // size - radius
            wanted = self.keys + ((dx << 2 * BITS) + (dy << BITS) - radius)
            # Keys count z fastest, so that one search leads to all cells of a column.
            at = torch.searchsorted(self.keys, wanted)
            for layer in range(size if column < columns // 2 else radius):
                there = ended.index_select(0, at) == wanted + layer
                here = there.nonzero()[:, 0]
                weight = column + layer * columns
                inputs[weight] = outputs[weights - 1 - weight] = at.index_select(0, here)
                outputs[weight] = inputs[weights - 1 - weight] = here
                at = at + there
        return KernelMap(
            torch.cat(inputs),
            torch.cat(outputs),
            tuple(len(rows) for rows in inputs),
            len(self),
            len(self),
            identity=weights // 2,
        )

    def coarser(self, factor: int, *, keep_incomplete: bool = True) -> Coarser:
        """The next level, whose cells hold factor³ of these.

        keep_incomplete=False: like the released model, drop a last layer of cells in an axis when
        the finer grid does not reach their end (its convolutions have no padding).
        """
        asked = (factor, keep_incomplete)
        if asked not in self._coarser:
            self._coarser[asked] = self._find_coarser(factor, keep_incomplete)
        return self._coarser[asked]

    def _find_coarser(self, factor: int, keep_incomplete: bool) -> Coarser:
        parents = torch.div(self.cells, factor, rounding_mode="floor")
        inside = self.cells - parents * factor
        weight = (inside[:, 0] * factor + inside[:, 1]) * factor + inside[:, 2]
        kept = torch.ones(len(self), dtype=torch.bool, device=self.cells.device)
        if not keep_incomplete and len(self):
            last = torch.div(self.cells.amax(dim=0) - (factor - 1), factor, rounding_mode="floor")
            kept = (parents <= last).all(dim=1)
        level, rows = Voxels.of(parents[kept])
        of_point = torch.full((len(self),), -1, device=self.cells.device)
        of_point[kept] = rows
        order = torch.argsort(weight[kept], stable=True)
        inputs = kept.nonzero()[:, 0][order]
        counts = torch.bincount(weight[kept], minlength=factor**3)
        kernel_map = KernelMap(inputs, rows[order], tuple(counts.tolist()), len(self), len(level))
        return Coarser(level, kernel_map, of_point)


@dataclass(frozen=True)
class Coarser:
    """A coarser level, the map of a kernel as large as its stride, and each finer cell's parent.

    parents: [N] row in `voxels`, -1 where the parent was dropped. The transposed map leads back.
    """

    voxels: Voxels
    kernel_map: KernelMap
    parents: Tensor


def keys_of(cells: Tensor) -> Tensor:
    """One sortable int64 per cell [N, 3], in lexicographic order of (x, y, z).

    Raises BadCells for coordinates from ±2¹⁹ on (50 km in cells of 0.1 m) and for other shapes.
    """
    if cells.ndim != 2 or cells.shape[1] != 3 or cells.is_floating_point():
        raise BadCells(f"cells are integers [N, 3], not {cells.dtype} {list(cells.shape)}")
    # Half of the room is left free, so that a neighbour's key never reaches the next axis.
    lowest, highest = (int(end) for end in cells.aminmax()) if len(cells) else (0, 0)
    farthest = max(-lowest, highest)
    if farthest >= LIMIT // 2:
        raise BadCells(f"a cell lies {farthest} cells from the origin")
    x, y, z = (cells.long() + LIMIT).unbind(dim=1)
    return (x << 2 * BITS) | (y << BITS) | z


def cells_of(keys: Tensor) -> Tensor:
    """The cells [N, 3] of keys [N]."""
    mask = (1 << BITS) - 1
    return torch.stack([keys >> 2 * BITS, (keys >> BITS) & mask, keys & mask], dim=1) - LIMIT


def _find(sorted_keys: Tensor, wanted: Tensor) -> Tensor:
    """Where each wanted key stands, -1 where it does not: [M] int64."""
    if not len(sorted_keys):
        return torch.full_like(wanted, -1)
    at = torch.searchsorted(sorted_keys, wanted).clamp(max=len(sorted_keys) - 1)
    return torch.where(sorted_keys.index_select(0, at) == wanted, at, -1)
