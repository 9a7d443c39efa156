"""Writes examples/: bytes and messages that the Python and the TypeScript tests both read.

Written straight from the tables in backend/protocol/binary.py, one number at a time, and not with
the codecs under test. `python -m tests.protocol.make_examples` from the repository root.
"""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

import zstandard

from backend.protocol import binary

EXAMPLES = Path(__file__).parent / "examples"

LOW = (-10.0, -20.5, -1.25)
STEP_M = 0.005
INTENSITY_TOP = 0.5


def sweep_points() -> list[tuple[int, int, int, int, int]]:
    """21 points (two steps of eight and a tail) as x, y, z steps, intensity, elongation.

    They jump over the whole 16 bits both ways, so that differences wrap.
    """
    points = [(0, 65535, 1, 0, 255), (65535, 0, 2, 255, 0), (0, 0, 65535, 128, 1)]
    for index in range(18):
        points.append(
            (
                round(30000 + 20000 * math.sin(index)),
                (index * 7919) % 65536,
                1000 + index % 3,
                (index * 15) % 256,
                index,
            )
        )
    return points


def interleaved(points: list[tuple[int, int, int, int, int]]) -> bytes:
    return b"".join(
        x.to_bytes(2, "little") + y.to_bytes(2, "little") + z.to_bytes(2, "little") + bytes([i, e])
        for x, y, z, i, e in points
    )


