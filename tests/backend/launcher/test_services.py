from __future__ import annotations

import os
import signal
from dataclasses import replace
from threading import Thread, Timer

import psycopg
import pytest

from backend.launcher.identity import Record, identify
from backend.launcher.places import Data
from backend.launcher.refusals import CannotGoOn
from backend.launcher.running import Running, find_running, myself
from backend.launcher.services import (
    embedded,
    end_leftovers,
    holding,
    settings_of,
    throw_away_services,
    using_services,
)


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch):
    for name in ("DATABASE_URL", "REDIS_URL", "MASKLET_SECRET_KEY", "MASKLET_DATA"):
        monkeypatch.delenv(name, raising=False)


def test_addresses_in_the_environment_are_used_and_nothing_is_started(data: Data, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@db/x")
    monkeypatch.setenv("REDIS_URL", "redis://cache/0")

    with using_services(data, migrated=True) as settings:
        assert settings["DATABASE_URL"] == "postgresql://u:p@db/x"
        assert settings["REDIS_URL"] == "redis://cache/0"

    assert not (data.folder / "postgres").exists()


def test_one_address_switches_one_service(data: Data):
    own = embedded(data, environment={"DATABASE_URL": "postgresql://u:p@db/x"})

    assert own.postgres is None
    assert own.valkey is not None
    assert own.database_url == "postgresql://u:p@db/x"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"DATABASE_URL": "postgresql://u:hush@127.0.0.1:1/x"}, "DATABASE_URL"),
        ({"DATABASE_URL": "mysql://u:hush@127.0.0.1:1/x"}, "DATABASE_URL"),
        ({"REDIS_URL": "redis://:hush@127.0.0.1:1/0"}, "REDIS_URL"),
        ({"REDIS_URL": "nonsense"}, "REDIS_URL"),
    ],
)
def test_an_address_that_does_not_answer_is_one_line_without_its_password(data: Data, given, name):
    with pytest.raises(CannotGoOn, match=f"^{name}: ") as refused:
        embedded(data, environment=given).check_the_given()

    assert "\n" not in str(refused.value)
    assert "hush" not in str(refused.value)


def test_the_services_of_a_running_up_are_used(data: Data):
    up = Running(myself(), "http://x", "postgresql://running", "redis://running", ready=True)
    up.write(data)

    with using_services(data, migrated=True) as settings:
        assert settings["DATABASE_URL"] == "postgresql://running"
        assert settings["REDIS_URL"] == "redis://running"


def test_a_command_waits_for_an_up_that_is_starting_and_uses_its_services(data: Data, capsys):
    up = Running(myself(), "http://x", "postgresql://starting", "redis://starting")
    ready = Timer(0.5, lambda: replace(up, ready=True).write(data))

    with holding(data):
        up.write(data)
        ready.start()
        with using_services(data, migrated=True) as settings:
            assert settings["DATABASE_URL"] == "postgresql://starting"

    assert "waiting for it (process" in capsys.readouterr().out


def test_two_commands_without_an_up_take_turns(data: Data):
    turns = []
    with holding(data):
        other = Thread(target=lambda: turns.append(_turn(data)))
        other.start()
        turns.append("first")
    other.join(timeout=10)

    assert turns == ["first", "second"]


def _turn(data: Data) -> str:
    with holding(data):
        return "second"


def test_an_up_that_was_killed_does_not_count_as_running(data: Data):
    running = Running(myself(), "http://x", "postgresql://gone", "redis://gone", ready=True)
    running.write(data)
    assert find_running(data) == running

    replace(running, identity=replace(running.identity, started="1")).write(data)
    assert find_running(data) is None

    data.running.write_text('{"identity"')
    assert find_running(data) is None


def test_the_file_that_holds_the_addresses_is_private(data: Data):
    Running(myself(), "http://x", "postgresql://u:secret@h/x", "redis://x").write(data)

    assert data.running.stat().st_mode & 0o077 == 0


def test_a_secret_key_is_made_once_or_taken_from_the_environment(data: Data):
    first = settings_of(data, "d", "r", environment={})
    again = settings_of(data, "d", "r", environment={})
    chosen = settings_of(data, "d", "r", environment={"MASKLET_SECRET_KEY": "k" * 40})

    assert first["MASKLET_SECRET_KEY"] == again["MASKLET_SECRET_KEY"]
    assert len(first["MASKLET_SECRET_KEY"]) >= 32
    assert chosen["MASKLET_SECRET_KEY"] == "k" * 40


def test_what_a_killed_launcher_left_is_stopped_and_strangers_are_not(data: Data, spawn):
    sleeps = "import time; print('up', flush=True); time.sleep(60)"
    left, stranger = spawn(sleeps), spawn(sleeps)
    record = Record(data.processes)
    known_left, known_stranger = identify(left.pid), identify(stranger.pid)
    assert known_left is not None
    assert known_stranger is not None
    record.keep("web", known_left)
    record.keep("worker", replace(known_stranger, started="1"))

    end_leftovers(data)

    assert left.wait() == -signal.SIGTERM
    assert stranger.poll() is None
    assert list(data.processes.iterdir()) == []


def test_tests_get_services_of_their_own_that_end_with_them(data: Data, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://the-real-thing")
    monkeypatch.setenv("MASKLET_S3_BUCKET", "the-real-bucket")

    with throw_away_services(data.folder) as settings:
        assert "127.0.0.1" in settings["DATABASE_URL"]
        assert settings["MASKLET_DATA"] == str(data.folder)
        assert "MASKLET_S3_BUCKET" not in settings
        psycopg.connect(settings["DATABASE_URL"]).close()

    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(settings["DATABASE_URL"])
    assert os.environ["DATABASE_URL"] == "postgresql://the-real-thing"
