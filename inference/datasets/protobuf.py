"""Reads the wire format of protocol buffers, without generated code.

`parse` splits a message into its fields and copies nothing; what the fields mean is the caller's
business, so unknown ones are skipped by not asking for them. Repeated numbers come as numpy arrays,
packed or not. `skim` walks a message that lies in a file and reads only its tags and lengths.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_SIZES = {FIXED64: 8, FIXED32: 4}
# A message of millions of tiny fields would take gigabytes of Python objects.
MAX_FIELDS = 200_000
_VARINT_BYTES = 10

Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


class BadMessage(ValueError):
    """Bytes that are no message of this wire format."""


@dataclass
class Message:
    """The fields of one message, by number, in the order of the wire.

    An absent number is 0, an absent string is empty; of several values the last one counts.
    """

    _numbers: dict[int, list[int]] = field(default_factory=dict)
    # Nested messages, strings, packed numbers.
    _bytes: dict[int, list[memoryview]] = field(default_factory=dict)
    # Fixed-size numbers that each carry a tag, as one buffer per run of neighbours.
    _fixed: dict[int, list[bytes]] = field(default_factory=dict)

    def __contains__(self, number: int) -> bool:
        return number in self._numbers or number in self._bytes or number in self._fixed

    def integer(self, number: int) -> int:
        """An int32, int64 or enum: two's complement in 64 bits."""
        values = self._numbers.get(number)
        return _signed(values[-1]) if values else 0

    def double(self, number: int) -> float:
        values = self.doubles(number)
        return float(values[-1]) if len(values) else 0.0

    def float(self, number: int) -> float:
        values = self.floats(number)
        return float(values[-1]) if len(values) else 0.0

    def data(self, number: int) -> memoryview:
        values = self._bytes.get(number)
        return values[-1] if values else memoryview(b"")

    def text(self, number: int) -> str:
        return str(bytes(self.data(number)), "utf-8", "replace")

    def message(self, number: int) -> Message:
        return parse(self.data(number))

    def messages(self, number: int) -> Iterator[Message]:
        for value in self._bytes.get(number, ()):
            yield parse(value)

    def doubles(self, number: int) -> Float64:
        """[N], a view of the message where it is packed."""
        return np.frombuffer(self._buffer(number, 8), "<f8")

    def floats(self, number: int) -> Float32:
        """[N], a view of the message where it is packed."""
        return np.frombuffer(self._buffer(number, 4), "<f4")

    def integers(self, number: int, *, at_most: int) -> Int64:
        """[N] of a repeated int32 or enum, packed or not."""
        parts = [unpack_varints(packed, at_most=at_most) for packed in self._bytes.get(number, ())]
        single = [_signed(value) for value in self._numbers.get(number, ())]
        values = np.concatenate([*parts, np.array(single, dtype=np.int64)])
        if len(values) > at_most:
            raise BadMessage(f"field {number} has {len(values)} numbers, at most {at_most} fit")
        return values

    def _buffer(self, number: int, size: int) -> memoryview | bytes:
        parts = [*self._bytes.get(number, ()), *self._fixed.get(number, ())]
        if any(len(part) % size for part in parts):
            raise BadMessage(f"field {number} does not hold whole numbers of {size} bytes")
        return parts[0] if len(parts) == 1 else b"".join(parts)


def parse(data: bytes | memoryview) -> Message:
    """Split a message into its fields. Raises BadMessage."""
    view = memoryview(data)
    message = Message()
    offset = count = 0
    while offset < len(view):
        count += 1
        if count > MAX_FIELDS:
            raise BadMessage(f"a message has more than {MAX_FIELDS} fields")
        start = offset
        tag, offset = _varint(view, offset)
        number, wire = _field_of(tag)
        if wire == VARINT:
            value, offset = _varint(view, offset)
            message._numbers.setdefault(number, []).append(value)
        elif wire == BYTES:
            length, offset = _varint(view, offset)
            _check_room(length, len(view) - offset)
            message._bytes.setdefault(number, []).append(view[offset : offset + length])
            offset += length
        else:
            run, offset = _fixed_run(view, start, offset - start, _SIZES[wire])
            message._fixed.setdefault(number, []).append(run)
    return message


