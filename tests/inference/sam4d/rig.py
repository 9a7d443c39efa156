"""A small model and what a made-up rig sees, for the tests of this folder."""

from __future__ import annotations

import math

import torch

from inference.sam4d.config import ImageEncoderConfig, LidarEncoderConfig, Sam4dConfig
from inference.sam4d.config import release as as_released
from inference.sam4d.model import Sam4d
from inference.sam4d.sight import Camera, Sight

SIDE_PX = 64


# Every part of the model, each as small as it can be.
SMALL = Sam4dConfig(
    ImageEncoderConfig(16, 1, (1, 1, 2, 1), (8, 4, 8, 4), (3,)),
    side_px=SIDE_PX,
    lidar=LidarEncoderConfig(
        encoder_widths=(8, 8, 16, 16, 32), encoder_blocks=(1, 1, 1, 1), decoder_widths=(32, 16)
    ),
    width=32,
    hidden=64,
    heads=4,
    memory_layers=2,
    memory_kernel=3,
)


def small_model(*, release: bool = False) -> Sam4d:
    """release: with the layout and the quirks of the released files."""
    torch.manual_seed(0)
    return Sam4d(as_released("tiny", SIDE_PX) if release else SMALL).eval()


def camera(heading_deg: float) -> Camera:
    """Looks along a heading, 1.5 m above the origin of ego."""
    angle = math.radians(heading_deg)
    forward = torch.tensor([math.cos(angle), math.sin(angle), 0.0])
    right = torch.tensor([math.sin(angle), -math.cos(angle), 0.0])
    down = torch.tensor([0.0, 0.0, -1.0])
    pose = torch.eye(4)
    pose[:3, :3] = torch.stack([right, down, forward], dim=1)
    pose[2, 3] = 1.5
    lens = torch.eye(4)
    lens[0, 0] = lens[1, 1] = 500.0
    lens[0, 2], lens[1, 2] = 480.0, 320.0
    scale = torch.diag(torch.tensor([960 / SIDE_PX, 640 / SIDE_PX, 1.0, 1.0]))
    return Camera(lens, pose, scale)


def points(count: int = 600) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return (torch.rand(count, 3, generator=generator) - 0.5) * torch.tensor([40.0, 40.0, 4.0])


def sight(model: Sam4d, *, cameras: int = 1, sweep: bool = True) -> Sight:
    generator = torch.Generator().manual_seed(2)
    pictures = {
        f"camera{number}": model.look_at_picture(
            torch.randn(3, SIDE_PX, SIDE_PX, generator=generator), camera(360 / cameras * number)
        )
        for number in range(cameras)
    }
    seen = model.look_at_sweep(points()) if sweep else None
    return Sight(pictures, seen, torch.eye(4, dtype=torch.float64))
