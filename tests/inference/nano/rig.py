"""A small model and a small drive, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import torch

from inference.geometric.frames import OpenScene, PreparedFrame
from inference.nano.config import NanoConfig
from inference.nano.glance import glance_at_picture, glance_at_sweep, sector
from inference.nano.hints import Glances, Hints, hints_of, meant_by
from inference.nano.model import Nano
from inference.prompts import Prompt
from inference.scene import Scene
from inference.world.drive import make_drive

SMALL = NanoConfig(
    picture_px=(64, 96),
    rows=16,
    columns=256,
    sector=128,
    window=64,
    width=32,
    hidden=48,
    picture_widths=(8, 12, 16, 24),
    picture_blocks=(1, 1, 1, 1),
    sweep_widths=(8, 8, 12, 16),
    sweep_blocks=(1, 1, 1),
    fine=(8, 8),
    refined_px=48,
    refiner_widths=(8, 8, 12, 16),
)


@cache
def drive(length: int = 3) -> Scene:
    """Rendered once."""
    made = make_drive(6, "tiny", length)
    frames = [made.frames[index] for index in range(length)]
    return replace(made, frames=frames)


@cache
def gold() -> dict[str, object]:
    return make_drive(6, "tiny", 3).frames.gold_ids(0)  # type: ignore[attr-defined]


def prepared(scene: Scene | None = None, frame: int = 0) -> PreparedFrame:
    return OpenScene(scene or drive()).prepared(frame)


def glances(camera: str | None = "FRONT", first: int = 64) -> Glances:
    frame = prepared()
    pictures = {name: glance_at_picture(frame, name, SMALL) for name in frame.cameras}
    whole = glance_at_sweep(frame, pictures, SMALL)
    assert whole is not None
    picture = None if camera is None else pictures[camera]
    return Glances(frame, picture, sector(whole, first, SMALL.sector))


def shown(view: Glances, prompts: Sequence[Prompt]) -> Hints:
    return hints_of(view, prompts, meant_by(view.prepared, prompts))


def small_model(seed: int = 0) -> Nano:
    torch.manual_seed(seed)
    model = Nano(SMALL).eval()
    with torch.no_grad():
        model.decoder.tells.layers[-1].bias.copy_(torch.tensor([0.0, 5.0]))  # everything is seen
    return model
