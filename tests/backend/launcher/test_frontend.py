from __future__ import annotations

from pathlib import Path

import pytest

from backend.launcher import frontend
from backend.launcher.frontend import build_frontend, digest_of, is_built, is_new_enough


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ("v18.20.4", False),
        ("v20.18.0", False),
        ("v20.19.0\n", True),
        ("v21.7.0", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.19.0", True),
        ("v23.0.0-nightly", True),
        ("", False),
        ("node: not found", False),
    ],
)
def test_node_must_be_one_that_vite_runs_on(version: str, enough: bool):
    assert is_new_enough(version) is enough


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    (tmp_path / "src" / "deep").mkdir(parents=True)
    (tmp_path / "src" / "main.ts").write_text("a")
    (tmp_path / "src" / "deep" / "part.ts").write_text("b")
    (tmp_path / "package-lock.json").write_text("{}")
    return tmp_path


NAMES = ["src", "package-lock.json", "absent.json"]


def test_the_digest_follows_contents_and_names_and_nothing_else(sources: Path):
    before = digest_of(sources, NAMES)

    (sources / "README.md").write_text("not a source")
    (sources / "src" / "main.ts").touch()
    assert digest_of(sources, NAMES) == before

    (sources / "src" / "deep" / "part.ts").write_text("c")
    changed = digest_of(sources, NAMES)
    assert changed != before

    (sources / "src" / "deep" / "part.ts").rename(sources / "src" / "deep" / "other.ts")
    assert digest_of(sources, NAMES) not in {before, changed}


def test_pages_are_built_once_and_again_when_a_source_changes(sources: Path, monkeypatch):
    builds: list[str] = []
    monkeypatch.setattr(frontend, "FRONTEND", sources)
    monkeypatch.setattr(frontend, "BUILT", sources / "dist")
    monkeypatch.setattr(frontend, "install_packages", lambda: frontend.Node(("npm",), {}))

    def build(what: str, command: list[str], **_: object) -> None:
        (sources / "dist").mkdir(exist_ok=True)
        (sources / "dist" / "index.html").write_text("built")
        builds.append(what)

    monkeypatch.setattr(frontend, "run_step", build)
    (sources / "package.json").write_text("{}")

    build_frontend()
    build_frontend()
    assert len(builds) == 1

    (sources / "src" / "main.ts").write_text("changed")
    assert not is_built()
    build_frontend()
    assert len(builds) == 2

    (sources / "dist" / "index.html").unlink()
    assert not is_built()


def test_a_build_that_was_broken_off_is_not_taken_for_a_whole_one(sources: Path, monkeypatch):
    monkeypatch.setattr(frontend, "FRONTEND", sources)
    monkeypatch.setattr(frontend, "BUILT", sources / "dist")
    monkeypatch.setattr(frontend, "install_packages", lambda: frontend.Node(("npm",), {}))
    (sources / "dist").mkdir()
    (sources / "dist" / "index.html").write_text("old")
    (sources / "dist" / "build.stamp").write_text(digest_of(sources, frontend.SOURCES))
    (sources / "package.json").write_text("{}")  # a source changes, so it is built again

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(frontend, "run_step", killed)
    with pytest.raises(KeyboardInterrupt):
        build_frontend()

    (sources / "package.json").unlink()  # back to what the old stamp said
    assert not is_built()
