"""Run lengths against hand-made bytes, and the laws that hold for every mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from inference import masks
from inference.masks import BadRuns

flat_masks = arrays.arrays(bool, st.integers(0, 400))
images = arrays.arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20)))


def bits(text: str) -> np.ndarray:
    return np.array([letter == "1" for letter in text], dtype=bool)


@pytest.mark.parametrize(
    ("mask", "runs"),
    [
        ("", b""),
        ("0000", b""),
        ("0011", b"\x02\x02"),
        ("00110", b"\x02\x02"),  # background at the end is left out
        ("1", b"\x00\x01"),  # starting inside: no background first
        ("110100", b"\x00\x02\x01\x01"),
        ("0" * 300 + "1", b"\xac\x02\x01"),  # 300 = 0b10_0101100 in groups of seven bits
    ],
)
def test_runs_are_background_first_and_in_varints(mask: str, runs: bytes) -> None:
    assert masks.encode_runs(bits(mask)) == runs
    assert (masks.decode_runs(runs, len(mask)) == bits(mask)).all()


def test_a_picture_is_read_row_after_row() -> None:
    picture = np.array([[False, True], [True, False]])

    assert masks.encode_runs(picture) == b"\x01\x02"


@given(flat_masks)
def test_decoding_gives_back_what_was_encoded(mask: np.ndarray) -> None:
    runs = masks.encode_runs(mask)

    assert (masks.decode_runs(runs, len(mask)) == mask).all()
    assert masks.area(runs) == masks.check_runs(runs, len(mask)) == mask.sum()


@given(flat_masks)
def test_run_lengths_are_those_of_a_plain_loop(mask: np.ndarray) -> None:
    lengths, inside = [0], False
    for element in mask:
        if element != inside:
            lengths.append(0)
            inside = bool(element)
        lengths[-1] += 1
    if not inside:
        lengths.pop()

    assert masks.run_lengths(masks.encode_runs(mask)).tolist() == lengths


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50))
def test_varints_hold_every_64_bit_number(values: list[int]) -> None:
    plain = bytearray()
    for value in values:
        while value >= 0x80:
            plain.append(value & 0x7F | 0x80)
            value >>= 7
        plain.append(value)

    encoded = masks.encode_varints(np.array(values, dtype=np.uint64))

    assert encoded == bytes(plain)
    assert masks.decode_varints(encoded).tolist() == values


@pytest.mark.parametrize("data", [b"\x80", b"\x01\xff", b"\x80" * 10 + b"\x01"])
def test_broken_varints_are_refused(data: bytes) -> None:
    with pytest.raises(BadRuns):
        masks.decode_varints(data)


def test_runs_longer_than_the_reading_are_refused() -> None:
    with pytest.raises(BadRuns, match="cover 5 elements, the reading has 4"):
        masks.decode_runs(b"\x02\x03", 4)
    with pytest.raises(BadRuns, match="cover 5 elements, the reading has 4"):
        masks.check_runs(b"\x02\x03", 4)


@pytest.mark.parametrize("runs", [b"\x03", b"\x01\x00", b"\x01\x01\x00\x01", b"\x01\x01\x02"])
def test_runs_that_are_not_canonical_are_refused_at_the_door(runs: bytes) -> None:
    with pytest.raises(BadRuns, match="canonical"):
        masks.check_runs(runs, 100)


def test_iou_by_hand() -> None:
    first, second = bits("11100000"), bits("01110000")

    assert masks.intersection_over_union(first, second) == 0.5
    assert masks.intersection_over_union(first, ~first) == 0.0
    assert masks.intersection_over_union(bits("000"), bits("000")) == 1.0


# Spelled out by hand: each character is 48 + five bits, bit 6 says that more follow.
COCO_BY_HAND = [
    # 2x2, right column set: runs 2, 2.
    ([[0, 1], [0, 1]], "22"),
    # 2x2, all set: runs 0, 4.
    ([[1, 1], [1, 1]], "04"),
    # 1x6: runs 1, 1, 1, 2, 1; the fourth is 2 - 1 = 1, the fifth 1 - 1 = 0.
    ([[0, 1, 0, 1, 1, 0]], "11110"),
    # 3x1, runs 0, 1, 1, 1: the fourth is 1 - 1 = 0.
    ([[1], [0], [1]], "0110"),
    # 1x8: runs 3, 1, 1, 3 (3 - 1 = 2).
    ([[0, 0, 0, 1, 0, 1, 1, 1]], "3112"),
    # 1x9: runs 1, 3, 1, 1, 3; the fourth is 1 - 3 = -2 = 0b11110 -> 48 + 30 = "N".
    ([[0, 1, 1, 1, 0, 1, 0, 0, 0]], "131N2"),
    # 1x40: runs 20, 20; 20 = 0b10100 has its sign bit set, so "0b10100 + more" and then 0.
    ([[0] * 20 + [1] * 20], "d0d0"),
]


@pytest.mark.parametrize(("picture", "counts"), COCO_BY_HAND)
def test_coco_strings_by_hand(picture: list[list[int]], counts: str) -> None:
    mask = np.array(picture, dtype=bool)

    assert masks.coco_from_mask(mask) == {"size": list(mask.shape), "counts": counts}
    assert (masks.mask_from_coco({"size": mask.shape, "counts": counts}) == mask).all()


@given(images)
def test_coco_keeps_every_mask(mask: np.ndarray) -> None:
    rle = masks.coco_from_mask(mask)

    assert (masks.mask_from_coco(rle) == mask).all()
    assert (masks.mask_from_coco(rle | {"counts": rle["counts"].encode()}) == mask).all()


def test_plain_coco_runs_are_read_column_after_column() -> None:
    mask = masks.mask_from_coco({"size": [2, 3], "counts": [1, 2, 3]})

    assert mask.tolist() == [[False, True, False], [True, False, False]]


@pytest.mark.parametrize(
    ("counts", "complaint"),
    [
        ([1, 2], "sum to 3"),
        ([8, -2], "sum to 6"),
        ("d", "cut off"),
        ("\x7f", "not one of their digits"),
    ],
)
def test_broken_coco_runs_are_refused(counts: object, complaint: str) -> None:
    with pytest.raises(BadRuns, match=complaint):
        masks.mask_from_coco({"size": [2, 3], "counts": counts})
