"""Reads the pickled meta data of the Waymo-4DSeg layout without running what is in it.

A pickle is a program: loading one from outside with Python's own loader runs it. This loader knows
no class and no function but the few below, all of them here, which rebuild plain numeric arrays.
Everything else is refused by name.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
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
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module, name]
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
