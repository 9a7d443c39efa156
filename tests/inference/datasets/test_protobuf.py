"""The wire format, against bytes that are written by hand or by the tests' own writer."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.datasets import protobuf
from inference.datasets.protobuf import BadMessage, parse, skim, unpack_varints
from tests.inference.datasets import waymo_builder as build

INT64 = st.integers(-(2**63), 2**63 - 1)


def test_the_examples_of_the_format_s_own_documentation():
    assert parse(bytes.fromhex("089601")).integer(1) == 150
    assert parse(bytes.fromhex("120774657374696e67")).text(2) == "testing"
    assert parse(bytes.fromhex("3206038e029ea705")).integers(6, at_most=9).tolist() == [
        3,
        270,
        86942,
    ]


def test_a_negative_number_is_two_s_complement_in_ten_bytes():
    message = bytes.fromhex("08feffffffffffffffff01")

    assert parse(message).integer(1) == -2


def test_what_is_absent_is_zero_or_empty():
    message = parse(b"")

    assert message.integer(1) == 0
    assert message.double(1) == 0.0
    assert message.text(1) == ""
    assert len(message.doubles(1)) == 0
    assert list(message.messages(1)) == []
    assert 1 not in message


def test_repeated_numbers_are_read_packed_or_not():
    values = [1.5, -2.0, 1e300]
    unpacked = build.doubles(2, values)
    packed = build.data(2, struct.pack("<3d", *values))

    assert parse(unpacked).doubles(2).tolist() == values
    assert parse(packed).doubles(2).tolist() == values
    single = b"".join(build.number(1, value) for value in (3, -1, 300))
    assert parse(single).integers(1, at_most=3).tolist() == [3, -1, 300]


def test_a_run_of_elements_ends_where_another_field_begins():
    values = [float(value) for value in range(100)]
    message = build.doubles(2, values) + build.doubles(3, [7.0]) + build.doubles(2, [100.0])

    assert parse(message).doubles(2).tolist() == [*values, 100.0]
    assert parse(message).double(3) == 7.0


def test_unknown_fields_are_stepped_over():
    unknown = build.number(900, 5) + build.data(901, b"\xff\xff") + build.doubles(902, [1.0])
    message = unknown + build.number(1, 7) + unknown

    assert parse(message).integer(1) == 7


@given(st.lists(INT64, max_size=50))
def test_packed_numbers_come_back(values: list[int]):
    packed = b"".join(build.varint(value) for value in values)

    assert unpack_varints(packed, at_most=50).tolist() == values


def test_packed_floats_are_a_view_of_the_message():
    message = build.data(1, np.arange(5, dtype="<f4").tobytes())

    floats = parse(message).floats(1)

    assert floats.tolist() == [0, 1, 2, 3, 4]
    assert not floats.flags.owndata


@pytest.mark.parametrize(
    "broken",
    [
        b"\x08",  # a tag without its number
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # eleven bytes
        b"\x0a\x05abc",  # five bytes claimed, three there
        b"\x09\0\0\0",  # half a double
        b"\x0b",  # a group: not of this format any more
        b"\x00\x01",  # field 0
    ],
)
def test_a_broken_message_is_refused(broken: bytes):
    with pytest.raises(BadMessage):
        parse(broken)
    with pytest.raises(BadMessage):
        list(skim(io.BytesIO(broken), 0, len(broken)))


def test_numbers_that_do_not_fill_their_bytes_are_refused():
    with pytest.raises(BadMessage, match="whole numbers of 8 bytes"):
        parse(build.data(1, b"123456789")).doubles(1)
    with pytest.raises(BadMessage, match="cut off"):
        unpack_varints(b"\x01\x80", at_most=9)
    with pytest.raises(BadMessage, match="longer than 10 bytes"):
        unpack_varints(b"\xff" * 10 + b"\x01", at_most=9)


def test_more_than_there_may_be_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(protobuf, "MAX_FIELDS", 10)
    with pytest.raises(BadMessage, match="3 packed numbers, at most 2"):
        unpack_varints(b"\1\2\3", at_most=2)
    with pytest.raises(BadMessage, match="more than 10 fields"):
        parse(build.number(1, 1) * 11)


def test_skimming_finds_the_fields_that_parsing_finds():
    message = build.number(2, 300) + build.data(4, b"x" * 1000) + build.doubles(5, [1.0])
    file = io.BytesIO(b"before" + message + b"after")

    places = list(skim(file, 6, 6 + len(message)))

    assert [place.number for place in places] == [2, 4, 5]
    assert places[0].value == 300
    whole = file.getvalue()
    assert whole[places[1].start : places[1].end] == b"x" * 1000
    assert struct.unpack("<d", whole[places[2].start : places[2].end]) == (1.0,)
