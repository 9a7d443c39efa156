"""Frames on disk, ready to learn from: procedural drives, rendered, or labelled scenes, cut up once.

A drive is a folder of one file per frame: an npz (no objects in it) under zstd. Writing goes aside
and is renamed, so that a killed run leaves no half file; a second run goes on where it stopped.

    python -m inference.training.shots FOLDER --seeds 10000-10399 [--frames 4] [--step 8]
    python -m inference.training.shots FOLDER --labels WAYMO_4DSEG [--step 1]
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import zstandard

from inference.datasets.native_layout import sensor_of, sensor_record
from inference.datasets.waymo_4dseg import read_scene
from inference.geometric.frames import Cloud, PreparedFrame, merged_cloud
from inference.geometric.projection import Surface, View
from inference.scene import BadScene, Frame, Image, Scene, Sensor, SensorKind
from inference.training.pool import worked

Ids = npt.NDArray[np.int32]
IGNORED = 65535  # the id of points of which nobody says what they are
VERSION = 2  # of the files; a file of another one has to be rendered again
_CLOUD = ("points", "height_m", "is_ground", "cluster", "range_m", "row")
_VIEW = ("point", "pixels", "depth_m", "is_real", "reach_px", "owner", "gap")


@dataclass(frozen=True)
class Gold:
    """What a gold id stands for."""

    label_class: str
    is_stuff: bool


@dataclass(frozen=True)
class Shot:
    """One frame with its gold.

    ids: by camera [H, W], the gold id of every pixel.  point_ids: [N] of the cloud's points, or IGNORED.
    gold: by id; 0 is nothing.
    """

    prepared: PreparedFrame
    ids: Mapping[str, Ids]
    point_ids: Ids
    gold: Mapping[int, Gold]


# --- writing -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """Which frames of which drives: `frames` of each, `step` apart.  width_px: of pictures."""

    seeds: Sequence[int]
    rig: str = "random"
    frames: int = 4
    step: int = 8
    width_px: int | None = 640


def write_drive(folder: Path, seed: int, plan: Plan) -> int:
    """Render one drive; returns how many frames were new."""
    from inference.world.drive import make_drive

    missing = _missing(folder / f"{seed:06d}", range(0, plan.frames * plan.step, plan.step))
    if not missing:
        return 0
    options: dict[str, Any] = {} if plan.width_px is None else {"width_px": plan.width_px}
    drive = make_drive(seed, plan.rig, (plan.frames - 1) * plan.step + 1, **options)
    frames: Any = drive.frames  # a DriveFrames: it knows the gold
    for index, path in missing.items():
        gold = {n: Gold(each.label_class, each.is_stuff) for n, each in frames.gold.items()}
        _write(path, _arrays(drive, frames[index], frames.gold_ids(index), gold))
    return len(missing)


def write_labelled(folder: Path, sequence: Path, step: int) -> int:
    """Cut up a labelled scene; returns how many frames were new. Frames without labels are left out.

    sequence: of a data set in the Waymo-4DSeg layout, a file of its meta_infos.  Raises BadScene.
    """
    scene = read_scene(sequence)
    numbers: dict[str, int] = {}  # of tracks, the same in all frames
    missing = _missing(folder / sequence.stem, range(0, len(scene.frames), step))
    if not missing:
        return 0
    new = 0
    for index in range(0, len(scene.frames), step):
        frame = scene.frames[index]
        for label in frame.labels.masks:
            numbers.setdefault(label.track, len(numbers) + 1)
        if index not in missing or not frame.labels.masks:
            continue
        if len(numbers) >= IGNORED:
            raise BadScene(f"{sequence.name}: has {len(numbers)} tracks, we count to {IGNORED - 1}")
        gold = {
            numbers[each.track]: Gold(each.label_class, each.is_stuff)
            for each in frame.labels.masks
        }
        _write(missing[index], _arrays(scene, frame, labelled_ids(scene, frame, numbers), gold))
        new += 1
    return new


def labelled_ids(scene: Scene, frame: Frame, numbers: Mapping[str, int]) -> dict[str, Ids]:
    """By sensor, [H, W] or [N]: the number of the track whose mask is there. Where masks overlap, the
    smaller one is on top.
    """
    ids: dict[str, Ids] = {}
    for camera in scene.cameras:
        lens = camera.calibration.intrinsics
        if camera.name in frame.images and lens is not None:
            ids[camera.name] = np.zeros((lens.height_px, lens.width_px), np.int32)
    for name, sweep in frame.sweeps.items():
        ids[name] = np.zeros(len(sweep), np.int32)
        if sweep.in_no_label_zone is not None:
            ids[name][sweep.in_no_label_zone] = IGNORED
    for label in sorted(frame.labels.masks, key=lambda each: -int(each.mask.sum())):
        if label.sensor in ids:
            ids[label.sensor].reshape(-1)[label.mask] = numbers[label.track]
    return ids


def _missing(target: Path, indices: Sequence[int]) -> dict[int, Path]:
    """The files of a drive's frames that are not there yet."""
    target.mkdir(parents=True, exist_ok=True)
    wanted = {index: target / f"{index:04d}.npz.zst" for index in indices}
    return {index: path for index, path in wanted.items() if not path.is_file()}


