"""Small layers that several boxes of the model share.

B tracks, N tokens or cells, C channels.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Attention with projections of queries, keys and values to an inner width.

    width: of queries and answers.  inner: inside; heads share it.  key_width: of keys and values.
    """

    def __init__(self, width: int, inner: int, heads: int, key_width: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        key_width = width if key_width is None else key_width
        self.q_proj = nn.Linear(width, inner)
        self.k_proj = nn.Linear(key_width, inner)
        self.v_proj = nn.Linear(key_width, inner)
        self.out_proj = nn.Linear(inner, width)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """query: [B or 1, Q, C].  key, value: [B or 1, K, C].  Returns [B, Q, C]."""
        tracks = max(len(query), len(key))
        q, k, v = (
            projected.unflatten(-1, (self.heads, -1)).transpose(1, 2).expand(tracks, -1, -1, -1)
            for projected in (self.q_proj(query), self.k_proj(key), self.v_proj(value))
        )
        answer = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        out: Tensor = self.out_proj(answer)
        return out


class Perceptron(nn.Module):
    """Linear layers with ReLU between them."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = self.layers
        for layer in hidden:
            x = F.relu(layer(x))
        out: Tensor = last(x)
        return out


class ChannelNorm(nn.Module):
    """Layer norm over the channels of a map [B, C, H, W]."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=1, keepdim=True)
        variance = (x - mean).square().mean(dim=1, keepdim=True)
        scaled = (x - mean) / torch.sqrt(variance + self.eps)
        return self.weight[:, None, None] * scaled + self.bias[:, None, None]


def exactly(x: Tensor) -> torch.autocast:
    """No rounding to half precision in here, whatever the caller asked for."""
    return torch.autocast(x.device.type, enabled=False)
