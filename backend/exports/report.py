"""What an export has to say at its end."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class SceneReport:
    """hidden: pixels and points of masks that a one-owner format gave to a track on top.

    folder: the scene's name as a safe file name, unique in the export.
    """

    scene: str
    folder: str
    is_accepted: bool
    frames: int = 0
    tracks: int = 0
    masks: int = 0
    hidden: int = 0
    notes: dict[str, int] = field(default_factory=dict)  # a sentence, and how often it applied

    def note(self, sentence: str, times: int = 1) -> None:
        if times:
            self.notes[sentence] = self.notes.get(sentence, 0) + times

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
