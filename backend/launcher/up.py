"""`manage.py up`: everything, on this machine, until Ctrl-C."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep

from backend.launcher.children import Child, Program, rotate, tail
from backend.launcher.environment import python_here, seconds_since_the_command
from backend.launcher.frontend import build_frontend
from backend.launcher.identity import Record
from backend.launcher.locks import NoNeedToWait
from backend.launcher.places import CHECKOUT, Data, require_space
from backend.launcher.ports import LOOPBACK, listening_socket
from backend.launcher.progress import run_step, say, step
from backend.launcher.running import Running, find_running, myself
from backend.launcher.services import embedded, holding, settings_of
from backend.launcher.supervisor import LOOKS_EVERY_S, Supervisor

# The database, the demo drive and some room to work; a later start must be able to make room.
FIRST_START_NEEDS_MB, LATER_START_NEEDS_MB = 500, 100
READY_WITHIN_S = 120.0
LOCAL_ONLY = {LOOPBACK, "localhost", "::1"}
PREDICTOR = "MASKLET_PREDICTOR"
WITHOUT_WEIGHTS, NANO = "geometric", "nano"
# Stopped in this order; PostgreSQL and Valkey, on which they all stand, come last.
STOPPED_FIRST = (("beat", "worker", "model", "engine", "web"), ("valkey",), ("postgres",))


@dataclass(frozen=True)
class Asked:
    """model: a file of weights, NANO or WITHOUT_WEIGHTS; None: what MASKLET_PREDICTOR says, or NANO."""

    host: str
    port: int
    model: str | None
    demo: bool


def parse_up(rest: list[str]) -> Asked:
    parser = argparse.ArgumentParser(
        prog="manage.py up", description="Run everything on this machine; Ctrl-C stops it."
    )
    parser.add_argument("--host", default=LOOPBACK, help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="0: any free one (%(default)s)")
    parser.add_argument(
        "--model",
        metavar="FILE",
        help="answer clicks with these SAM4D weights; or with 'nano', the small model that comes with "
        "Masklet, which is the default; or with 'geometric', which needs no PyTorch",
    )
    parser.add_argument("--no-demo", action="store_true", help="no demo accounts and drive")
    asked = parser.parse_args(rest)
    model = asked.model
    if model is not None and model not in (NANO, WITHOUT_WEIGHTS):
        if not Path(model).is_file():
            parser.error(
                f"there is no file {model}: --model takes a file of SAM4D weights, {NANO} or "
                f"{WITHOUT_WEIGHTS}"
            )
        model = str(Path(model).resolve())
    return Asked(asked.host, asked.port, model, not asked.no_demo)


def with_weights(asked: Asked, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether clicks are answered by a model that needs PyTorch."""
    return (asked.model or environment.get(PREDICTOR) or NANO) != WITHOUT_WEIGHTS


def up(asked: Asked, data: Data) -> int:
    """Returns when it was asked to stop. Raises CannotGoOn."""
    needed_mb = LATER_START_NEEDS_MB if data.folder.exists() else FIRST_START_NEEDS_MB
    require_space(data.folder, needed_mb, what="the data folder")
    data.made()
    if _runs_already(data):
        return 0
    if asked.model is not None:
        _try_weights(asked.model)
    try:
        # Before the build, which takes long: a taken port is known at once.
        with holding(data), listening_socket(asked.host, asked.port) as listening:
            build_frontend()
            return _run(asked, data, listening)
    except NoNeedToWait:
        _runs_already(data)
        return 0


def _runs_already(data: Data) -> bool:
    running = find_running(data)
    if running is not None:
        say(f"Masklet runs already: {running.url} (process {running.identity.pid})")
    return running is not None


def _run(asked: Asked, data: Data, listening: socket.socket) -> int:
    services = embedded(data)
    supervisor = Supervisor()
    try:
        services.check_the_given()
        services.start()
        for service in (services.postgres, services.valkey):
            if service is not None and service.child is not None:
                supervisor.adopt(service.child)
        url = address(asked.host, listening.getsockname()[1])
        running = Running(myself(), url, services.database_url, services.redis_url)
        running.write(data)
        settings = {
            "MASKLET_PUBLIC_URL": url,
            **settings_of(data, services.database_url, services.redis_url),
            **({PREDICTOR: asked.model} if asked.model else {}),
        }
        made = _prepare(data, settings, demo=asked.demo)
        _start_processes(supervisor, data, settings, listening)
        with step("Starting the web server and the workers"):
            supervisor.wait_until(
                lambda: _is_ready(data, listening), within_s=READY_WITHIN_S, what="Masklet"
            )
        supervisor.starting = False
        replace(running, ready=True).write(data)
        _tell(settings["MASKLET_PUBLIC_URL"], data, made)
        if asked.host not in LOCAL_ONLY and "MASKLET_PUBLIC_URL" not in os.environ:
            say(
                "Browsers on other machines are refused until MASKLET_PUBLIC_URL is the address "
                "that they use.\n"
            )
        _keep(supervisor, services.database_url, made)
    except KeyboardInterrupt:
        say("\nStopping (once more Ctrl-C: at once)")
    finally:
        data.running.unlink(missing_ok=True)
        supervisor.stop(STOPPED_FIRST)
        services.stop()
    say("Stopped. Nothing is lost; `manage.py up` goes on where it was.")
    return 0


def address(host: str, port: int) -> str:
    """How a browser on this machine reaches it."""
    shown = LOOPBACK if host in {"", "0.0.0.0", "::"} else host
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _try_weights(model: str) -> None:
    """A file that cannot answer clicks is known before anything runs."""
    command = [str(python_here()), "-m", "inference.predictor", model]
    run_step(f"Reading the weights in {Path(model).name}", command, cwd=CHECKOUT)


