"""From a person's hints to tokens and to what is added to the features (SAM, paper section 3.3).

B tracks, W channels, P points, n4 / n16 voxels. A point or a corner of a box becomes a token: where it is plus
what it means. A mask is shrunk to the features' resolution and added to them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.sam4d.layers import ChannelNorm
from inference.sam4d.lidar_encoder import PointwiseConv, StridedBlock
from inference.sam4d.sparse import KernelMap

# What a point says. A box is its two corners.
NEGATIVE, POSITIVE, LOW_CORNER, HIGH_CORNER, PADDING = 0, 1, 2, 3, -1


class PointTokens(nn.Module):
    """Tokens of the points in one modality."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, width) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, width)
        self.no_mask_embed = nn.Embedding(1, width)

    def tokens(self, encodings: Tensor, labels: Tensor) -> Tensor:
        """encodings: [B, P, W], where the points are.  labels: [B, P].

        Returns [B, P + 1, W]: one token more, which says that there is no further point, so that
        a modality without prompts is not without tokens.
        """
        encodings = F.pad(encodings, (0, 0, 0, 1))
        labels = F.pad(labels, (0, 1), value=PADDING)
        kinds = [self.not_a_point_embed, *self.point_embeddings]
        meanings = torch.cat([kind.weight for kind in kinds])[labels.long() + 1]
        return torch.where((labels == PADDING)[..., None], meanings, encodings + meanings)


class ImagePrompts(PointTokens):
    """Prompts in a picture."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, 4, kernel_size=2, stride=2), ChannelNorm(4), nn.GELU(),
            nn.Conv2d(4, 16, kernel_size=2, stride=2), ChannelNorm(16), nn.GELU(),
            nn.Conv2d(16, width, kernel_size=1),
        )  # fmt: skip

    def dense(self, mask_logits: Tensor) -> Tensor:
        """[B, 1, S/4, S/4] -> [B, W, S/16, S/16]."""
        out: Tensor = self.mask_downscaling(mask_logits)
        return out


class LidarPrompts(PointTokens):
    """Prompts in a sweep."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.mask_downscaling = nn.ModuleList(
            [StridedBlock(1, 4), StridedBlock(4, 16), PointwiseConv(16, width)]
        )

    def dense(self, mask_logits: Tensor, to8: KernelMap, to16: KernelMap) -> Tensor:
        """[n4, B, 1] in the order of the stride-4 voxels -> [n16, B, W]."""
        first, second, widen = self.mask_downscaling
        out: Tensor = widen(second(first(mask_logits, to8), to16))
        return out
