"""From a picture to features: the Hiera trunk of SAM 2 and a feature pyramid neck.

B pictures, C channels, H x W tokens. Hiera (arXiv 2306.00989) is a plain vision transformer whose
tokens are pooled between its stages and which attends within windows, except for a few blocks that
see the whole picture. The neck (SAM 2, arXiv 2408.00714, section 4) makes W channels of each stage.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.sam4d.config import ImageEncoderConfig
from inference.sam4d.layers import attend

NORM_EPS = 1e-6


class ImageEncoder(nn.Module):
    """RGB pictures -> pyramids of features at strides 4, 8 and 16."""

    def __init__(self, config: ImageEncoderConfig, width: int) -> None:
        """width: channels of the features, W."""
        super().__init__()
        self.trunk = Trunk(config)
        self.neck = Neck(config.widths, width)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """images: [B, 3, S, S], normalised, S a multiple of 32.

        Returns [B, W, S/4, S/4], [B, W, S/8, S/8], [B, W, S/16, S/16].
        """
        return self.neck(self.trunk(images))


class Trunk(nn.Module):
    """Hiera: [B, 3, S, S] -> one map per stage, at strides 4, 8, 16, 32."""

    def __init__(self, config: ImageEncoderConfig) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(config.width)
        grid, window = config.position_grid, config.windows[0]
        self.pos_embed = nn.Parameter(torch.zeros(1, config.width, grid, grid))
        self.pos_embed_window = nn.Parameter(torch.zeros(1, config.width, window, window))
        self.blocks = nn.ModuleList(_blocks(config))
        self.stage_ends = [sum(config.blocks[: stage + 1]) - 1 for stage in range(4)]

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.patch_embed(images)
        x = x + self._positions(x.shape[1], x.shape[2])
        stages = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.stage_ends:
                stages.append(x.permute(0, 3, 1, 2))
        return stages

    def _positions(self, height: int, width: int) -> Tensor:
        """What is learnt for the whole picture, stretched, plus what repeats in every window."""
        whole = F.interpolate(self.pos_embed, size=(height, width), mode="bicubic")
        window = self.pos_embed_window
        repeats = [-(-side // window.shape[-1]) for side in (height, width)]
        tiled = window.tile(1, 1, *repeats)[:, :, :height, :width]
        return (whole + tiled).permute(0, 2, 3, 1)


class PatchEmbed(nn.Module):
    """Tokens of 4 x 4 pixels from overlapping patches of 7 x 7: [B, 3, S, S] -> [B, S/4, S/4, C]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=7, stride=4, padding=3)

    def forward(self, images: Tensor) -> Tensor:
        tokens: Tensor = self.proj(images)
        return tokens.permute(0, 2, 3, 1)


class Block(nn.Module):
    """One transformer block. Where the width grows, queries are pooled 2 x 2.

    window: side of the attention windows in tokens of the input; 0 for the whole picture.
    """

    def __init__(self, width_in: int, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.pools = width_in != width
        self.norm1 = nn.LayerNorm(width_in, eps=NORM_EPS)
        self.attn = Attention(width_in, width, heads, pools=self.pools)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.mlp = Perceptron(width, 4 * width)
        if self.pools:
            self.proj = nn.Linear(width_in, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, H, W, C_in] -> [B, H, W, C], or half of H and W where it pools."""
        shortcut, x = x, self.norm1(x)
        if self.pools:
            shortcut = pool(self.proj(x))
        if self.window:
            padded, sides = _pad(x, self.window)
            windows = self.attn(_split(padded, self.window))
            window = self.window // 2 if self.pools else self.window
            sides = [side // 2 for side in sides] if self.pools else sides
            x = _join(windows, window, sides)[:, : shortcut.shape[1], : shortcut.shape[2]]
        else:
            x = self.attn(x)
        x = shortcut + x
        mixed: Tensor = x + self.mlp(self.norm2(x))
        return mixed


class Attention(nn.Module):
    """Multi-head self-attention over the tokens of [B, H, W, C_in]; queries pooled when `pools`."""

    def __init__(self, width_in: int, width: int, heads: int, *, pools: bool) -> None:
        super().__init__()
        self.heads, self.pools = heads, pools
        self.qkv = nn.Linear(width_in, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).chunk(3, dim=-1)  # each [B, H, W, C]
        if self.pools:
            query = pool(query)
        sides = query.shape[1:3]
        query, key, value = (self._by_head(each) for each in (query, key, value))
        answer = attend(query, key, value)  # [B, heads, H·W, C/heads]
        answer = answer.transpose(1, 2).flatten(2).unflatten(1, sides)
        out: Tensor = self.proj(answer)
        return out

    def _by_head(self, x: Tensor) -> Tensor:
        return x.flatten(1, 2).unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Perceptron(nn.Module):
    """Linear, GELU, Linear, back to the width it came with."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, hidden), nn.Linear(hidden, width)])

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers[1](F.gelu(self.layers[0](x)))
        return out


class Neck(nn.Module):
    """A 1 x 1 convolution of each stage to W channels; only stride 16 hears of the coarsest."""

    def __init__(self, stage_widths: tuple[int, ...], width: int) -> None:
        super().__init__()
        # From the coarsest level to the finest, as in the checkpoints.
        self.convs = nn.ModuleList(Lateral(before, width) for before in reversed(stage_widths))

    def forward(self, stages: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        at32, at16, at8, at4 = (
            conv(stage) for conv, stage in zip(self.convs, reversed(stages), strict=True)
        )
        at16 = at16 + F.interpolate(at32, scale_factor=2.0, mode="nearest")
        return at4, at8, at16


class Lateral(nn.Module):
    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width_in, width, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


def pool(x: Tensor) -> Tensor:
    """The largest of each 2 x 2 tokens: [B, H, W, C] -> [B, H/2, W/2, C]."""
    return F.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


def _blocks(config: ImageEncoderConfig) -> list[Block]:
    """A stage's first block still works in windows of the stage before: its keys are not pooled."""
    blocks: list[Block] = []
    width, heads, window = config.width, config.heads, config.windows[0]
    for stage, count in enumerate(config.blocks):
        for index in range(count):
            grows = stage > 0 and index == 0
            side = 0 if len(blocks) in config.global_blocks else window
            if grows:
                heads *= 2
            blocks.append(Block(width, 2 * width if grows else width, heads, side))
            if grows:
                width *= 2
            window = config.windows[stage]
    return blocks


def _pad(x: Tensor, window: int) -> tuple[Tensor, list[int]]:
    """Zeros right and below, up to whole windows. They take part in attention."""
    height, width = x.shape[1:3]
    down, right = -height % window, -width % window
    return F.pad(x, (0, 0, 0, right, 0, down)), [height + down, width + right]


def _split(x: Tensor, window: int) -> Tensor:
    """[B, H, W, C] -> [B · windows, window, window, C]."""
    rows = x.unflatten(1, (-1, window)).unflatten(3, (-1, window))
    return rows.transpose(2, 3).flatten(0, 2)


def _join(windows: Tensor, window: int, sides: list[int]) -> Tensor:
    """[B · windows, window, window, C] -> [B, H, W, C]."""
    down, right = (side // window for side in sides)
    rows = windows.unflatten(0, (-1, down, right)).transpose(2, 3)
    return rows.flatten(3, 4).flatten(1, 2)
