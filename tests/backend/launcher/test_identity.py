from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

from backend.launcher.identity import (
    Record,
    identify,
    is_running,
    read_identity,
    stop_process,
    works_in,
)

SLEEPS = "import time; print('up', flush=True); time.sleep(60)"
DEAF = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); "
    "time.sleep(60)"
)
SOFTLY_THEN_HARD = [(signal.SIGTERM, 0.3), (signal.SIGKILL, 5.0)]


def test_a_process_is_itself_while_it_runs_and_nobody_afterwards(spawn):
    process = spawn(SLEEPS)
    identity = identify(process.pid)
    assert identity is not None
    assert is_running(identity)

    process.kill()
    process.wait()

    assert not is_running(identity)
    assert identify(process.pid) is None


def test_a_zombie_does_not_run(spawn):
    process = spawn(SLEEPS)
    identity = identify(process.pid)
    assert identity is not None

    process.kill()
    # WNOWAIT: it stays in the table of processes.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert not is_running(identity)
    assert process.returncode is None


def test_a_stranger_with_the_same_number_is_never_touched(spawn):
    stranger = spawn(SLEEPS)
    known = identify(stranger.pid)
    assert known is not None
    earlier_owner = replace(known, started="1")
    before_the_reboot = replace(known, boot="another")

    assert stop_process(earlier_owner, SOFTLY_THEN_HARD)
    assert stop_process(before_the_reboot, SOFTLY_THEN_HARD)

    assert stranger.poll() is None


def test_a_process_that_does_not_listen_gets_the_next_signal(spawn):
    process = spawn(DEAF)
    identity = identify(process.pid)
    assert identity is not None

    assert stop_process(identity, SOFTLY_THEN_HARD)

    assert process.wait() == -signal.SIGKILL


def test_a_process_that_never_stops_is_reported(spawn):
    process = spawn(DEAF)
    identity = identify(process.pid)
    assert identity is not None

    assert not stop_process(identity, [(signal.SIGTERM, 0.2)])


def test_what_a_process_started_in_its_group_is_stopped_with_it(spawn):
    leader = spawn(
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\n"
        "child.wait()"
    )
    identity = identify(leader.pid)
    assert identity is not None

    assert stop_process(identity, SOFTLY_THEN_HARD)

    assert leader.wait() == -signal.SIGTERM
    assert leader.stdout.read() == ""  # its child held the other end of this


def test_a_record_tells_who_is_left_and_forgets_who_is_not(spawn, tmp_path: Path):
    record = Record(tmp_path / "processes")
    alive, dead = spawn(SLEEPS), spawn(SLEEPS)
    known_alive, known_dead = identify(alive.pid), identify(dead.pid)
    assert known_alive is not None
    assert known_dead is not None
    record.keep("alive", known_alive)
    record.keep("dead", known_dead)
    (tmp_path / "processes" / "torn.json").write_text('{"pid": 1')
    dead.kill()
    dead.wait()

    assert list(record.left()) == [("alive", known_alive)]
    assert [path.name for path in (tmp_path / "processes").iterdir()] == ["alive.json"]


def test_an_identity_that_cannot_be_read_is_nobody(tmp_path: Path):
    for number, text in enumerate(["", "[]", "null", '{"pid": "x"}', '{"pid": 1}']):
        path = tmp_path / f"{number}.json"
        path.write_text(text)
        assert read_identity(path) is None
    assert read_identity(tmp_path / "absent.json") is None


def test_a_process_is_known_by_the_folder_that_it_works_in(spawn, tmp_path: Path):
    process = spawn(f"import os; os.chdir({str(tmp_path)!r}); " + SLEEPS)

    assert works_in(process.pid, tmp_path)
    assert not works_in(process.pid, tmp_path.parent)
    process.kill()
    process.wait()
    assert not works_in(process.pid, tmp_path)
