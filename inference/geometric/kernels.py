"""The decorator under which this room's Numba code is compiled, and kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., object])

_njit: Any = njit  # Numba has no type information


def kernel(function: Function) -> Function:
    """Machine code is kept in NUMBA_CACHE_DIR, or else in the first folder that can be written of
    the source file's own `__pycache__` and the user's `~/.cache/numba`; in none: not kept.
    """
    try:
        return cast(Function, _njit(cache=True, nogil=True)(function))
    except RuntimeError:  # what Numba raises where there is no such folder
        return cast(Function, _njit(nogil=True)(function))
