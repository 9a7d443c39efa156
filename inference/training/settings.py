"""What a training run is, as frozen data, and how it is read from TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_type_hints

from inference.nano.config import NanoConfig
from inference.sam4d.config import SIZES, Sam4dConfig
from inference.training.crops import CropStage
from inference.training.frames_stage import FrameStage
from inference.training.sam4d_stage import ClipStage

CONFIGS = Path(__file__).parent / "configs"
T = TypeVar("T")


@dataclass(frozen=True)
class Schedule:
    """steps: of the stage.  rate: the highest learning rate, reached after warm_up steps.

    flat: the share of the steps before the rate falls, along a cosine, to `last` of itself.
    """

    steps: int
    rate: float = 2e-3
    warm_up: int = 100
    flat: float = 0.25
    last: float = 0.02


@dataclass(frozen=True)
class Stage:
    """What is learnt, by one of three: frames by the small model, crops by its second look alone, clips by
    SAM4D.
    """

    name: str
    schedule: Schedule
    frames: FrameStage = field(default_factory=FrameStage)
    crops: CropStage | None = None
    clips: ClipStage | None = None


@dataclass(frozen=True)
class Training:
    """sam4d: of which SAM4D; None: `model`, the small one, learns.

    seed: of everything that is drawn.  ema: how slowly the averaged weights follow.
    """

    stages: tuple[Stage, ...]
    model: NanoConfig = field(default_factory=NanoConfig)
    sam4d: Sam4dConfig | None = None
    seed: int = 0
    weight_decay: float = 0.02
    clip: float = 2.0
    ema: float = 0.998

    def __post_init__(self) -> None:
        """Raises ValueError for stages of another model."""
        for stage in self.stages:
            if (stage.clips is not None) is not (self.sam4d is not None):
                has, lacks = ("clips", "a size of sam4d") if stage.clips else ("no clips", "clips")
                raise ValueError(f"stage {stage.name!r} has {has}, and needs {lacks} to learn")

    @property
    def steps(self) -> int:
        return sum(stage.schedule.steps for stage in self.stages)

    def stage_at(self, step: int) -> tuple[Stage, int] | None:
        """The stage of a step and how many of its steps lie behind; None after the last."""
        for stage in self.stages:
            if step < stage.schedule.steps:
                return stage, step
            step -= stage.schedule.steps
        return None


def read_training(name: str) -> Training:
    """name: of a file in `configs`, or a path. Raises ValueError with the key that is wrong."""
    path = Path(name) if name.endswith(".toml") else CONFIGS / f"{name}.toml"
    try:
        plain = tomllib.loads(path.read_text())
    except OSError as error:
        known = ", ".join(sorted(each.stem for each in CONFIGS.glob("*.toml")))
        raise ValueError(
            f"there is no training config {name!r} ({error}); choose {known}"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is no TOML: {error}") from error
    return build(Training, plain, str(path))


def build(kind: type[T], plain: Mapping[str, Any], where: str) -> T:
    """A frozen dataclass from tables and arrays of TOML or JSON."""
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    strange = sorted(set(plain) - known)
    if strange:
        raise ValueError(
            f"{where}: there is no {strange[0]!r}; choose from {', '.join(sorted(known))}"
        )
    hints = get_type_hints(kind)
    values = {name: _value(hints[name], value, f"{where}: {name}") for name, value in plain.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from error


def _value(kind: Any, value: Any, where: str) -> Any:
    if isinstance(kind, UnionType):
        kind = next(each for each in kind.__args__ if each is not NoneType)
    if kind is Sam4dConfig and isinstance(value, str):
        if value not in SIZES:
            raise ValueError(f"{where} is {value!r}; choose {', '.join(SIZES)}, or give a table")
        return SIZES[value]
    if is_dataclass(kind):
        return build(kind, value, where)  # type: ignore[arg-type]
    if isinstance(value, list):
        inner = kind.__args__[0]
        return tuple(_value(inner, each, where) for each in value)
    return value