def _prepare(data: Data, settings: Mapping[str, str], *, demo: bool) -> dict[str, object]:
    command = [str(python_here()), "-m", "backend.launcher.prepare"]
    said = run_step(
        "Bringing the tables up to date, and the demo"
        if demo
        else "Bringing the tables up to date",
        [*command, str(data.passwords)] if demo else command,
        cwd=CHECKOUT,
        environment=settings,
    )
    made: dict[str, object] = json.loads(said.strip().splitlines()[-1])
    return made


def programs(data: Data, settings: Mapping[str, str], listening: int) -> list[Program]:
    """The processes of the platform itself."""
    python = str(python_here())
    celery = (python, "-m", "celery", "-A", "backend.celery")
    worker = (*celery, "worker", "--without-gossip", "--without-mingle", "-l", "INFO")
    # A worker that is at a long job goes on with it until asked a second time. Jobs are resumed.
    working = ((signal.SIGTERM, 4.0), (signal.SIGQUIT, 4.0), (signal.SIGKILL, 5.0))

    def solo(name: str, tasks: str) -> Program:
        """A process that loads models, on a queue of its own, at one thing at a time."""
        return Program(
            name,
            (*worker, "-I", tasks, "-Q", name, "-P", "solo", "-n", f"{name}@%h"),
            data.logs / f"{name}.log",
            # Several maths threads on few cores wait for each other longer than one works.
            {**settings, "OMP_NUM_THREADS": settings.get("OMP_NUM_THREADS", "1")},
            stopping=working,
            death_signal=signal.SIGQUIT,
        )

    return [
        Program(
            "web",
            (python, "-m", "backend.launcher.serve", str(listening)),
            data.logs / "web.log",
            settings,
            files=(listening,),
        ),
        Program(
            "worker",
            (*worker, "-Q", "io", "-c", "2", "-n", "io@%h"),
            data.logs / "worker.log",
            settings,
            stopping=working,
            death_signal=signal.SIGQUIT,
        ),
        solo("model", "backend.predictions.worker"),
        solo("engine", "backend.predictions.prelabelling"),
        Program(
            "beat",
            (*celery, "beat", "-l", "INFO", "--pidfile=", "-s", str(data.folder / "beat-schedule")),
            data.logs / "beat.log",
            settings,
        ),
    ]


def _start_processes(
    supervisor: Supervisor, data: Data, settings: Mapping[str, str], listening: socket.socket
) -> None:
    record = Record(data.processes)
    for program in programs(data, settings, listening.fileno()):
        rotate(program.log)
        supervisor.start(Child(program, record))


def _is_ready(data: Data, listening: socket.socket) -> bool:
    workers = (
        re.search(rf"{node}@\S+ ready\.", tail(data.logs / log, 20_000))
        for log, node in (("worker.log", "io"), ("model.log", "model"))
    )
    return all(workers) and answers(listening)


def answers(listening: socket.socket) -> bool:
    """Whether the web server answers and all that it needs answers it."""
    host, port = listening.getsockname()[:2]
    connection = http.client.HTTPConnection(
        LOOPBACK if host == "0.0.0.0" else "::1" if host == "::" else host, port, timeout=5
    )
    try:
        connection.request("GET", "/readyz", headers={"Host": f"localhost:{port}"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _tell(url: str, data: Data, made: Mapping[str, object]) -> None:
    seconds = seconds_since_the_command()
    say(f"\nMasklet is ready after {seconds:.1f} s:  {url}\n")
    users = made.get("users")
    fresh = [user for user in users if "password" in user] if isinstance(users, list) else []
    for user in fresh:
        say(f"    sign in as  {user['username']:10}  password  {user['password']}")
    if fresh:
        say(f"\nThe passwords are not shown again; they are kept in {data.passwords}.")
    elif users:
        say(f"Sign in as admin, manager, reviewer or annotator; passwords: {data.passwords}")
    say(f"Logs: {data.logs}.  Ctrl-C stops everything.\n")


def _keep(supervisor: Supervisor, database_url: str, made: Mapping[str, object]) -> None:
    """Until somebody interrupts."""
    demo = Demo(database_url, made.get("job"))
    while True:
        supervisor.look()
        demo.tell()
        sleep(LOOKS_EVERY_S)


class Demo:
    """Says how far the demo drive is, until it is whole."""

    LOOKS_EVERY_S = 2.0

    def __init__(self, database_url: str, job: object) -> None:
        self._database_url = database_url
        self._job = job if isinstance(job, int) else None
        self._next_look = 0.0
        self._shown = -1
        self._began = monotonic()

    def tell(self) -> None:
        if self._job is None or monotonic() < self._next_look:
            return
        self._next_look = monotonic() + self.LOOKS_EVERY_S
        state, done, total, error = self._progress()
        if state in {"done", "cancelled"} and self._shown < 0:
            self._job = None  # of an earlier start; nothing to say
        elif state == "failed":
            say(f"The demo drive could not be made: {error}")
            self._job = None
        elif state == "done":
            say(f"The demo drive is whole: {total} frames.")
            self._job = None
        elif done and (self._shown < 0 or done - self._shown >= max(25, total // 4)):
            first = f" ({monotonic() - self._began:.0f} s)" if self._shown < 0 else ""
            say(f"The demo drive can be opened: {done} of {total} frames{first}")
            self._shown = done

    def _progress(self) -> tuple[str, int, int, str]:
        import psycopg

        asked = "SELECT state, done, total, error FROM jobs_job WHERE id = %s"
        with suppress(psycopg.Error), psycopg.connect(self._database_url) as connection:
            row = connection.execute(asked, [self._job]).fetchone()
            if row is not None:
                return row[0], row[1], row[2], row[3]
        return "", 0, 0, ""
