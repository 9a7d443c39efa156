"""What an import has read so far, frame by frame, as small objects in storage.

A killed, failed or cancelled import goes on at the next frame; the rows of all frames are written
from here at the end, in one transaction.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import zstandard

from backend.annotations.imported import ImportedFrame, ImportedMask
from backend.imports.joining import Votes
from backend.scenes import storage
from backend.scenes.actions import StoredFrame
from inference.scene import CuboidLabel, Problem, RectangleLabel


@dataclass(frozen=True)
class SpooledFrame:
    """One frame without its bytes: what its rows are made of, and what was odd about it."""

    stored: StoredFrame
    labels: ImportedFrame
    votes: dict[str, Votes]  # by sensor
    problems: tuple[Problem, ...]
    projected_rectangles: int  # left out: they can be drawn from the cuboids


class Spool:
    """The spooled frames of one job."""

    def __init__(self, job: int) -> None:
        self._folder = f"{storage.SPOOL}/{job}"

    def write(self, frame: SpooledFrame) -> None:
        text = json.dumps(_plain(frame)).encode()
        storage.write(
            self._key(frame.stored.index), zstandard.ZstdCompressor(level=3).compress(text)
        )

    def read(self, index: int) -> SpooledFrame:
        data = storage.get(self._key(index))
        return _spooled(json.loads(zstandard.ZstdDecompressor().decompress(data)))

    def frames(self, count: int) -> Iterator[SpooledFrame]:
        for index in range(count):
            yield self.read(index)

    def usable(self, count: int) -> int:
        """How many of the first `count` frames are still whole: prune_storage may have been by."""
        for index in range(count):
            if not storage.exists(self._key(index)):
                return index
            if not all(storage.exists(key) for key in _objects_of(self.read(index))):
                return index
        return count

    def named_objects(self) -> set[str]:
        """The keys of all readings that are spooled so far."""
        keys: set[str] = set()
        for spooled, _ in storage.objects(self._folder):
            # Gone meanwhile: the import has ended, and rows name its objects.
            with suppress(FileNotFoundError):
                keys.update(_objects_of(self.read(int(spooled.rpartition("/")[2]))))
        return keys

    def remove(self, count: int) -> None:
        for index in range(count):
            storage.remove(self._key(index))

    def _key(self, index: int) -> str:
        return f"{self._folder}/{index:06}"


def _objects_of(frame: SpooledFrame) -> list[str]:
    readings = frame.stored.readings.values()
    return [str(reading[name]) for reading in readings for name in storage.KEY_COLUMNS]


def _plain(frame: SpooledFrame) -> dict[str, Any]:
    plain = asdict(frame)
    for mask in plain["labels"]["masks"]:
        mask["runs"] = base64.b64encode(mask["runs"]).decode()
    return plain


def _spooled(plain: dict[str, Any]) -> SpooledFrame:
    labels = plain["labels"]
    return SpooledFrame(
        stored=StoredFrame(**plain["stored"]),
        labels=ImportedFrame(
            index=labels["index"],
            masks=tuple(
                ImportedMask(**{**mask, "runs": base64.b64decode(mask["runs"])})
                for mask in labels["masks"]
            ),
            cuboids=tuple(CuboidLabel(**cuboid) for cuboid in labels["cuboids"]),
            rectangles=tuple(RectangleLabel(**rectangle) for rectangle in labels["rectangles"]),
        ),
        votes=plain["votes"],
        problems=tuple(Problem(**problem) for problem in plain["problems"]),
        projected_rectangles=plain["projected_rectangles"],
    )
