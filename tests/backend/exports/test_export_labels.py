"""manage.py export_labels: whole or not at all, with one clear line when it cannot be."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from backend.exports.formats import FORMATS
from inference.datasets.native import read_scene
from tests.backend.exports.labelling import Labelled, accept
from tests.builders import build_project, build_scene, build_stored_scene


def test_a_scene_is_exported_by_name_to_a_folder(labelled: Labelled, tmp_path: Path):
    accept(labelled)

    call_command("export_labels", "a short street", str(tmp_path / "out"), format="native")

    assert len(read_scene(tmp_path / "out").frames) == 3
    assert [path.name for path in tmp_path.iterdir() if "arriving" in path.name] == []


def test_a_scene_is_exported_by_id_to_a_zip_file(labelled: Labelled, tmp_path: Path):
    out = tmp_path / "new folder" / "out.zip"

    call_command(
        "export_labels", str(labelled.scene.pk), str(out), format="waymo-4dseg",
        include_unreviewed=True,
    )  # fmt: skip

    assert b"UNREVIEWED" in zipfile.ZipFile(out).read("README.txt")


def test_with_readings_the_images_come_too(labelled: Labelled, tmp_path: Path):
    accept(labelled)
    out = tmp_path / "out"

    call_command("export_labels", "a short street", str(out), format="native", with_readings=True)

    assert len(list(out.rglob("*.jpg"))) == 3


def test_unreviewed_scenes_stop_it(labelled: Labelled, tmp_path: Path):
    with pytest.raises(CommandError, match="not accepted yet: a short street"):
        call_command("export_labels", "a short street", str(tmp_path / "out"), format="native")

    assert list(tmp_path.glob("*out*")) == []


def test_an_unknown_scene_is_answered_with_those_that_exist(labelled: Labelled, tmp_path: Path):
    with pytest.raises(CommandError, match=r"no scene 'nowhere'; there are \d+ 'a short street'"):
        call_command("export_labels", "nowhere", str(tmp_path / "out"), format="native")


def test_a_name_that_two_scenes_have_is_not_guessed(labelled: Labelled, tmp_path: Path):
    build_stored_scene(build_project("elsewhere"), build_scene(1))

    with pytest.raises(CommandError, match="several scenes are called 'a short street'"):
        call_command("export_labels", "a short street", str(tmp_path / "out"), format="native")


def test_what_is_there_is_never_overwritten(labelled: Labelled, tmp_path: Path):
    (tmp_path / "out").write_text("precious")

    with pytest.raises(CommandError, match="exists already"):
        call_command("export_labels", "a short street", str(tmp_path / "out"), format="native")

    assert (tmp_path / "out").read_text() == "precious"


@pytest.mark.parametrize("name", FORMATS)
def test_a_scene_without_labels_can_be_exported(name: str, tmp_path: Path, db: None):
    scene = build_stored_scene(build_project(), build_scene(1))

    call_command(
        "export_labels", str(scene.pk), str(tmp_path / "out"), format=name,
        include_unreviewed=True,
    )  # fmt: skip

    assert (tmp_path / "out" / "manifest.json").is_file()
