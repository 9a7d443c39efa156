"""The size of the small model as frozen data."""

from __future__ import annotations

from dataclasses import dataclass

PICTURE_STRIDE = 16
# Rows and columns of the range view that make one token.
SWEEP_STRIDE = (4, 8)


@dataclass(frozen=True)
class NanoConfig:
    """picture_px: height and width that pictures are squeezed to, multiples of 32.

    columns: of the whole turn in the range view.  rows: the most; LiDARs with more beams share them.
    sector: columns that are looked at together with a camera.  window: those that the decoder sees
    round a prompt.
    width: channels of a token.  hidden: of feed-forward layers.  heads: of the decoder.
    picture_widths, picture_blocks: at strides 4, 8, 16 and 32.  sweep_widths: at full resolution
    and after each halving; the last three have blocks.  fine: channels of masks at the finest level and
    the one above it.  memory_layers: of the memory attention.
    refined_px: side of the crops in which masks in pictures are refined, a multiple of 8.

    remembers: whether there are memories of followed objects (`memory`); weights that were not trained on
    clips have none.

    What the ablations switch off: shared_places (UMPE: without, each modality has its own encoding
    of places), cross_modal (MCMA: without, no modality looks at the other before the decoder),
    ego_motion (without, what is remembered stays where it was seen from the vehicle then).
    """

    picture_px: tuple[int, int] = (320, 480)
    rows: int = 64
    columns: int = 1024
    sector: int = 512
    window: int = 256
    width: int = 96
    hidden: int = 192
    heads: int = 4
    picture_widths: tuple[int, int, int, int] = (24, 48, 96, 160)
    picture_blocks: tuple[int, int, int, int] = (1, 2, 3, 2)
    sweep_widths: tuple[int, int, int, int] = (16, 32, 64, 112)
    sweep_blocks: tuple[int, int, int] = (1, 2, 2)
    fine: tuple[int, int] = (16, 32)
    memory_layers: int = 2
    refined_px: int = 112
    refiner_widths: tuple[int, int, int, int] = (16, 32, 64, 96)
    remembers: bool = False
    shared_places: bool = True
    cross_modal: bool = True
    ego_motion: bool = True

    @property
    def picture_tokens(self) -> tuple[int, int]:
        """Rows and columns of a picture's tokens."""
        height, width = self.picture_px
        return height // PICTURE_STRIDE, width // PICTURE_STRIDE
