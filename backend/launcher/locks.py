"""One at a time. The lock goes with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

from backend.launcher.progress import say

LOOKS_EVERY_S = 0.2


class NoNeedToWait(Exception):
    """What was waited for has come about in another way."""


@contextmanager
def locked(
    path: Path, *, waiting: str, unless: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Hold the lock file at `path`; says `waiting` once when somebody else has it.

    Raises NoNeedToWait when, while waiting, `unless` becomes true.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _taken(file):
            say(f"{waiting} ({_holder(file)})")
            while not _taken(file):
                if unless():
                    raise NoNeedToWait
                sleep(LOOKS_EVERY_S)
        os.ftruncate(file, 0)
        os.pwrite(file, f"process {os.getpid()}".encode(), 0)
        yield
    finally:
        os.close(file)


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: int) -> str:
    return os.pread(file, 100, 0).decode(errors="replace") or "unknown process"
