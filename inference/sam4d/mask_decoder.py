"""From features and tokens to masks, their quality, and the pointer that remembers the object.

SAM's two-way transformer (arXiv 2304.02643, section 3) with SAM 2's occlusion score; one set of
weights, run for pictures and for sweeps. B tracks, T tokens, N cells of the feature map, W channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.sam4d.config import Sam4dConfig
from inference.sam4d.layers import Attention, ChannelNorm, Perceptron
from inference.sam4d.lidar_encoder import PointwiseConv, SparseConv, over_rows
from inference.sam4d.sparse import KernelMap

CANDIDATES = 4  # the first for unambiguous prompts, the others for ambiguous ones


@dataclass(frozen=True)
class Candidates:
    """What the decoder offers for one modality.

    masks: [B, 4, ...] logits at stride 4.  ious: [B, 4], estimated.  tokens: [B, 4, W], one a
    mask.  object_logits: [B, 1], above 0 where the object is there.
    """

    masks: Tensor
    ious: Tensor
    tokens: Tensor
    object_logits: Tensor


class MaskDecoder(nn.Module):
    """Weights for both modalities; see `in_picture` and `in_sweep`."""

    def __init__(self, config: Sam4dConfig) -> None:
        super().__init__()
        width, at4, at8 = config.width, config.width // 8, config.width // 4
        lidar_at8, lidar_at4 = config.lidar.decoder_widths
        self.linear_in_sweep = config.quirks.linear_in_sweep
        self.transformer = TwoWayTransformer(width, config.hidden, config.heads)
        self.iou_token = nn.Embedding(1, width)
        self.mask_tokens = nn.Embedding(CANDIDATES, width)
        self.obj_score_token = nn.Embedding(1, width)
        self.output_upscaling = nn.ModuleList(
            [
                nn.ConvTranspose2d(width, at8, kernel_size=2, stride=2), ChannelNorm(at8),
                nn.GELU(), nn.ConvTranspose2d(at8, at4, kernel_size=2, stride=2),
            ]
        )  # fmt: skip
        self.output_upscaling_pts = nn.ModuleList(
            [
                SparseConv(8, width, at8), nn.BatchNorm1d(at8),
                nn.Identity() if self.linear_in_sweep else nn.GELU(),
                SparseConv(8, at8, at4, bias=True),
            ]
        )  # fmt: skip
        self.conv_s0 = nn.Conv2d(width, at4, kernel_size=1)
        self.conv_s1 = nn.Conv2d(width, at8, kernel_size=1)
        self.conv_s0_pts = PointwiseConv(lidar_at4, at4)
        self.conv_s1_pts = PointwiseConv(lidar_at8, at8)
        self.output_hypernetworks_mlps = nn.ModuleList(
            Perceptron(width, width, width, at4) for _ in range(CANDIDATES)
        )
        self.iou_prediction_head = Perceptron(width, width, width, CANDIDATES)
        self.pred_obj_score_head = Perceptron(width, width, width, 1)

    def in_picture(
        self, features: Tensor, places: Tensor, tokens: Tensor, fine8: Tensor, fine4: Tensor
    ) -> Candidates:
        """features: [B or 1, W, h, w], prompts' masks added.  places: [h, w, W], their encodings.

        tokens: [B, T, W].  fine8, fine4: [1, W/4, 2h, 2w], [1, W/8, 4h, 4w], through conv_s1 and
        conv_s0.  Returns masks [B, 4, 4h, 4w].
        """
        height, width = features.shape[-2:]
        answers, cells = self.transformer(
            features.flatten(2).transpose(1, 2), places.flatten(0, 1)[None], self._all(tokens)
        )
        first, norm, act, second = self.output_upscaling
        x = cells.transpose(1, 2).unflatten(2, (height, width))
        x = act(norm(first(x) + fine8))
        x = F.gelu(second(x) + fine4)
        return self._candidates(answers, x.flatten(2), x.shape[2:])

    def in_sweep(
        self,
        features: Tensor,
        places: Tensor,
        tokens: Tensor,
        fine8: Tensor,
        fine4: Tensor,
        to8: KernelMap,
        to16: KernelMap,
    ) -> Candidates:
        """features: [B or 1, n16, W], prompts' masks added.  places: [n16, W].

        tokens: [B, T, W].  fine8, fine4: [n8, W/4], [n4, W/8].  to8, to16: the maps from stride 4
        to 8 and from 8 to 16.  Returns masks [B, 4, n4].
        """
        answers, cells = self.transformer(features, places[None], self._all(tokens))
        first, norm, act, second = self.output_upscaling_pts
        x = first(cells.transpose(0, 1), to16.transposed) + fine8[:, None]
        x = second(act(over_rows(norm, x)), to8.transposed) + fine4[:, None]
        x = x if self.linear_in_sweep else F.gelu(x)  # [n4, B, W/8]
        return self._candidates(answers, x.permute(1, 2, 0), None)

    def _all(self, tokens: Tensor) -> Tensor:
        own = torch.cat(
            [self.obj_score_token.weight, self.iou_token.weight, self.mask_tokens.weight]
        )
        return torch.cat([own.expand(len(tokens), -1, -1), tokens], dim=1)

    def _candidates(self, answers: Tensor, cells: Tensor, shape: torch.Size | None) -> Candidates:
        """answers: [B, 6 + T, W] of the tokens.  cells: [B, W/8, M] of the fine map."""
        masks = answers[:, 2 : 2 + CANDIDATES]
        filters = torch.stack(
            [net(masks[:, k]) for k, net in enumerate(self.output_hypernetworks_mlps)], dim=1
        )
        logits = filters @ cells
        return Candidates(
            logits if shape is None else logits.unflatten(2, shape),
            torch.sigmoid(self.iou_prediction_head(answers[:, 1])),
            masks,
            self.pred_obj_score_head(answers[:, 0]),
        )


class TwoWayTransformer(nn.Module):
    """Tokens ask the features and the features ask the tokens, twice."""

    def __init__(self, width: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TwoWayBlock(width, hidden, heads, first=first) for first in (True, False)
        )
        self.final_attn_token_to_image = Attention(width, width // 2, heads)
        self.norm_final_attn = nn.LayerNorm(width)

    def forward(self, cells: Tensor, places: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """cells: [B or 1, N, W].  places: [1, N, W].  tokens: [B, T, W], encodings included.

        Returns the tokens and the cells after they have talked.
        """
        queries = tokens
        for layer in self.layers:
            queries, cells = layer(queries, cells, tokens, places)
        answer = self.final_attn_token_to_image(queries + tokens, cells + places, cells)
        return self.norm_final_attn(queries + answer), cells


class TwoWayBlock(nn.Module):
    def __init__(self, width: int, hidden: int, heads: int, *, first: bool) -> None:
        super().__init__()
        self.first = first
        half = width // 2
        self.self_attn = Attention(width, width, heads)
        self.norm1 = nn.LayerNorm(width)
        self.cross_attn_token_to_image = Attention(width, half, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Perceptron(width, hidden, width)
        self.norm3 = nn.LayerNorm(width)
        self.norm4 = nn.LayerNorm(width)
        self.cross_attn_image_to_token = Attention(width, half, heads)

    def forward(
        self, queries: Tensor, cells: Tensor, tokens: Tensor, places: Tensor
    ) -> tuple[Tensor, Tensor]:
        if self.first:  # the tokens are their own encodings still
            queries = self.self_attn(queries, queries, queries)
        else:
            placed = queries + tokens
            queries = queries + self.self_attn(placed, placed, queries)
        queries = self.norm1(queries)
        placed_cells = cells + places
        answer = self.cross_attn_token_to_image(queries + tokens, placed_cells, cells)
        queries = self.norm2(queries + answer)
        queries = self.norm3(queries + self.mlp(queries))
        answer = self.cross_attn_image_to_token(placed_cells, queries + tokens, queries)
        return queries, self.norm4(cells + answer)
