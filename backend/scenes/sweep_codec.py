"""The two objects of a sweep: the lossless source and the compact view for browsers.

Source: a JSON line that lists the columns, then one zstd frame of their bytes, each column split
into byte planes (all first bytes, all second bytes, ...), which makes float columns a quarter
smaller. View: the layout of protocol/binary.py; why it is what it is: docs/decisions.
"""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import numpy.typing as npt
import zstandard

from backend.protocol import binary
from inference.scene import Sweep

_COLUMNS = [column.name for column in fields(Sweep) if column.name != "timestamp_us"]
_MAGIC = b"MKSS1\n"


class BadObject(ValueError):
    """Stored bytes that are not what their key says."""


def encode_source(sweep: Sweep) -> bytes:
    """All columns of a sweep, bit for bit."""
    columns = {name: getattr(sweep, name) for name in _COLUMNS}
    present = {name: array for name, array in columns.items() if array is not None}
    head = {
        "timestamp_us": sweep.timestamp_us,
        "columns": [[name, array.dtype.str, list(array.shape)] for name, array in present.items()],
    }
    body = b"".join(_planes(array) for array in present.values())
    compressed = zstandard.ZstdCompressor(level=1).compress(body)
    return _MAGIC + json.dumps(head).encode() + b"\n" + compressed


def decode_source(data: bytes) -> Sweep:
    """The sweep that `encode_source` was given. Raises BadObject."""
    if not data.startswith(_MAGIC):
        raise BadObject(f"not a stored sweep: it starts with {data[:6]!r}")
    line_end = data.index(b"\n", len(_MAGIC))
    head = json.loads(data[len(_MAGIC) : line_end])
    body = zstandard.ZstdDecompressor().decompress(data[line_end + 1 :])
    columns: dict[str, npt.NDArray[np.generic]] = {}
    offset = 0
    for name, dtype_name, shape in head["columns"]:
        dtype = np.dtype(dtype_name)
        count = int(np.prod(shape))
        planes = np.frombuffer(body, np.uint8, count * dtype.itemsize, offset)
        interleaved = np.ascontiguousarray(planes.reshape(dtype.itemsize, count).T)
        columns[name] = interleaved.view(dtype).reshape(shape)
        offset += count * dtype.itemsize
    return Sweep(timestamp_us=head["timestamp_us"], **columns)  # type: ignore[arg-type]


def _planes(array: npt.NDArray[np.generic]) -> bytes:
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(np.uint8).reshape(len(flat), array.dtype.itemsize).T.tobytes()


def encode_view(sweep: Sweep, *, codec: int = binary.CODEC_D1, level: int = 1) -> bytes:
    """The compact view of a sweep: 5 mm grid (coarser when it is wider than 327 m), 8 bit extras."""
    low, step, quantised = _quantise(sweep.points_ego)
    top = intensity_top(sweep.intensity)
    shade = np.rint(255 * np.sqrt(np.clip(sweep.intensity / top, 0, 1))).astype(np.uint8)
    if sweep.elongation is None:
        stretch = np.zeros(len(sweep), np.uint8)
    else:
        scaled = sweep.elongation * (255 / binary.ELONGATION_TOP)
        stretch = np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)
    if codec == binary.CODEC_P8:
        payload = _interleave(quantised, shade, stretch)
    else:
        planes = _delta_planes(quantised, shade, stretch)
        payload = zstandard.ZstdCompressor(level=level).compress(planes)
    header = binary.SWEEP_HEADER.pack(
        binary.SWEEP_MAGIC,
        binary.SWEEP_VERSION,
        codec,
        0 if sweep.elongation is None else binary.SWEEP_FLAG_ELONGATION,
        len(sweep),
        *low,
        step,
        top,
        len(sweep) * binary.POINT_BYTES,
        0,
    )
    return header + payload


def decode_view(data: bytes) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """points_ego [N, 3] metres on the view's grid, and extras [N, 2] (intensity, elongation)."""
    magic, version, codec, _, count, *low, step, _, size, _ = binary.SWEEP_HEADER.unpack_from(data)
    if magic != binary.SWEEP_MAGIC or version != binary.SWEEP_VERSION:
        raise BadObject(f"not a compact sweep: magic {magic!r}, version {version}")
    payload = data[binary.SWEEP_HEADER.size :]
    if codec == binary.CODEC_P8:
        raw = np.frombuffer(payload, np.uint8).reshape(count, binary.POINT_BYTES)
        quantised = np.ascontiguousarray(raw[:, :6]).view("<u2").astype(np.float32)
        extras = raw[:, 6:]
    else:
        planes = np.frombuffer(
            zstandard.ZstdDecompressor().decompress(payload, max_output_size=size), np.uint8
        ).reshape(8, count)
        coded = planes[0:3].astype(np.uint16) | (planes[3:6].astype(np.uint16) << 8)
        deltas = (coded >> 1) ^ (0 - (coded & 1)).astype(np.uint16)
        quantised = np.cumsum(deltas, axis=1, dtype=np.uint16).T.astype(np.float32)
        extras = planes[6:8].T
    return quantised * np.float32(step) + np.array(low, np.float32), extras


def intensity_top(intensity: npt.NDArray[np.float32]) -> float:
    """The intensity that is drawn brightest: the 99th percentile, as single glints reach 900."""
    if not len(intensity):
        return 1.0
    rank = 99 * (len(intensity) - 1) // 100
    # np.percentile would take nine times as long to interpolate between two neighbours.
    return max(float(np.partition(intensity, rank)[rank]), 1e-6)


def _quantise(
    points: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float32], float, npt.NDArray[np.uint16]]:
    """points: [N, 3]. Returns the low corner, the step, and steps [3, N] from that corner."""
    if not len(points):
        return np.zeros(3, np.float32), binary.STEP_M, np.zeros((3, 0), np.uint16)
    columns = np.ascontiguousarray(points.T)  # three times as quick to go through as [N, 3]
    low = columns.min(axis=1)
    widest = float((columns.max(axis=1) - low).max())
    step = np.float32(max(binary.STEP_M, widest / 65535 * (1 + 1e-6)))
    steps = (columns - low[:, None]).astype(np.float64)
    steps /= step
    np.rint(steps, out=steps)
    return low, float(step), np.minimum(steps, 65535, out=steps).astype(np.uint16)


def _delta_planes(
    quantised: npt.NDArray[np.uint16], shade: npt.NDArray[np.uint8], stretch: npt.NDArray[np.uint8]
) -> bytes:
    """quantised: [3, N]; the others [N]. Returns eight planes of N bytes."""
    deltas = quantised.copy()
    deltas[:, 1:] -= quantised[:, :-1]
    signed = deltas.view(np.int16)
    coded = ((signed << 1) ^ (signed >> 15)).view(np.uint16)
    planes = np.empty((binary.POINT_BYTES, len(shade)), np.uint8)
    planes[0:3] = coded & 0xFF
    planes[3:6] = coded >> 8
    planes[6], planes[7] = shade, stretch
    return planes.tobytes()


def _interleave(
    quantised: npt.NDArray[np.uint16], shade: npt.NDArray[np.uint8], stretch: npt.NDArray[np.uint8]
) -> bytes:
    points = np.empty((len(shade), binary.POINT_BYTES), np.uint8)
    points[:, :6] = np.ascontiguousarray(quantised.T.astype("<u2")).view(np.uint8)
    points[:, 6], points[:, 7] = shade, stretch
    return points.tobytes()
