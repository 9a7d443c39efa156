"""Bench area `wire`: what a sweep and its labels weigh, and what coding costs.

    python3 manage.py bench wire [--full] [--json FILE]

The limit of a size is an estimate of its content's entropy (tests/bench/entropy.py). Peers run on
the same points where they are installed.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib.util import find_spec
from statistics import median
from time import process_time
from typing import Any

import numpy as np
import zstandard

from backend.protocol import binary
from backend.scenes.sweep_codec import decode_view, encode_view
from inference.masks import encode_runs
from inference.scene import Frame, SensorKind, Sweep
from tests.bench.entropy import bits_per_point
from tests.bench.page import bench_page
from tests.bench.report import Report
from tests.bench.sweeps import drive_frames, drive_sweep, real_sweeps

AREA = "wire"
FLOAT32_BYTES = 16  # x, y, z, intensity


def run(report: Report, full: bool) -> None:
    repetitions = 31 if full else 9
    drive = drive_sweep()
    _sizes(report, "drive", drive)
    real = real_sweeps()
    for name, sweep in real.items():
        _sizes(report, name, sweep)
    if not real:
        report.row(AREA, "real sweeps", "skipped: no recordings (set MASKLET_SHARED)")
    _coding(report, drive, repetitions)
    _peers(report, drive, repetitions)
    _labels(report, drive_frames())


def _sizes(report: Report, name: str, sweep: Sweep) -> None:
    view = encode_view(sweep)
    size = len(view) / len(sweep)
    floor = bits_per_point(view) / 8
    report.row(AREA, f"{name}: points", float(len(sweep)))
    report.row(AREA, f"{name}: D1 size", size, "B/pt", limit=floor, target="<=3.2")
    report.row(AREA, f"{name}: D1 over its entropy", size / floor, "x", target="<=1.2")
    report.row(AREA, f"{name}: D1 over float32", size / FLOAT32_BYTES, "x", target="<=0.2")
    error_mm = 1000 * float(np.abs(decode_view(view)[0] - sweep.points_ego).max())
    half_step_mm = 1000 * binary.SWEEP_HEADER.unpack_from(view)[8] / 2
    # A sweep wider than 327 m has longer steps, so the target is said of the step.
    ok = error_mm <= half_step_mm * 1.04
    report.row(
        AREA,
        f"{name}: max error",
        error_mm,
        "mm",
        limit=half_step_mm,
        target="<=1.04 x limit",
        ok=ok,
    )


def _coding(report: Report, sweep: Sweep, repetitions: int) -> None:
    """The encoder's limit is zstd alone on the same planes; the decoder's is native zstd."""
    view = encode_view(sweep)
    packed = view[binary.SWEEP_HEADER.size :]
    planes = zstandard.ZstdDecompressor().decompress(packed)
    encode, pack = _in_turn(
        [
            lambda: encode_view(sweep),
            lambda: zstandard.ZstdCompressor(level=1).compress(planes),
        ],
        repetitions,
        process_time,
    )
    unpack = _in_turn(
        [lambda: zstandard.ZstdDecompressor().decompress(packed)], repetitions, process_time
    )[0]
    with bench_page({"sweep_0_0": view}) as ask:
        decodes = ask("decoding", 5 * repetitions)["decode"]
    # A browser tells no CPU time. Its best run is what others on the machine disturbed least.
    for what, seconds, limit, target in (
        ("D1 encode (CPU)", encode, pack, "<=80"),
        ("D1 decode in a worker, best", min(decodes) / 1000, unpack, "<=25"),
        ("D1 decode in a worker, median", median(decodes) / 1000, unpack, None),
    ):
        value, at_best = (1e9 * spent / len(sweep) for spent in (seconds, limit))
        report.row(AREA, what, value, "ns/pt", limit=at_best, target=target)


def _in_turn(
    works: list[Callable[[], Any]], repetitions: int, clock: Callable[[], float]
) -> list[float]:
    """Median seconds of each; they take turns, so that a slow moment meets all."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(repetitions):
        for work, taken in zip(works, times, strict=True):
            began = clock()
            work()
            taken.append(clock() - began)
    return [median(taken) for taken in times]


