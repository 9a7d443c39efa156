"""On real servers in folders of their own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from backend.launcher import postgres as module
from backend.launcher.identity import Record, identify
from backend.launcher.places import Data
from backend.launcher.postgres import Postgres, find_home
from backend.launcher.refusals import CannotGoOn


def server(data: Data, *, lasting: bool = False) -> Postgres:
    record = Record(data.processes)
    return Postgres(data.folder, data.logs / "postgres.log", record, lasting=lasting)


@contextmanager
def started(data: Data) -> Iterator[Postgres]:
    postgres = server(data)
    try:
        postgres.start()
        yield postgres
    finally:
        postgres.stop()


def rows(postgres: Postgres) -> int:
    with psycopg.connect(postgres.url) as connection:
        (count,) = connection.execute("SELECT count(*) FROM kept").fetchone() or (0,)
        return int(count)


def insert(postgres: Postgres, count: int) -> None:
    with psycopg.connect(postgres.url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        connection.execute("INSERT INTO kept SELECT generate_series(1, %s)", [count])


def test_rows_survive_kill_9_of_the_server_and_of_its_launcher(data: Data):
    first = server(data, lasting=True)
    first.start()
    insert(first, 1000)
    assert first.child is not None
    assert first.child.process is not None

    first.child.process.kill()  # the server; and nobody is there to stop or restart it
    first.child.process.wait()

    with started(data) as second:
        assert rows(second) == 1000


def test_a_server_that_was_left_running_is_stopped_and_its_rows_are_there(data: Data):
    left = server(data)
    left.start()
    insert(left, 5)
    assert left.child is not None
    assert left.child.process is not None
    pid = left.child.process.pid

    with started(data) as second:
        left.child.process.wait()
        assert identify(pid) is None
        assert rows(second) == 5


def test_a_stranger_who_got_the_servers_number_is_left_alone(data: Data, spawn):
    with started(data) as first:
        insert(first, 3)
    stranger = spawn("import time; print('up', flush=True); time.sleep(60)")
    stale = find_home(data.folder).data / "postmaster.pid"
    stale.write_text(f"{stranger.pid}\n{stale.parent}\n1\n5432\n\n127.0.0.1\n\n\n")

    with started(data) as second:
        assert rows(second) == 3

    assert stranger.poll() is None


def test_data_of_another_major_version_are_refused_with_the_way_out(data: Data):
    home = find_home(data.folder)
    home.data.mkdir(mode=0o700)
    (home.data / "PG_VERSION").write_text("15\n")

    with pytest.raises(CannotGoOn, match=r"written by PostgreSQL 15, this is 18.*pg_upgrade"):
        server(data).start()

    assert (home.data / "PG_VERSION").read_text() == "15\n"


def test_a_database_that_was_half_made_is_made_again(data: Data):
    aside = find_home(data.folder).data.with_name("postgres.new")
    aside.mkdir(mode=0o700)
    (aside / "PG_VERSION").write_text("18\n")  # initdb writes it early

    with started(data) as postgres:
        insert(postgres, 1)

    assert not aside.exists()


def test_only_who_has_the_password_gets_in_and_nobody_else_can_read_it(data: Data):
    with started(data) as postgres:
        without = postgres.url.replace(postgres.url.split(":")[2].split("@")[0], "guess")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(without)

    home = find_home(data.folder)
    assert home.password.stat().st_mode & 0o077 == 0
    assert home.data.stat().st_mode & 0o077 == 0


def test_it_listens_on_the_loopback_only_and_sorts_alike_everywhere(data: Data):
    with started(data) as postgres, psycopg.connect(postgres.url) as connection:
        listening = connection.execute("SHOW listen_addresses").fetchone()
        sockets = connection.execute("SHOW unix_socket_directories").fetchone()
        lowered = connection.execute("SELECT lower('ÀÉ')").fetchone()

    assert (listening, sockets, lowered) == (("127.0.0.1",), ("",), ("àé",))


def test_a_full_disk_while_the_database_is_made_is_one_line(data: Data, monkeypatch, tmp_path):
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "initdb").write_text(
        "#!/bin/sh\necho 'initdb: error: could not write: No space left on device' >&2\nexit 1\n"
    )
    (binaries / "initdb").chmod(0o755)
    home = module.Home(data.folder, binaries, module.Identification())
    monkeypatch.setattr(module, "find_home", lambda _: home)

    with pytest.raises(CannotGoOn, match=r"cannot be made: the disk is full") as refused:
        server(data).start()

    assert "\n" not in str(refused.value)
    assert not home.data.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another identity")
def test_root_without_user_namespaces_runs_it_as_nobody(data: Data, monkeypatch):
    monkeypatch.setattr(module, "_namespace", lambda: None)
    with started(data) as postgres:
        insert(postgres, 2)
        assert postgres.child is not None
        assert postgres.child.process is not None
        owner = os.stat(f"/proc/{postgres.child.process.pid}").st_uid
        assert owner == module.pwd.getpwnam("nobody").pw_uid
    monkeypatch.undo()

    with started(data) as again:  # the data stay nobody's, whatever is possible now
        assert rows(again) == 2


def test_stopping_lets_it_write_everything_down(data: Data):
    with started(data) as postgres:
        insert(postgres, 1)
        child = postgres.child

    assert child is not None
    assert child.exit_status() in {0, -signal.SIGINT}
    assert "database system is shut down" in (data.logs / "postgres.log").read_text()
