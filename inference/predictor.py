"""The face that every predictor shows: from prompts to masks in all sensors, and through time.

The worker keeps one predictor and, for each scene in use, what `open` gave it. Methods are called
by one thread at a time.

    python -m inference.predictor NAME

loads a predictor and says what it is; exit status 1, with words, where it cannot be loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from inference.prompts import FramePrediction, Known, MaskPrediction, Prompt
from inference.scene import Scene

__all__ = ["Card", "FramePrediction", "Known", "Predictor", "load_predictor", "offered"]


SHIPPED = Path(__file__).parent / "nano" / "nano.safetensors"


class Predictor(Protocol):
    """`opened` is the predictor's own state of a scene; each kind of predictor has its type."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    # Any: what `open` returns belongs to the predictor; callers only hand it back.
    def open(self, scene: Scene) -> Any: ...

    def add_prompt(
        self, opened: Any, *, frame: int, prompts: Sequence[Prompt], track: int | None = None
    ) -> list[MaskPrediction]:
        """The object that all `prompts` in one frame mean, in every sensor seeing it.

        track: whose prompts these are, so that what is known of it elsewhere may help; None for a
        new one. Raises KeyError for an unknown sensor, IndexError for a frame that the scene does
        not have, ValueError for a prompt that does not fit its reading.
        """
        ...

    def propagate(
        self, opened: Any, *, known: Mapping[int, Known], frames: Sequence[int]
    ) -> Iterator[FramePrediction]:
        """One answer per asked frame, in the order asked: range(7, 20), or range(7, -1, -1).

        known: what people say of each track to be followed. A frame that is known is answered with
        that and never with anything else, and all others follow from it. Nothing is computed before
        the answer is asked for, so that the caller may stop, or serve a click, between two frames.
        """
        ...

    def remove_track(self, opened: Any, track: int) -> None:
        """Forget what is kept of a track."""
        ...

    def close(self, opened: Any) -> None: ...


@dataclass(frozen=True)
class Card:
    """What people are told of a predictor before they choose it.

    key: what `load_predictor` takes, or CHECKPOINT for the file that this installation names.
    facts: what was measured and where it comes from: pairs of a name and what there is to say.
    """

    key: str
    title: str
    summary: str
    facts: Sequence[tuple[str, str]] = ()


CHECKPOINT = "checkpoint"


def offered(name: str) -> list[Card]:
    """The predictors that can be chosen where `name` is the default, that one first; nothing that needs
    PyTorch where there is none.
    """
    cards = [_geometric_card()]
    if SHIPPED.is_file() and find_spec("torch") is not None:
        cards.append(_nano_card(SHIPPED, "nano"))
    if name not in ("geometric", "nano"):
        path = Path(name)
        own = _nano_card(path, CHECKPOINT) if is_nano(path) else _sam4d_card(path)
        cards.append(own)
        name = CHECKPOINT
    return sorted(cards, key=lambda card: card.key != name)


def _geometric_card() -> Card:
    return Card(
        "geometric", "Geometric",
        "Finds objects by their shape: the ground, clusters of LiDAR points, edges in pictures. "
        "Needs no weights and no GPU, and says the same in every scene.",
        [
            ("Good at", "things that stand apart, and following them"),
            ("Weak at", "objects that touch, thin ones in pictures, and scenes without LiDAR"),
        ],
    )  # fmt: skip


def _nano_card(path: Path, key: str) -> Card:
    from inference.nano.weights import facts_of

    return Card(
        key, "Nano" if key == "nano" else f"Nano: {path.name}",
        "A small network over the geometric predictor, for laptops without a GPU.", facts_of(path),
    )  # fmt: skip


def _sam4d_card(path: Path) -> Card:
    return Card(
        CHECKPOINT, f"SAM4D: {path.name}",
        "The model of the SAM4D paper with weights of your own. It wants a GPU.",
        [("Size of the file", f"{path.stat().st_size / 2**20:,.0f} MiB")],
    )  # fmt: skip


@cache
def load_predictor(name: str = "geometric") -> Predictor:
    """One predictor per process, warmed up: no click waits for a compiler.

    name: "geometric", "nano" (the small model with the weights that come with the project), or the
    path of a SAM4D checkpoint, released or ours. Raises ValueError for a name there is none of, or
    a file that is no such checkpoint (its message says what it is).
    """
    # Imported here: OpenCV, Numba and PyTorch take seconds that a caller of the face need not pay.
    if name == "geometric":
        from inference.geometric import GeometricPredictor

        return _warmed(GeometricPredictor())
    path = SHIPPED if name == "nano" else Path(name)
    if not path.is_file():
        raise ValueError(
            f"there is no predictor {name!r}; choose geometric or nano, or name a file of SAM4D "
            "weights"
        )
    if find_spec("torch") is None:
        raise ValueError(
            f"the predictor {name!r} needs PyTorch, which is not installed: install Masklet with its "
            "extra 'model', or choose geometric"
        )
    if is_nano(path):
        from inference.nano.predictor import load_nano

        return _warmed(load_nano(path))
    from inference.sam4d.predictor import load_sam4d

    return load_sam4d(path)


def _warmed(predictor: Predictor) -> Predictor:
    """After it has answered clicks and followed an object once."""
    from inference.geometric.warming import clicks, small_scene

    opened = predictor.open(small_scene())
    answers = predictor.add_prompt(opened, frame=0, prompts=clicks())
    known = {0: {answer.sensor: answer.mask for answer in answers}}
    for _ in predictor.propagate(opened, known={0: known}, frames=[1]):
        pass
    predictor.close(opened)
    return predictor


def is_nano(path: Path) -> bool:
    """Whether a file says that it holds the small model."""
    from inference.nano.weights import CONFIG, WrongWeights, metadata_of

    try:
        return CONFIG in metadata_of(path)
    except WrongWeights:
        return False


def main(arguments: Sequence[str]) -> int:
    try:
        (name,) = arguments
        predictor = load_predictor(name)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{predictor.name}, version {predictor.version}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
