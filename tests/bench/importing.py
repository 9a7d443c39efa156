"""Bench area `importing`: frames a second from a recording in memory into the database and storage.

Reading the recording's own container is not part of it (see `datasets`). Each size is measured in
a process of its own, so that its peak memory is its own; the growth from a short drive to one three
times as long shows whether frames are kept. The limit is the packing alone, on one core, without
storage and database.

    python -m tests.bench.importing [--full]
"""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from uuid import uuid4

import numpy as np

from tests.bench.memory import peak_mib
from tests.bench.report import Report

SIZES = {
    "demo": "3 cameras 960x640, 64 beams",
    "waymo": "5 cameras 1920x1280, 5 LiDARs, 180k points",
}
FRAMES, FRAMES_FULL = 12, 60


def run(report: Report, full: bool) -> None:
    frames = FRAMES_FULL if full else FRAMES
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            # Rendered in another process, as it takes more memory than the import.
            rendered = str(Path(folder, size))
            _apart("--render", size, rendered)
            short = json.loads(_apart("--one", rendered, str(frames)))
            long = json.loads(_apart("--one", rendered, str(3 * frames)))
            most, growth = long["peak_mib"], long["peak_mib"] - short["peak_mib"]
            report.row(
                "importing",
                f"{size}: frames stored",
                long["frames_per_s"],
                "frames/s",
                limit=long["limit_frames_per_s"],
            )
            report.row("importing", f"{size}: bytes stored", long["mib_per_s"], "MiB/s")
            report.row("importing", f"{size}: peak memory", most, "MiB")
            report.row(
                "importing", f"{size}: peak, {3 * frames} less {frames} frames", growth, "MiB"
            )


def _apart(*arguments: str) -> str:
    command = [sys.executable, "-m", "tests.bench.importing", *arguments]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return answer.stdout.strip().rpartition("\n")[2]


