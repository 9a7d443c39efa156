"""Only what really lies below an import root can be seen or imported."""

from __future__ import annotations

import pytest

from backend.imports.folders import OutsideRoots, contained, entries, refuse_links_below


@pytest.fixture
def root(settings, tmp_path):
    root = (tmp_path / "recordings").resolve()
    (root / "drive" / "camera_image").mkdir(parents=True)
    (root / "drive" / "camera_image" / "a.parquet").write_bytes(b"PAR1")
    (root / "a.tfrecord").write_bytes(b"12345")
    (root / ".hidden").write_bytes(b"")
    (tmp_path / "recordings-secret").mkdir()
    (tmp_path / "recordings-secret" / "key").write_text("secret")
    settings.IMPORT_ROOTS = [root]
    return root


def test_folders_come_first_and_hidden_names_not_at_all(root):
    assert [(entry.name, entry.is_folder, entry.size) for entry in entries(root)] == [
        ("drive", True, 0),
        ("a.tfrecord", False, 5),
    ]


def test_what_lies_below_a_root_is_contained(root):
    assert contained(str(root)) == root
    assert contained(str(root / "drive")) == root / "drive"


@pytest.mark.parametrize(
    "path",
    ["{root}/..", "{root}/../recordings-secret/key", "{root}-secret/key", "/etc/passwd", "/",
     "drive", "", "{root}/drive/../../recordings-secret", "{root}/a\0b"],
)  # fmt: skip
def test_what_lies_elsewhere_is_refused(root, path):
    with pytest.raises(OutsideRoots):
        contained(path.format(root=root))


def test_nothing_is_contained_without_roots(root, settings):
    settings.IMPORT_ROOTS = []

    with pytest.raises(OutsideRoots, match="not below an import root"):
        contained(str(root))


def test_links_are_neither_listed_nor_followed(root):
    (root / "out").symlink_to(root.parent / "recordings-secret")
    (root / "file").symlink_to(root.parent / "recordings-secret" / "key")
    (root / "inside").symlink_to(root / "drive")

    assert [entry.name for entry in entries(root)] == ["drive", "a.tfrecord"]
    for path in ("out", "out/key", "file", "inside"):
        with pytest.raises(OutsideRoots, match="link"):
            contained(str(root / path))


def test_a_recording_that_holds_a_link_is_refused(root):
    refuse_links_below(root / "drive")
    (root / "drive" / "camera_image" / "b.parquet").symlink_to("/etc/passwd")

    with pytest.raises(OutsideRoots, match="is a link"):
        refuse_links_below(root / "drive")


def test_a_path_that_does_not_exist_is_named(root):
    with pytest.raises(OutsideRoots, match="does not exist"):
        contained(str(root / "nothing"))