def _write(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    aside = path.with_suffix(f".{os.getpid()}")
    aside.write_bytes(_packed(arrays))
    aside.replace(path)


def _arrays(
    drive: Scene, frame: Frame, ids: Mapping[str, Ids], gold: Mapping[int, Gold]
) -> dict[str, npt.NDArray[Any]]:
    """ids: by sensor, those of cameras [H, W] and of LiDARs [N]."""
    cloud = merged_cloud(drive, frame)
    prepared = PreparedFrame(drive, frame, cloud)
    out: dict[str, npt.NDArray[Any]] = {name: getattr(cloud, name) for name in _CLOUD}
    out["spacing"] = cloud.surface.spacing[: len(cloud)]
    point_ids = np.zeros(len(cloud), np.uint16)
    for lidar, part in cloud.part_of.items():
        point_ids[part] = ids[lidar]
    out["point_ids"] = point_ids
    out["world_from_ego"] = frame.world_from_ego
    cameras = [camera for camera in drive.cameras if camera.name in frame.images]
    lidars = [lidar for lidar in drive.lidars if lidar.name in frame.sweeps]
    for k, camera in enumerate(cameras):
        out[f"picture_{k}"] = np.frombuffer(frame.images[camera.name].encoded, np.uint8)
        done, png = cv2.imencode(".png", ids[camera.name].astype(np.uint16))
        assert done
        out[f"ids_{k}"] = png
        view = prepared.view(camera.name)
        out |= {f"{name}_{k}": getattr(view, name) for name in _VIEW}
        out[f"gap_{k}"] = view.gap.astype(np.float16)
        out[f"scale_{k}"] = np.array(view.scale)
        pose = frame.images[camera.name].world_from_ego
        if pose is not None:
            out[f"pose_{k}"] = pose
    shown = set(np.unique(point_ids).tolist())
    shown |= {int(n) for camera in cameras for n in np.unique(ids[camera.name])}
    facts = {
        "version": VERSION,
        "name": drive.name,
        "index": frame.index,
        "timestamp_us": frame.timestamp_us,
        "image_us": [frame.images[camera.name].timestamp_us for camera in cameras],
        "sensors": [sensor_record(sensor) for sensor in (*cameras, *lidars)],
        "parts": {name: [part.start, part.stop] for name, part in cloud.part_of.items()},
        "gold": {n: [gold[n].label_class, gold[n].is_stuff] for n in sorted(shown - {0, IGNORED})},
    }
    out["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    return out


def _packed(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return zstandard.ZstdCompressor(level=3).compress(buffer.getvalue())


# --- reading -------------------------------------------------------------------------------------


def read_shot(path: Path) -> Shot:
    """Raises ValueError for a file that `write_drive` did not make."""
    try:
        packed = zstandard.ZstdDecompressor().decompress(path.read_bytes())
        with np.load(io.BytesIO(packed), allow_pickle=False) as opened:
            arrays = {name: opened[name] for name in opened.files}
        facts = json.loads(bytes(arrays["facts"]))
        if facts["version"] != VERSION:
            raise ValueError(f"it is of version {facts['version']}, not {VERSION}")
    except (zstandard.ZstdError, KeyError, ValueError, OSError) as error:
        raise ValueError(f"{path} is no frame to learn from ({error}); render it again") from error
    sensors = [sensor_of(each) for each in facts["sensors"]]
    cameras = [sensor for sensor in sensors if sensor.kind is SensorKind.CAMERA]
    images = {
        camera.name: Image(
            arrays[f"picture_{k}"].tobytes(), facts["image_us"][k], arrays.get(f"pose_{k}")
        )
        for k, camera in enumerate(cameras)
    }
    frame = Frame(facts["index"], facts["timestamp_us"], arrays["world_from_ego"], images)
    prepared = PreparedFrame(
        Scene(facts["name"], sensors, [frame]),
        frame,
        _cloud(arrays, facts),
        _views={camera.name: _view(arrays, k, camera) for k, camera in enumerate(cameras)},
    )
    ids = {
        camera.name: np.asarray(cv2.imdecode(arrays[f"ids_{k}"], cv2.IMREAD_UNCHANGED), np.int32)
        for k, camera in enumerate(cameras)
    }
    gold = {int(n): Gold(*each) for n, each in facts["gold"].items()}
    return Shot(prepared, ids, arrays["point_ids"].astype(np.int32), gold)


def _cloud(arrays: Mapping[str, npt.NDArray[Any]], facts: Mapping[str, Any]) -> Cloud:
    count = len(arrays["points"])
    # Views are stored, so that of the surface only the spacing of its own points is asked for.
    surface = Surface(
        arrays["points"], np.arange(count, dtype=np.int32), np.ones(count, bool),
        arrays["spacing"], arrays["range_m"],
    )  # fmt: skip
    parts = {name: slice(*part) for name, part in facts["parts"].items()}
    return Cloud(**{name: arrays[name] for name in _CLOUD}, surface=surface, part_of=parts)


def _view(arrays: Mapping[str, npt.NDArray[Any]], k: int, camera: Sensor) -> View:
    lens = camera.calibration.intrinsics
    assert lens is not None
    own = {name: arrays[f"{name}_{k}"] for name in _VIEW}
    own["gap"] = own["gap"].astype(np.float32)
    across, down = (float(x) for x in arrays[f"scale_{k}"])
    return View(**own, scale=(across, down), width_px=lens.width_px, height_px=lens.height_px)


class Shots:
    """All frames in a folder of drives, in a fixed order."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.glob("*/*.npz.zst"))
        if not self.paths:
            raise ValueError(
                f"there are no frames to learn from in {folder}; make some with "
                "python -m inference.training.shots"
            )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int, /) -> Shot:
        return read_shot(self.paths[index])

    def drive(self, index: int) -> list[int]:
        """The frames of a frame's drive, in their order, itself among them."""
        folder = self.paths[index].parent
        first = last = index
        while first and self.paths[first - 1].parent == folder:
            first -= 1
        while last + 1 < len(self.paths) and self.paths[last + 1].parent == folder:
            last += 1
        return list(range(first, last + 1))


# --- the command ---------------------------------------------------------------------------------


def _work(job: tuple[Path, int, Plan]) -> tuple[int, int]:
    cv2.setNumThreads(1)
    folder, seed, plan = job
    return seed, write_drive(folder, seed, plan)


def _cut_up(job: tuple[Path, Path, int]) -> tuple[str, int]:
    cv2.setNumThreads(1)
    folder, sequence, step = job
    return sequence.stem, write_labelled(folder, sequence, step)


def is_labelled(folder: Path) -> bool:
    """Whether a folder is a data set in the Waymo-4DSeg layout."""
    return (folder / "meta_infos").is_dir()


def cut_up(folder: Path, data_set: Path, step: int, processes: int) -> int:
    """All sequences of a data set; returns how many frames were new. Raises BadScene."""
    found = (data_set / "meta_infos").glob("*")
    sequences = {file.stem: file for file in sorted(found) if file.suffix in (".json", ".pkl")}
    if not sequences:
        raise BadScene(f"{data_set}: its meta_infos folder holds no sequences")
    jobs = [(folder, sequence, step) for sequence in sequences.values()]
    done = worked(_cut_up, jobs, processes, lambda of: f"sequence {of[0]}: {of[1]} new frames")
    return sum(new for _, new in done)


def parse_seeds(text: str) -> range:
    """ "9001-9030" or "7"."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m inference.training.shots", description=__doc__)
    parser.add_argument("folder", type=Path)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--seeds", type=parse_seeds, help="of procedural drives")
    source.add_argument("--labels", type=Path, help="a data set in the Waymo-4DSeg layout")
    parser.add_argument("--rig", default="random")
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument(
        "--step", type=int, help="from frame to frame; 8 in drives, 1 in labelled scenes"
    )
    parser.add_argument("--width", type=int, default=640, help="of pictures, px; 0: the rig's own")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args(arguments)
    if asked.labels is not None:
        try:
            new = cut_up(asked.folder, asked.labels, asked.step or 1, asked.processes)
        except BadScene as error:
            print(error, file=sys.stderr)
            return 1
        print(f"{new} new frames in {asked.folder}")
        return 0
    plan = Plan(asked.seeds, asked.rig, asked.frames, asked.step or 8, asked.width or None)
    jobs = [(asked.folder, seed, plan) for seed in plan.seeds]
    done = worked(_work, jobs, asked.processes, lambda of: f"drive {of[0]}: {of[1]} new frames")
    new = sum(made for _, made in done)
    print(f"{new} new frames in {asked.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
