"""Pickles from outside are read for their numbers and never run."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from inference.datasets.plain_pickle import BadPickle, load_plain

PLAIN = {
    "seq_name": "a drive",
    "frames": [{"n": 1, "x": 1.5, "none": None, "yes": True, "pair": (1, "zwei"), "raw": b"\x00"}],
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_come_back(protocol: int):
    assert load_plain(pickle.dumps(PLAIN, protocol)) == PLAIN


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "array",
    [
        np.eye(4),
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.arange(4, dtype=">i4"),
        np.array([True, False]),
        np.zeros((0, 3)),
    ],
)
def test_numeric_arrays_come_back(array: np.ndarray, protocol: int):
    back = load_plain(pickle.dumps({"deep": [array]}, protocol))["deep"][0]

    np.testing.assert_array_equal(back, array)
    assert back.shape == array.shape


def test_numpy_scalars_become_plain_numbers():
    assert load_plain(pickle.dumps([np.float64(0.5), np.int32(7)])) == [0.5, 7]


def test_arrays_pickled_before_numpy_2_come_back():
    # What numpy 1 wrote: the same, from numpy.core instead of numpy._core.
    old = pickle.dumps(np.eye(2), 2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")

    np.testing.assert_array_equal(load_plain(old), np.eye(2))


class Runs:
    """What an attacker would send: unpickling it runs a command."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.how = function, arguments

    def __reduce__(self) -> object:
        return self.how


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_code_is_not_run(tmp_path: Path, protocol: int):
    loot = tmp_path / "loot"
    payload = pickle.dumps({"frames": [Runs(os.mkdir, str(loot))]}, protocol)

    with pytest.raises(BadPickle, match=r"asks for posix\.mkdir"):
        load_plain(payload)

    assert not loot.exists()
    pickle.loads(payload)  # the attack itself is real
    assert loot.exists()


@pytest.mark.parametrize(
    "value",
    [
        Runs(eval, "1"),
        Runs(getattr, "", "join"),
        OrderedDict(a=1),
        date(2026, 1, 1),
        np.array([object()]),
        np.array(["text"]),
        np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
        {1, 2},
        np.ndarray,
        np.dtype("f8"),
    ],
)
def test_anything_but_plain_values_and_numeric_arrays_is_refused(value: object):
    with pytest.raises(BadPickle):
        load_plain(pickle.dumps(value))


@pytest.mark.parametrize("data", [b"", b"not a pickle", pickle.dumps(np.eye(9))[:60]])
def test_a_broken_pickle_is_refused_by_the_same_error(data: bytes):
    with pytest.raises(BadPickle):
        load_plain(data)