def delta_planes(points: list[tuple[int, int, int, int, int]]) -> bytes:
    coded: list[list[int]] = []
    for axis in range(3):
        previous, column = 0, []
        for point in points:
            difference = (point[axis] - previous + 32768) % 65536 - 32768
            column.append(difference * 2 if difference >= 0 else -difference * 2 - 1)
            previous = point[axis]
        coded.append(column)
    low = b"".join(bytes(value % 256 for value in column) for column in coded)
    high = b"".join(bytes(value // 256 for value in column) for column in coded)
    return low + high + bytes(p[3] for p in points) + bytes(p[4] for p in points)


def sweep(codec: int) -> bytes:
    points = sweep_points()
    payload = interleaved(points)
    if codec == binary.CODEC_D1:
        payload = zstandard.ZstdCompressor(level=3).compress(delta_planes(points))
    return (
        binary.SWEEP_HEADER.pack(
            binary.SWEEP_MAGIC,
            binary.SWEEP_VERSION,
            codec,
            binary.SWEEP_FLAG_ELONGATION,
            len(points),
            *LOW,
            STEP_M,
            INTENSITY_TOP,
            len(points) * binary.POINT_BYTES,
            0,
        )
        + payload
    )


# track, sensor, source, confidence byte, run lengths
LABEL_ROWS = [
    (7, 0, 0, binary.NO_CONFIDENCE, [3, 2, 300, 70000]),
    (8, 0, 1, 127, [0, 4]),
    (7, 5, 3, 254, []),
]


def labels_inflated() -> bytes:
    table, runs = b"", b""
    for track, sensor, source, confidence, lengths in LABEL_ROWS:
        coded = b"".join(varint(length) for length in lengths)
        table += binary.MASK_ROW.pack(track, sensor, source, confidence, len(coded))
        runs += coded
    head = binary.LABELS_HEADER.pack(
        binary.LABELS_MAGIC, binary.LABELS_VERSION, 41, len(LABEL_ROWS)
    )
    return head + table + runs


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def chunk() -> bytes:
    """The last chunk, 5 bytes, of a proxy of 12 bytes."""
    head = binary.CHUNK_HEADER.pack(binary.KIND_PROXY, binary.FLAG_LAST, 3, 77, 12, 7, 12)
    return head + b"hello"


def runs_examples() -> list[dict[str, Any]]:
    """Masks as text, with the runs worked out by hand."""
    return [
        {"mask": "", "lengths": []},
        {"mask": "0000", "lengths": []},
        {"mask": "0110010", "lengths": [1, 2, 2, 1]},
        {"mask": "1110", "lengths": [0, 3]},
        {"mask": "0" * 300 + "1" * 130, "lengths": [300, 130]},
    ]


TRACK = {
    "number": 7,
    "label_class": 2,
    "name": "the red van",
    "is_stuff": False,
    "draw_order": 3,
    "source": "person",
    "mask_frames": [[0, 4], [9, 9]],
}
MASK = {
    "track": 7,
    "frame": 4,
    "sensor": 0,
    "runs": base64.b64encode(varint(3) + varint(2)).decode(),
    "area": 2,
    "confidence": 0.75,
    "source": "model",
}
ASK_ID = "0b6d3c1e-6a1c-4f7e-9d6b-0d3b8f0c1a2b"

MESSAGES: dict[str, list[dict[str, Any]]] = {
    "client": [
        {"type": "join", "protocol_version": 1, "known_revision": None},
        {
            "type": "add_prompt",
            "request_id": ASK_ID,
            "frame": 4,
            "prompts": [
                {"kind": "point", "sensor": 0, "position": [10.5, 20.25], "positive": True}
            ],
            "track": None,
            "label_class": 2,
        },
        {
            "type": "edit",
            "operation_id": ASK_ID,
            "change": {
                "kind": "delete_masks",
                "track": 7,
                "first_frame": 4,
                "last_frame": 4,
                "sensors": None,
            },
            "tool": "delete",
        },
        {"type": "catch_up", "known_revision": 40},
        {"type": "move_presence", "frame": 4, "track": None},
        {"type": "propagate", "request_id": ASK_ID, "track": 7, "from_frame": 4, "to_frame": 20},
        {"type": "cancel_request", "request_id": ASK_ID},
    ],
    "server": [
        {
            "type": "labels_changed",
            "from_revision": 40,
            "revision": 41,
            "operation_id": ASK_ID,
            "by": {"id": 1, "name": "Ada"},
            "tracks": [TRACK],
            "deleted_tracks": [9],
            "masks": [MASK],
            "deleted_masks": [{"track": 7, "frame": 5, "sensor": 0}],
            "cuboids": [],
            "deleted_cuboids": [],
        },
        {"type": "request_failed", "request_id": ASK_ID, "reason": "nothing is there"},
        {"type": "heartbeat", "revision": 41},
        {"type": "refused", "code": 4403, "reason": "not a member of this project"},
        {"type": "document_frozen", "may_edit": False, "why_read_only": "accepted"},
        {"type": "presence_changed", "people": []},
    ],
    "bulk_client": [
        {
            "type": "want",
            "requests": [
                {"request": 1, "frame": 4, "kind": "sweep", "sensor": 5},
                {"request": 2, "frame": 4, "kind": "labels", "sensor": None},
            ],
        },
        {"type": "drop", "requests": [1]},
        {"type": "credit", "bytes": 4194304},
    ],
    "bulk_server": [{"type": "bulk_unavailable", "request": 1, "reason": "no such frame"}],
}


def expected() -> dict[str, Any]:
    """What the bytes mean."""
    return {
        "sweep": {
            "low_corner": LOW,
            "step_m": STEP_M,
            "intensity_top": INTENSITY_TOP,
            "points": sweep_points(),
        },
        "labels": {
            "revision": 41,
            "masks": [
                {"track": 7, "sensor": 0, "source": "person", "confidence": None, "area": 70002},
                {"track": 8, "sensor": 0, "source": "model", "confidence": 0.5, "area": 4},
                {"track": 7, "sensor": 5, "source": "import", "confidence": 1, "area": 0},
            ],
        },
        "chunk": {
            "kind": binary.KIND_PROXY,
            "sensor": 3,
            "request": 77,
            "frame": 12,
            "offset": 7,
            "object_size": 12,
            "text": "hello",
        },
        "runs": runs_examples(),
    }


def write() -> None:
    EXAMPLES.mkdir(exist_ok=True)
    (EXAMPLES / "sweep_p8.bin").write_bytes(sweep(binary.CODEC_P8))
    (EXAMPLES / "sweep_d1.bin").write_bytes(sweep(binary.CODEC_D1))
    packed = zstandard.ZstdCompressor(level=3).compress(labels_inflated())
    (EXAMPLES / "labels.bin").write_bytes(packed)
    (EXAMPLES / "chunk.bin").write_bytes(chunk())
    (EXAMPLES / "expected.json").write_text(json.dumps(expected(), indent=1) + "\n")
    (EXAMPLES / "messages.json").write_text(json.dumps(MESSAGES, indent=1) + "\n")


if __name__ == "__main__":
    write()
