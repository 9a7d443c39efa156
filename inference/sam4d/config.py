"""Sizes of the model as frozen data, and which of the release's quirks it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


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
    decoder_widths: at strides 8 and 4.
    """

    cell_m: float = 0.15
    encoder_widths: tuple[int, int, int, int, int] = (32, 32, 64, 128, 256)
    encoder_blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    decoder_widths: tuple[int, int] = (256, 128)
    decoder_blocks: tuple[int, int] = (2, 2)


@dataclass(frozen=True)
class Quirks:
    """What the authors' release does that it should not, each a switch, with what we do instead.

    True reproduces the release. Numbers are those of the reference sheet on which this
    implementation rests; decision 0013 says where each of its 27 went.
    """

    # 1, 4: a first grid of 5 cm, cut towards 0, has cells of double width at 0; ours is one grid.
    two_grids: bool = True
    # 2: the last, incomplete cells of an axis are dropped, and the points in them see nothing.
    drop_incomplete: bool = True
    # 3: of several points in a voxel one speaks for all; ours takes their mean.
    last_point_wins: bool = True
    # 5: all 64 frequencies of a pixel's encoding are the same, so that it repeats itself.
    one_frequency: bool = True
    # 7: the picture's prompts reach its decoder twice, which doubles their weight.
    image_tokens_twice: bool = True
    # 8: masks in sweeps are drawn without a non-linearity, so two layers do the work of one.
    linear_in_sweep: bool = True
    # 9: one point in the first reading counts as ambiguous, however many the others have.
    first_reading_decides: bool = True
    # 10: point masks are interpolated between voxels four cells apart, with the wrong axes.
    wrong_interpolation: bool = True
    # 11: memories are rounded to bfloat16, wherever and however they are kept.
    bfloat16_memory: bool = True
    # 13: prompts that are more than eight frames away are forgotten.
    forget_far_prompts: bool = True
    # 14: a mask grows to full size in two steps when it is followed, in one when it is prompted.
    two_ways_to_full_size: bool = True
    # 24: a new click in a frame looks back at what that frame's own, worse mask left behind.
    sees_own_past: bool = True
    # 26: a track is also drawn in frames before its first prompt, from its future.
    drawn_before_prompted: bool = True
    # The sheet's other defects: where a track begins, no reading sees what the others see,
    alone_when_prompted: bool = True
    # and a box seen from above lies flat at height 0; ours reaches over the points in it.
    flat_boxes: bool = True
    # Section 11.5: in the memory attention only keys say where they are; ours adds places to queries
    # and to the self-attention, as the paper writes it, so that like places find each other.
    queries_without_places: bool = True
    # Section 4.2: the network that pixels and points share takes metres as they come, up to 80, and
    # what it makes of them drowns what is seen; ours takes twentieths.
    raw_metres: bool = True
    # Section 5: clicks are cut to whole pixels of the model's picture.
    whole_pixels: bool = True
    # Section 12: small holes are filled where a person prompted, and stay where a mask was followed.
    holes_when_followed: bool = True


RELEASE = Quirks()
OURS = Quirks(**{switch.name: False for switch in fields(Quirks)})


@dataclass(frozen=True)
class Sam4dConfig:
    """side_px: pictures are squeezed to this square, a multiple of 32.

    width: channels past the encoders.  hidden: of the feed-forward layers of decoder and memory
    attention.  heads: of the decoder.  memory_layers: of the memory attention.  memory_kernel:
    side of the convolutions in the sweep's memory encoder.  memory_frames, pointers: how many of
    each a frame looks back at.  prompted_frames: of those that were prompted it looks at the
    nearest ones, which bounds what is kept of a track; None: all.
    """

    image: ImageEncoderConfig
    side_px: int = 768
    lidar: LidarEncoderConfig = LidarEncoderConfig()
    width: int = 256
    hidden: int = 2048
    heads: int = 8
    memory_layers: int = 4
    memory_kernel: int = 7
    memory_frames: int = 7
    pointers: int = 8
    prompted_frames: int | None = 4
    quirks: Quirks = OURS

    def __post_init__(self) -> None:
        if self.lidar.encoder_widths[-1] != self.width:
            raise ValueError(
                f"the LiDAR encoder ends in {self.lidar.encoder_widths[-1]} channels, the model "
                f"has {self.width}; they must be the same"
            )


# Ours to train. Both can begin with SAM 2.1 of their Hiera.
SIZES = {
    "small": Sam4dConfig(
        HIERA["tiny"],
        side_px=512,
        lidar=LidarEncoderConfig(
            encoder_blocks=(2, 2, 2, 2), decoder_widths=(256, 96), decoder_blocks=(1, 1)
        ),
        memory_kernel=3,
    ),
    "base": Sam4dConfig(HIERA["small"]),
}


def release(size: str = "small", side_px: int = 768) -> Sam4dConfig:
    """The model as its authors published it, quirks and all.  size: a name in HIERA."""
    return Sam4dConfig(HIERA[size], side_px, prompted_frames=None, quirks=RELEASE)


def as_plain(config: Sam4dConfig) -> dict[str, Any]:
    """What JSON can hold."""
    return asdict(config)


def from_plain(plain: Mapping[str, Any]) -> Sam4dConfig:
    """The way back. Raises TypeError or KeyError for what `as_plain` did not make."""
    parts = {
        "image": ImageEncoderConfig(**_with_tuples(plain["image"])),
        "lidar": LidarEncoderConfig(**_with_tuples(plain["lidar"])),
        "quirks": Quirks(**plain["quirks"]),
    }
    return Sam4dConfig(**{**plain, **parts})


def _with_tuples(plain: Mapping[str, Any]) -> dict[str, Any]:
    """JSON makes lists of them."""
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()
    }
