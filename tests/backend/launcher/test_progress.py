from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import pytest

from backend.launcher.progress import run_step
from backend.launcher.refusals import CannotGoOn


@pytest.fixture(autouse=True)
def _kept_output_goes_with_the_test(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_step_is_one_line_with_its_seconds(capsys, tmp_path: Path):
    output = run_step("Counting", python("print('one'); print('two')"), cwd=tmp_path)

    assert output == "one\ntwo\n"
    assert re.fullmatch(r"Counting \.\.\. \d+\.\d s\n", capsys.readouterr().out)


def test_what_a_step_reads_and_its_environment_are_passed_on(tmp_path: Path):
    code = "import os, sys; print(os.environ['NAME'], sys.stdin.read())"

    output = run_step("x", python(code), cwd=tmp_path, environment={"NAME": "n"}, input_text="t")

    assert output == "n t\n"


def test_a_step_that_fails_tells_why_in_one_line_and_keeps_its_output(tmp_path: Path):
    code = "print('fine so far'); raise SystemExit('ERROR: no such package')"

    with pytest.raises(CannotGoOn) as refused:
        run_step("Installing", python(code), cwd=tmp_path)

    line = str(refused.value)
    assert line.startswith("Installing: ERROR: no such package (its whole output: ")
    assert "\n" not in line
    kept = Path(line.rpartition(": ")[2].rstrip(")"))
    assert kept.read_text() == "fine so far\nERROR: no such package\n"


def test_a_full_disk_is_recognised_in_the_output_of_a_step(tmp_path: Path):
    code = "raise OSError(28, 'No space left on device')"

    with pytest.raises(CannotGoOn, match="Installing: the disk is full"):
        run_step("Installing", python(code), cwd=tmp_path)
