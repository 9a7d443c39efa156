"""What is seen in a frame, before anybody asks for a track: features, and where they look.

P pictures, W channels, h x w tokens of a picture, n voxels, N points. The sweep's frame of reference
is LiDAR in the release and ego at the frame's pose in ours; "sweep" stands for either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from inference.geometry import FloatArray, Intrinsics, project_to_image, rays_from_pixels
from inference.sam4d.lidar_encoder import Interpolation, Voxelised
from inference.sam4d.position_encoding import Rays, pixel_rays
from inference.sam4d.sparse import KernelMap, Voxels

STRIDE = 16
SWEEP = "<sweep>"  # the name of the merged sweep beside those of the cameras; none is called so


@dataclass(frozen=True)
class Camera:
    """A camera as the model sees it.

    lens: [4, 4], K padded by the identity.  sweep_from_camera: [4, 4].  image_from_model: [4, 4],
    from the model's square picture to the recording's pixels.  distortion: the whole lens where it
    is more than a pinhole; `lens` is then without effect.
    """

    lens: Tensor
    sweep_from_camera: Tensor
    image_from_model: Tensor
    distortion: Intrinsics | None = None

    def rays(self, pixels: Tensor) -> Rays:
        """pixels: [..., 2] of the model's square picture."""
        if self.distortion is None:
            return pixel_rays(pixels, self.image_from_model, self.lens, self.sweep_from_camera)
        image = self.image_from_model.double().cpu().numpy()
        flat = pixels.detach().double().cpu().numpy().reshape(-1, 2)
        bent = _bent(flat @ image[:2, :2].T + image[:2, 2] + image[:2, 3], self.distortion)
        directions = torch.from_numpy(bent).to(pixels).unflatten(0, pixels.shape[:-1])
        return Rays(torch.zeros_like(directions), directions).moved(self.sweep_from_camera)


def _bent(pixels: FloatArray, lens: Intrinsics) -> FloatArray:
    """The viewing directions of a recording's pixels [N, 2] through a distorted lens: [N, 3].

    Where the polynomial cannot be undone, as in the corners of a very wide picture, the pinhole's
    direction stands in: one that is not a number would spoil the whole picture.
    """
    with np.errstate(all="ignore"):
        directions = rays_from_pixels(pixels, lens)
        again, _, _ = project_to_image(directions, np.eye(4), lens)
        lost = ~(np.abs(again - pixels).max(axis=1, initial=0) < 0.5)
    pinhole = replace(lens, k1=0.0, k2=0.0, p1=0.0, p2=0.0, k3=0.0)
    directions[lost] = rays_from_pixels(pixels[lost], pinhole)
    return directions


@dataclass(frozen=True)
class Features:
    """What an encoder makes of a reading, at strides 16, 8 and 4, ready for the decoder.

    Of pictures: [P, W, h, w], [P, W/4, 2h, 2w], [P, W/8, 4h, 4w].  Of a sweep: [n16, W],
    [n8, W/4], [n4, W/8].
    """

    at16: Tensor
    fine8: Tensor
    fine4: Tensor


@dataclass(frozen=True)
class SweepCells:
    """A sweep cut into voxels.  points: [N, 3].  levels, maps: see SweepSight."""

    points: Tensor
    voxelised: Voxelised
    levels: tuple[Voxels, ...]
    maps: tuple[KernelMap, ...]


@dataclass(frozen=True)
class PictureSight:
    """at16: [W, h, w].  fine8, fine4: [1, W/4, 2h, 2w], [1, W/8, 4h, 4w].  places: [h, w, W]."""

    camera: Camera
    at16: Tensor
    fine8: Tensor
    fine4: Tensor
    rays: Rays
    places: Tensor


@dataclass(frozen=True)
class SweepSight:
    """at16: [n16, W].  fine8, fine4: [n8, W/4], [n4, W/8].  centres: [n16, 3], the mean of each
    voxel's points.  places: [n16, W].  points: [N, 3].  levels, maps: strides 1, 2, 4, 8, 16 and between them.
    """

    points: Tensor
    voxelised: Voxelised
    levels: tuple[Voxels, ...]
    maps: tuple[KernelMap, ...]
    at16: Tensor
    fine8: Tensor
    fine4: Tensor
    centres: Tensor
    places: Tensor
    to_points: Interpolation


@dataclass(frozen=True)
class Whereabouts:
    """Where the tokens of a frame's readings are, for frames that look back at it.

    rays: of a picture's tokens [h, w], of a sweep's voxels [n16].  world_from_sweep: [4, 4] float64.
    """

    rays: Mapping[str, Rays]
    world_from_sweep: Tensor

    def seen_from(self, other: Whereabouts) -> Tensor:
        """other_from_this: [4, 4] float64."""
        return torch.linalg.inv(other.world_from_sweep) @ self.world_from_sweep


@dataclass(frozen=True)
class Sight:
    """Everything that was seen in one frame. world_from_sweep: [4, 4] float64.

    derived: what the model worked out from it for any track, kept for the next one.
    """

    pictures: Mapping[str, PictureSight]
    sweep: SweepSight | None
    world_from_sweep: Tensor
    derived: dict[str, Tensor] = field(default_factory=dict, compare=False)

    @property
    def readings(self) -> list[str]:
        """The cameras, then the sweep."""
        return [*self.pictures, *([SWEEP] if self.sweep is not None else [])]

    @cached_property
    def whereabouts(self) -> Whereabouts:
        rays = {name: picture.rays for name, picture in self.pictures.items()}
        if self.sweep is not None:
            rays[SWEEP] = Rays.through_points(self.sweep.centres)
        return Whereabouts(rays, self.world_from_sweep)

    def tokens(self, name: str) -> Tensor:
        """What was seen in a reading: [N, W]."""
        if name == SWEEP:
            assert self.sweep is not None
            return self.sweep.at16
        return self.pictures[name].at16.flatten(1).T

    def places(self, name: str) -> Tensor:
        """The encodings of where its tokens are: [N, W]."""
        if name == SWEEP:
            assert self.sweep is not None
            return self.sweep.places
        return self.pictures[name].places.flatten(0, 1)
