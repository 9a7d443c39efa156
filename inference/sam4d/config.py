"""Sizes of the model as frozen data, and which of the release's quirks it keeps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageEncoderConfig:
    """A Hiera trunk of SAM 2: four stages, each with half the resolution and twice the width.

    width, heads: of the first stage.  blocks: of each stage.  windows: side of the attention
    windows of each stage, in tokens.  global_blocks: those that attend to the whole picture.
    position_grid: side of the learnt position grid that is stretched over the picture.
    """

    width: int
    heads: int
    blocks: tuple[int, int, int, int]
    windows: tuple[int, int, int, int]
    global_blocks: tuple[int, ...]
    position_grid: int = 7

    @property
    def widths(self) -> tuple[int, int, int, int]:
        """Channels of each stage, at strides 4, 8, 16 and 32."""
        return self.width, 2 * self.width, 4 * self.width, 8 * self.width


HIERA = {
    "tiny": ImageEncoderConfig(96, 1, (1, 2, 7, 2), (8, 4, 14, 7), (5, 7, 9)),
    "small": ImageEncoderConfig(96, 1, (1, 2, 11, 2), (8, 4, 14, 7), (7, 10, 13)),
    "base_plus": ImageEncoderConfig(112, 2, (2, 3, 16, 3), (8, 4, 14, 7), (12, 16, 20), 14),
    "large": ImageEncoderConfig(144, 2, (2, 6, 36, 4), (8, 4, 16, 8), (23, 33, 43)),
}


@dataclass(frozen=True)
class LidarEncoderConfig:
    """A MinkUNet over voxels: four encoder stages down to stride 16, two decoder stages up to 4.

    cell_m: side of a voxel at stride 1.  encoder_widths: of the input layer and of each stage.
    decoder_widths: at strides 8 and 4.  keep_incomplete: see Voxels.coarser.
    """

    cell_m: float = 0.15
    encoder_widths: tuple[int, int, int, int, int] = (32, 32, 64, 128, 256)
    encoder_blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    decoder_widths: tuple[int, int] = (256, 128)
    decoder_blocks: tuple[int, int] = (2, 2)
    keep_incomplete: bool = True