def _peers(report: Report, sweep: Sweep, repetitions: int) -> None:
    """Other ways to send the same points: general compression, LAZ and Draco when installed."""
    raw = np.column_stack([sweep.points_ego, sweep.intensity]).astype("<f4").tobytes()
    packed = zstandard.ZstdCompressor(level=3).compress(raw)
    report.row(AREA, "peer: float32 + zstd size", len(packed) / len(sweep), "B/pt")
    for name, modules, encode in (
        ("LAZ", ("laspy", "lazrs"), _laz),
        ("Draco, xyz alone", ("DracoPy",), _draco),
    ):
        if not all(find_spec(module) for module in modules):
            report.row(AREA, f"peer: {name}", f"skipped: {' and '.join(modules)} not installed")
            continue
        seconds = _in_turn([lambda code=encode: code(sweep)], min(repetitions, 5), process_time)[0]  # type: ignore[misc]
        report.row(AREA, f"peer: {name} size", len(encode(sweep)) / len(sweep), "B/pt")
        report.row(AREA, f"peer: {name} encode (CPU)", 1e9 * seconds / len(sweep), "ns/pt")


def _laz(sweep: Sweep) -> bytes:
    import laspy

    header = laspy.LasHeader(point_format=0)
    header.scales = [binary.STEP_M] * 3
    cloud = laspy.LasData(header)
    cloud.x, cloud.y, cloud.z = sweep.points_ego.astype(np.float64).T
    cloud.intensity = decode_view(encode_view(sweep))[1][:, 0]
    packed = io.BytesIO()
    cloud.write(packed, do_compress=True)
    return packed.getvalue()


def _draco(sweep: Sweep) -> bytes:
    import DracoPy

    span = float(np.ptp(sweep.points_ego, axis=0).max())
    bits = int(np.ceil(np.log2(span / binary.STEP_M)))
    packed = DracoPy.encode(sweep.points_ego, quantization_bits=bits, compression_level=7)
    return bytes(packed)


def _labels(report: Report, frames: tuple[Frame, ...]) -> None:
    """Gold masks of the drive: of a sweep's points together, and of one object each."""
    sizes: dict[SensorKind, list[int]] = {kind: [] for kind in SensorKind}
    shares = []
    for frame in frames:
        points = next(iter(frame.sweeps.values()))
        runs = {kind: [] for kind in SensorKind}  # type: dict[SensorKind, list[bytes]]
        for label in frame.labels.masks:
            kind = SensorKind.LIDAR if label.sensor in frame.sweeps else SensorKind.CAMERA
            runs[kind].append(encode_runs(np.asarray(label.mask)))
        table = b"".join(
            binary.MASK_ROW.pack(track, 0, 3, binary.NO_CONFIDENCE, len(coded))
            for track, coded in enumerate(runs[SensorKind.LIDAR])
        )
        blob = zstandard.ZstdCompressor(level=1).compress(table + b"".join(runs[SensorKind.LIDAR]))
        shares.append(len(blob) / len(points))
        for kind, coded_masks in runs.items():
            sizes[kind] += [len(coded) for coded in coded_masks]
    report.row(AREA, "labels of a sweep", float(np.mean(shares)), "B/pt", target="<=0.06")
    for kind, name, target in (
        (SensorKind.LIDAR, "point mask", "<=150"),
        (SensorKind.CAMERA, "image mask", "<=350"),
    ):
        report.row(AREA, f"one {name}, mean", float(np.mean(sizes[kind])), "B", target=target)
        report.row(AREA, f"one {name}, median", float(np.median(sizes[kind])), "B")
