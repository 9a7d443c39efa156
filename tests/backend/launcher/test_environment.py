from __future__ import annotations

import sys
from pathlib import Path

import pytest

from backend.launcher import environment
from backend.launcher.environment import Stamp, ensure_installed, enter, wanted_stamp
from backend.launcher.refusals import CannotGoOn


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / ".venv").mkdir(parents=True)
    (folder / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.7\n")
    (folder / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    return folder


def stamp(checkout: Path, *extras: str) -> Stamp:
    return wanted_stamp(checkout, checkout / ".venv", extras)


def test_an_unchanged_checkout_needs_nothing(checkout: Path):
    assert stamp(checkout, "worker").covers(stamp(checkout, "worker"))


def test_more_extras_than_needed_are_enough_but_not_fewer(checkout: Path):
    assert stamp(checkout, "worker", "test").covers(stamp(checkout, "worker"))
    assert not stamp(checkout, "worker").covers(stamp(checkout, "worker", "test"))


def test_another_dependency_makes_it_out_of_date(checkout: Path):
    filled = stamp(checkout, "worker")

    (checkout / "pyproject.toml").write_text("[project]\nname = 'x'\ndependencies = ['y']\n")

    assert not filled.covers(stamp(checkout, "worker"))


def test_another_python_makes_it_out_of_date(checkout: Path):
    filled = stamp(checkout, "worker")

    (checkout / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.12.1\n")

    assert not filled.covers(stamp(checkout, "worker"))


def test_a_checkout_that_was_moved_is_installed_again(checkout: Path):
    filled = stamp(checkout, "worker")

    moved = checkout.rename(checkout.with_name("elsewhere"))

    assert not filled.covers(stamp(moved, "worker"))


def test_a_stamp_is_read_as_it_was_written(checkout: Path):
    filled = stamp(checkout, "worker", "test")
    filled.write(checkout / "stamp.json")

    assert Stamp.read(checkout / "stamp.json") == filled


@pytest.mark.parametrize("text", ["", "null", '{"source": 1', '{"extras": []}'])
def test_a_stamp_that_cannot_be_read_covers_nothing(checkout: Path, text: str):
    (checkout / "stamp.json").write_text(text)

    assert not Stamp.read(checkout / "stamp.json").covers(stamp(checkout))


def test_what_was_installed_before_stays_when_more_is_asked(checkout: Path):
    assert stamp(checkout, "test").joined(stamp(checkout, "worker")).extras == {"test", "worker"}


def test_a_start_with_a_current_stamp_runs_nothing(checkout: Path, monkeypatch):
    _pretend(checkout, monkeypatch)
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    stamp(checkout, "worker").write(checkout / ".venv" / "masklet.json")
    monkeypatch.setattr(environment, "run_step", lambda *_, **__: pytest.fail("ran something"))

    ensure_installed(frozenset({"worker"}))


def test_an_environment_is_made_filled_and_stamped(checkout: Path, monkeypatch):
    ran: list[list[str]] = []
    _pretend(checkout, monkeypatch)
    monkeypatch.setattr(
        environment, "run_step", lambda what, command, **_: ran.append([*map(str, command)])
    )

    (checkout / "pyproject.toml").write_text("[project]\noptional-dependencies = {worker = []}")
    ensure_installed(frozenset({"worker"}))

    assert ran[0][1:] == ["-m", "venv", str(checkout / ".venv")]
    assert ran[1][-2:] == ["-e", f"{checkout}[worker]"]
    assert Stamp.read(checkout / ".venv" / "masklet.json") == stamp(checkout, "worker")


def test_a_python_without_venv_gets_one_line_that_says_what_to_install(checkout, monkeypatch):
    _pretend(checkout, monkeypatch)
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(CannotGoOn, match=r"apt install python3\.\d+-venv"):
        ensure_installed(frozenset())


def test_too_little_room_is_said_before_anything_is_installed(checkout: Path, monkeypatch):
    _pretend(checkout, monkeypatch)
    monkeypatch.setattr(environment, "INSTALL_NEEDS_MB", 10**12)

    with pytest.raises(CannotGoOn, match=r"nearly full: \d+ MB free"):
        ensure_installed(frozenset())


def test_an_image_with_everything_in_it_makes_no_environment(monkeypatch):
    monkeypatch.setattr(environment, "ensure_installed", lambda _: pytest.fail("made one"))

    enter({"worker"}, environment={"MASKLET_NO_VENV": "1"})


def test_an_unknown_extra_is_refused_with_those_that_exist():
    with pytest.raises(CannotGoOn, match=r"no such extra modle; there are .*model"):
        enter(set(), environment={"MASKLET_EXTRAS": "modle"})


def _pretend(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "CHECKOUT", checkout)
    monkeypatch.setattr(environment, "VENV", checkout / ".venv")
    monkeypatch.setattr(environment, "INSTALL_NEEDS_MB", 0)
