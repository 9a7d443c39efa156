"""What an admin may import from this machine: folders below settings.IMPORT_ROOTS, nothing else.

Every path is judged by where it really is, and links are refused: below a root anybody who may
write there could point one at the rest of the disk.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

MOST_ENTRIES = 1000
MOST_FILES = 100_000


class OutsideRoots(ValueError):
    """A path that is not below an import root, or that passes through a link."""


@dataclass(frozen=True)
class Entry:
    name: str
    path: str
    is_folder: bool
    size: int  # bytes; 0 for a folder


def contained(path: str) -> Path:
    """The path, when it exists below an import root and no part of it is a link."""
    given = Path(path)
    if "\0" in path or not given.is_absolute():
        raise OutsideRoots("name a folder or file by its whole path, below one of the import roots")
    plain = Path(os.path.normpath(given))
    for root in settings.IMPORT_ROOTS:
        if plain == root or root in plain.parents:
            break
    else:
        raise OutsideRoots(f"{path} is not below an import root (MASKLET_IMPORT_ROOTS)")
    if plain.resolve() != plain:
        raise OutsideRoots(f"{path} passes through a link; import from where it really is")
    if not plain.exists():
        raise OutsideRoots(f"{path} does not exist")
    return plain


def refuse_links_below(folder: Path) -> None:
    """A recording's folder may hold no links: its reader would follow them out of the root."""
    count = 0
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            count += 1
            if count > MOST_FILES:
                raise OutsideRoots(
                    f"{folder} holds more than {MOST_FILES} files: choose a recording"
                )
            if Path(parent, name).is_symlink():
                raise OutsideRoots(f"{Path(parent, name)} is a link; import from real files only")


def entries(folder: Path) -> list[Entry]:
    """Folders first, then files, by name; links and hidden names are left out."""
    found: list[Entry] = []
    with os.scandir(folder) as scan:
        for item in scan:
            if item.name.startswith(".") or item.is_symlink():
                continue
            is_folder = item.is_dir(follow_symlinks=False)
            if is_folder or item.is_file(follow_symlinks=False):
                size = 0 if is_folder else item.stat(follow_symlinks=False).st_size
                found.append(Entry(item.name, item.path, is_folder, size))
            if len(found) >= MOST_ENTRIES:
                break
    return sorted(found, key=lambda entry: (not entry.is_folder, entry.name.lower()))
