"""PostgreSQL and Valkey for a command: a cluster's, those of a running `up`, or our own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from backend.launcher.identity import Record, stop_process
from backend.launcher.locks import NoNeedToWait, locked
from backend.launcher.places import Data
from backend.launcher.postgres import Postgres
from backend.launcher.progress import say, step
from backend.launcher.refusals import CannotGoOn
from backend.launcher.running import find_running
from backend.launcher.valkey import Valkey


@dataclass
class Embedded:
    """What of the two is ours; None where an address of the environment is used instead."""

    postgres: Postgres | None
    valkey: Valkey | None
    database_url: str
    redis_url: str

    def start(self) -> None:
        if self.postgres is not None:
            with step("Starting PostgreSQL"):
                self.postgres.start()
            self.database_url = self.postgres.url
        if self.valkey is not None:
            with step("Starting Valkey"):
                self.valkey.start()
            self.redis_url = self.valkey.url

    def check_the_given(self) -> None:
        """Raises CannotGoOn where an address of the environment does not answer."""
        import psycopg
        import redis

        scheme = urlsplit(self.database_url).scheme
        if self.postgres is None and scheme not in {"postgres", "postgresql"}:
            raise CannotGoOn("DATABASE_URL: write postgresql://user:password@host:5432/name")
        try:
            if self.postgres is None:
                psycopg.connect(self.database_url, connect_timeout=5).close()
            if self.valkey is None:
                redis.Redis.from_url(self.redis_url, socket_connect_timeout=5).ping()
        except psycopg.Error as error:
            raise CannotGoOn(f"DATABASE_URL: {_in_one_line(error)}") from None
        except (redis.RedisError, ValueError) as error:
            raise CannotGoOn(f"REDIS_URL: {_in_one_line(error)}") from None

    def stop(self) -> None:
        for service in (self.valkey, self.postgres):
            if service is not None:
                service.stop()


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def embedded(
    data: Data, *, environment: Mapping[str, str] = os.environ, lasting: bool = True
) -> Embedded:
    record = Record(data.processes)
    database_url = environment.get("DATABASE_URL", "")
    redis_url = environment.get("REDIS_URL", "")
    own = (
        Postgres(data.folder, data.logs / "postgres.log", record, lasting=lasting),
        Valkey(data.folder, data.logs / "valkey.log", record, lasting=lasting),
    )
    return Embedded(
        None if database_url else own[0], None if redis_url else own[1], database_url, redis_url
    )


def settings_of(
    data: Data,
    database_url: str,
    redis_url: str,
    *,
    environment: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """The environment of a process that runs the backend."""
    return {
        **environment,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "MASKLET_DATA": str(data.folder),
        "MASKLET_SECRET_KEY": environment.get("MASKLET_SECRET_KEY") or data.secret("secret_key"),
        "DJANGO_SETTINGS_MODULE": "backend.settings",
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def using_services(data: Data, *, migrated: bool) -> Iterator[dict[str, str]]:
    """The settings of a command. Services that we start here end with it.

    migrated: bring the tables of our own database up to date first. Raises CannotGoOn.
    """
    if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
        if not os.environ.get("MASKLET_SECRET_KEY"):
            data.made()  # one will be kept there
        yield settings_of(data, os.environ["DATABASE_URL"], os.environ["REDIS_URL"])
        return
    data.made()
    try:
        with holding(data):
            own = embedded(data)
            try:
                own.start()
                settings = settings_of(data, own.database_url, own.redis_url)
                if migrated and own.postgres is not None:
                    migrate(settings)
                yield settings
            finally:
                own.stop()
    except NoNeedToWait:
        running = find_running(data)
        if running is None:
            raise CannotGoOn("`up` has just ended; start this command again") from None
        yield settings_of(data, running.database_url, running.redis_url)


@contextmanager
def holding(data: Data) -> Iterator[None]:
    """Be the only one who starts services on this data folder; nobody's leftovers run in it.

    Raises NoNeedToWait when an `up` runs already, or gets ready while we wait.
    """

    def is_up() -> bool:
        running = find_running(data)
        return running is not None and running.ready

    if is_up():
        raise NoNeedToWait
    waiting = "Another command uses the data folder; waiting for it"
    with locked(data.folder / "launcher.lock", waiting=waiting, unless=is_up):
        end_leftovers(data)
        yield


def end_leftovers(data: Data) -> None:
    """Stop what a launcher left running that was killed. Raises CannotGoOn when it does not stop.

    PostgreSQL is left to its own rules (see postgres.end_leftover).
    """
    record = Record(data.processes)
    for name, identity in record.left():
        if name == "postgres":
            continue
        say(f"Stopping {name}, which was left running (process {identity.pid})")
        ways = [(signal.SIGTERM, 3.0), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 5.0)]
        if not stop_process(identity, ways):
            raise CannotGoOn(f"{name} (process {identity.pid}) does not stop; end it by hand")
        record.forget(name)


def migrate(settings: Mapping[str, str]) -> None:
    """In a process of its own: the caller may not have loaded Django yet."""
    from backend.launcher.environment import python_here
    from backend.launcher.places import CHECKOUT
    from backend.launcher.progress import run_step

    run_step(
        "Bringing the tables up to date",
        [python_here(), "-m", "django", "migrate", "--no-input", "-v", "0"],
        cwd=CHECKOUT,
        environment=settings,
    )


@contextmanager
def throw_away_services(folder: Path, *, lasting: bool = False) -> Iterator[dict[str, str]]:
    """Services of their own in an empty folder, for tests: fast, and nothing is kept.

    lasting: write to the disk as in earnest (for measuring).
    """
    data = Data(folder).made()
    outside = {name: value for name, value in os.environ.items() if name not in NOT_FOR_TESTS}
    own = embedded(data, environment=outside, lasting=lasting)
    try:
        own.start()
        yield settings_of(data, own.database_url, own.redis_url, environment=outside)
    finally:
        own.stop()


# A test must never reach the real thing.
NOT_FOR_TESTS = {
    "DATABASE_URL",
    "REDIS_URL",
    "MASKLET_DATA",
    "MASKLET_SECRET_KEY",
    "MASKLET_HOSTS",
    "MASKLET_PUBLIC_URL",
    "MASKLET_TEST_DB",
    "MASKLET_S3_BUCKET",
    "MASKLET_DEBUG",
}
