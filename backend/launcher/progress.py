"""What the launcher says while it works: a line for each step, with its seconds."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from select import select
from time import monotonic

from backend.launcher.refusals import CannotGoOn, last_telling_line, reason_in

STILL_AT_IT_S = 10.0


def say(line: str) -> None:
    print(line, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """`Making the virtual environment ... 3.2 s`; the dots stay without seconds when it fails."""
    began = monotonic()
    print(f"{what} ... ", end="", flush=True)
    try:
        yield
    except BaseException:
        print(flush=True)
        raise
    say(f"{monotonic() - began:.1f} s")


def run_step(
    what: str,
    command: Sequence[str | Path],
    *,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    input_text: str | None = None,
    downloads: bool = False,
) -> str:
    """Run a program that is not asked anything, and say how it goes.

    downloads: it fetches packages, so trouble with the network is about their server.

    Returns its output. Raises CannotGoOn with the reason when it fails; its output is then kept.
    """
    with step(what):
        output, status = _followed([str(part) for part in command], cwd, environment, input_text)
    if status == 0:
        return output
    with tempfile.NamedTemporaryFile("w", prefix="masklet-", suffix=".log", delete=False) as kept:
        kept.write(output)
    reason = reason_in(output, downloads=downloads) or last_telling_line(output.splitlines())
    raise CannotGoOn(f"{what}: {reason} (its whole output: {kept.name})")


def _followed(
    command: list[str],
    cwd: Path,
    environment: Mapping[str, str] | None,
    input_text: str | None,
) -> tuple[str, int]:
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=dict(environment) if environment is not None else None,
        stdin=subprocess.PIPE if input_text is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    if input_text is not None:
        assert process.stdin is not None
        process.stdin.write(input_text.encode())
        process.stdin.close()
    output = bytearray()
    began = told = monotonic()
    try:
        while True:
            ready, _, _ = select([process.stdout], [], [], 1.0)
            if ready:
                # Not readline(): what lies in its buffer is invisible to select().
                piece = os.read(process.stdout.fileno(), 65536)
                if not piece:
                    return output.decode(errors="replace"), process.wait()
                output += piece
            if monotonic() - told > STILL_AT_IT_S:
                told = monotonic()
                last = _last_line(output[-2000:].decode(errors="replace"))
                print(f"\n    {told - began:.0f} s: {last}", end=" ... ", flush=True)
    except BaseException:
        process.terminate()
        process.wait()
        raise


def _last_line(output: str) -> str:
    told = (line.strip() for line in reversed(output.splitlines()))
    last = next((line for line in told if line and not line.startswith("WARNING")), "at work")
    return last if len(last) <= 100 else last[:97] + "..."


def complain(line: str) -> None:
    print(f"masklet: {line}", file=sys.stderr, flush=True)
