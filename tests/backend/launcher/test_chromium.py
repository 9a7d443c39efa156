from __future__ import annotations

from pathlib import Path

import pytest

from backend.launcher import chromium as module
from backend.launcher.chromium import Chromium, find_chromium
from backend.launcher.refusals import CannotGoOn


@pytest.fixture
def browser(tmp_path: Path) -> Path:
    path = tmp_path / "chromium"
    path.write_text("#!/bin/sh\necho Chromium 1\n")
    path.chmod(0o755)
    return path


def test_the_browser_that_was_chosen_comes_first(monkeypatch, browser: Path):
    monkeypatch.setenv("CHROMIUM", str(browser))

    assert find_chromium().variables == {"CHROMIUM": str(browser)}


def test_a_chosen_browser_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")

    with pytest.raises(CannotGoOn, match="CHROMIUM=/nowhere/chromium"):
        find_chromium()


def test_then_the_systems_own(monkeypatch, browser: Path):
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(browser.parent))

    assert find_chromium() == Chromium(str(browser))


def test_then_playwrights_and_last_the_one_from_npm(monkeypatch, browser: Path, tmp_path: Path):
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    fetched = Chromium("fetched")
    monkeypatch.setattr(module, "_from_npm", lambda: fetched)

    monkeypatch.setattr(module, "_playwrights_own", lambda: Chromium(str(browser)))
    assert find_chromium() == Chromium(str(browser))

    monkeypatch.setattr(module, "_playwrights_own", lambda: None)
    assert find_chromium() is fetched


def test_a_browser_that_lacks_a_library_is_refused_with_its_name(tmp_path: Path):
    broken = tmp_path / "chromium"
    broken.write_text(
        "#!/bin/sh\necho 'error while loading shared libraries: libnss3.so: cannot open shared "
        "object file: No such file or directory' >&2\nexit 127\n"
    )
    broken.chmod(0o755)

    with pytest.raises(CannotGoOn, match=r"system library libnss3\.so is missing"):
        module._with_libraries(str(broken), tmp_path)


def test_libraries_are_looked_for_before_the_systems(monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", "/system")

    assert Chromium("c", "/own").variables["LD_LIBRARY_PATH"] == "/own:/system"
