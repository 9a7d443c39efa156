"""Why something cannot go on, as one line that says what to do."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable


class CannotGoOn(Exception):
    """One line for the person at the keyboard; no traceback is shown."""


FULL_DISK = re.compile(r"No space left on device|Disk quota exceeded|ENOSPC|EDQUOT")
MISSING_LIBRARY = re.compile(r"(\S+\.so[.\w]*): cannot open shared object file")
NO_NETWORK = re.compile(
    r"name resolution|getaddrinfo|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT"
    r"|Connection refused|Network is unreachable|NewConnectionError|ConnectTimeout"
)
NO_PERMISSION = re.compile(r"(?:Permission denied|EACCES)\S*:? *'?([^'\n]*)")


def reason_in(output: str, *, downloads: bool = False) -> str | None:
    """What a program's output says about the machine it ran on, if it is one of the usual things.

    downloads: the program fetches packages.
    """
    if FULL_DISK.search(output):
        return "the disk is full; make room and start again"
    if library := MISSING_LIBRARY.search(output):
        return (
            f"the system library {library[1].strip(':')} is missing; install it with the system's "
            "packages and start again"
        )
    if downloads and NO_NETWORK.search(output):
        return "the package server cannot be reached; check the network (and pip's or npm's proxy)"
    if denied := NO_PERMISSION.search(output):
        return f"permission denied: {denied[1] or 'see its output'}"
    return None


def reason_of(error: OSError) -> str:
    """An operating system's error as a sentence."""
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full{where}; make room and start again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{error.strerror}{where}: run it as the user to whom the folder belongs, or choose "
            "another data folder with MASKLET_DATA"
        )
    return f"{error.strerror or error}{where}"


def last_telling_line(lines: Iterable[str]) -> str:
    """The last line that looks like an error, or simply the last one."""
    kept = [line.strip() for line in lines if line.strip()]
    telling = [line for line in kept if re.search(r"error|fatal|panic", line, re.IGNORECASE)]
    return (telling or kept or ["it said nothing"])[-1][:300]
