"""Frozen dataclasses of tensors, taken to where a model is, or changed in another way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

D = TypeVar("D")


def mapped(of: D, change: Callable[[Tensor], Tensor]) -> D:
    """`of` with every tensor changed, also those of dataclasses in it."""
    changed: dict[str, Any] = {}
    for each in fields(of):  # type: ignore[arg-type]
        value = getattr(of, each.name)
        if isinstance(value, Tensor):
            changed[each.name] = change(value)
        elif is_dataclass(value):
            changed[each.name] = mapped(value, change)
    return replace(of, **changed)  # type: ignore[type-var]


def on(device: torch.device, of: D) -> D:
    return mapped(of, lambda x: x.to(device, non_blocking=True))
