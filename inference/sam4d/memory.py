"""What the model remembers of a track, and how it looks back (MCMA, paper section 3.4).

B tracks, W channels, N tokens or voxels. A frame's masks and features are packed into a memory; later frames
attend to the memories of both modalities, whose places are first moved to where the vehicle is now.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.sam4d.layers import Attention, ChannelNorm, exactly
from inference.sam4d.lidar_encoder import PointwiseConv, SparseConv
from inference.sam4d.sparse import KernelMap, Voxels

MASK_SCALE, MASK_SHIFT = 20.0, -10.0  # of a mask's probability, before it is packed


def packed_widths(width: int) -> tuple[int, ...]:
    """Channels of a mask on its way to stride 16."""
    return 1, 4, 16, 64, width


class ImageMemoryEncoder(nn.Module):
    """A picture's mask and features -> its memory."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise(packed_widths(width)):
            conv = nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1)
            layers += [conv, ChannelNorm(after), nn.GELU()]
        self.mask_downsampler = nn.Sequential(*layers, nn.Conv2d(width, width, kernel_size=1))
        self.pix_feat_proj = nn.Conv2d(width, width, kernel_size=1)
        self.fuser = nn.Sequential(ImageFuser(width), ImageFuser(width))

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """features: [1, W, h, w] of the encoder.  mask: [B, 1, 16 h, 16 w], -10 ... 10.

        Returns [B, W, h, w].
        """
        out: Tensor = self.fuser(self.pix_feat_proj(features) + self.mask_downsampler(mask))
        return out


class ImageFuser(nn.Module):
    """A ConvNeXt block (arXiv 2201.03545)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), 1e-6))
        self.dwconv = nn.Conv2d(width, width, kernel_size=7, padding=3, groups=width)
        self.norm = ChannelNorm(width)
        self.pwconv1 = nn.Linear(width, 4 * width)
        self.pwconv2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.norm(self.dwconv(x)).permute(0, 2, 3, 1)
        mixed = self.gamma * self.pwconv2(F.gelu(self.pwconv1(mixed)))
        return x + mixed.permute(0, 3, 1, 2)


class LidarMemoryEncoder(nn.Module):
    """A sweep's mask and features -> its memory."""

    def __init__(self, width: int, kernel: int) -> None:
        """kernel: side of the fusers' convolutions, in voxels of stride 16; odd."""
        super().__init__()
        self.kernel = kernel
        layers: list[nn.Module] = []
        for before, after in pairwise(packed_widths(width)):
            layers += [SparseConv(8, before, after), nn.LayerNorm(after, eps=1e-6), nn.GELU()]
        self.mask_downsampler = nn.ModuleList([*layers, PointwiseConv(width, width, bias=True)])
        self.pix_feat_proj = PointwiseConv(width, width, bias=True)
        self.fuser = nn.ModuleList([LidarFuser(width, kernel), LidarFuser(width, kernel)])

    def forward(
        self, features: Tensor, mask: Tensor, maps: list[KernelMap], voxels: Voxels
    ) -> Tensor:
        """features: [n16, W] of the encoder.  mask: [n1, B, 1] of the stride-1 voxels, -10 ... 10.

        maps: from stride 1 to 2, 4, 8 and 16, whose voxels are `voxels`.  Returns [n16, B, W].
        """
        x, steps = mask, iter(maps)
        for layer in self.mask_downsampler:
            x = layer(x, next(steps)) if isinstance(layer, SparseConv) else layer(x)
        x = self.pix_feat_proj(features)[:, None] + x
        for fuser in self.fuser:
            x = fuser(x, voxels.neighbours(self.kernel))
        return x


class LidarFuser(nn.Module):
    """The ConvNeXt block's counterpart; its convolution mixes the channels too."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), 1e-6))
        self.conv = SparseConv(kernel**3, width, width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pwconv1 = PointwiseConv(width, 4 * width)
        self.pwconv2 = PointwiseConv(4 * width, width)

    def forward(self, x: Tensor, kernel_map: KernelMap) -> Tensor:
        mixed = self.norm(self.conv(x, kernel_map))
        out: Tensor = x + self.gamma * self.pwconv2(F.gelu(self.pwconv1(mixed)))
        return out


class MemoryAttention(nn.Module):
    """A frame's features ask themselves, then the memories. One set of weights for both modalities."""

    def __init__(
        self, width: int, hidden: int, layers: int, *, queries_without_places: bool = False
    ) -> None:
        super().__init__()
        self.queries_without_places = queries_without_places
        self.layers = nn.ModuleList(MemoryBlock(width, hidden) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(
        self, features: Tensor, places: Tensor, memory: Tensor, memory_places: Tensor
    ) -> Tensor:
        """features: [1, N, W] of this frame, places: [1, N, W], their encodings.

        memory: [B, M, W], memory_places: [1, M, W].  Returns [B, N, W].

        Until the first look at the memories all tracks share one set of features.
        """
        x = features + 0.1 * places
        keys = memory + memory_places
        where = torch.zeros_like(places) if self.queries_without_places else places
        for layer in self.layers:
            x = layer(x, where, keys, memory)
        out: Tensor = self.norm(x)
        return out


class MemoryBlock(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.self_attn = Attention(width, width, heads=1)
        self.cross_attn_image = Attention(width, width, heads=1)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))

    def forward(self, x: Tensor, places: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        normed = self.norm1(x)
        x = x + self.self_attn(normed + places, normed + places, normed)
        x = x + self.cross_attn_image(self.norm2(x) + places, keys, values)
        out: Tensor = x + self.linear2(F.relu(self.linear1(self.norm3(x))))
        return out


class MotionEncoder(nn.Module):
    """How the vehicle has moved between two frames, for the objects' pointers: [4, 4] -> [W]."""

    d_max: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.d_max = nn.Parameter(torch.tensor(5.0))
        self.fc = nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, width))

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
        with exactly(scaled):
            out: Tensor = self.fc(scaled.float())
        return out


def sine_of_times(steps: Tensor, width: int) -> Tensor:
    """Of how long ago a pointer was made, as a share of the longest time: [P] -> [P, W]."""
    pairs = torch.arange(width // 2, device=steps.device) // 2
    divisors = 10000.0 ** (2 * pairs / (width // 2))
    angles = steps.float()[:, None] / divisors
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
