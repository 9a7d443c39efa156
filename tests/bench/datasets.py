"""Bench area `datasets`: frames a second from a recording's own container into memory.

Frames of a real one's size are made here: 5 pictures of 1920x1280, a LiDAR of 64x2650 cells whose
every cell has a pose, four of 200x600, both returns. Each container and length is read in a process
of its own, so that its peak memory is its own; its growth shows whether frames are kept. The limit
is what no reader can leave out: checksums and unpacking (TFRecord), decoding of columns (Parquet).

    python -m tests.bench.datasets [--full]
"""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image as PillowImage

from inference.datasets import READERS
from inference.datasets.tfrecord import index_records, masked_crc, read_record
from inference.masks import encode_varints
from tests.bench.memory import peak_mib
from tests.bench.report import Report
from tests.inference.datasets import waymo_builder as build

FRAMES, FRAMES_FULL = 5, 40
CAMERAS = range(1, 6)
WIDTH_PX, HEIGHT_PX = 1920, 1280
CELLS = {1: (64, 2650), 2: (200, 600), 3: (200, 600), 4: (200, 600), 5: (200, 600)}
# Shares of the cells that return, as in real sweeps.
FILLED, FILLED_TWICE = 0.9, 0.05
CONTAINERS = ("tfrecord", "parquet")


def run(report: Report, full: bool) -> None:
    frames = FRAMES_FULL if full else FRAMES
    for container in CONTAINERS:
        with tempfile.TemporaryDirectory() as folder:
            measured = []
            for length in (frames, 3 * frames):
                place = str(Path(folder, str(length)))
                _apart("--make", container, place, str(length))
                measured.append(json.loads(_apart("--read", container, place)))
            short, long = measured
            report.row(
                "datasets",
                f"{container}: frames read",
                long["frames_per_s"],
                "frames/s",
                limit=long["limit_frames_per_s"],
            )
            report.row("datasets", f"{container}: points read", long["points_per_s"], "1/s")
            report.row("datasets", f"{container}: open {3 * frames} frames", long["open_ms"], "ms")
            report.row("datasets", f"{container}: peak memory", long["peak_mib"], "MiB")
            report.row(
                "datasets",
                f"{container}: peak, {3 * frames} less {frames} frames",
                long["peak_mib"] - short["peak_mib"],
                "MiB",
            )


def _apart(*arguments: str) -> str:
    command = [sys.executable, "-m", "tests.bench.datasets", *arguments]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return answer.stdout.strip().rpartition("\n")[2]


def _read(container: str, place: Path) -> dict[str, float]:
    began = perf_counter()
    scene = READERS["waymo"](_recording(container, place))
    opened = perf_counter()
    points = 0
    for frame in scene.frames:
        assert len(frame.images) == 5
        points += sum(len(sweep) for sweep in frame.sweeps.values())
    seconds = perf_counter() - opened
    most_mib = peak_mib()
    frames = len(scene.frames)
    return {
        "open_ms": 1000 * (opened - began),
        "frames_per_s": frames / seconds,
        "points_per_s": points / seconds,
        "peak_mib": most_mib,
        # After the peak was noted: the limit may take what memory it likes.
        "limit_frames_per_s": frames / _limit_s(container, place),
    }


def _recording(container: str, place: Path) -> Path:
    return place / "drive.tfrecord" if container == "tfrecord" else place


def _limit_s(container: str, place: Path) -> float:
    began = perf_counter()
    if container == "tfrecord":
        streams = _streams(0)
        for record in index_records(_recording(container, place)):
            read_record(_recording(container, place), record)
        checked = perf_counter() - began
        began = perf_counter()
        for stream in streams:
            zlib.decompress(stream)
        records = len(index_records(_recording(container, place)))
        return checked + records * (perf_counter() - began)
    from pyarrow.parquet import ParquetFile

    for file in sorted(place.rglob("*.parquet")):
        for _ in ParquetFile(file).iter_batches(batch_size=5):
            pass
    return perf_counter() - began


def _make(container: str, place: Path, frames: int) -> None:
    place.mkdir(parents=True)
    if container == "parquet":
        _make_parquet(place, frames)
        return
    with _recording(container, place).open("wb") as file:
        for index in range(frames):
            file.write(_record(_payload(index)))


