"""Where a pixel or a point is, in W numbers (UMPE, paper section 3.2).

Each modality has a part of its own (sines of the pixel, random Fourier features of the point) and
both share a part that lives in 3D: a pixel is the ray through it, sampled at 128 depths, a LiDAR
point the same place 128 times; the 384 coordinates go through one small network. So a point and the
pixel that sees it get like encodings.

Positions are metres in the frame of reference of the sweep (release: LiDAR; ours: ego).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.sam4d.layers import exactly

UNIT_M = 20.0  # so that a street's coordinates are of the size of 1
DEPTHS_M = tuple(1.0 + 0.6 * k for k in range(128))


@dataclass(frozen=True)
class Rays:
    """Straight lines through the world: origin + depth · direction.

    origins, directions: [..., 3] metres, and metres per metre of depth along the camera's axis.
    A point is a ray without direction.
    """

    origins: Tensor
    directions: Tensor

    @classmethod
    def through_points(cls, points: Tensor) -> Rays:
        """points: [..., 3]."""
        return cls(points, torch.zeros_like(points))

    def moved(self, there_from_here: Tensor) -> Rays:
        """The same rays in another frame of reference.  there_from_here: [4, 4]."""
        moved = there_from_here.to(self.origins)
        rotation = moved[:3, :3]
        with exactly(self.origins):
            return Rays(self.origins @ rotation.T + moved[:3, 3], self.directions @ rotation.T)


def pixel_rays(
    pixels: Tensor, image_from_model: Tensor, lens: Tensor, sweep_from_camera: Tensor
) -> Rays:
    """The rays of a pinhole camera's pixels.

    pixels: [..., 2] (u, v) in the picture as the model sees it.  image_from_model: [4, 4], from
    there to the recording's pixels.  lens: [4, 4], K padded by the identity.
    sweep_from_camera: [4, 4].
    """
    image = image_from_model.to(pixels)
    u, v = pixels.unbind(-1)
    ones = torch.ones_like(u)
    with exactly(pixels):
        in_image = torch.stack([u, v, ones, ones], dim=-1) @ image.T
        flat = torch.stack([in_image[..., 0], in_image[..., 1], ones], dim=-1)
        directions = flat @ torch.linalg.inv(lens[:3, :3].to(pixels)).T
    return Rays(torch.zeros_like(directions), directions).moved(sweep_from_camera)


def pixel_centres(side: int, stride: int, *, device: torch.device | None = None) -> Tensor:
    """(u, v) of the centres of a grid of `side` x `side` tokens of `stride` px: [side, side, 2]."""
    centres = (torch.arange(side, device=device, dtype=torch.float32) + 0.5) * stride
    v, u = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([u, v], dim=-1)


def sine_of_pixels(places: Tensor, width: int, *, one_frequency: bool) -> Tensor:
    """places: [..., 2] as shares of the picture's width and height.  Returns [..., W], v first.

    one_frequency: like the release, where a slip in operator precedence makes all frequencies the
    same; otherwise those of "Attention is all you need", as in SAM 2.
    """
    count = width // 4
    pairs = torch.arange(count, device=places.device, dtype=places.dtype)
    divisors = torch.ones_like(pairs) if one_frequency else 10000.0 ** (pairs / count)
    angles = 2 * math.pi * places.flip(-1)[..., None] / divisors  # [..., (v, u), W/4]
    waves = torch.stack([angles.sin(), angles.cos()], dim=-1)  # sine and cosine take turns
    return waves.flatten(-3)


class PositionEncoding(nn.Module):
    """All encodings of places; the two modalities' own parts and the shared one.

    Always in float32: at 80 m a half-precision number is a decimetre or more from its neighbours.
    """

    gaussian: Tensor

    def __init__(
        self, width: int, *, one_frequency: bool = False, raw_metres: bool = False
    ) -> None:
        """raw_metres: like the release; otherwise the shared part takes them in units of UNIT_M."""
        super().__init__()
        self.width = width
        self.one_frequency = one_frequency
        self.unit_m = 1.0 if raw_metres else UNIT_M
        self.register_buffer("gaussian", torch.randn(3, width // 2))
        self.register_buffer("depths", torch.tensor(DEPTHS_M), persistent=False)
        self.hidden = nn.Linear(3 * len(DEPTHS_M), 4 * width)
        self.out = nn.Linear(4 * width, width)

    def shared(self, rays: Rays) -> Tensor:
        """The part that pixels and points share: [..., W].

        The first layer is linear in origin + depth · direction, so the sum over the depths is taken
        once, of its weights: 6 numbers a ray go in instead of 384.
        """
        with exactly(rays.origins):
            by_depth = self.hidden.weight.unflatten(1, (len(DEPTHS_M), 3))  # [4 W, depth, xyz]
            of_origin = by_depth.sum(dim=1)
            of_direction = torch.einsum("hdx,d->hx", by_depth, self.depths)
            hidden = F.linear(rays.origins / self.unit_m, of_origin, self.hidden.bias)
            hidden = hidden + F.linear(rays.directions / self.unit_m, of_direction)
            out: Tensor = self.out(F.relu(hidden))
            return out

    def fourier(self, points: Tensor) -> Tensor:
        """LiDAR's own part: [..., 3] metres -> [..., W]."""
        with exactly(points):
            angles = points @ self.gaussian
            return torch.cat([angles.sin(), angles.cos()], dim=-1)

    def of_points(self, points: Tensor) -> Tensor:
        """Of LiDAR points [..., 3]: both parts, [..., W]."""
        return self.fourier(points) + self.shared(Rays.through_points(points))

    def sine_of_grid(self, side: int) -> Tensor:
        """The picture's own part on a grid of tokens: [side, side, W]."""
        steps = (torch.arange(side, device=self.gaussian.device) + 0.5) / (side + 1e-6)
        v, u = torch.meshgrid(steps, steps, indexing="ij")
        return self._sine(torch.stack([u, v], dim=-1))

    def of_pixels(self, pixels: Tensor, rays: Rays, side_px: int) -> Tensor:
        """Of pixels [..., 2] in the picture as the model sees it, with their rays: [..., W]."""
        return self._sine(pixels / side_px) + self.shared(rays)

    def _sine(self, places: Tensor) -> Tensor:
        return sine_of_pixels(places, self.width, one_frequency=self.one_frequency)
