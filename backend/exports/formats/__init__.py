"""Every format that labels can be written in: one file, one line in FORMATS.

A format's `write` fills a folder with one scene and yields after each frame, so that the caller can
tell how far it is and stop. Web processes only read this table: a format's own file, which needs
PyArrow or OpenCV, is imported when it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from backend.exports.report import SceneReport
from backend.exports.snapshot import Snapshot

Write = Callable[[Snapshot, Path, SceneReport, bool], Iterator[None]]


@dataclass(frozen=True)
class Format:
    """write(snapshot, folder, report, with_readings)."""

    name: str
    title: str
    description: str
    write: Write
    # Whether each scene gets a folder of its own, or all share one layout.
    folder_per_scene: bool


def _write_native(
    snapshot: Snapshot, folder: Path, report: SceneReport, with_readings: bool
) -> Iterator[None]:
    from backend.exports.formats import native

    return native.write(snapshot, folder, report, with_readings)


def _write_waymo_4dseg(
    snapshot: Snapshot, folder: Path, report: SceneReport, with_readings: bool
) -> Iterator[None]:
    from backend.exports.formats import waymo_4dseg

    return waymo_4dseg.write(snapshot, folder, report)


FORMATS = {
    chosen.name: chosen
    for chosen in (
        Format(
            name="native",
            title="Masklet (JSON + Parquet)",
            description="Lossless: scene, sensors, poses, tracks, masks, boxes and every edit. "
            "With readings it can be imported into another Masklet as it is.",
            write=_write_native,
            folder_per_scene=True,
        ),
        Format(
            name="waymo-4dseg",
            title="Waymo-4DSeg layout",
            description="What SAM4D is trained from: undistorted images, merged sweeps, one mask "
            "per object and sensor. Where masks overlap, the track on top owns the pixel or point.",
            write=_write_waymo_4dseg,
            folder_per_scene=False,
        ),
    )
}