def _record(payload: bytes) -> bytes:
    head = struct.pack("<Q", len(payload))
    return b"".join(
        (head, struct.pack("<I", masked_crc(head)), payload,
         struct.pack("<I", masked_crc(payload)))
    )  # fmt: skip


def _payload(index: int) -> bytes:
    jpeg = _jpeg()
    images = b"".join(
        build.data(4, build.number(1, c) + build.data(2, jpeg) + build.pose(3, build.moved(index)))
        for c in CAMERAS
    )
    return b"".join(
        (
            build.data(1, _context()),
            build.number(2, build.START_US + 100_000 * index),
            build.pose(3, build.moved(index)),
            images,
            b"".join(build.data(5, _laser(number, index)) for number in CELLS),
            b"".join(build.data(6, build.label(f"car-{n}")) for n in range(80)),
        )
    )


def _context() -> bytes:
    lens = [2000.0, 2000.0, WIDTH_PX / 2, HEIGHT_PX / 2, 0, 0, 0, 0, 0]
    size = build.number(4, WIDTH_PX) + build.number(5, HEIGHT_PX)
    cameras = (
        build.number(1, c) + build.doubles(2, lens) + build.pose(3, np.eye(4)) + size
        for c in CAMERAS
    )
    lasers = (
        build.number(1, n) + build.doubles(3, [-0.3]) + build.doubles(4, [0.05])
        + build.pose(5, build.moved(1.4, 0, 2))
        for n in CELLS
    )  # fmt: skip
    return b"".join(
        (
            build.data(1, build.CONTEXT),
            *(build.data(2, camera) for camera in cameras),
            *(build.data(3, laser) for laser in lasers),
        )
    )


def _laser(number: int, index: int) -> bytes:
    first, second = (
        build.data(2, _floats(_cells(number, index, share)))
        + build.data(3, _integers(_pixels(number)))
        for share in (FILLED, FILLED_TWICE)
    )
    if number == 1:
        first += build.data(4, _floats(_poses(index)))
    return build.number(1, number) + build.data(2, first) + build.data(3, second)


def _streams(index: int) -> list[bytes]:
    """All packed matrices of one frame."""
    packed = [_floats(_poses(index))]
    for number in CELLS:
        packed += [_floats(_cells(number, index, share)) for share in (FILLED, FILLED_TWICE)]
        packed += [_integers(_pixels(number))] * 2
    return packed


def _cells(number: int, index: int, share: float) -> np.ndarray:
    """[H, W, 4]: walls around, a little noise, holes."""
    random = np.random.default_rng((number, index))
    height, width = CELLS[number]
    cells = np.empty((height, width, 4), np.float32)
    cells[..., 0] = (
        20 + 10 * np.sin(np.arange(width) / 40) + random.normal(0, 0.02, (height, width))
    )
    cells[..., 1] = random.gamma(1, 0.2, (height, width))
    cells[..., 2], cells[..., 3] = 0, -1
    cells[random.random((height, width)) > share] = -1
    return cells


def _poses(index: int) -> np.ndarray:
    """[64, 2650, 6]: the vehicle drives 1 m during the sweep."""
    poses = np.zeros((*CELLS[1], 6), np.float32)
    poses[..., 3] = index + np.linspace(-0.5, 0.5, CELLS[1][1])
    return poses


def _pixels(number: int) -> np.ndarray:
    """[H, W, 6]: the first camera's columns follow the azimuth, a second camera sees nothing."""
    height, width = CELLS[number]
    pixels = np.zeros((height, width, 6), np.int64)
    pixels[..., 0] = 1 + np.arange(width) * 5 // width
    pixels[..., 1] = np.arange(width) * 7 % WIDTH_PX
    pixels[..., 2] = np.arange(height)[:, None] * 6 % HEIGHT_PX
    return pixels


def _floats(values: np.ndarray) -> bytes:
    return build.float_matrix(values)


def _integers(values: np.ndarray) -> bytes:
    packed = encode_varints(values.ravel().astype(np.uint64))
    return zlib.compress(build.data(1, packed) + build.shape(values.shape))


