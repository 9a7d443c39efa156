"""A process that we start, that dies with us, and whose end we notice."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

from backend.launcher.identity import Record, identify
from backend.launcher.places import CHECKOUT

Stopping = tuple[tuple[signal.Signals, float], ...]

PR_SET_PDEATHSIG = 1
KEPT_LOGS = 3


@dataclass(frozen=True)
class Program:
    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] | None = None
    cwd: Path = CHECKOUT
    # One signal after the other, each with its seconds to take effect.
    stopping: Stopping = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))
    # What it gets when we die without a word (Linux).
    death_signal: signal.Signals = signal.SIGTERM
    files: tuple[int, ...] = ()
    user: int | None = None
    group: int | None = None
    # Lines of its log that a person should see at once; others stay in the log.
    telling: str = r"\b(?:ERROR|CRITICAL|FATAL|PANIC)\b|No space left on device"


@dataclass
class Child:
    """One run after the other of a program. Start it from the main thread only: the death signal
    is sent when the *thread* ends that started it."""

    program: Program
    record: Record
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    _parent: int = field(default_factory=os.getpid)

    def start(self) -> None:
        program = self.program
        with open(program.log, "ab") as log:
            self.process = subprocess.Popen(
                program.command,
                cwd=program.cwd,
                env=dict(program.environment) if program.environment is not None else None,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in the terminal is for us; we tell the others in order.
                start_new_session=True,
                preexec_fn=_dying_with(self._parent, program.death_signal),
                pass_fds=program.files,
                user=program.user,
                group=program.group,
                extra_groups=None if program.user is None else [],
            )
        self.started_at = monotonic()
        identity = identify(self.process.pid)
        if identity is not None:
            self.record.keep(program.name, identity)

    @property
    def runs(self) -> bool:
        return self.process is not None and self.exit_status() is None

    def exit_status(self) -> int | None:
        """None while it runs. What it left running of its own is ended with it."""
        if self.process is None or self.process.returncode is not None:
            return None if self.process is None else self.process.returncode
        ended = os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        # Not yet reaped, so its number is still its own, and its group's.
        self._signal(signal.SIGKILL)
        status = self.process.wait()
        self.record.forget(self.program.name)
        return status

    def ask_to_stop(self) -> None:
        if self.runs:
            self._signal_leader(self.program.stopping[0][0])

    def stop(self) -> None:
        """Returns when it is gone; each signal gets its time."""
        for number, seconds in self.program.stopping:
            if not self.runs:
                return
            self._signal_leader(number)
            self._wait(seconds)
        self.kill()

    def kill(self) -> None:
        if self.runs:
            self._signal(signal.SIGKILL)
            self._wait(10.0)

    def _wait(self, seconds: float) -> None:
        until = monotonic() + seconds
        while self.runs and monotonic() < until:
            sleep(0.02)

    def _signal_leader(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        # Nobody may be left but the one that has ended.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


def _dying_with(parent: int, number: signal.Signals) -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)  # loaded here, as little as possible happens after the fork

    def set_death_signal() -> None:
        library.prctl(PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:
            os._exit(1)  # died before we could say so

    return set_death_signal


def rotate(log: Path) -> None:
    """Begin a new log, keeping the last few."""
    if not log.exists() or log.stat().st_size == 0:
        return
    for age in range(KEPT_LOGS - 1, 0, -1):
        older = log.with_name(f"{log.name}.{age}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{age + 1}"))
    log.replace(log.with_name(f"{log.name}.1"))


def tail(log: Path, most_bytes: int = 4000) -> str:
    try:
        with open(log, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - most_bytes))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
