"""python manage.py prune_storage: remove objects that no row names, forgotten uploads, and what the data engine kept.

Bytes are written before rows, so a young object may be somebody's work in progress: only what is
older than --older-than-hours goes. It sits in this room, above scenes, because it must know every
row that names an object.
"""

from __future__ import annotations

import shutil
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from backend.imports import uploads
from backend.imports.models import Upload
from backend.imports.spool import Spool
from backend.jobs.models import ENDED, Job, Kind
from backend.scenes import storage
from backend.scenes.models import Reading

LOOKED_UP_AT_ONCE = 1000


class Command(BaseCommand):
    help = "Remove stored bytes that nothing refers to (imports that stopped, deleted scenes)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than-hours", type=float, default=24.0)
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")

    def handle(self, *args: Any, **options: Any) -> None:
        before = timezone.now() - timedelta(hours=options["older_than_hours"])
        is_dry = options["dry_run"]
        at_work = list(
            Job.objects.filter(kind=Kind.IMPORT)
            .exclude(state__in=ENDED)
            .values_list("pk", flat=True)
        )
        objects = [
            key
            for key in (*_unused_spool(before, at_work), *_unused_readings(before, at_work))
            if _is_still_old(key, before)
        ]
        forgotten = list(_forgotten_uploads(before))
        orphans = [*_orphan_folders(before), *_kept_by_the_engine(before)]
        if not is_dry:
            for key in objects:
                storage.remove(key)
            for upload in forgotten:
                uploads.remove(upload)
            for folder in orphans:
                shutil.rmtree(folder, ignore_errors=True)
        verb = "would remove" if is_dry else "removed"
        self.stdout.write(
            f"{verb} {len(objects)} objects and {len(forgotten) + len(orphans)} folders"
        )


def _unused_spool(before: datetime, at_work: list[int]) -> Iterator[str]:
    """Spooled frames of imports that have ended (one that is resumed reads its frames again)."""
    kept = {f"{storage.SPOOL}/{job}" for job in at_work}
    for key, written in storage.objects(storage.SPOOL):
        if written < before and key.rpartition("/")[0] not in kept:
            yield key


def _unused_readings(before: datetime, at_work: list[int]) -> Iterator[str]:
    """Objects that neither a row nor the spool of an unfinished import names."""
    spooled = {key for job in at_work for key in Spool(job).named_objects()}
    for folder in (storage.SOURCES, storage.VIEWS):
        old = (key for key, written in storage.objects(folder) if written < before)
        for keys in _chunks(old):
            named = set(
                Reading.objects.filter(source_key__in=keys).values_list("source_key", flat=True)
            )
            named |= set(
                Reading.objects.filter(view_key__in=keys).values_list("view_key", flat=True)
            )
            yield from (key for key in keys if key not in named and key not in spooled)


def _chunks(keys: Iterator[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for key in keys:
        chunk.append(key)
        if len(chunk) == LOOKED_UP_AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _is_still_old(key: str, before: datetime) -> bool:
    """An import may have put the object again since it was listed."""
    written = storage.written_at(key)
    return written is not None and written < before


def _forgotten_uploads(before: datetime) -> Iterator[Upload]:
    """Uploads that nobody goes on with, and whose import does not run or wait."""
    wanted = {
        job.parameters.get("upload")
        for job in Job.objects.filter(kind=Kind.IMPORT).exclude(state__in=ENDED)
    }
    for upload in Upload.objects.filter(created_at__lt=before):
        if upload.pk not in wanted and _touched(uploads.folder_of(upload.pk)) < before:
            yield upload


def _orphan_folders(before: datetime) -> Iterator[Path]:
    """Folders of uploads whose row is gone (with its project, say)."""
    root = Path(settings.UPLOADS)
    if not root.is_dir():
        return
    rows = {str(pk) for pk in Upload.objects.values_list("pk", flat=True)}
    for folder in root.iterdir():
        if folder.is_dir() and folder.name not in rows and _touched(folder) < before:
            yield folder


def _kept_by_the_engine(before: datetime) -> Iterator[Path]:
    """What pre-labelling kept to go on from, of jobs that have ended."""
    running = Job.objects.filter(kind=Kind.ENGINE).exclude(state__in=ENDED)
    at_work = {str(pk) for pk in running.values_list("pk", flat=True)}
    for folder in (Path(settings.DATA) / "engine").glob("*"):
        if folder.is_dir() and folder.name not in at_work and _touched(folder) < before:
            yield folder


def _touched(folder: Path) -> datetime:
    """When a folder or a file in it was last written; long ago when there is none."""
    times = [path.stat().st_mtime for path in (folder, *folder.glob("*")) if path.exists()]
    return datetime.fromtimestamp(max(times, default=0.0), UTC)
