"""Unpacking a .zip or .tar that somebody has uploaded: nothing in it is trusted.

Members are listed and judged before the first byte is written, and counted again while they are
written, as an archive may lie about its sizes. Only plain files come out, below the target folder.
"""

from __future__ import annotations

import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

MOST_MEMBERS = 10_000
DEEPEST = 8
# Recordings are JPEGs and compressed columns: a member that grows a hundredfold is a bomb.
LARGEST_RATIO = 100
# Below this a ratio says nothing: a short text of zeros compresses well too.
RATIO_FROM_BYTES = 10 * 2**20
DISK_RESERVE_BYTES = 2**30
CHUNK_BYTES = 2**20

# What file systems agree on; a backslash or a colon means something on some of them.
_PLAIN_NAME = re.compile(r"[^\\:\x00-\x1f]{1,200}")


class BadArchive(ValueError):
    """An archive that is broken, too large, or tries to write where it must not."""


@dataclass(frozen=True)
class _Member:
    path: PurePosixPath
    size: int
    packed_size: int
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, target: Path, *, most_bytes: int, keep_going: Callable[[], None]) -> Path:
    """Unpack into `target`, which is made; returns the folder or file to import.

    keep_going: called between chunks; it may raise. Raises BadArchive; then `target` is gone.
    """
    shutil.rmtree(target, ignore_errors=True)
    try:
        with _members(archive) as members:
            _judge(members, most_bytes=most_bytes, free_bytes=_free_bytes(target.parent))
            target.mkdir(parents=True)
            for member in members:
                _write(member, target, keep_going)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        shutil.rmtree(target, ignore_errors=True)
        raise BadArchive(f"the archive is broken: {error}; upload it again") from error
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return _recording_in(target)


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free - DISK_RESERVE_BYTES


@contextmanager
def _members(archive: Path) -> Iterator[Sequence[_Member]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            yield list(_zip_members(packed))
        return
    try:
        # "r:" is an uncompressed tar: its members cannot be larger than itself.
        opened = tarfile.open(archive, "r:")  # noqa: SIM115 (closed by `with opened`)
    except tarfile.ReadError:
        raise BadArchive(
            "the file is neither a .zip nor an uncompressed .tar; pack the folder as one of them"
        ) from None
    with opened:
        yield list(_tar_members(opened))


def _zip_members(packed: zipfile.ZipFile) -> Iterator[_Member]:
    infos = packed.infolist()
    _refuse_many(len(infos))
    for info in infos:
        if info.is_dir():
            continue
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise BadArchive(f"{_shown(info.filename)} is a link or a device: pack plain files")
        if info.flag_bits & 1:
            raise BadArchive(f"{_shown(info.filename)} is encrypted: pack it without a password")

        def opener(info: zipfile.ZipInfo = info) -> IO[bytes]:
            return packed.open(info)

        yield _Member(_safe_path(info.filename), info.file_size, info.compress_size, opener)


def _tar_members(packed: tarfile.TarFile) -> Iterator[_Member]:
    count = 0
    for info in packed:
        count += 1
        _refuse_many(count)
        if info.isdir():
            continue
        if not info.isreg() or info.issparse():
            raise BadArchive(f"{_shown(info.name)} is a link, a device or sparse: pack plain files")

        def opener(info: tarfile.TarInfo = info) -> IO[bytes]:
            opened = packed.extractfile(info)
            assert opened is not None, "a regular member has content"
            return opened

        yield _Member(_safe_path(info.name), info.size, info.size, opener)


def _refuse_many(count: int) -> None:
    if count > MOST_MEMBERS:
        raise BadArchive(f"the archive has more than {MOST_MEMBERS} members")


def _safe_path(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or len(path.parts) > DEEPEST:
        raise BadArchive(f"{_shown(name)}: the names in an archive must be short relative paths")
    for part in path.parts:
        if part == ".." or not _PLAIN_NAME.fullmatch(part):
            raise BadArchive(f"{_shown(name)} would be written outside its folder, or is misnamed")
    return path


def _judge(members: Sequence[_Member], *, most_bytes: int, free_bytes: int) -> None:
    if not members:
        raise BadArchive("the archive is empty")
    seen: set[str] = set()
    for member in members:
        if str(member.path).casefold() in seen:
            raise BadArchive(f"{_shown(str(member.path))} is in the archive twice")
        seen.add(str(member.path).casefold())
        if member.size > RATIO_FROM_BYTES and member.size > LARGEST_RATIO * max(
            member.packed_size, 1
        ):
            raise BadArchive(
                f"{_shown(str(member.path))} would grow from {member.packed_size} to "
                f"{member.size} bytes: that is no recording"
            )
    total = sum(member.size for member in members)
    if total > most_bytes:
        raise BadArchive(f"it would unpack to {total} bytes, the limit is {most_bytes}")
    if total > free_bytes:
        raise BadArchive(
            f"it would unpack to {total} bytes, the server's disk has {max(free_bytes, 0)} to spare"
        )


def _write(member: _Member, target: Path, keep_going: Callable[[], None]) -> None:
    place = target / member.path
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        written = 0
        with member.open() as source, place.open("xb") as sink:
            while chunk := source.read(CHUNK_BYTES):
                keep_going()
                written += len(chunk)
                if written > member.size:
                    raise BadArchive(f"{_shown(str(member.path))} is larger than the archive says")
                sink.write(chunk)
    except (FileExistsError, NotADirectoryError):
        raise BadArchive(f"{_shown(str(member.path))} is both a file and a folder") from None
    if written != member.size:
        raise BadArchive(f"{_shown(str(member.path))} is cut off; upload the archive again")


def _recording_in(folder: Path) -> Path:
    """The folder that holds the components, or the single file: people pack one level more."""
    inside = list(folder.iterdir())
    while len(inside) == 1 and inside[0].is_dir() and not any(inside[0].glob("*.parquet")):
        folder = inside[0]
        inside = list(folder.iterdir())
    records = [path for path in inside if path.suffix == ".tfrecord"]
    return records[0] if len(inside) == len(records) == 1 else folder


def _shown(name: str) -> str:
    return repr(name[:80])
