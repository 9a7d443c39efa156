"""What the small model makes of a picture and of a sweep: plain convolutions, cheap on a CPU.

B readings, W channels of a token. Dense 3x3 convolutions run at a processor's full speed, which the
attention of a Hiera of the same size does not (decision 0015).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.nano.config import NanoConfig

PICTURE_CHANNELS = 5  # red, green, blue; inverse depth of the nearest point, and how near it is
SWEEP_CHANNELS = 14
EYE_M = 1.8  # the height above ego from which directions are taken
_SHARE_OCTAVES = 7


def norm(width: int) -> nn.BatchNorm2d:
    """Batches are a few frames, now and then a single one: the running figures follow slowly."""
    return nn.BatchNorm2d(width, momentum=0.02)


class Conv(nn.Sequential):
    """Convolution, batch norm, ReLU."""

    def __init__(self, before: int, after: int, kernel: int = 3, stride: tuple[int, int] = (1, 1)):
        super().__init__(
            nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False),
            norm(after),
            nn.ReLU(),
        )


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = Conv(width, width)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm = norm(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm(self.second(self.first(x))))


class Stage(nn.Sequential):
    """A halving of the resolution (or none), then residual blocks."""

    def __init__(self, before: int, after: int, blocks: int, stride: tuple[int, int]) -> None:
        super().__init__(
            Conv(before, after, stride=stride), *(Residual(after) for _ in range(blocks))
        )


class PictureEncoder(nn.Module):
    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        widths, blocks = config.picture_widths, config.picture_blocks
        half = (2, 2)
        self.stem = Conv(PICTURE_CHANNELS, 16, stride=half)
        before = (16, *widths[:3])
        self.stages = nn.ModuleList(
            Stage(b, w, n, half) for b, w, n in zip(before, widths, blocks, strict=True)
        )
        self.to_fine = nn.Conv2d(widths[0], config.fine[0], 1)
        self.to_middle = nn.Conv2d(widths[1], config.fine[1], 1)
        self.to_tokens = nn.Conv2d(widths[2], config.width, 1)
        self.from_above = nn.Conv2d(widths[3], config.width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B, 5, h, w] -> at strides 4, 8 and 16: fine, middle, tokens."""
        at4 = self.stages[0](self.stem(x))
        at8 = self.stages[1](at4)
        at16 = self.stages[2](at8)
        above = self.from_above(self.stages[3](at16))
        tokens = self.to_tokens(at16) + _stretched(above, at16)
        return self.to_fine(at4), self.to_middle(at8), tokens


class SweepEncoder(nn.Module):
    """Of range views: a cell is a point, so that thin things keep their points."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        widths, blocks = config.sweep_widths, config.sweep_blocks
        self.stem = nn.Sequential(Conv(SWEEP_CHANNELS, widths[0]), Residual(widths[0]))
        self.across = Stage(widths[0], widths[1], blocks[0], (1, 2))
        self.down = Stage(widths[1], widths[2], blocks[1], (2, 2))
        self.coarse = Stage(widths[2], widths[3], blocks[2], (2, 2))
        self.above = Stage(widths[3], widths[3], 1, (2, 2))
        self.to_fine = nn.Conv2d(widths[0], config.fine[0], 1)
        self.to_middle = nn.Conv2d(widths[2], config.fine[1], 1)
        self.to_tokens = nn.Conv2d(widths[3], config.width, 1)
        self.from_above = nn.Conv2d(widths[3], config.width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B, C, rows, columns] -> at strides (1, 1), (2, 4) and (4, 8): fine, middle, tokens."""
        full = self.stem(x)
        middle = self.down(self.across(full))
        coarse = self.coarse(middle)
        above = self.from_above(self.above(coarse))
        tokens = self.to_tokens(coarse) + _stretched(above, coarse)
        return self.to_fine(full), self.to_middle(middle), tokens


def _stretched(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear")


class ShareCode(nn.Linear):
    """Sines of where a picture has something, as shares of its width and height: [..., 2] -> [..., W]."""

    octaves: Tensor

    def __init__(self, width: int) -> None:
        super().__init__(4 * _SHARE_OCTAVES, width)
        octaves = 2.0 ** torch.arange(_SHARE_OCTAVES) * torch.pi
        self.register_buffer("octaves", octaves, persistent=False)

    def forward(self, shares: Tensor) -> Tensor:
        angles = shares[..., None] * self.octaves
        return super().forward(torch.cat([angles.sin(), angles.cos()], -1).flatten(-2))


class Places(nn.Module):
    """Where things are, the same for pixels and points (UMPE): sines of the direction and distance.

    A pixel that no beam reached has a direction only; a flag says so.
    """

    octaves: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("octaves", 2.0 ** torch.arange(8), persistent=False)
        self.out = nn.Linear(2 * (8 + 8 + 5) + 1, width)

    def forward(self, points: Tensor, known: Tensor) -> Tensor:
        """points: [..., 3] metres in ego.  known: [...], 1 where the distance is.  -> [..., W]."""
        x, y, z = points.float().unbind(-1)
        across = torch.hypot(x, y)
        azimuth = torch.atan2(y, x)[..., None] * self.octaves
        elevation = torch.atan2(z - EYE_M, across + 1e-3)[..., None] * self.octaves * 2
        distance = torch.log(torch.hypot(across, z - EYE_M).clamp(min=0.5))[..., None]
        distance = distance * self.octaves[:5]
        known = known.float()[..., None]
        waves = [azimuth.sin(), azimuth.cos(), elevation.sin(), elevation.cos(),
                 distance.sin() * known, distance.cos() * known, known]  # fmt: skip
        out: Tensor = self.out(torch.cat(waves, dim=-1))
        return out
