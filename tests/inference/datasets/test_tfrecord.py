"""Framing and checksums of TFRecord files."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from inference.datasets.tfrecord import (
    MAX_RECORD_BYTES,
    index_records,
    masked_crc,
    read_record,
)
from inference.scene import BadScene
from tests.inference.datasets import waymo_builder as build


def test_the_checksum_is_the_published_one():
    assert build.crc32c(b"123456789") == 0xE3069283
    assert masked_crc(b"123456789") == 0xC78AB0E5


@pytest.mark.parametrize("payload", [b"", b"\0", bytes(range(256)) * 3])
def test_the_checksum_agrees_with_a_slow_one(payload: bytes):
    assert masked_crc(payload) == build.masked(payload)


def test_records_are_found_by_their_lengths(tmp_path: Path):
    payloads = [b"first", b"", b"third" * 1000]
    path = build.write(tmp_path / "a.tfrecord", payloads)

    records = index_records(path)

    assert [record.length for record in records] == [5, 0, 5000]
    assert [read_record(path, record) for record in records] == payloads


def test_the_index_does_not_read_payloads(tmp_path: Path):
    path = build.write(tmp_path / "a.tfrecord", [b"first", b"second"])
    damaged = path.read_bytes().replace(b"first", b"fir5t")
    path.write_bytes(damaged)

    records = index_records(path)

    assert read_record(path, records[1]) == b"second"
    with pytest.raises(BadScene, match=r"a\.tfrecord, record 0: the checksum of its content"):
        read_record(path, records[0])


@pytest.mark.parametrize("missing", [1, 4, 5, 12, 20])
def test_a_truncated_file_names_the_record_that_is_cut(tmp_path: Path, missing: int):
    path = build.write(tmp_path / "a.tfrecord", [b"first", b"second"])
    path.write_bytes(path.read_bytes()[:-missing])

    with pytest.raises(BadScene, match=r"a\.tfrecord, record 1: the file is truncated") as caught:
        index_records(path)

    assert (caught.value.file, caught.value.record) == ("a.tfrecord", 1)


def test_a_wrong_checksum_of_a_length_is_found_at_once(tmp_path: Path):
    path = build.write(tmp_path / "a.tfrecord", [b"first", b"second"])
    raw = bytearray(path.read_bytes())
    second = len(build.record(b"first"))
    raw[second] ^= 1
    path.write_bytes(raw)

    with pytest.raises(BadScene, match=r"record 1: the checksum of its length is wrong"):
        index_records(path)


def test_something_else_is_no_tfrecord_file(tmp_path: Path):
    path = tmp_path / "text.tfrecord"
    path.write_text("this is no recording\n" * 10)

    with pytest.raises(BadScene, match=r"text\.tfrecord: is no TFRecord file"):
        index_records(path)


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path):
    path = tmp_path / "empty.tfrecord"
    path.touch()

    with pytest.raises(BadScene, match=r"empty\.tfrecord: is empty \(0 bytes\)"):
        index_records(path)


def test_an_absurd_length_is_refused_before_anything_is_read(tmp_path: Path):
    head = struct.pack("<Q", MAX_RECORD_BYTES + 1)
    path = tmp_path / "a.tfrecord"
    path.write_bytes(head + struct.pack("<I", build.masked(head)))

    with pytest.raises(BadScene, match=f"record 0: claims {MAX_RECORD_BYTES + 1} bytes"):
        index_records(path)
