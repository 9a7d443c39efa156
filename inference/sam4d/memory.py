"""What the model remembers of a track, and how it looks back (MCMA, paper section 3.4).

B tracks, N tokens or voxels. A frame's masks and features are packed into a memory; later frames
attend to the memories of both modalities, whose places are first moved to where the vehicle is now.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.sam4d.layers import Attention, ChannelNorm
from inference.sam4d.lidar_encoder import PointwiseConv, SparseConv
from inference.sam4d.position_encoding import CHANNELS
from inference.sam4d.sparse import KernelMap, Voxels

MASK_SCALE, MASK_SHIFT = 20.0, -10.0  # of a mask's probability, before it is packed
PACKED_WIDTHS = (1, 4, 16, 64, CHANNELS)


class ImageMemoryEncoder(nn.Module):
    """A picture's mask and features -> its memory."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise(PACKED_WIDTHS):
            conv = nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1)
            layers += [conv, ChannelNorm(after), nn.GELU()]
        self.mask_downsampler = nn.Sequential(*layers, nn.Conv2d(CHANNELS, CHANNELS, kernel_size=1))
        self.pix_feat_proj = nn.Conv2d(CHANNELS, CHANNELS, kernel_size=1)
        self.fuser = nn.Sequential(ImageFuser(), ImageFuser())

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """features: [B or 1, 256, h, w] of the encoder.  mask: [B, 1, 16 h, 16 w], -10 ... 10.

        Returns [B, 256, h, w].
        """
        out: Tensor = self.fuser(self.pix_feat_proj(features) + self.mask_downsampler(mask))
        return out


class ImageFuser(nn.Module):
    """A ConvNeXt block (arXiv 2201.03545)."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((CHANNELS,), 1e-6))
        self.dwconv = nn.Conv2d(CHANNELS, CHANNELS, kernel_size=7, padding=3, groups=CHANNELS)
        self.norm = ChannelNorm(CHANNELS)
        self.pwconv1 = nn.Linear(CHANNELS, 4 * CHANNELS)
        self.pwconv2 = nn.Linear(4 * CHANNELS, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.norm(self.dwconv(x)).permute(0, 2, 3, 1)
        mixed = self.gamma * self.pwconv2(F.gelu(self.pwconv1(mixed)))
        return x + mixed.permute(0, 3, 1, 2)


class LidarMemoryEncoder(nn.Module):
    """A sweep's mask and features -> its memory."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise(PACKED_WIDTHS):
            layers += [SparseConv(8, before, after), nn.LayerNorm(after, eps=1e-6), nn.GELU()]
        self.mask_downsampler = nn.ModuleList(
            [*layers, PointwiseConv(CHANNELS, CHANNELS, bias=True)]
        )
        self.pix_feat_proj = PointwiseConv(CHANNELS, CHANNELS, bias=True)
        self.fuser = nn.ModuleList([LidarFuser(), LidarFuser()])

    def forward(
        self, features: Tensor, mask: Tensor, maps: list[KernelMap], voxels: Voxels
    ) -> Tensor:
        """features: [n16, 256] of the encoder.  mask: [n1, 1] of the stride-1 voxels, -10 ... 10.

        maps: from stride 1 to 2, 4, 8 and 16, whose voxels are `voxels`.  Returns [n16, 256].
        """
        x, steps = mask, iter(maps)
        for layer in self.mask_downsampler:
            x = layer(x, next(steps)) if isinstance(layer, SparseConv) else layer(x)
        x = self.pix_feat_proj(features) + x
        for fuser in self.fuser:
            x = fuser(x, voxels.neighbours(7))
        return x


class LidarFuser(nn.Module):
    """The ConvNeXt block's counterpart; its convolution of 7 x 7 x 7 mixes the channels too."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((CHANNELS,), 1e-6))
        self.conv = SparseConv(343, CHANNELS, CHANNELS)
        self.norm = nn.LayerNorm(CHANNELS, eps=1e-6)
        self.pwconv1 = PointwiseConv(CHANNELS, 4 * CHANNELS)
        self.pwconv2 = PointwiseConv(4 * CHANNELS, CHANNELS)

    def forward(self, x: Tensor, kernel_map: KernelMap) -> Tensor:
        mixed = self.norm(self.conv(x, kernel_map))
        out: Tensor = x + self.gamma * self.pwconv2(F.gelu(self.pwconv1(mixed)))
        return out


class MemoryAttention(nn.Module):
    """A frame's features ask themselves, then the memories. One set of weights for both modalities."""

    def __init__(self, layers: int = 4) -> None:
        super().__init__()
        self.layers = nn.ModuleList(MemoryBlock() for _ in range(layers))
        self.norm = nn.LayerNorm(CHANNELS)

    def forward(
        self, features: Tensor, places: Tensor, memory: Tensor, memory_places: Tensor
    ) -> Tensor:
        """features: [B, N, 256] of this frame, places: [1, N, 256], their encodings.

        memory, memory_places: [B, M, 256].  Returns [B, N, 256].
        """
        x = features + 0.1 * places
        keys = memory + memory_places
        for layer in self.layers:
            x = layer(x, keys, memory)
        out: Tensor = self.norm(x)
        return out


class MemoryBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.self_attn = Attention(CHANNELS, CHANNELS, heads=1)
        self.cross_attn_image = Attention(CHANNELS, CHANNELS, heads=1)
        self.linear1 = nn.Linear(CHANNELS, 2048)
        self.linear2 = nn.Linear(2048, CHANNELS)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(CHANNELS) for _ in range(3))

    def forward(self, x: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        placed = self.norm1(x)
        x = x + self.self_attn(placed, placed, placed)
        x = x + self.cross_attn_image(self.norm2(x), keys, values)
        out: Tensor = x + self.linear2(F.relu(self.linear1(self.norm3(x))))
        return out


class MotionEncoder(nn.Module):
    """How the vehicle has moved between two frames, for the objects' pointers: [4, 4] -> [256]."""

    d_max: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.d_max = nn.Parameter(torch.tensor(5.0))
        self.fc = nn.Sequential(nn.Linear(6, CHANNELS), nn.ReLU(), nn.Linear(CHANNELS, CHANNELS))

    def forward(self, now_from_then: Tensor) -> Tensor:
        """now_from_then: [..., 4, 4] float64.  Rotation as axis times angle over π, shift in d_max."""
        rotation, shift = now_from_then[..., :3, :3], now_from_then[..., :3, 3]
        cosine = (rotation.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2
        # Away from ±1, so that the sine below is never 0.
        angle = torch.arccos(cosine.clamp(-1 + 1e-6, 1 - 1e-6))
        skew = (rotation - rotation.transpose(-1, -2)) / 2
        axis = torch.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], dim=-1)
        turn = axis / torch.sin(angle)[..., None] * angle[..., None]
        scaled = torch.cat([turn / math.pi, shift / (self.d_max.abs() + 1e-6)], dim=-1)
        out: Tensor = self.fc(scaled.float())
        return out


def sine_of_times(steps: Tensor) -> Tensor:
    """Of how long ago a pointer was made, as a share of the longest time: [P] -> [P, 256]."""
    pairs = torch.arange(CHANNELS // 2, device=steps.device) // 2
    divisors = 10000.0 ** (2 * pairs / (CHANNELS // 2))
    angles = steps.float()[:, None] / divisors
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
