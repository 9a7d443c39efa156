"""Both commands from a fresh clone, in an empty folder, as a newcomer would. Run by hand:

    python3 tests/fresh_clone.py [--user NAME] [--quick] [--keep]

Clones the last commit, runs `manage.py up` with an empty data folder until the demo drive can be
opened, stops and starts it again, then runs `manage.py test`, and prints the times. With --user
(as root) all of it once more as that plain user. Exit status 1 when something failed.
"""

from __future__ import annotations

import argparse
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

CHECKOUT = Path(__file__).resolve().parent.parent
# A newcomer has none of these.
NOT_OURS = ("DATABASE_URL", "REDIS_URL", "PYTHONPATH", "VIRTUAL_ENV", "DJANGO_SETTINGS_MODULE")
READY = re.compile(r"Masklet is ready after [\d.]+ s:\s+(\S+)")
DRIVE = re.compile(r"demo drive (?:can be opened|is whole)")


@dataclass(frozen=True)
class Started:
    ready_s: float
    drive_s: float  # nan when it was not waited for
    stop_s: float
    said: str


def clone(folder: Path) -> Path:
    """The last commit, without anything that is not in it."""
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", CHECKOUT, folder], check=True)
    return folder


def start_and_stop(
    checkout: Path, data: Path, *, until_drive: bool = False, user: str | None = None
) -> Started:
    """Run `up` on any free port until it says that it is ready, then press Ctrl-C."""
    began = monotonic()
    process = subprocess.Popen(
        [*_python(user), "manage.py", "up", "--port", "0"],
        cwd=checkout,
        env=environment(data),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said, ready_s, drive_s = "", float("nan"), float("nan")
    assert process.stdout is not None
    try:
        for line in process.stdout:
            said += line
            if READY.search(line):
                ready_s = monotonic() - began
                if not until_drive:
                    break
            if DRIVE.search(line):
                drive_s = monotonic() - began
                break
        stopping = monotonic()
        os.killpg(process.pid, signal.SIGINT)
        said += process.communicate(timeout=60)[0] or ""
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    if ready_s != ready_s or process.returncode != 0:
        raise SystemExit(f"`up` failed (exit status {process.returncode}):\n{said}")
    return Started(ready_s, drive_s, monotonic() - stopping, said)


def cold_start(checkout: Path, data: Path, *, user: str | None = None) -> Started:
    """With a virtual environment, packages, build and database still to be made."""
    return start_and_stop(checkout, data, until_drive=True, user=user)


def environment(data: Path) -> dict[str, str]:
    ours = {
        name: value
        for name, value in os.environ.items()
        if name not in NOT_OURS and not name.startswith("MASKLET_")
    }
    return {
        **ours,
        "MASKLET_DATA": str(data),
        # Nothing that an earlier install left behind makes this one faster.
        "PIP_NO_CACHE_DIR": "1",
        "npm_config_cache": str(data.parent / "npm-cache"),
        "NUMBA_CACHE_DIR": str(data.parent / "numba-cache"),
    }


def _python(user: str | None) -> list[str]:
    """Python, as another user with that user's home and the system's programs."""
    if not user:
        return [sys.executable]
    home, path = f"HOME={pwd.getpwnam(user).pw_dir}", "PATH=/usr/local/bin:/usr/bin:/bin"
    become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"]
    return [*become, "env", home, path, "python3"]


def try_both(folder: Path, *, user: str | None, quick: bool) -> bool:
    who = user or f"uid {os.getuid()}"
    print(f"== as {who}, in {folder}", flush=True)
    checkout, data = clone(folder / "masklet"), folder / "data"
    if user:
        subprocess.run(["chown", "-R", user, folder], check=True)
        folder.chmod(0o755)
    cold = cold_start(checkout, data, user=user)
    print(cold.said, flush=True)
    print(f"cold: ready {cold.ready_s:.1f} s, drive {cold.drive_s:.1f} s", flush=True)
    warm = start_and_stop(checkout, data, user=user)
    print(f"warm: ready {warm.ready_s:.1f} s, stopped in {warm.stop_s:.1f} s", flush=True)
    began = monotonic()
    command = [*_python(user), "manage.py", "test", *(["--quick"] if quick else [])]
    tested = subprocess.run(command, cwd=checkout, env=environment(data))
    print(f"test: {monotonic() - began:.0f} s, exit status {tested.returncode}", flush=True)
    return tested.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--user", help="then also as this plain user (needs root)")
    parser.add_argument("--quick", action="store_true", help="lint and unit tests only")
    parser.add_argument("--keep", action="store_true", help="leave the folders behind")
    asked = parser.parse_args()
    worked = True
    for user in [None, asked.user] if asked.user else [None]:
        folder = Path(tempfile.mkdtemp(prefix="masklet-fresh-"))
        try:
            worked = try_both(folder, user=user, quick=asked.quick) and worked
        finally:
            if not asked.keep:
                shutil.rmtree(folder, ignore_errors=True)
    return 0 if worked else 1


if __name__ == "__main__":
    sys.exit(main())