@dataclass(frozen=True)
class Place:
    """A field of a message in a file: its number (varints only), or where its bytes lie."""

    number: int
    value: int
    start: int
    end: int


def skim(file: BinaryIO, start: int, end: int) -> Iterator[Place]:
    """The fields of a message between two offsets of a file; their bytes are not read.

    Raises BadMessage.
    """
    offset = start
    for _ in range(MAX_FIELDS):
        if offset == end:
            return
        file.seek(offset)
        head = memoryview(file.read(min(2 * _VARINT_BYTES, end - offset)))
        tag, used = _varint(head, 0)
        number, wire = _field_of(tag)
        value = length = 0
        if wire == VARINT:
            value, used = _varint(head, used)
        elif wire == BYTES:
            length, used = _varint(head, used)
        else:
            length = _SIZES[wire]
        _check_room(length, end - offset - used)
        yield Place(number, value, offset + used, offset + used + length)
        offset += used + length
    raise BadMessage(f"a message has more than {MAX_FIELDS} fields")


def unpack_varints(packed: bytes | memoryview, *, at_most: int) -> Int64:
    """[N] signed numbers, without a loop over them. Raises BadMessage."""
    raw = np.frombuffer(packed, np.uint8)
    ends = np.flatnonzero(raw < 0x80)
    if len(ends) > at_most:
        raise BadMessage(f"{len(ends)} packed numbers, at most {at_most} fit")
    if len(raw) and (not len(ends) or ends[-1] != len(raw) - 1):
        raise BadMessage("the last packed number is cut off")
    starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    lengths = ends - starts + 1
    longest = int(lengths.max(initial=1))
    if longest > _VARINT_BYTES:
        raise BadMessage("a packed number is longer than 10 bytes")
    values = (raw[starts] & 0x7F).astype(np.uint64)
    # Most numbers are short: each further byte is looked at only where there is one.
    longer = np.arange(len(values))
    for place in range(1, longest):
        longer = longer[lengths[longer] > place]
        part = (raw[starts[longer] + place] & 0x7F).astype(np.uint64)
        values[longer] |= part << np.uint64(7 * place)
    return values.view(np.int64)


def _varint(view: memoryview, offset: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(view[offset : offset + _VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value & (2**64 - 1), offset + place + 1
    raise BadMessage("a number is cut off or longer than 10 bytes")


def _field_of(tag: int) -> tuple[int, int]:
    number, wire = tag >> 3, tag & 7
    if number == 0 or wire not in (VARINT, FIXED64, BYTES, FIXED32):
        raise BadMessage(f"field {number} of wire type {wire}: this is no such message")
    return number, wire


def _check_room(length: int, left: int) -> None:
    if length > left:
        raise BadMessage(f"a field claims {length} bytes, {max(left, 0)} are left")


def _fixed_run(view: memoryview, start: int, tag_size: int, size: int) -> tuple[bytes, int]:
    """The values of all neighbouring elements with the same tag, and the offset after them."""
    step = tag_size + size
    raw = np.frombuffer(view, np.uint8)
    tag = raw[start : start + tag_size]
    room = (len(raw) - start) // step
    if room == 0:
        raise BadMessage("a number is cut off")
    count, window = 1, 16
    # Windows double, so that a run costs its own length and not that of the rest.
    while count < room:
        end = min(count + window, room)
        rows = raw[start + count * step : start + end * step].reshape(-1, step)
        same = (rows[:, :tag_size] == tag).all(axis=1)
        if not same.all():
            count += int(same.argmin())
            break
        count, window = end, 2 * window
    rows = raw[start : start + count * step].reshape(count, step)
    return rows[:, tag_size:].tobytes(), start + count * step


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value
