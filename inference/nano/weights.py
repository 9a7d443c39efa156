"""The small model's files: safetensors with the config beside the tensors. Nothing is unpickled."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from inference.nano.config import NanoConfig
from inference.nano.model import Nano

CONFIG, FACTS = "nano_config", "facts"  # their names in the file's metadata


class WrongWeights(ValueError):
    """A file that cannot be used; the message says why."""


def save(model: Nano, path: Path, facts: Sequence[tuple[str, str]] = ()) -> None:
    """In half precision: masks do not change (nano sheet, section 3).  facts: for people, names with values."""
    tensors = {
        name: tensor.half().contiguous() if tensor.is_floating_point() else tensor.contiguous()
        for name, tensor in model.state_dict().items()
    }
    metadata = {CONFIG: json.dumps(asdict(model.config)), FACTS: json.dumps(facts)}
    aside = path.with_suffix(".new")
    save_file(tensors, aside, metadata=metadata)
    aside.replace(path)


def load(path: Path, expected: NanoConfig | None = None) -> Nano:
    """Raises WrongWeights, also for another config than the expected one, with the difference; or OSError."""
    metadata = metadata_of(path)
    if CONFIG not in metadata:
        raise WrongWeights(f"{path} does not say of which config it is; it is no small model")
    config = _config(json.loads(metadata[CONFIG]), path)
    if expected is not None and config != expected:
        different = next(
            each.name for each in fields(config)
            if getattr(config, each.name) != getattr(expected, each.name)
        )  # fmt: skip
        raise WrongWeights(
            f"{path} was trained with {different} = {getattr(config, different)}; "
            f"this model has {getattr(expected, different)}"
        )
    model, tensors = Nano(config), load_file(path)
    own = model.state_dict()
    odd = sorted(own.keys() ^ tensors.keys())
    odd += [n for n in own.keys() & tensors.keys() if own[n].shape != tensors[n].shape]
    if odd:
        raise WrongWeights(f"{path} does not fit its own config: {', '.join(odd[:6])}")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])
    return model.eval()


def facts_of(path: Path) -> list[tuple[str, str]]:
    """What `save` was told of the weights. Raises WrongWeights or OSError."""
    return [(name, value) for name, value in json.loads(metadata_of(path).get(FACTS, "[]"))]


def metadata_of(path: Path) -> dict[str, str]:
    """What stands beside a file's tensors, without reading them. Raises WrongWeights or OSError."""
    try:
        with safe_open(path, "pt") as opened:
            return opened.metadata() or {}
    except SafetensorError as error:
        raise WrongWeights(f"{path} is no safetensors file: {error}") from error


def _config(plain: dict[str, Any], path: Path) -> NanoConfig:
    try:
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in plain.items()
        }
        return NanoConfig(**values)
    except TypeError as error:
        raise WrongWeights(f"{path} is of another version of the small model: {error}") from error