def _one(rendered: str, frames: int) -> dict[str, float]:
    """Import a rendered drive once, into a project that is deleted afterwards."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    import django

    django.setup()
    from django.test import override_settings

    from backend.imports.importing import import_scene
    from backend.jobs.actions import begin_job
    from backend.projects.actions import create_project
    from backend.scenes.actions import delete_scene

    drive, shown = pickle.loads(Path(rendered).read_bytes())
    source = replace(drive, frames=_Repeated(shown, frames), name=f"bench-{uuid4()}")
    project = create_project(f"bench {uuid4()}")
    with tempfile.TemporaryDirectory() as folder, override_settings(STORAGES=_folder(folder)):
        job = begin_job("import", project, by=None, worker="bench", label="bench")
        began = perf_counter()
        report = import_scene(source, job=job, source_format="bench")
        seconds = perf_counter() - began
        limit_s = _limit_s(source)
        for scene in project.scenes.all():
            delete_scene(scene)
    project.delete()
    return {
        "frames_per_s": frames / seconds,
        "limit_frames_per_s": 1 / limit_s,
        "mib_per_s": report["bytes"]["source"] / 2**20 / seconds,
        "peak_mib": peak_mib(),
    }


def _limit_s(source) -> float:  # type: ignore[no-untyped-def]
    """Seconds a frame of what no import can leave out: half-size pictures and packed sweeps."""
    from backend.scenes.storage import half_size
    from backend.scenes.sweep_codec import encode_source, encode_view

    frames = [source.frames[index] for index in range(4)]
    began = perf_counter()
    for frame in frames:
        for image in frame.images.values():
            half_size(image.encoded)
        for sweep in frame.sweeps.values():
            encode_source(sweep)
            encode_view(sweep)
    return (perf_counter() - began) / len(frames)


def _folder(location: str) -> dict[str, object]:
    from django.conf import settings

    backend = "backend.scenes.folder.AtomicFolder"
    options = {"location": location, "allow_overwrite": True}
    return {**settings.STORAGES, "default": {"BACKEND": backend, "OPTIONS": options}}


class _Repeated:
    """A few rendered frames over and over, each time with bytes of its own (storage keeps equal
    bytes once)."""

    def __init__(self, frames: list, count: int) -> None:  # type: ignore[type-arg]
        self._frames, self._count = frames, count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[object]:
        return (self[index] for index in range(self._count))

    def __getitem__(self, index: int) -> object:
        frame = self._frames[index % len(self._frames)]
        mark = index.to_bytes(4, "little")
        sweeps = {}
        for name, sweep in frame.sweeps.items():
            intensity = sweep.intensity.copy()
            intensity[:1] = index
            sweeps[name] = replace(sweep, intensity=intensity)
        images = {
            # Bytes after a JPEG's end are ignored by decoders.
            name: replace(image, encoded=image.encoded + mark)
            for name, image in frame.images.items()
        }
        return replace(
            frame, index=index, timestamp_us=index * 100_000, images=images, sweeps=sweeps
        )


def _render(size: str, place: str) -> None:
    """Two frames of a drive, and what else there is to say about it, in one file."""
    from inference.scene import FrameLabels
    from inference.world.drive import make_drive

    drive = make_drive(7, rig="demo", length=4)
    # Without gold: a mask for every object and picture is far more than the frame itself.
    rendered = [replace(drive.frames[index], labels=FrameLabels()) for index in (0, 3)]
    if size == "waymo":
        drive, rendered = _enlarged(drive, rendered)
    Path(place).write_bytes(pickle.dumps((replace(drive, frames=[]), rendered)))


def _enlarged(drive, rendered):  # type: ignore[no-untyped-def]
    """The procedural frames at Waymo's sizes: five large pictures, five LiDARs, 180k points."""
    from inference.scene import Sensor, SensorKind

    cameras, lidar = drive.cameras, drive.lidars[0]
    sensors = []
    for number in range(5):
        stated = cameras[number % len(cameras)].calibration
        lens = replace(stated.intrinsics, width_px=1920, height_px=1280)
        calibration = replace(stated, intrinsics=lens)
        sensors.append(Sensor(f"CAMERA_{number}", SensorKind.CAMERA, calibration))
    sensors += [replace(lidar, name=f"LIDAR_{number}") for number in range(5)]
    return replace(drive, sensors=sensors), [
        replace(
            frame,
            images={
                f"CAMERA_{number}": _large(frame.images[cameras[number % len(cameras)].name])
                for number in range(5)
            },
            sweeps={
                f"LIDAR_{number}": _resized(
                    frame.sweeps[lidar.name], 160_000 if not number else 5_000
                )
                for number in range(5)
            },
        )
        for frame in rendered
    ]


def _large(image):  # type: ignore[no-untyped-def]
    from PIL import Image as PillowImage

    picture = PillowImage.open(io.BytesIO(image.encoded)).resize((1920, 1280))
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=92)
    return replace(image, encoded=encoded.getvalue())


def _resized(sweep, points: int):  # type: ignore[no-untyped-def]
    """The sweep with points left out or, a little moved, repeated in between."""
    from dataclasses import fields

    chosen = np.sort(np.arange(points) % len(sweep)) if points > len(sweep) else np.arange(points)
    columns = {
        field.name: value[chosen]
        for field in fields(sweep)
        if isinstance(value := getattr(sweep, field.name), np.ndarray)
    }
    moved = np.random.default_rng(0).normal(0, 0.01, (points, 3)).astype(np.float32)
    columns["points_ego"] = columns["points_ego"] + moved
    return replace(sweep, **columns)


def main() -> None:
    match sys.argv[1:]:
        case ["--render", size, place]:
            _render(size, place)
        case ["--one", rendered, frames]:
            print(json.dumps(_one(rendered, int(frames))))
        case options:
            report = Report()
            run(report, "--full" in options)
            print(report.table())


if __name__ == "__main__":
    main()
