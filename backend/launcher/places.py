"""Where things are: the checkout, the data folder and what lies in it."""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from backend.launcher.refusals import CannotGoOn

CHECKOUT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Data:
    """The data folder. Everything that must survive is in it, and nothing else."""

    folder: Path

    @staticmethod
    def of_environment() -> Data:
        return Data(Path(os.environ.get("MASKLET_DATA") or CHECKOUT / "var").absolute())

    def made(self) -> Data:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # static: WhiteNoise complains at each start when it is not there.
        for inner in (self.logs, self.folder / "static"):
            inner.mkdir(exist_ok=True)
        return self

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def passwords(self) -> Path:
        return self.folder / "passwords.json"

    @property
    def running(self) -> Path:
        """Written by a running `up`, so that other commands find its services."""
        return self.folder / "up.json"

    @property
    def processes(self) -> Path:
        return self.folder / "processes"

    def secret(self, name: str) -> str:
        """A generated secret, made on first use and readable by its owner only."""
        return kept_secret(self.folder / name)


def kept_secret(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        write_private(path, secrets.token_urlsafe(48) + "\n")
        return path.read_text().strip()


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, and at no moment readable by others."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)


def require_space(folder: Path, needed_mb: int, *, what: str) -> None:
    """Raises CannotGoOn before a full disk can break something half way."""
    while not folder.exists():
        folder = folder.parent
    free_mb = shutil.disk_usage(folder).free // 10**6
    if free_mb < needed_mb:
        raise CannotGoOn(
            f"the disk of {folder} is nearly full: {free_mb} MB free, {what} needs {needed_mb} MB; "
            "make room and start again"
        )
