"""`manage.py test` and `manage.py lint`: every part runs, whatever became of the one before."""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from backend.launcher.chromium import find_chromium
from backend.launcher.environment import python_here
from backend.launcher.frontend import FRONTEND, build_frontend, install_packages
from backend.launcher.places import CHECKOUT, require_space
from backend.launcher.progress import say
from backend.launcher.refusals import CannotGoOn
from backend.launcher.services import throw_away_services

BROWSER_TESTS = CHECKOUT / "tests" / "browser"
NO_TESTS_COLLECTED = 5


@dataclass(frozen=True)
class Asked:
    quick: bool
    pytest: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    part: str
    verdict: str  # "passed", "FAILED" or why it did not run
    seconds: float

    @property
    def is_failure(self) -> bool:
        return self.verdict.startswith("FAILED")


def parse_test(rest: list[str]) -> Asked:
    parser = argparse.ArgumentParser(
        prog="manage.py test",
        description="Check and test everything, on services of its own that are thrown away.",
        epilog="What follows -- goes to pytest.",
    )
    parser.add_argument("--quick", action="store_true", help="lint and unit tests only")
    ours, theirs = rest, []
    if "--" in rest:
        ours, theirs = rest[: rest.index("--")], rest[rest.index("--") + 1 :]
    return Asked(parser.parse_args(ours).quick, tuple(theirs))


def lint(rest: list[str]) -> int:
    """Exit status: 1 when a part failed."""
    parser = argparse.ArgumentParser(
        prog="manage.py lint", description="ruff, mypy, import contracts, tsc and biome."
    )
    parser.parse_args(rest)
    checks = Checks(_settings_for_lint())
    checks.lint_python()
    checks.lint_frontend()
    return checks.summary()


def test(asked: Asked) -> int:
    """Exit status: 1 when a part failed. Raises CannotGoOn when the services do not start."""
    require_space(Path(tempfile.gettempdir()), 500, what="the tests")
    # As root, PostgreSQL runs as nobody, who must be able to reach its data.
    with tempfile.TemporaryDirectory(prefix="masklet-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        with throw_away_services(Path(folder)) as settings:
            checks = Checks(settings)
            checks.lint_python()
            checks.test_python(asked.pytest, quick=asked.quick)
            checks.test_frontend()
            checks.lint_frontend()
            if not asked.quick:
                checks.test_browser(asked.pytest)
    return checks.summary()


def _settings_for_lint() -> dict[str, str]:
    """mypy loads the settings; nothing is connected to."""
    key = os.environ.get("MASKLET_SECRET_KEY") or "for-one-command-only-" * 3
    return {**os.environ, "MASKLET_SECRET_KEY": key}


class Checks:
    """The parts that ran so far, and how they ended."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = dict(settings)
        self._outcomes: list[Outcome] = []

    def lint_python(self) -> None:
        python = str(python_here())
        scripts = python_here().parent
        self._run("ruff", [python, "-m", "ruff", "check", "."])
        self._run("format", [python, "-m", "ruff", "format", "--check", "."])
        self._run("mypy", [python, "-m", "mypy"])
        self._run("import contracts", [str(scripts / "lint-imports")])

    def test_python(self, extra: Sequence[str], *, quick: bool) -> None:
        left_out = ["--ignore=tests/browser"]
        if quick:
            left_out += [
                "--ignore=tests/flows",
                "--ignore=tests/backend/launcher",
                "-m",
                "not slow",
            ]
        self._run("pytest", [str(python_here()), "-m", "pytest", "-q", *left_out, *extra])

    def test_frontend(self) -> None:
        self._npm("vitest", "test")

    def lint_frontend(self) -> None:
        self._npm("tsc and biome", "lint")

    def test_browser(self, extra: Sequence[str]) -> None:
        """In a process of its own: Playwright and asyncio tests cannot share one."""
        part = "browser"
        if not BROWSER_TESTS.is_dir():
            self._note(part, "absent (no tests/browser)")
            return
        try:
            build_frontend()
            chromium = find_chromium()
        except CannotGoOn as refusal:
            self._note(part, f"FAILED: {refusal}")
            return
        command = [str(python_here()), "-m", "pytest", "-q", "tests/browser", *extra]
        variables = {**chromium.variables, "DJANGO_ALLOW_ASYNC_UNSAFE": "1"}
        self._run(part, command, variables=variables, nothing_chosen_is_fine=bool(extra))

    def _npm(self, part: str, script: str) -> None:
        if not (FRONTEND / "package.json").exists():
            self._note(part, "absent (no frontend/package.json)")
            return
        try:
            node = install_packages()
        except CannotGoOn as refusal:
            self._note(part, f"FAILED: {refusal}")
            return
        self._run(
            part,
            [*node.npm, "run", "--silent", script],
            cwd=FRONTEND,
            variables=node.variables,
        )

    def _run(
        self,
        part: str,
        command: Sequence[str],
        *,
        cwd: Path = CHECKOUT,
        variables: Mapping[str, str] | None = None,
        nothing_chosen_is_fine: bool = False,
    ) -> None:
        say(f"\n--- {part}")
        began = monotonic()
        environment = {**self._settings, **(variables or {})}
        try:
            status = subprocess.run(command, cwd=cwd, env=environment).returncode
        except FileNotFoundError:
            self._note(part, f"FAILED: {command[0]} is not installed", monotonic() - began)
            return
        if status == NO_TESTS_COLLECTED and nothing_chosen_is_fine:
            self._note(part, "no test chosen", monotonic() - began)
            return
        verdict = "passed" if status == 0 else f"FAILED (exit status {status})"
        self._note(part, verdict, monotonic() - began)

    def _note(self, part: str, verdict: str, seconds: float = 0.0) -> None:
        self._outcomes.append(Outcome(part, verdict, seconds))

    def summary(self) -> int:
        """Print the table; 1 when a part failed."""
        say("\n" + table(self._outcomes))
        return int(any(outcome.is_failure for outcome in self._outcomes))


def table(outcomes: Sequence[Outcome]) -> str:
    width = max([len(outcome.part) for outcome in outcomes], default=4)
    rows = [
        f"{outcome.part:<{width}}  {outcome.seconds:>7.1f} s  {outcome.verdict}"
        for outcome in outcomes
    ]
    failed = sum(outcome.is_failure for outcome in outcomes)
    end = f"{failed} of {len(outcomes)} parts failed" if failed else "everything passed"
    return "\n".join([*rows, end])
