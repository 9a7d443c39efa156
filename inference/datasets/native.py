"""Reads Masklet's own format (native_layout.py): a folder, or the zip file that an export makes."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from inference.datasets import native_layout as layout
from inference.masks import BadRuns, decode_runs
from inference.scene import (
    BadScene,
    CuboidLabel,
    Frame,
    FrameLabels,
    Frames,
    Image,
    MaskLabel,
    RectangleLabel,
    Scene,
    SensorKind,
    ShutterTimes,
    Sweep,
)

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

# What one file may unpack to: an archive from outside may claim anything.
MAX_FILE_BYTES = 2 * 2**30
_EXTENSIONS = ("jpg", "png")


Box = TypeVar("Box", layout.HistoricCuboid, layout.HistoricRectangle)


@dataclass(frozen=True)
class NativeScene(Scene):
    """A scene with the whole history of its labels."""

    history: History | None = None


def read_scene(path: Path) -> NativeScene:
    """A scene of Masklet's own format. Frames, and the tables of labels, are read when asked for.

    path: a scene's folder, an export with one scene, or its zip file. Raises BadScene.
    """
    files = _Files.open(Path(path))
    text = files.read(layout.SCENE)
    try:
        described = json.loads(text)
        if described["masklet_native"] != layout.VERSION:
            raise BadScene(
                f"{layout.SCENE}: version {described['masklet_native']!r} of the format; this "
                f"program reads version {layout.VERSION}",
                file=layout.SCENE,
            )
        history = History(files, described)
        return NativeScene(
            name=described["name"],
            sensors=[layout.sensor_of(sensor) for sensor in described["sensors"]],
            frames=_Frames(files, described, history),
            source_from_world=layout.rigid_of(described["source_from_world"], "source_from_world"),
            facts=dict(described["facts"]),
            history=history,
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, BadScene):
            raise
        raise _broken(layout.SCENE, error) from error


class History:
    """Every track, mask, box and edit that the labels ever had, with the revisions they held."""

    def __init__(self, files: _Files, described: dict[str, Any]) -> None:
        self._files = files
        self.revision = int(described["revision"])
        self.next_track = int(described["next_track"])
        self.has_readings = bool(described["has_readings"])
        self.label_classes: list[dict[str, Any]] = described["label_classes"]

    @cached_property
    def tracks(self) -> dict[int, layout.HistoricTrack]:
        """By number."""
        try:
            rows = json.loads(self._files.read(layout.TRACKS))
            return {row["number"]: layout.HistoricTrack(**row) for row in rows}
        except (KeyError, TypeError, ValueError) as error:
            raise _broken(layout.TRACKS, error) from error

    def masks(self, frame: int) -> list[layout.HistoricMask]:
        table = self._masks
        if frame >= table.num_row_groups:
            raise BadScene(
                f"{layout.MASKS}: has {table.num_row_groups} frames, frame {frame} is missing",
                file=layout.MASKS,
                record=frame,
            )
        try:
            rows = layout.rows_of(table.read_row_group(frame))
            return [layout.HistoricMask(**row) for row in rows]
        except (OSError, TypeError, ValueError) as error:
            raise _broken(layout.MASKS, error) from error

    @cached_property
    def cuboids(self) -> list[layout.HistoricCuboid]:
        return [layout.HistoricCuboid(**row) for row in self._rows(layout.CUBOIDS)]

    @cached_property
    def rectangles(self) -> list[layout.HistoricRectangle]:
        return [layout.HistoricRectangle(**row) for row in self._rows(layout.RECTANGLES)]

    @cached_property
    def cuboids_by_frame(self) -> dict[int, list[layout.HistoricCuboid]]:
        return _by_frame(self.cuboids)

    @cached_property
    def rectangles_by_frame(self) -> dict[int, list[layout.HistoricRectangle]]:
        return _by_frame(self.rectangles)

    def edits(self) -> Iterator[layout.HistoricEdit]:
        for number, line in enumerate(self._files.read(layout.EDITS).splitlines()):
            try:
                row = json.loads(line)
                yield layout.HistoricEdit(**{**row, "at": datetime.fromisoformat(row["at"])})
            except (KeyError, TypeError, ValueError) as error:
                raise BadScene(
                    f"{layout.EDITS}, line {number + 1}: {error}", file=layout.EDITS, record=number
                ) from error

    @cached_property
    def _masks(self) -> ParquetFile:
        return self._files.table(layout.MASKS)

    def _rows(self, name: str) -> list[dict[str, Any]]:
        return list(layout.rows_of(self._files.table(name).read()))


class _Frames(Frames):
    def __init__(self, files: _Files, described: dict[str, Any], history: History) -> None:
        self._files, self._history = files, history
        self._rows: list[dict[str, Any]] = described["frames"]
        self._sensors = {
            sensor["name"]: (SensorKind(sensor["kind"]), layout.reading_folder(n, sensor["name"]))
            for n, sensor in enumerate(described["sensors"])
        }

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int, /) -> Frame:
        if not 0 <= index < len(self):
            raise IndexError(f"the scene has {len(self)} frames, there is no frame {index}")
        row = self._rows[index]
        try:
            images, sweeps = self._readings(index, row["readings"])
            return Frame(
                index=index,
                timestamp_us=int(row["timestamp_us"]),
                world_from_ego=layout.rigid_of(
                    row["world_from_ego"], f"frame {index}, world_from_ego"
                ),
                images=images,
                sweeps=sweeps,
                labels=self._labels(index, row["readings"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, BadScene):
                raise
            raise _broken(layout.SCENE, error, record=index) from error

    def _readings(
        self, index: int, readings: dict[str, dict[str, Any]]
    ) -> tuple[dict[str, Image], dict[str, Sweep]]:
        images: dict[str, Image] = {}
        sweeps: dict[str, Sweep] = {}
        if not self._history.has_readings:
            return images, sweeps
        for name, facts in readings.items():
            kind, folder = self._sensors[name]
            place = f"{folder}/{index:06d}"
            if kind is SensorKind.LIDAR:
                table = self._files.table(f"{place}.parquet").read()
                sweeps[name] = layout.sweep_from_table(table, timestamp_us=facts["timestamp_us"])
            else:
                if facts["extension"] not in _EXTENSIONS:
                    raise ValueError(f"an image cannot be a {facts['extension']!r} file")
                images[name] = _image(self._files.read(f"{place}.{facts['extension']}"), facts)
        return images, sweeps

    def _labels(self, index: int, readings: dict[str, dict[str, Any]]) -> FrameLabels:
        """The labels that hold at the last revision."""
        tracks = {
            number: track
            for number, track in self._history.tracks.items()
            if track.deleted_revision is None
        }
        rows = [row for row in self._history.masks(index) if row.until_revision is None]
        for row in rows:
            if row.track not in tracks or row.sensor not in readings:
                raise BadScene(
                    f"{layout.MASKS}: frame {index} has a mask of track {row.track} in "
                    f"{row.sensor}, one of which is not there",
                    file=layout.MASKS,
                    record=index,
                )
        masks = [
            MaskLabel(
                track=str(row.track),
                label_class=tracks[row.track].label_class,
                sensor=row.sensor,
                mask=_mask(row, readings[row.sensor]["size"]),
                is_stuff=tracks[row.track].is_stuff,
            )
            for row in rows
        ]
        cuboids = [
            CuboidLabel(
                track=str(row.track),
                label_class=tracks[row.track].label_class,
                centre_ego=(row.centre_ego[0], row.centre_ego[1], row.centre_ego[2]),
                size=(row.size[0], row.size[1], row.size[2]),
                heading=row.heading,
            )
            for row in self._history.cuboids_by_frame.get(index, ())
            if row.until_revision is None and row.track in tracks
        ]
        rectangles = [
            RectangleLabel(
                track=str(row.track),
                label_class=tracks[row.track].label_class,
                sensor=row.sensor,
                corners_px=(c[0], c[1], c[2], c[3]),
            )
            for row in self._history.rectangles_by_frame.get(index, ())
            for c in [row.corners_px]
            if row.track in tracks
        ]
        return FrameLabels(tuple(masks), tuple(cuboids), tuple(rectangles))


class _Files:
    """The files of one scene, in a folder or in a zip file; nothing is unpacked to disk."""

    def __init__(self, root: Path | zipfile.Path) -> None:
        self._root = root

    @classmethod
    def open(cls, path: Path) -> _Files:
        """Find the folder of the one scene in `path`. Raises BadScene."""
        if not path.exists():
            raise BadScene(f"{path} does not exist", file=path.name)
        root: Path | zipfile.Path = path
        if path.is_file():
            try:
                root = zipfile.Path(zipfile.ZipFile(path))
            except zipfile.BadZipFile as error:
                raise BadScene(f"{path.name}: not a zip file: {error}", file=path.name) from error
        if (root / layout.SCENE).is_file():
            return cls(root)
        inside = [entry for entry in root.iterdir() if (entry / layout.SCENE).is_file()]
        if len(inside) == 1:
            return cls(inside[0])
        names = ", ".join(sorted(entry.name for entry in inside))
        raise BadScene(
            f"{path.name}: holds {len(inside)} scenes ({names}); unpack it and give one folder"
            if inside
            else f"{path.name}: no {layout.SCENE} in it, so it is not of Masklet's own format",
            file=path.name,
        )

    def read(self, name: str) -> bytes:
        file = self._root / name
        if not file.is_file():
            raise BadScene(f"{name} is missing", file=name)
        try:
            with file.open("rb") as opened:
                data = bytes(opened.read(MAX_FILE_BYTES + 1))
        except (OSError, zipfile.BadZipFile) as error:
            raise _broken(name, error) from error
        if len(data) > MAX_FILE_BYTES:
            raise BadScene(f"{name} is larger than {MAX_FILE_BYTES} bytes", file=name)
        return data

    def table(self, name: str) -> ParquetFile:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile

        try:
            return ParquetFile(io.BytesIO(self.read(name)))
        except (ArrowException, OSError) as error:
            raise _broken(name, error) from error


def _by_frame(rows: list[Box]) -> dict[int, list[Box]]:
    frames: dict[int, list[Box]] = {}
    for row in rows:
        frames.setdefault(row.frame, []).append(row)
    return frames


def _image(encoded: bytes, facts: dict[str, Any]) -> Image:
    pose, shutter = facts["world_from_ego"], facts["shutter"]
    return Image(
        encoded=encoded,
        timestamp_us=facts["timestamp_us"],
        world_from_ego=layout.rigid_of(pose, "an image's world_from_ego") if pose else None,
        shutter=_shutter(shutter) if shutter else None,
    )


def _shutter(facts: dict[str, Any]) -> ShutterTimes:
    return ShutterTimes(
        exposure_s=facts["exposure_s"],
        trigger_s=facts["trigger_s"],
        readout_done_s=facts["readout_done_s"],
        velocity_world=tuple(facts["velocity_world"]),
        angular_velocity_ego=tuple(facts["angular_velocity_ego"]),
    )


def _mask(row: layout.HistoricMask, size: int) -> Any:
    try:
        return decode_runs(row.runs, size)
    except BadRuns as error:
        raise BadScene(
            f"{layout.MASKS}: track {row.track} in {row.sensor}: {error}",
            file=layout.MASKS,
            record=row.frame,
        ) from error


def _broken(name: str, error: Exception, record: int | None = None) -> BadScene:
    reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return BadScene(f"{name}: {reason}", file=name, record=record)
