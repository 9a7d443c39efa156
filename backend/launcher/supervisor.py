"""Keeps the processes of a running `up`: starts them again when they die, says what goes wrong."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

from backend.launcher.children import Child, tail
from backend.launcher.progress import say
from backend.launcher.refusals import CannotGoOn, last_telling_line, reason_in

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
STEADY_AFTER_S = 60.0  # from then on a death is a new story
TRIES_AT_START = 3
LOOKS_EVERY_S = 0.1
TOLD_AT_MOST_EVERY_S = 5.0


@dataclass
class Kept:
    """A child and its history."""

    child: Child
    pause_s: float = FIRST_PAUSE_S
    deaths: int = 0
    again_at: float | None = None
    read_bytes: int = 0
    told_at: float = field(default=-TOLD_AT_MOST_EVERY_S)

    @property
    def name(self) -> str:
        return self.child.program.name


class Supervisor:
    """All children of one launcher, in the order in which they were started."""

    def __init__(self) -> None:
        self._kept: list[Kept] = []
        self.starting = True  # then a child that keeps dying ends it all

    def adopt(self, child: Child) -> None:
        """Keep a child that runs already."""
        log = child.program.log
        self._kept.append(Kept(child, read_bytes=log.stat().st_size if log.exists() else 0))

    def start(self, child: Child) -> None:
        self.adopt(child)
        child.start()

    def look(self) -> None:
        """Notice deaths and errors, start again what is due. Raises CannotGoOn while starting."""
        for kept in self._kept:
            self._look_at(kept)
            tell_errors(kept)

    def wait_until(self, true: Callable[[], bool], *, within_s: float, what: str) -> None:
        """Look after everybody meanwhile. Raises CannotGoOn when it takes too long."""
        until = monotonic() + within_s
        while not true():
            self.look()
            if monotonic() > until:
                raise CannotGoOn(f"{what} did not get ready in {within_s:.0f} s; see the logs")
            sleep(LOOKS_EVERY_S)

    def _look_at(self, kept: Kept) -> None:
        if kept.again_at is not None:
            if monotonic() >= kept.again_at:
                kept.again_at = None
                kept.child.start()
            return
        status = kept.child.exit_status()
        if status is None:
            return
        if monotonic() - kept.child.started_at > STEADY_AFTER_S:
            kept.pause_s, kept.deaths = FIRST_PAUSE_S, 0
        kept.deaths += 1
        if self.starting and kept.deaths >= TRIES_AT_START:
            raise CannotGoOn(f"{kept.name} does not start: {why(kept.child)}")
        say(f"{kept.name} died ({_ending(status)}); starting it again in {kept.pause_s:.1f} s")
        kept.again_at = monotonic() + kept.pause_s
        kept.pause_s = min(2 * kept.pause_s, LONGEST_PAUSE_S)

    def stop(self, groups: Sequence[Sequence[str]]) -> None:
        """Group after group: everybody in it is asked, then waited for. Unnamed ones come last.

        A second Ctrl-C kills whatever is left.
        """
        named = {name for group in groups for name in group}
        rest = [kept.name for kept in self._kept if kept.name not in named]
        try:
            for group in [*groups, *([name] for name in reversed(rest))]:
                self._stop_together([kept for kept in self._kept if kept.name in group])
        except KeyboardInterrupt:
            say("Killing what still runs.")
            for kept in self._kept:
                kept.child.kill()

    def _stop_together(self, group: list[Kept]) -> None:
        for kept in group:
            kept.child.ask_to_stop()
        for kept in group:
            kept.child.stop()


def why(child: Child) -> str:
    said = tail(child.program.log)
    reason = reason_in(said) or last_telling_line(said.splitlines())
    return f"{reason} (log: {child.program.log})"


def _ending(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def tell_errors(kept: Kept) -> None:
    """Say the newest line of a log that looks like an error; not every one of a flood."""
    log = kept.child.program.log
    try:
        size = log.stat().st_size
    except OSError:
        return
    if size <= kept.read_bytes:
        kept.read_bytes = size
        return
    lines = _read(log, kept.read_bytes, size)
    kept.read_bytes = size
    telling = [line for line in lines if re.search(kept.child.program.telling, line)]
    if telling and monotonic() - kept.told_at > TOLD_AT_MOST_EVERY_S:
        kept.told_at = monotonic()
        more = f" (and {len(telling) - 1} more)" if len(telling) > 1 else ""
        reason = reason_in(telling[-1])
        say(f"[{kept.name}] {reason or telling[-1].strip()[:300]}{more}; log: {log}")


def _read(log: Path, first: int, end: int) -> list[str]:
    with open(log, "rb") as file:
        file.seek(max(first, end - 100_000))
        return file.read(end - file.tell()).decode(errors="replace").splitlines()
