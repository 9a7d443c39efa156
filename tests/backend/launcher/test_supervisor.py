from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest

from backend.launcher.children import Child, Program, tail
from backend.launcher.identity import Record
from backend.launcher.refusals import CannotGoOn
from backend.launcher.supervisor import Kept, Supervisor, tell_errors

SLEEPS = "import time; print('up', flush=True); time.sleep(60)"


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    supervisor = Supervisor()
    yield supervisor
    supervisor.stop([])


def child(folder: Path, code: str, name: str = "child") -> Child:
    program = Program(name, (sys.executable, "-c", code), folder / f"{name}.log")
    return Child(program, Record(folder / "processes"))


def ups(child: Child) -> int:
    return tail(child.program.log).count("up\n")


def test_a_child_that_dies_is_started_again_and_a_line_says_so(supervisor, tmp_path, capsys):
    mortal = child(tmp_path, SLEEPS)
    supervisor.start(mortal)
    supervisor.starting = False
    supervisor.wait_until(lambda: ups(mortal) == 1, within_s=10, what="child")
    assert mortal.process is not None

    mortal.process.kill()

    supervisor.wait_until(lambda: ups(mortal) == 2, within_s=10, what="child")
    assert mortal.runs
    assert "child died (SIGKILL); starting it again" in capsys.readouterr().out


def test_a_child_that_cannot_start_ends_the_start_with_its_reason(supervisor, tmp_path):
    broken = child(
        tmp_path,
        "raise ImportError('libGL.so.1: cannot open shared object file: No such file')",
    )
    supervisor.start(broken)

    with pytest.raises(CannotGoOn, match=r"child does not start: the system library libGL\.so\.1"):
        supervisor.wait_until(lambda: False, within_s=20, what="child")


def test_the_pauses_between_deaths_grow(supervisor, tmp_path, capsys):
    supervisor.starting = False
    supervisor.start(child(tmp_path, "raise SystemExit(3)"))

    told = []
    while len(told) < 3:
        supervisor.look()
        told += [line for line in capsys.readouterr().out.splitlines() if "died" in line]
        sleep(0.01)

    assert [line.split(" in ")[1] for line in told] == ["0.5 s", "1.0 s", "2.0 s"]
    assert "exit status 3" in told[0]


def test_waiting_too_long_is_a_refusal(supervisor, tmp_path):
    supervisor.start(child(tmp_path, SLEEPS))

    with pytest.raises(CannotGoOn, match="the moon did not get ready"):
        supervisor.wait_until(lambda: False, within_s=0.1, what="the moon")


def test_children_stop_group_by_group(supervisor, tmp_path):
    says = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        "    with open({log!r}, 'a') as f: f.write({name!r})\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('up', flush=True); time.sleep(60)"
    )
    order = tmp_path / "order"
    children = [
        child(tmp_path, says.format(log=str(order), name=name), name) for name in ("a", "b", "c")
    ]
    for each in children:
        supervisor.start(each)
    supervisor.wait_until(lambda: all(ups(each) for each in children), within_s=20, what="they")

    supervisor.stop([["c"], ["a"]])

    assert order.read_text() == "cab"
    assert not any(each.runs for each in children)


def test_a_second_interrupt_kills_whatever_is_left(supervisor, tmp_path, monkeypatch):
    deaf = child(
        tmp_path, f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"
    )
    supervisor.start(deaf)
    supervisor.wait_until(lambda: ups(deaf) == 1, within_s=10, what="child")

    def interrupted(_: Child) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Child, "stop", interrupted)
    supervisor.stop([])

    assert deaf.exit_status() == -signal.SIGKILL


def test_an_error_in_a_log_is_told_once_with_the_place_to_look(tmp_path, capsys):
    writer = child(tmp_path, "")
    kept = Kept(writer)
    writer.program.log.write_text("INFO fine\n10:02 ERROR backend.x: scene 7 lost\n")

    tell_errors(kept)
    tell_errors(kept)

    told = capsys.readouterr().out.splitlines()
    assert told == [f"[child] 10:02 ERROR backend.x: scene 7 lost; log: {writer.program.log}"]


def test_a_flood_of_errors_is_one_line(tmp_path, capsys):
    writer = child(tmp_path, "")
    kept = Kept(writer)
    writer.program.log.write_text("ERROR: again\n" * 500)

    tell_errors(kept)
    with open(writer.program.log, "a") as log:
        log.write("ERROR: and again\n")
    tell_errors(kept)

    told = capsys.readouterr().out.splitlines()
    assert told == [f"[child] ERROR: again (and 499 more); log: {writer.program.log}"]


def test_a_full_disk_in_a_log_is_said_plainly(tmp_path, capsys):
    writer = child(tmp_path, "")
    writer.program.log.write_text("could not extend file: No space left on device\n")

    tell_errors(Kept(writer))

    assert "[child] the disk is full; make room" in capsys.readouterr().out
