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
        answer = attend(q, k, v).transpose(1, 2).flatten(2)
        out: Tensor = self.out_proj(answer)
        return out


# Scores [chunk, keys] that are worked on at once: they should stay in a processor's cache.
SCORES_AT_ONCE = 1 << 20
FEW = 64


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(q kᵀ / √C) v.  query: [..., Q, C].  key, value: [..., K, C].  Returns [..., Q, C]."""
    rounded_on_cpu = query.dtype == torch.bfloat16 and query.device.type == "cpu"
    if rounded_on_cpu and min(query.shape[-2], key.shape[-2]) <= FEW:
        # A prompt's few tokens: blocks of keys, as PyTorch's own cuts them, would be mostly empty.
        return (query * query.shape[-1] ** -0.5 @ key.transpose(-1, -2)).softmax(dim=-1) @ value
    if not rounded_on_cpu or torch.is_grad_enabled():  # its backward pass keeps no scores
        return F.scaled_dot_product_attention(query, key, value)
    # PyTorch's own is no faster in bfloat16 than in float32 on a CPU; plain products are, 3.3 times
    # (2304 queries, 8800 keys, 256 channels on an EPYC with AVX-512 BF16: 61 ms, not 200).
    shape = query.shape
    with exactly(query):  # autocast would take the softmax to float32 and back
        turned = (key * shape[-1] ** -0.5).transpose(-1, -2).flatten(0, -3).contiguous()
        query, value = query.flatten(0, -3), value.flatten(0, -3).contiguous()
        rows = max(1, SCORES_AT_ONCE // max(1, key.shape[-2]))
        together = max(1, rows // max(1, shape[-2]))  # many small windows, or one map of many keys
        answers = [
            torch.cat(
                [(part @ keys).softmax(dim=-1) @ values for part in asked.split(rows, dim=1)], 1
            )
            for asked, keys, values in zip(
                query.split(together), turned.split(together), value.split(together), strict=True
            )
        ]
        return torch.cat(answers).unflatten(0, shape[:-2])


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
