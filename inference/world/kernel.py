"""The two decorators under which this room's Numba code is compiled."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., object])

# The files whose code ends up inside a kernel.
_SOURCES = ("kernel.py", "solids.py", "relief.py", "casting.py", "surfaces.py", "shading.py")
# Without Numba's reference counts (`_nrt`): it counts every array of a bundle at every use, and
# shading a picture took twice as long. No kernel makes an array; all belong to the caller.
_OPTIONS = {"nogil": True, "fastmath": True, "error_model": "numpy", "_nrt": False}

_njit: Any = njit  # its types, where Numba has them, leave `_nrt` out


def _stamp() -> str:
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update(Path(__file__).with_name(name).read_bytes())
    return digest.hexdigest()


_STAMP = _stamp()


def kernel(function: Function) -> Function:
    """Compile an entry point, and keep the machine code on disk until a source file changes.

    Numba looks at the entry point's own file only and would go on with old machine code when an
    inlined function of another file has changed; so its stamp is replaced by ours.
    """
    try:
        compiled = _njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # what Numba raises where no folder for the machine code can be written
        return cast(Function, _njit(**_OPTIONS)(function))
    cache_file = getattr(compiled._cache, "_cache_file", None)  # none where caching is impossible
    if cache_file is not None:
        cache_file._source_stamp = _STAMP
    return cast(Function, compiled)


def inlined(function: Function) -> Function:
    """A function for kernels to call; becomes part of each, as a call would copy the bundles."""
    return cast(Function, _njit(forceinline=True, **_OPTIONS)(function))
