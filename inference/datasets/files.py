"""What readers of folders share: files that stay inside, of a size we read, and words for broken ones."""

from __future__ import annotations

from pathlib import Path

from inference.scene import BadScene


def file_within(root: Path, relative: str, *, most_bytes: int, named_by: str) -> Path:
    """A file that a data set names itself: inside of it, of a size we read. Raises BadScene.

    named_by: who names it, for the message: "the tables name".
    """
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        raise BadScene(f"{named_by} {relative!r}, outside of the data set")
    if not path.is_file():
        raise BadScene(f"{relative} is missing", file=relative)
    check_size(path, most_bytes, relative)
    return path


def check_size(path: Path, most_bytes: int, name: str | None = None) -> None:
    """Raises BadScene for a file that is too large.  name: for the message; None: the file's."""
    name = path.name if name is None else name
    if path.stat().st_size > most_bytes:
        raise BadScene(f"{name} is larger than {most_bytes} bytes", file=name)


def broken(name: str, error: Exception, record: int | None = None) -> BadScene:
    """What a reader raises for an error of a recording; a BadScene stays as it is."""
    if isinstance(error, BadScene):
        return error
    reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return BadScene(f"{name}: {reason}", file=name, record=record)
