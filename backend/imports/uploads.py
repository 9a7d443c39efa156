"""Recordings that arrive in pieces: each piece says where it begins, a broken-off one is resumed.

The file is named by us, inside a folder named by the upload's number; what the person called it
is kept for display only.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F, Sum

from backend.accounts.models import User
from backend.imports.models import Upload
from backend.projects.models import Project

LARGEST_PIECE_BYTES = 8 * 2**20
DISK_RESERVE_BYTES = 2**30
SUFFIXES = (".tfrecord", ".zip", ".tar")


class RefusedUpload(ValueError):
    """An upload that cannot be taken; says why."""


class WrongOffset(Exception):
    """The piece does not begin where the upload ends."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the next byte is {offset}")
        self.offset = offset


def begin_upload(project: Project, *, by: User, name: str, size: int) -> Upload:
    """Make room for a recording. Raises RefusedUpload."""
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise RefusedUpload(
            f"{name[:100]!r} cannot be imported: upload a .tfrecord file, or the folder of a "
            "recording packed as .zip or uncompressed .tar"
        )
    if not 0 < size <= settings.UPLOAD_LIMIT_BYTES:
        raise RefusedUpload(
            f"{size} bytes: an upload has between 1 and {settings.UPLOAD_LIMIT_BYTES} bytes"
        )
    settings.UPLOADS.mkdir(parents=True, exist_ok=True)
    promised = Upload.objects.aggregate(left=Sum(F("size") - F("offset")))["left"] or 0
    free = shutil.disk_usage(settings.UPLOADS).free - DISK_RESERVE_BYTES - promised
    if size > free:
        raise RefusedUpload(
            f"the server's disk has {max(free, 0)} bytes to spare, the upload needs {size}"
        )
    shown = "".join(letter for letter in name if letter.isprintable()).strip()
    return Upload.objects.create(project=project, by=by, name=shown[-200:], size=size)


@transaction.atomic
def receive(upload_id: int, *, offset: int, pieces: Iterable[bytes]) -> Upload:
    """Add a piece that begins at `offset`. Raises WrongOffset, RefusedUpload."""
    upload = Upload.objects.select_for_update().get(pk=upload_id)
    path = path_of(upload)
    path.parent.mkdir(parents=True, exist_ok=True)
    there = path.stat().st_size if path.exists() else 0
    if there < upload.offset:  # the disk lost what the row remembers
        upload.offset = there
        upload.save(update_fields=["offset"])
    if offset != upload.offset:
        raise WrongOffset(upload.offset)
    with path.open("r+b" if path.exists() else "xb") as file:
        file.seek(offset)
        for piece in pieces:
            offset += len(piece)
            if offset > upload.size:
                raise RefusedUpload(f"more bytes than the {upload.size} that were announced")
            file.write(piece)
        file.truncate()
    upload.offset = offset
    upload.save(update_fields=["offset"])
    return upload


def path_of(upload: Upload) -> Path:
    return folder_of(upload.pk) / f"recording{Path(upload.name).suffix.lower()}"


def unpacked_folder_of(upload: Upload) -> Path:
    return folder_of(upload.pk) / "unpacked"


def folder_of(upload_id: int) -> Path:
    return Path(settings.UPLOADS) / str(upload_id)


def remove(upload: Upload) -> None:
    """Forget an upload and its files: it was imported, or nobody came back for it."""
    shutil.rmtree(folder_of(upload.pk), ignore_errors=True)
    upload.delete()
