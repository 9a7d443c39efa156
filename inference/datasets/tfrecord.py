"""The framing of TFRecord files: a list of byte strings, each with its length and two checksums.

One record: length (uint64, little-endian), masked CRC-32C of the length, payload, masked CRC-32C of
the payload. There is no header and no index: seeking from length to length makes one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from inference.scene import BadScene

HEAD = struct.Struct("<QI")
FOOT = struct.Struct("<I")
# A frame has five megabytes. What claims to be much more is damaged or means harm.
MAX_RECORD_BYTES = 256 * 2**20
MAX_RECORDS = 20_000


@dataclass(frozen=True)
class Record:
    """Where a payload lies in its file."""

    number: int
    start: int
    length: int

    @property
    def end(self) -> int:
        return self.start + self.length


def masked_crc(data: bytes) -> int:
    """CRC-32C (Castagnoli), rotated and shifted as the format wants it."""
    crc = int(google_crc32c.value(data))
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def index_records(path: Path) -> list[Record]:
    """All records of a file, by reading their lengths only. Raises BadScene."""
    size = path.stat().st_size
    if size == 0:
        raise BadScene(f"{path.name}: is empty (0 bytes)", file=path.name)
    records: list[Record] = []
    with path.open("rb") as file:
        offset = 0
        while offset < size:
            if len(records) == MAX_RECORDS:
                raise BadScene(f"{path.name}: more than {MAX_RECORDS} records", file=path.name)
            record = _record_at(file, path, len(records), offset, size)
            records.append(record)
            offset = record.end + FOOT.size
    return records


def _record_at(file: BinaryIO, path: Path, number: int, offset: int, size: int) -> Record:
    where = f"{path.name}, record {number}"
    file.seek(offset)
    head = file.read(HEAD.size)
    if len(head) < HEAD.size and number == 0:
        raise BadScene(
            f"{path.name}: is no TFRecord file: it has {size} bytes, a record's head alone has "
            f"{HEAD.size}",
            file=path.name,
            record=number,
        )
    if len(head) < HEAD.size:
        raise _truncated(path, number, f"{len(head)} bytes are left, its head has {HEAD.size}")
    length, crc = HEAD.unpack(head)
    if masked_crc(head[:8]) != crc:
        what = (
            f"{path.name}: is no TFRecord file: the checksum of its first record's length is wrong"
            if number == 0
            else f"{where}: the checksum of its length is wrong; copy the file again"
        )
        raise BadScene(what, file=path.name, record=number)
    if length > MAX_RECORD_BYTES:
        raise BadScene(
            f"{where}: claims {length} bytes; no frame has more than {MAX_RECORD_BYTES}",
            file=path.name,
            record=number,
        )
    record = Record(number, offset + HEAD.size, length)
    if record.end + FOOT.size > size:
        missing = record.end + FOOT.size - size
        raise _truncated(path, number, f"{missing} bytes of it are missing")
    return record


def _truncated(path: Path, number: int, detail: str) -> BadScene:
    return BadScene(
        f"{path.name}, record {number}: the file is truncated ({detail}); copy it again",
        file=path.name,
        record=number,
    )


def read_record(path: Path, record: Record) -> bytes:
    """The payload, with its checksum verified. Raises BadScene."""
    with path.open("rb") as file:
        file.seek(record.start)
        data = file.read(record.length + FOOT.size)
    if len(data) < record.length + FOOT.size:
        raise _truncated(path, record.number, "it became shorter while it was read")
    payload = data[: record.length]
    if masked_crc(payload) != FOOT.unpack_from(data, record.length)[0]:
        raise BadScene(
            f"{path.name}, record {record.number}: the checksum of its content is wrong, the file "
            "is damaged; copy it again",
            file=path.name,
            record=record.number,
        )
    return payload
