from __future__ import annotations

import sys

import pytest

from backend.launcher import checks as module
from backend.launcher.checks import Checks, Outcome, parse_test, table


def test_a_failing_part_does_not_stop_the_others_and_fails_the_whole(capsys):
    checks = Checks({})
    checks._run("first", [sys.executable, "-c", "raise SystemExit(3)"])
    checks._run("second", [sys.executable, "-c", "print('ran')"])

    assert checks.summary() == 1

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[-3:-1]] == ["first", "second"]
    assert lines[-3].endswith("FAILED (exit status 3)")
    assert lines[-2].endswith("passed")
    assert lines[-1] == "1 of 2 parts failed"


def test_all_parts_passing_is_a_success(capsys):
    checks = Checks({})
    checks._run("only", [sys.executable, "-c", ""])

    assert checks.summary() == 0
    assert capsys.readouterr().out.endswith("everything passed\n")


def test_a_tool_that_is_not_there_is_a_failure():
    checks = Checks({})
    checks._run("tool", ["/nowhere/tool"])

    assert checks.summary() == 1


def test_tests_that_do_not_exist_yet_are_said_to_be_absent(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(module, "BROWSER_TESTS", tmp_path / "browser")
    monkeypatch.setattr(module, "FRONTEND", tmp_path / "frontend")
    checks = Checks({})
    checks.test_browser([])
    checks.test_frontend()

    assert checks.summary() == 0
    assert "absent (no tests/browser)" in capsys.readouterr().out


def test_no_browser_is_a_failure_and_not_a_skip(monkeypatch, tmp_path):
    def refuse() -> None:
        raise module.CannotGoOn("no Chromium")

    monkeypatch.setattr(module, "BROWSER_TESTS", tmp_path)
    monkeypatch.setattr(module, "build_frontend", lambda: None)
    monkeypatch.setattr(module, "find_chromium", refuse)
    checks = Checks({})
    checks.test_browser([])

    assert checks.summary() == 1


@pytest.mark.parametrize(
    ("words", "quick", "pytest_words"),
    [
        ([], False, ()),
        (["--quick"], True, ()),
        (["--quick", "--", "-k", "pose", "--quick"], True, ("-k", "pose", "--quick")),
    ],
)
def test_what_follows_two_dashes_goes_to_pytest(words, quick, pytest_words):
    asked = parse_test(words)

    assert (asked.quick, asked.pytest) == (quick, pytest_words)


def test_the_table_has_a_line_for_each_part():
    shown = table([Outcome("ruff", "passed", 1.26), Outcome("import contracts", "FAILED", 10.0)])

    assert shown.splitlines() == [
        "ruff                  1.3 s  passed",
        "import contracts     10.0 s  FAILED",
        "1 of 2 parts failed",
    ]
