"""Pictures and masks as a pinhole of the same matrix and size would have seen them."""

from __future__ import annotations

import io
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from inference.geometry import Intrinsics, project_to_image

QUALITY = 95


class Undistortion:
    """Of one camera. What the pinhole sees beyond the picture's border is black, and no mask."""

    def __init__(self, lens: Intrinsics) -> None:
        self.lens = lens

    def jpeg(self, encoded: bytes) -> bytes:
        """An undistorted JPEG. Without distortion a JPEG is passed on as it is."""
        if not self.lens.is_distorted and encoded.startswith(b"\xff\xd8\xff"):
            return encoded
        pixels = np.asarray(
            PillowImage.open(io.BytesIO(encoded), formats=["JPEG", "PNG"]).convert("RGB")
        )
        straight = self._remapped(pixels, smooth=True) if self.lens.is_distorted else pixels
        out = io.BytesIO()
        PillowImage.fromarray(straight).save(out, "JPEG", quality=QUALITY)
        return out.getvalue()

    def labels(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """numbers: [H, W], 0 = none. Nearest neighbour: a number is never mixed."""
        if not self.lens.is_distorted:
            return numbers
        nearest = self._remapped(numbers.astype(np.float64), smooth=False)
        return np.asarray(nearest, dtype=np.int64)

    def _remapped(self, picture: Any, *, smooth: bool) -> Any:
        import cv2

        return cv2.remap(
            picture,
            self._sources[..., 0],
            self._sources[..., 1],
            cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=0,
        )

    @cached_property
    def _sources(self) -> npt.NDArray[np.float32]:
        """[H, W, 2]: where in the distorted picture each straight pixel's centre is, OpenCV's way.

        OpenCV puts a pixel's centre at whole numbers, the house at a half.
        """
        lens = self.lens
        v, u = np.mgrid[: lens.height_px, : lens.width_px] + 0.5
        x, y = (u - lens.cx) / lens.fx, (v - lens.cy) / lens.fy
        rays = np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3)
        pixels, _, in_view = project_to_image(rays, np.eye(4), lens)
        pixels[~in_view] = -10  # outside of the picture
        return (pixels.reshape(lens.height_px, lens.width_px, 2) - 0.5).astype(np.float32)
