"""The whole of `manage.py up`, in processes of its own, on a data folder of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from backend.launcher.identity import identify
from backend.launcher.places import CHECKOUT, Data
from backend.launcher.services import NOT_FOR_TESTS
from backend.launcher.up import address, parse_up, programs, with_weights

READY = re.compile(r"Masklet is ready after [\d.]+ s:\s+(\S+)")


@dataclass
class Up:
    process: subprocess.Popen[str]
    said: str
    url: str

    def finish(self) -> str:
        self.said += self.process.communicate(timeout=60)[0]
        return self.said


def surroundings(data: Data) -> dict[str, str]:
    outside = {name: value for name, value in os.environ.items() if name not in NOT_FOR_TESTS}
    # This test runs where everything is installed already.
    return {**outside, "MASKLET_DATA": str(data.folder), "MASKLET_NO_VENV": "1"}


def manage(data: Data, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=CHECKOUT,
        env=surroundings(data),
        capture_output=True,
        text=True,
        timeout=120,
    )


@contextmanager
def running(data: Data) -> Iterator[Up]:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "up", "--port", "0", "--no-demo"],
        cwd=CHECKOUT,
        env=surroundings(data),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said = ""
    assert process.stdout is not None
    try:
        for line in process.stdout:
            said += line
            if ready := READY.search(line):
                break
        else:
            pytest.fail(f"up ended (exit status {process.wait()}):\n{said}")
        yield Up(process, said, ready[1])
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


def count_projects(data: Data) -> str:
    code = "from backend.projects.models import Project as P; print(P.objects.count())"
    return manage(data, "shell", "-v", "0", "-c", code).stdout.strip()


def test_nothing_is_lost_and_nothing_left_when_the_launcher_is_killed(data: Data):
    with running(data) as up:
        assert urllib.request.urlopen(f"{up.url}/readyz").status == 200
        made = manage(
            data, "shell", "-v", "0", "-c",
            "from backend.projects.actions import create_project; create_project('Kept')",
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        assert "Starting" not in made.stderr  # it used the services that run
        children = {
            path.stem: json.loads(path.read_text())["pid"] for path in data.processes.iterdir()
        }
        assert children.keys() == {"postgres", "valkey", "web", "worker", "model", "engine", "beat"}

        again = manage(data, "up")
        assert again.returncode == 0
        assert f"runs already: {up.url}" in again.stdout

        up.process.kill()
        up.finish()

    with running(data) as up:
        assert count_projects(data) == "1"
        assert not [name for name, pid in children.items() if identify(pid)]

        up.process.send_signal(signal.SIGINT)
        said = up.finish()

    assert up.process.returncode == 0
    assert "Stopped. Nothing is lost" in said
    assert list(data.processes.iterdir()) == []
    assert not data.running.exists()
    # And a command alone starts the database for itself, and stops it.
    assert count_projects(data) == "1"
    assert list(data.processes.iterdir()) == []


def test_a_taken_port_is_one_line_and_a_failure(data: Data):
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        refused = manage(data, "up", "--port", str(port))

    assert refused.returncode == 1
    assert refused.stderr.strip().splitlines() == [
        f"masklet: port {port} is taken by another program: stop it, or choose another port with "
        "--port (0 takes any free one)"
    ]


def test_a_browser_on_this_machine_gets_an_address_that_it_can_open():
    assert address("127.0.0.1", 8000) == "http://127.0.0.1:8000"
    assert address("0.0.0.0", 80) == "http://127.0.0.1:80"
    assert address("::1", 8000) == "http://[::1]:8000"
    assert address("box.local", 8000) == "http://box.local:8000"


def test_what_was_asked_for_is_read_from_the_command_line():
    asked = parse_up(["--port", "0", "--no-demo"])

    assert (asked.host, asked.port, asked.model, asked.demo) == ("127.0.0.1", 0, None, False)


def test_weights_are_a_file_and_need_pytorch(tmp_path, capsys):
    path = tmp_path / "own.safetensors"
    with pytest.raises(SystemExit):
        parse_up(["--model", str(path)])
    assert "there is no file" in capsys.readouterr().err
    path.touch()

    asked = parse_up(["--model", str(path)])

    assert asked.model == str(path)
    assert parse_up(["--model", "nano"]).model == "nano"
    assert with_weights(asked, {})
    assert with_weights(parse_up([]), {"MASKLET_PREDICTOR": "/weights.pth"})


def test_the_small_model_answers_unless_geometry_is_asked_for():
    by_name = parse_up(["--model", "geometric"])

    assert with_weights(parse_up([]), {})
    assert not with_weights(parse_up([]), {"MASKLET_PREDICTOR": "geometric"})
    assert not with_weights(by_name, {"MASKLET_PREDICTOR": "/weights.pth"})
    assert by_name.model == "geometric"


def test_only_the_model_worker_loads_the_model(data: Data):
    by_name = {program.name: program.command for program in programs(data, {}, 3)}

    with_model = [name for name, words in by_name.items() if "backend.predictions.worker" in words]
    assert with_model == ["model"]
    assert by_name["model"][by_name["model"].index("-P") + 1] == "solo"
