"""How well a step went, by route, until somebody asks."""

from __future__ import annotations

import torch
from torch import Tensor


class Sums:
    """By route: the sum of IoUs and how many, where the model is, until they are asked for."""

    def __init__(self) -> None:
        self.of: dict[str, Tensor] = {}

    def add(self, route: str, values: Tensor, counts: Tensor) -> None:
        """values: [B], of which those count where counts [B] is 1."""
        now = torch.stack([(values * counts).sum(), counts.sum()]).detach()
        self.of[route] = self.of[route] + now if route in self.of else now

    def means(self) -> dict[str, float]:
        said = {route: both.tolist() for route, both in sorted(self.of.items())}
        return {route: total / max(count, 1) for route, (total, count) in said.items()}
