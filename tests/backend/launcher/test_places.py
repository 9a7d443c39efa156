from __future__ import annotations

import stat
from pathlib import Path

import pytest

from backend.launcher.places import Data, kept_secret, require_space, write_private
from backend.launcher.refusals import CannotGoOn


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_secret_is_made_once_and_readable_by_its_owner_only(tmp_path: Path):
    first = kept_secret(tmp_path / "secret_key")

    assert len(first) >= 32
    assert kept_secret(tmp_path / "secret_key") == first
    assert mode(tmp_path / "secret_key") == 0o600
    assert kept_secret(tmp_path / "another") != first


def test_a_private_file_is_private_whatever_it_replaces(tmp_path: Path):
    path = tmp_path / "up.json"
    path.write_text("old")
    path.chmod(0o644)

    write_private(path, "new")

    assert path.read_text() == "new"
    assert mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_data_folder_is_where_the_environment_says(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("MASKLET_DATA", str(tmp_path / "d"))

    assert Data.of_environment().folder == tmp_path / "d"


def test_a_disk_that_is_nearly_full_is_named_with_what_is_needed(tmp_path: Path):
    require_space(tmp_path / "not" / "there" / "yet", 0, what="nothing")

    with pytest.raises(CannotGoOn, match=r"nearly full: \d+ MB free, the demo needs 1000000000000"):
        require_space(tmp_path / "not" / "there" / "yet", 10**12, what="the demo")
