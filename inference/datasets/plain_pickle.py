"""Reads the pickles that data sets come with, without running what is in them.

A pickle is a program: loading one from outside with Python's own loader runs it. This loader knows
no class and no function but the few below, all of them here, which rebuild plain numeric arrays
(Waymo-4DSeg's meta data) and tables of numbers and words (PandaSet's data frames). Everything else
is refused by name.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

MAX_BYTES = 256 * 2**20
_NUMBERS = "biuf"  # kinds of numpy types that are plain numbers


class BadPickle(ValueError):
    """A pickle that holds more than plain data, or is none."""


def load_plain(data: bytes) -> Any:
    """Containers, text, numbers and numeric numpy arrays; raises BadPickle for anything else."""
    if len(data) > MAX_BYTES:
        raise BadPickle(f"{len(data)} bytes of meta data are more than we read")
    try:
        return _plain(_Loader(io.BytesIO(data)).load())
    except BadPickle:
        raise
    except Exception as error:  # the pickle machine raises whatever a broken stream leads it to
        raise BadPickle(f"cannot be read: {type(error).__name__}: {error}") from error


class _Type:
    """Stands for a numpy dtype while it is rebuilt."""

    def __init__(self, name: str, *_: object) -> None:
        self.name, self.order = name, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1] if state[1] in "<>" else "<"

    def numpy(self) -> np.dtype[Any]:
        found = np.dtype(self.order + self.name.lstrip("<>=|"))
        if found.kind not in _NUMBERS:
            raise BadPickle(f"an array of {self.name!r}; only numbers are read")
        return found


class _Array:
    """Stands for a numpy array while it is rebuilt: its bytes, shape and type."""

    def __init__(self, *_: object) -> None:
        self.built: Any = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, is_fortran, raw = state
        self.built = _array(raw, dtype, shape, "F" if is_fortran else "C")


def _array(raw: Any, dtype: Any, shape: Any, order: str) -> Any:
    if not isinstance(raw, bytes | bytearray) or not isinstance(dtype, _Type):
        raise BadPickle("an array that is not made of bytes")
    flat = np.frombuffer(bytes(raw), dtype.numpy())
    return flat.reshape(tuple(int(side) for side in shape), order="F" if order == "F" else "C")


def _from_buffer(raw: Any, dtype: Any, shape: Any, order: str = "C", *_: object) -> _Array:
    made = _Array()
    made.built = _array(raw, dtype, shape, order)
    return made


def _scalar(dtype: Any, raw: Any) -> Any:
    return _array(raw, dtype, (1,), "C")[0].item()


def _encode(text: str, encoding: str) -> bytes:
    """How pickles for Python 2 carry bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise BadPickle(f"text in encoding {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """How those pickles carry none."""
    return b""


class _Subtype:
    """Stands for the class `numpy.ndarray` itself, which is only ever named, never called."""


_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _Subtype,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
}
for _core in ("numpy.core", "numpy._core"):  # before and since numpy 2
    _KNOWN[f"{_core}.multiarray", "_reconstruct"] = _Array
    _KNOWN[f"{_core}.multiarray", "scalar"] = _scalar
    _KNOWN[f"{_core}.numeric", "_frombuffer"] = _from_buffer


class _Loader(pickle.Unpickler):
    known: Mapping[tuple[str, str], Callable[..., Any]] = _KNOWN

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.known[module, name]
        except KeyError:
            raise BadPickle(
                f"it asks for {module}.{name}; meta data may hold only plain values and arrays"
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        raise BadPickle("it refers to objects outside of itself")


def _plain(value: Any) -> Any:
    match value:
        case _Array():
            return value.built
        case dict():
            return {key: _plain(entry) for key, entry in value.items()}
        case list():
            return [_plain(entry) for entry in value]
        case tuple():
            return tuple(_plain(entry) for entry in value)
        case str() | int() | float() | bool() | bytes() | None | np.ndarray():
            return value
    raise BadPickle(f"a {type(value).__name__} in the meta data")


# --- tables --------------------------------------------------------------------------------------

Column = np.ndarray | list[Any]


def load_table(data: bytes) -> dict[str, Column]:
    """A pickled pandas data frame as columns: arrays of numbers, or lists of words and numbers.

    Of the layout that pandas 0.14.1 to 1.x wrote. Raises BadPickle for anything else.
    """
    if len(data) > MAX_BYTES:
        raise BadPickle(f"{len(data)} bytes of a table are more than we read")
    try:
        frame = _TableLoader(io.BytesIO(data)).load()
        if not isinstance(frame, _Frame):
            raise BadPickle(f"holds a {type(frame).__name__}, not a table")
        return frame.columns()
    except BadPickle:
        raise
    except Exception as error:  # the pickle machine raises whatever a broken stream leads it to
        raise BadPickle(f"cannot be read: {type(error).__name__}: {error}") from error


class _Cells(_Array):
    """An array of numbers, or a list of plain values where pandas kept objects."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, _, is_fortran, raw = state
        if isinstance(raw, list):
            if any(not isinstance(value, str | int | float | bool | None) for value in raw):
                raise BadPickle("a table with cells that are no plain values")
            cells = np.empty(len(raw), object)
            cells[:] = raw
            self.built = cells.reshape(shape, order="F" if is_fortran else "C")
        else:
            super().__setstate__(state)


class _Frame:
    """Stands for a data frame: its state holds a manager of blocks."""

    def __init__(self) -> None:
        self.manager: Any = None

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.manager = state.get("_data", state.get("_mgr"))

    def columns(self) -> dict[str, Column]:
        if not isinstance(self.manager, _Manager):
            raise BadPickle("a table without its blocks")
        names, rows = self.manager.axes
        found: dict[str, Column] = {}
        for block in self.manager.blocks:
            values = block["values"].built
            places = block["mgr_locs"]
            index = (
                range(places.start, places.stop, places.step or 1)
                if isinstance(places, slice)
                else [int(place) for place in places.built]
            )
            if values.shape != (len(index), len(rows)):
                raise BadPickle(f"a block of shape {values.shape} for {len(index)} columns")
            for row, place in zip(values, index, strict=True):
                plain = row.tolist() if row.dtype == object else row
                found[str(names[place])] = plain
        return found


class _Manager:
    """Stands for the block manager."""

    def __init__(self) -> None:
        self.axes: list[Any] = []
        self.blocks: list[Any] = []

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        described = state[3]["0.14.1"]
        self.axes, self.blocks = described["axes"], described["blocks"]


class _Index:
    """Stands for the class of an index, which is only ever named."""


class _RangeIndex:
    """The same for one that counts."""


def _new_index(kind: Any, described: Mapping[str, Any]) -> list[Any] | range:
    if kind is _RangeIndex:
        numbers = (described["start"], described["stop"], described["step"])
        if any(not isinstance(number, int) for number in numbers):
            raise BadPickle("an index that does not count")
        return range(*numbers)
    entries: list[Any] = described["data"].built.tolist()
    return entries


_TABLE_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    **_KNOWN,
    ("pandas.core.frame", "DataFrame"): _Frame,
    ("pandas.core.internals.managers", "BlockManager"): _Manager,
    ("pandas.core.indexes.base", "_new_Index"): _new_index,
    ("pandas.core.indexes.base", "Index"): _Index,
    ("pandas.core.indexes.numeric", "Int64Index"): _Index,
    ("pandas.core.indexes.range", "RangeIndex"): _RangeIndex,
    ("builtins", "slice"): slice,
    **{(f"{core}.multiarray", "_reconstruct"): _Cells for core in ("numpy.core", "numpy._core")},
}


class _TableLoader(_Loader):
    known = _TABLE_KNOWN
