"""Where the server is and by which token it knows us: from the environment, or from what `login` wrote."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path


class NotSignedIn(RuntimeError):
    """Nobody has said where the server is."""


@dataclass(frozen=True)
class Config:
    url: str
    token: str


def place() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "masklet" / "config.json"


def read() -> Config:
    """Raises NotSignedIn."""
    held: dict[str, str] = {}
    path = place()
    if path.is_file():
        try:
            held = json.loads(path.read_text())
        except ValueError as error:
            raise NotSignedIn(
                f"{path} cannot be read ({error}): masklet login URL writes it anew"
            ) from error
    url = os.environ.get("MASKLET_URL") or held.get("url")
    token = os.environ.get("MASKLET_TOKEN") or held.get("token")
    if not url or not token:
        raise NotSignedIn("sign in first: masklet login URL (or set MASKLET_URL and MASKLET_TOKEN)")
    return Config(url, token)


def write(config: Config) -> Path:
    """For its owner's eyes alone, from the first byte on."""
    path = place()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = path.with_suffix(".new")
    aside.unlink(missing_ok=True)
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump({"url": config.url, "token": config.token}, file)
    aside.replace(path)
    return path
