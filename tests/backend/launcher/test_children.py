from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from backend.launcher.children import Child, Program, rotate, tail
from backend.launcher.identity import Record, identify
from backend.launcher.places import CHECKOUT


def eventually(true) -> bool:
    until = monotonic() + 10
    while not true():
        if monotonic() > until:
            return False
        sleep(0.02)
    return True


@pytest.fixture
def start(tmp_path: Path) -> Iterator:
    children: list[Child] = []

    def start(code: str, **options) -> Child:
        program = Program("child", (sys.executable, "-c", code), tmp_path / "child.log", **options)
        child = Child(program, Record(tmp_path / "processes"))
        child.start()
        children.append(child)
        assert eventually(lambda: "up" in tail(program.log) or not child.runs)
        return child

    yield start
    for child in children:
        child.kill()


SLEEPS = "import time; print('up', flush=True); time.sleep(60)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPS
# Says the number of a process of its own that outlives it unless somebody ends it too.
HAS_CHILD = (
    "import subprocess, sys, time\n"
    "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "print('up', p.pid, flush=True)\n"
    "time.sleep(60)"
)


def test_a_child_stops_when_asked(start):
    child = start(SLEEPS)

    child.stop()

    assert child.exit_status() == -signal.SIGTERM


def test_a_child_that_does_not_listen_gets_the_next_signal(start):
    child = start(DEAF, stopping=((signal.SIGTERM, 0.2), (signal.SIGINT, 5.0)))

    child.stop()

    assert child.exit_status() not in {None, -signal.SIGTERM, -signal.SIGKILL}


def test_a_child_that_listens_to_nothing_is_killed(start):
    child = start(DEAF, stopping=((signal.SIGTERM, 0.2),))

    child.stop()

    assert child.exit_status() == -signal.SIGKILL


def test_what_a_killed_child_had_started_goes_with_it(start):
    child = start(HAS_CHILD)
    grandchild = int(tail(child.program.log).split()[1])
    assert identify(grandchild) is not None

    assert child.process is not None
    child.process.kill()

    assert eventually(lambda: not child.runs)
    assert eventually(lambda: identify(grandchild) is None)


def test_a_running_child_is_on_record_and_an_ended_one_is_not(start, tmp_path: Path):
    child = start(SLEEPS)
    record = Record(tmp_path / "processes")

    assert [name for name, _ in record.left()] == ["child"]
    child.stop()

    assert list((tmp_path / "processes").iterdir()) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has a death signal")
def test_children_die_with_a_launcher_that_is_killed(spawn, tmp_path: Path):
    launcher = spawn(
        f"import sys, time; sys.path.insert(0, {str(CHECKOUT)!r})\n"
        "from pathlib import Path\n"
        "from backend.launcher.children import Child, Program\n"
        "from backend.launcher.identity import Record\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "program = Program('child', (sys.executable, '-c', 'import time; time.sleep(60)'), "
        "folder / 'log')\n"
        "child = Child(program, Record(folder / 'processes')); child.start()\n"
        "print('up', flush=True); time.sleep(60)"
    )
    ((_, child),) = Record(tmp_path / "processes").left()

    launcher.kill()

    assert eventually(lambda: identify(child.pid) is None)


def test_logs_are_rotated_and_only_the_last_few_kept(tmp_path: Path):
    log = tmp_path / "web.log"
    for start in range(6):
        rotate(log)
        log.write_text(f"start {start}")

    assert log.read_text() == "start 5"
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["web.log", "web.log.1", "web.log.2", "web.log.3"]
    assert (tmp_path / "web.log.1").read_text() == "start 4"
    assert (tmp_path / "web.log.3").read_text() == "start 2"


def test_the_tail_of_a_log_is_its_end(tmp_path: Path):
    (tmp_path / "log").write_text("a" * 100 + "end")

    assert tail(tmp_path / "log", 5) == "aaend"
    assert tail(tmp_path / "absent") == ""
