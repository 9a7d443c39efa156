"""Finding a scene of Masklet's own format, and its sweeps as tables.

What is inside is tested where it is written: tests/backend/exports/test_native.py.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from inference.datasets import native, native_layout
from inference.datasets.native import read_scene
from inference.scene import BadScene, Sweep
from tests.builders import build_sweep


def test_what_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(BadScene, match="nowhere does not exist"):
        read_scene(tmp_path / "nowhere")


def test_a_folder_and_a_file_of_something_else_are_told_apart(tmp_path: Path):
    (tmp_path / "text.zip").write_text("not a zip file")

    with pytest.raises(BadScene, match=r"text\.zip: not a zip file"):
        read_scene(tmp_path / "text.zip")
    with pytest.raises(BadScene, match=r"no scene\.json in it"):
        read_scene(tmp_path)


def test_an_export_of_several_scenes_asks_for_one(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "scene.json").write_text("{}")

    with pytest.raises(BadScene, match=r"holds 2 scenes \(one, two\)"):
        read_scene(tmp_path)


def test_a_file_that_unpacks_to_more_than_we_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(native, "MAX_FILE_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("scene.json", b" " * 1_000_000)

    with pytest.raises(BadScene, match=r"scene\.json is larger than 1000 bytes"):
        read_scene(tmp_path / "bomb.zip")


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\x", "FRONT", "a/b", "", "ü"])
def test_a_sensor_s_folder_is_below_the_scene_whatever_it_is_called(name: str):
    folder = native_layout.reading_folder(3, name)

    assert Path(folder).parent == Path("readings")
    assert Path(folder).name.startswith("03_")
    assert ".." not in folder


def test_two_sensors_never_share_a_folder():
    assert native_layout.reading_folder(0, "a b") != native_layout.reading_folder(1, "a/b")


@pytest.mark.parametrize(
    "sweep",
    [
        build_sweep(),
        build_sweep(points=40),
        Sweep(np.zeros((0, 3), np.float32), np.zeros(0, np.float32), timestamp_us=5),
        Sweep(np.array([[np.nan, np.inf, -0.0]], np.float32), np.array([1e-45], np.float32), 5),
    ],
    ids=["all columns", "only a car", "empty", "odd numbers"],
)
def test_a_sweep_comes_back_from_its_table_bit_for_bit(sweep: Sweep):
    back = native_layout.sweep_from_table(
        native_layout.table_from_sweep(sweep), timestamp_us=sweep.timestamp_us
    )

    for name, array in vars(sweep).items():
        found = getattr(back, name)
        if isinstance(array, np.ndarray):
            assert (found.dtype, found.shape) == (array.dtype, array.shape), name
            assert found.tobytes() == array.tobytes(), name
        else:
            assert found == array, name
