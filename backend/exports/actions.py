"""Writing labels to files. An export reads labels and never writes them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from django.db import transaction
from django.utils import timezone

from backend import __version__
from backend.accounts.models import User
from backend.exports.formats import FORMATS, Format
from backend.exports.report import SceneReport
from backend.exports.snapshot import Snapshot, take_snapshot
from backend.jobs.actions import request_job
from backend.jobs.models import Job, Kind
from backend.projects.models import Project
from backend.scenes.models import Scene
from backend.tasks.queries import unaccepted

UNREVIEWED = "UNREVIEWED"
PACKED = {".jpg", ".png", ".npz", ".parquet"}  # compressed already
Progress = Callable[[int, int, str], None]  # frames done, frames in all, what is being written


class NotExportable(ValueError):
    """These scenes cannot be exported so; says which, and what to do."""


@dataclass(frozen=True)
class Wish:
    """What somebody wants exported, and how."""

    format: Format
    include_unreviewed: bool
    with_readings: bool

    @property
    def mark(self) -> str:
        return UNREVIEWED if self.include_unreviewed else ""


def wish(format_name: str, *, include_unreviewed: bool, with_readings: bool) -> Wish:
    if format_name not in FORMATS:
        raise NotExportable(f"no format {format_name!r}; there are {', '.join(sorted(FORMATS))}")
    return Wish(FORMATS[format_name], include_unreviewed, with_readings)


@transaction.atomic
def request_export(
    project: Project,
    scene_ids: Sequence[int],
    *,
    format_name: str,
    by: User | None,
    include_unreviewed: bool = False,
    with_readings: bool = False,
) -> Job:
    """Store an export job. Raises NotExportable when it could not succeed."""
    wanted = wish(format_name, include_unreviewed=include_unreviewed, with_readings=with_readings)
    scenes = scenes_of(project, scene_ids)
    check_scenes(scenes, wanted)
    count = len(scenes)
    what = scenes[0].name if count == 1 else f"{count} scenes"
    return request_job(
        Kind.EXPORT,
        project,
        by=by,
        label=f"{what} as {wanted.format.title}{', unreviewed included' * include_unreviewed}",
        parameters={
            "scenes": [scene.pk for scene in scenes],
            "format": format_name,
            "include_unreviewed": include_unreviewed,
            "with_readings": with_readings,
        },
    )


def scenes_of(project: Project, scene_ids: Sequence[int]) -> list[Scene]:
    found = {scene.pk: scene for scene in project.scenes.filter(pk__in=scene_ids)}
    missing = [str(pk) for pk in dict.fromkeys(scene_ids) if pk not in found]
    if missing:
        raise NotExportable(f"scene {', '.join(missing)} is not in project {project.name}")
    return [found[pk] for pk in dict.fromkeys(scene_ids)]


def check_scenes(scenes: Sequence[Scene], wanted: Wish) -> None:
    """Refuse what has not been accepted, unless it is asked for."""
    for scene in scenes:
        if scene.state == Scene.State.ARRIVING:
            raise NotExportable(f"{scene.name!r} is still arriving; wait until it is complete")
    if wanted.include_unreviewed:
        return
    waiting = [scene.name for scene in unaccepted(scenes)]
    if waiting:
        raise NotExportable(
            f"not accepted yet: {', '.join(waiting)}. Accept the task first, or include "
            "unreviewed scenes; the archive then says so"
        )


def write_export(
    scenes: Sequence[Scene], wanted: Wish, folder: Path, *, progress: Progress
) -> dict[str, Any]:
    """Fill an empty folder with an export of `scenes`; returns the report. One frame in memory.

    What `progress` raises (a cancelled job) stops it. Raises NotExportable.
    """
    check_scenes(scenes, wanted)
    snapshots = [take_snapshot(scene) for scene in scenes]
    total = sum(len(snapshot.source.frames) for snapshot in snapshots)
    done = 0
    reports = []
    for snapshot, name in zip(snapshots, folder_names(scenes), strict=True):
        inside = folder / name if wanted.format.folder_per_scene else folder
        inside.mkdir(exist_ok=True)
        report = SceneReport(snapshot.scene.name, name, snapshot.is_accepted)
        for _ in wanted.format.write(snapshot, inside, report, wanted.with_readings):
            done += 1
            progress(done, total, f"{snapshot.scene.name}: frame {report.frames}")
        reports.append(report)
    _describe(folder, wanted, snapshots, reports)
    return {
        "summary": _summary(reports),
        "scenes": [report.as_json() for report in reports],
    }


def folder_names(scenes: Sequence[Scene]) -> list[str]:
    """A name for each scene that is a safe and unique file name."""
    names: list[str] = []
    for scene in scenes:
        name = safe_name(scene.name)
        names.append(f"{name}_{scene.pk}" if name in names else name)
    return names


def safe_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:80] or "scene"


def _summary(reports: Sequence[SceneReport]) -> str:
    masks, tracks = sum(r.masks for r in reports), sum(r.tracks for r in reports)
    hidden = sum(r.hidden for r in reports)
    scenes = "1 scene" if len(reports) == 1 else f"{len(reports)} scenes"
    parts = [f"{scenes}, {tracks} tracks, {masks} masks"]
    if hidden:
        parts.append(f"{hidden} pixels and points of masks lay under another and were left out")
    unreviewed = sum(not r.is_accepted for r in reports)
    if unreviewed:
        parts.append(f"{unreviewed} unreviewed")
    return "; ".join(parts)


def _describe(
    folder: Path, wanted: Wish, snapshots: Sequence[Snapshot], reports: Sequence[SceneReport]
) -> None:
    """manifest.json for programs and README.txt for people, which mark unreviewed labels."""
    attributions = sorted({snapshot.scene.project.attribution for snapshot in snapshots} - {""})
    manifest = {
        "program": f"masklet {__version__}",
        "format": wanted.format.name,
        "exported_at": timezone.now().isoformat(timespec="seconds"),
        "contains_unreviewed": any(not snapshot.is_accepted for snapshot in snapshots),
        "scenes": [
            {
                "folder": name if wanted.format.folder_per_scene else ".",
                "recording_format": snapshot.scene.source_format,
                "revision": snapshot.revision,
                **report.as_json(),
            }
            for name, snapshot, report in zip(
                folder_names([s.scene for s in snapshots]), snapshots, reports, strict=True
            )
        ],
        "attributions": attributions,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    lines = [f"Labels exported by Masklet, format {wanted.format.name}.", ""]
    lines += [wanted.format.description, ""]
    lines += [
        f"- {report.scene}: revision {snapshot.revision}, "
        + (
            "accepted by a reviewer"
            if report.is_accepted
            else "UNREVIEWED: no reviewer accepted it"
        )
        for snapshot, report in zip(snapshots, reports, strict=True)
    ]
    lines += ["", *attributions] if attributions else []
    (folder / "README.txt").write_text("\n".join(lines) + "\n")


def zip_folder(folder: Path, archive: Path) -> None:
    """One file of a folder: sorted, with fixed times, so that equal folders give equal bytes."""
    with ZipFile(archive, "w") as packed:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = ZipInfo(path.relative_to(folder).as_posix())
            entry.external_attr = 0o644 << 16
            entry.compress_type = ZIP_STORED if path.suffix in PACKED else ZIP_DEFLATED
            with path.open("rb") as unpacked, packed.open(entry, "w", force_zip64=True) as out:
                shutil.copyfileobj(unpacked, out, 2**20)
