"""Writes tiny Waymo-like recordings, sound or broken on purpose, for the tests of the readers.

Messages are put together field by field from the published numbers; nothing here reads.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

CONTEXT = "1_000_2_000"
START_US = 1_600_000_000_000_000
WIDTH, HEIGHT = 32, 16  # of the camera
ROWS, COLUMNS = 4, 8  # of the range image
_STILL = np.eye(4)


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def data(field: int, value: bytes | str) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(raw)) + raw


def doubles(field: int, values: Sequence[float]) -> bytes:
    """Not packed: as the recordings have them."""
    return b"".join(varint(field << 3 | 1) + struct.pack("<d", value) for value in values)


def pose(field: int, matrix: npt.ArrayLike) -> bytes:
    return data(field, doubles(1, np.asarray(matrix, dtype=float).ravel().tolist()))


def moved(x: float, y: float = 0.0, z: float = 0.0) -> npt.NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3, 3] = x, y, z
    return matrix


def shape(sides: Sequence[int]) -> bytes:
    return data(2, b"".join(number(1, side) for side in sides))


def float_matrix(values: npt.ArrayLike) -> bytes:
    array = np.asarray(values, dtype="<f4")
    return zlib.compress(data(1, array.tobytes()) + shape(array.shape))


def integer_matrix(values: npt.ArrayLike) -> bytes:
    array = np.asarray(values)
    packed = b"".join(varint(int(value)) for value in array.ravel())
    return zlib.compress(data(1, packed) + shape(array.shape))


def jpeg(width: int = WIDTH, height: int = HEIGHT) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (90, 120, 60)).save(out, "JPEG")
    return out.getvalue()


def context(
    name: str = CONTEXT,
    *,
    camera_mount: npt.ArrayLike = _STILL,
    focal_px: float = 20.0,
    with_lasers: bool = True,
) -> bytes:
    """One camera (FRONT) and one laser (TOP)."""
    lens = [focal_px, focal_px, WIDTH / 2, HEIGHT / 2, 0, 0, 0, 0, 0]
    camera = number(1, 1) + doubles(2, lens) + pose(3, camera_mount)
    camera += number(4, WIDTH) + number(5, HEIGHT) + number(6, 2)
    laser = number(1, 1) + doubles(3, [-0.4]) + doubles(4, [0.4]) + pose(5, np.eye(4))
    out = data(1, name) + data(2, camera)
    return out + (data(3, laser) if with_lasers else b"")


def range_image(*, empty: bool = False) -> npt.NDArray[np.float32]:
    """Every cell returns at 10 m, except the first."""
    cells = np.zeros((ROWS, COLUMNS, 4), np.float32)
    cells[..., 0], cells[..., 1], cells[..., 3] = 10, 0.5, -1
    cells[0, 0, 0] = -1
    if empty:
        cells[..., 0] = -1
    return cells


def cell_poses(x: float = 0.0) -> npt.NDArray[np.float32]:
    """The vehicle stood at x, without turning, when each cell was measured."""
    poses = np.zeros((ROWS, COLUMNS, 6), np.float32)
    poses[..., 3] = x
    return poses


def laser(
    cells: npt.ArrayLike | None = None,
    poses: npt.ArrayLike | None = None,
    *,
    segmentation: npt.ArrayLike | None = None,
    second: npt.ArrayLike | None = None,
    name: int = 1,
    raw_cells: bytes | None = None,
) -> bytes:
    first = data(2, float_matrix(range_image() if cells is None else cells))
    if raw_cells is not None:
        first = data(2, raw_cells)
    first += data(4, float_matrix(cell_poses() if poses is None else poses))
    if segmentation is not None:
        first += data(6, integer_matrix(segmentation))
    out = number(1, name) + data(2, first)
    return out if second is None else out + data(3, data(2, float_matrix(second)))


def label(
    track: str, *, label_class: int = 1, box: Sequence[float] = (5, 1, 0, 2, 4, 1.5, 0)
) -> bytes:
    """box: centre x, y, z, width, length, height, heading."""
    fields = b"".join(doubles(place, [value]) for place, value in enumerate(box, start=1))
    return data(1, fields) + number(3, label_class) + data(4, track)


def frame(
    index: int = 0,
    *,
    timestamp_us: int | None = None,
    world_from_vehicle: npt.ArrayLike | None = None,
    stated: bytes | None = None,
    image: bytes | None = None,
    lasers: Sequence[bytes] | None = None,
    extra: bytes = b"",
) -> bytes:
    """A frame of a vehicle that moves 1 m per 100 ms; its image's pose is the frame's."""
    at = moved(index) if world_from_vehicle is None else world_from_vehicle
    picture = jpeg() if image is None else image
    taken = number(1, 1) + data(2, picture) + pose(3, at) + doubles(5, [START_US / 1e6 + 0.05])
    swept = [laser(poses=cell_poses(index))] if lasers is None else lasers
    return b"".join(
        (
            data(1, context() if stated is None else stated),
            number(2, START_US + 100_000 * index if timestamp_us is None else timestamp_us),
            pose(3, at),
            data(4, taken),
            *(data(5, one) for one in swept),
            data(6, label("car-1")),
            extra,
        )
    )


def crc32c(raw: bytes) -> int:
    """Bit by bit, as the definition says: slow, and a second source for the one in use."""
    crc = 0xFFFFFFFF
    for byte in raw:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(raw: bytes) -> int:
    crc = crc32c(raw)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def record(payload: bytes) -> bytes:
    head = struct.pack("<Q", len(payload))
    return head + struct.pack("<I", masked(head)) + payload + struct.pack("<I", masked(payload))


def write(path: Path, payloads: Sequence[bytes]) -> Path:
    path.write_bytes(b"".join(record(payload) for payload in payloads))
    return path
