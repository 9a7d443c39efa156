"""Which process is which. A pid alone says nothing: it may have been given to a stranger since."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic, sleep

from backend.launcher.places import write_private


@dataclass(frozen=True)
class Identity:
    """A process and no other: its pid, when it started, and in which run of the machine."""

    pid: int
    started: str
    boot: str


def identify(pid: int) -> Identity | None:
    """None when no such process runs. A zombie does not run."""
    started = _started(pid)
    return Identity(pid, started, _boot()) if started is not None else None


def is_running(identity: Identity) -> bool:
    return identify(identity.pid) == identity


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""  # elsewhere the start time has a date


def _started(pid: int) -> str | None:
    if not sys.platform.startswith("linux"):
        asked = subprocess.run(
            ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True
        )
        state, _, started = asked.stdout.strip().partition(" ")
        return started.strip() if started and not state.startswith("Z") else None
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in brackets may hold anything; what follows the last bracket is regular (proc(5)).
    fields = status.rpartition(")")[2].split()
    return fields[19] if fields[0] not in "ZX" else None


def works_in(pid: int, folder: Path) -> bool:
    """Whether the process's working directory is `folder`. PostgreSQL and Valkey go to their data."""
    if sys.platform.startswith("linux"):
        try:
            return os.path.samefile(f"/proc/{pid}/cwd", folder)
        except OSError:
            return False
    asked = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True)
    return str(folder) in asked.stdout


class Record:
    """The identities of the processes we started, kept in files, so that a later run finds them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, name: str, identity: Identity) -> None:
        self._folder.mkdir(exist_ok=True)
        write_private(self._folder / f"{name}.json", json.dumps(asdict(identity)))

    def forget(self, name: str) -> None:
        (self._folder / f"{name}.json").unlink(missing_ok=True)

    def left(self) -> Iterator[tuple[str, Identity]]:
        """Those that still run. Files that cannot be read tell nothing and are removed."""
        for path in sorted(self._folder.glob("*.json")):
            identity = read_identity(path)
            if identity is not None and is_running(identity):
                yield path.stem, identity
            else:
                path.unlink(missing_ok=True)


def read_identity(path: Path) -> Identity | None:
    try:
        stated = json.loads(path.read_text())
        return Identity(int(stated["pid"]), str(stated["started"]), str(stated["boot"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def stop_process(
    identity: Identity, signals: list[tuple[signal.Signals, float]], *, group: bool = True
) -> bool:
    """Send one signal after the other, each with its seconds to take effect; False if it still runs.

    Never touches a process that is not the one meant.
    """
    for number, seconds in signals:
        if not is_running(identity):
            return True
        send(identity.pid, number, group=group)
        until = monotonic() + seconds
        while is_running(identity) and monotonic() < until:
            sleep(0.05)
    return not is_running(identity)


def send(pid: int, number: signal.Signals, *, group: bool) -> None:
    """To the process, or to its whole group where it leads one."""
    try:
        if group and os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        pass
