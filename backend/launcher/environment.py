"""The project's Python environment: made, filled and entered. Python's own library only.

`.venv` carries a stamp of what was installed for which pyproject.toml, so that a start where
nothing has changed costs nothing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import NoReturn

from backend.launcher.locks import locked
from backend.launcher.places import CHECKOUT, require_space
from backend.launcher.progress import run_step, say
from backend.launcher.refusals import CannotGoOn
from backend.launcher.torch_size import warning_about_torch

VENV = CHECKOUT / ".venv"
BASE_EXTRAS = frozenset({"worker", "embedded"})
INSTALL_NEEDS_MB = 1500
# The clock runs on when the command starts itself again in the environment.
BEGAN = "MASKLET_BEGAN_AT"
_BEGAN_AT = float(os.environ.pop(BEGAN, 0) or monotonic())


@dataclass(frozen=True)
class Stamp:
    """What an environment was filled with."""

    source: str  # of pyproject.toml, the Python version and the place of the checkout
    extras: frozenset[str]

    def covers(self, wanted: Stamp) -> bool:
        return self.source == wanted.source and self.extras >= wanted.extras

    def joined(self, other: Stamp) -> Stamp:
        return Stamp(other.source, self.extras | other.extras)

    def write(self, path: Path) -> None:
        path.write_text(json.dumps({"source": self.source, "extras": sorted(self.extras)}))

    @staticmethod
    def read(path: Path) -> Stamp:
        try:
            stated = json.loads(path.read_text())
            return Stamp(str(stated["source"]), frozenset(stated["extras"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Stamp("", frozenset())


def wanted_stamp(checkout: Path, venv: Path, extras: Iterable[str]) -> Stamp:
    """An editable install names its folder, so a checkout that was moved is installed anew."""
    digest = hashlib.sha256((checkout / "pyproject.toml").read_bytes())
    digest.update(f"{_version_of(venv)} {checkout}".encode())
    return Stamp(digest.hexdigest(), frozenset(extras))


def _version_of(venv: Path) -> str:
    """The Python of an environment, as it states itself; ours where there is none yet."""
    try:
        lines = (venv / "pyvenv.cfg").read_text().splitlines()
    except OSError:
        lines = []
    stated = dict(line.partition(" = ")[::2] for line in lines)
    return stated.get("version", ".".join(map(str, sys.version_info[:3])))


def python_of(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def python_here() -> Path:
    """The Python of the environment that we are in."""
    return Path(sys.executable)


def enter(extras: Iterable[str], *, environment: Mapping[str, str] = os.environ) -> None:
    """Return inside the project's environment; if need be by starting this command again in it.

    Raises CannotGoOn.
    """
    if environment.get("MASKLET_NO_VENV", "0") not in ("", "0"):
        return  # an image, say, where everything is installed already
    wanted = frozenset(extras) | _asked_extras(environment)
    ensure_installed(wanted)
    if Path(sys.prefix).resolve() != VENV.resolve():
        _start_again()


def _asked_extras(environment: Mapping[str, str]) -> frozenset[str]:
    asked = frozenset(
        extra.strip() for extra in environment.get("MASKLET_EXTRAS", "").split(",") if extra.strip()
    )
    known = frozenset(project()["optional-dependencies"])
    if unknown := asked - known:
        raise CannotGoOn(
            f"MASKLET_EXTRAS: no such extra {', '.join(sorted(unknown))}; there are "
            + ", ".join(sorted(known))
        )
    return asked


def project() -> dict[str, dict[str, list[str]]]:
    described: dict[str, dict[str, dict[str, list[str]]]] = tomllib.loads(
        (CHECKOUT / "pyproject.toml").read_text()
    )
    return described["project"]


def _start_again() -> NoReturn:
    python = str(python_of(VENV))
    os.environ[BEGAN] = f"{_BEGAN_AT:.3f}"
    os.execv(python, [python, str(CHECKOUT / "manage.py"), *sys.argv[1:]])


def seconds_since_the_command() -> float:
    """Also of what happened before the environment was entered."""
    return monotonic() - _BEGAN_AT


def ensure_installed(extras: frozenset[str]) -> None:
    """Fill .venv unless its stamp says that it is full. Raises CannotGoOn."""
    place = VENV / "masklet.json"
    if _is_current(place, extras):
        return
    require_space(CHECKOUT, INSTALL_NEEDS_MB, what="installing the Python packages")
    try:
        VENV.mkdir(exist_ok=True)
        with locked(VENV / "masklet.lock", waiting="another command fills .venv; waiting for it"):
            if _is_current(place, extras):
                return
            _make_venv()
            _install(place, extras)
    except PermissionError as error:
        raise CannotGoOn(
            f"{error.filename} cannot be written, and .venv is not ready for this user: run this "
            "as the user to whom the checkout belongs, or in a checkout of your own"
        ) from None


def _is_current(place: Path, extras: frozenset[str]) -> bool:
    # A link to a Python that only its owner may run counts as none.
    return os.access(python_of(VENV), os.X_OK) and Stamp.read(place).covers(
        wanted_stamp(CHECKOUT, VENV, extras)
    )


def _make_venv() -> None:
    """A virtual environment that works; half-made ones (kill -9) are made again."""
    python = python_of(VENV)
    if os.access(python, os.X_OK) and _succeeds(python, "-m", "pip", "--version"):
        return
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise CannotGoOn(
            f"this Python cannot make virtual environments; on Debian and Ubuntu: "
            f"apt install python{version}-venv"
        )
    for leftover in ("bin", "lib", "lib64", "include", "pyvenv.cfg"):
        path = VENV / leftover
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path)
    run_step(
        "Making the virtual environment .venv", [sys.executable, "-m", "venv", VENV], cwd=CHECKOUT
    )


def _succeeds(*command: str | Path) -> bool:
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def _install(place: Path, extras: frozenset[str]) -> None:
    wanted = Stamp.read(place).joined(wanted_stamp(CHECKOUT, VENV, extras))
    known = frozenset(project()["optional-dependencies"])
    wanted = Stamp(wanted.source, wanted.extras & known)
    if "model" in wanted.extras and not _succeeds(python_of(VENV), "-c", "import torch"):
        warning = warning_about_torch(python_of(VENV), project()["optional-dependencies"]["model"])
        if warning:
            say(warning)
    run_step(
        f"Installing Python packages ({', '.join(sorted(wanted.extras))})",
        pip_install(python_of(VENV), "-e", f"{CHECKOUT}[{','.join(sorted(wanted.extras))}]"),
        cwd=CHECKOUT,
        downloads=True,
    )
    wanted.write(place)


def pip_install(python: Path, *what: str) -> list[str]:
    """The command that installs for a Python. pip reads its own settings; we add none."""
    return [
        str(python),
        *("-m", "pip", "install", "--disable-pip-version-check", "--no-input"),
        *("--progress-bar", "off"),
        *what,
    ]
