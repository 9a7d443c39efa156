"""A running `up` as other commands see it: the file that says where it is, and its services."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass

from backend.launcher.identity import Identity, identify, is_running
from backend.launcher.places import Data, write_private


@dataclass(frozen=True)
class Running:
    identity: Identity
    url: str
    database_url: str
    redis_url: str
    ready: bool = False

    def write(self, data: Data) -> None:
        write_private(data.running, json.dumps(asdict(self), indent=2) + "\n")


def myself() -> Identity:
    identity = identify(os.getpid())
    assert identity is not None
    return identity


def find_running(data: Data) -> Running | None:
    """None when there is none, or when it has died without a word."""
    try:
        stated = json.loads(data.running.read_text())
        running = Running(
            Identity(**stated["identity"]),
            url=str(stated["url"]),
            database_url=str(stated["database_url"]),
            redis_url=str(stated["redis_url"]),
            ready=bool(stated["ready"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return running if is_running(running.identity) else None