def _jpeg() -> bytes:
    """Noise over a gradient: about as large as a real picture."""
    random = np.random.default_rng(0)
    v, u = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    shade = (u / 10 + v / 8) % 200 + random.normal(0, 4, u.shape)
    picture = np.repeat(shade.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    encoded = io.BytesIO()
    PillowImage.fromarray(picture).save(encoded, "JPEG", quality=85)
    return encoded.getvalue()


def _make_parquet(split: Path, frames: int) -> None:
    """Large components with all frames in one row group: what costs a reader most memory."""
    eye, lens = np.eye(4).ravel().tolist(), dict.fromkeys(("k1", "k2", "p1", "p2", "k3"), 0.0)
    lens |= {"f_u": 2000.0, "f_v": 2000.0, "c_u": WIDTH_PX / 2, "c_v": HEIGHT_PX / 2}
    camera = {f"intrinsic.{name}": value for name, value in lens.items()}
    camera |= {"extrinsic.transform": eye, "width": WIDTH_PX, "height": HEIGHT_PX}
    laser = {"beam_inclination.min": -0.3, "beam_inclination.max": 0.05, "extrinsic.transform": eye}
    jpeg = _jpeg()
    _write(split, "camera_calibration", "CameraCalibration",
           [[({"key.camera_name": c}, camera) for c in CAMERAS]])  # fmt: skip
    _write(split, "lidar_calibration", "LiDARCalibration",
           [[({"key.laser_name": n}, laser) for n in CELLS]])  # fmt: skip
    _write(split, "vehicle_pose", "VehiclePose", (
        [(_time(i), {"world_from_vehicle.transform": build.moved(i).ravel().tolist()})]
        for i in range(frames)
    ))  # fmt: skip
    _write(split, "camera_image", "CameraImage", (
        [(_time(i) | {"key.camera_name": c},
          {"image": jpeg, "pose.transform": build.moved(i).ravel().tolist()}) for c in CAMERAS]
        for i in range(frames)
    ))  # fmt: skip
    _write(split, "lidar", "LiDAR", (
        [(_time(i) | {"key.laser_name": n}, _both(_cells(n, i, FILLED), _cells(n, i, FILLED_TWICE)))
         for n in CELLS]
        for i in range(frames)
    ))  # fmt: skip
    _write(split, "lidar_camera_projection", "LiDARCameraProjection", (
        [(_time(i) | {"key.laser_name": n}, _both(*[_pixels(n).astype(np.float32)] * 2))
         for n in CELLS]
        for i in range(frames)
    ))  # fmt: skip
    _write(split, "lidar_pose", "LiDARPose", (
        [(_time(i) | {"key.laser_name": 1}, _both(_poses(i)))] for i in range(frames)
    ))  # fmt: skip


Row = tuple[dict[str, object], dict[str, object]]  # keys, values


def _time(index: int) -> dict[str, object]:
    return {"key.frame_timestamp_micros": build.START_US + 100_000 * index}


def _both(*images: np.ndarray) -> dict[str, object]:
    found: dict[str, object] = {}
    for number, image in enumerate(images, start=1):
        found[f"range_image_return{number}.values"] = image.ravel()
        found[f"range_image_return{number}.shape"] = list(image.shape)
    return found


def _write(split: Path, folder: str, component: str, frames: Iterable[list[Row]]) -> None:
    import pyarrow
    from pyarrow.parquet import write_table

    tables = []
    for rows in frames:
        columns = [
            {"key.segment_context_name": build.CONTEXT}
            | keys
            | {f"[{component}Component].{name}": value for name, value in values.items()}
            for keys, values in rows
        ]
        tables.append(pyarrow.table({name: [row[name] for row in columns] for name in columns[0]}))
    (split / folder).mkdir()
    write_table(
        pyarrow.concat_tables(tables),
        split / folder / f"{build.CONTEXT}.parquet",
        compression="brotli",
        compression_level=3,
        row_group_size=10**6,
    )


def main() -> None:
    match sys.argv[1:]:
        case ["--make", container, place, frames]:
            _make(container, Path(place), int(frames))
        case ["--read", container, place]:
            print(json.dumps(_read(container, Path(place))))
        case options:
            report = Report()
            run(report, "--full" in options)
            print(report.table())


if __name__ == "__main__":
    main()
