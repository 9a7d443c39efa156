"""python -m inference.datasets, as somebody types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from inference.datasets import detect_format
from inference.datasets.__main__ import main
from tests.inference.datasets import waymo_builder as build


def drive(path: Path, name: str = build.CONTEXT, frames: int = 2) -> Path:
    stated = build.context(name)
    return build.write(path, [build.frame(index, stated=stated) for index in range(frames)])


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any, str]:
    code = main([str(argument) for argument in (*arguments, "--json")])
    printed = capsys.readouterr()
    return code, json.loads(printed.out), printed.err


def test_it_prints_one_object(tmp_path: Path):
    path = drive(tmp_path / "a.tfrecord")

    done = subprocess.run(
        [sys.executable, "-m", "inference.datasets", str(path), "--json"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout) == {
        "scenes": 1,
        "frames": 2,
        "sensors": [
            {"name": "FRONT", "kind": "camera", "readings": 2, "points": 0},
            {"name": "LIDAR_TOP", "kind": "lidar", "readings": 2, "points": 62},
        ],
        "labels": {
            "cuboids": 2,
            "rectangles": 0,
            "masks": 0,
            "tracks": 1,
            "by_class": {"vehicle": 2},
        },
        "problems": [],
    }
    assert done.stderr == ""


def test_several_scenes_are_added_up(tmp_path: Path, capsys):
    (tmp_path / "folder").mkdir()
    drive(tmp_path / "folder/a.tfrecord", "a")
    drive(tmp_path / "folder/b.tfrecord", "b", frames=3)
    alone = drive(tmp_path / "c.tfrecord", "c", frames=1)

    code, contents, _ = answer(capsys, tmp_path / "folder", alone)

    assert code == 0
    assert (contents["scenes"], contents["frames"]) == (3, 6)
    assert [sensor["readings"] for sensor in contents["sensors"]] == [6, 6]
    assert contents["labels"]["tracks"] == 3  # of the same name, in three drives


def test_what_is_odd_is_listed_with_file_and_record(tmp_path: Path, capsys):
    path = build.write(tmp_path / "a.tfrecord", [build.frame(0), build.frame(4)])

    code, contents, _ = answer(capsys, path)

    assert code == 0
    assert contents["problems"] == [
        {
            "file": "a.tfrecord",
            "record": 1,
            "message": "comes 400 ms after the frame before it",
        }
    ]


def test_a_broken_record_gives_one_line_exit_1_and_the_object(tmp_path: Path, capsys):
    path = drive(tmp_path / "a.tfrecord")
    path.write_bytes(path.read_bytes()[:-100])

    code, contents, error = answer(capsys, path)

    assert code == 1
    assert error.count("\n") == 1
    assert error.startswith("error: a.tfrecord, record 1: the file is truncated")
    (problem,) = contents["problems"]
    assert (problem["file"], problem["record"]) == ("a.tfrecord", 1)


def test_frames_before_a_damaged_one_are_counted(tmp_path: Path, capsys):
    path = drive(tmp_path / "a.tfrecord")
    damaged = bytearray(path.read_bytes())
    damaged[-6] ^= 1
    path.write_bytes(damaged)

    code, contents, error = answer(capsys, path)

    assert (code, contents["frames"]) == (1, 1)
    assert "record 1: the checksum of its content is wrong" in error


@pytest.mark.parametrize("content", [b"", b"this is no recording\n" * 10])
def test_what_is_no_recording_gives_one_line(tmp_path: Path, capsys, content: bytes):
    path = tmp_path / "broken.tfrecord"
    path.write_bytes(content)

    code, contents, error = answer(capsys, path)

    assert (code, contents["frames"]) == (1, 0)
    assert error.count("\n") == 1
    assert "broken.tfrecord" in error


def test_a_path_that_does_not_exist_is_named(tmp_path: Path, capsys):
    code, _, error = answer(capsys, tmp_path / "nowhere")

    assert code == 1
    assert "nowhere does not exist" in error


def test_without_json_it_is_a_table(tmp_path: Path, capsys):
    path = drive(tmp_path / "a.tfrecord")

    assert main([str(path)]) == 0

    printed = capsys.readouterr().out
    assert "1 scenes, 2 frames" in printed
    assert "LIDAR_TOP" in printed
    assert "62" in printed


def test_formats_are_told_by_what_lies_there(tmp_path: Path):
    for name in (
        "native/scene.json",
        "layout/meta_infos/a.json",
        "export/one/scene.json",
        "nuscenes/v1.0-mini/scene.json",
        "002/lidar/poses.json",
    ):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    (tmp_path / "a.zip").touch()
    drive(tmp_path / "a.tfrecord")

    found = {
        name: detect_format(tmp_path / name)
        for name in ("native", "layout", "export", "a.zip", "a.tfrecord", "nuscenes", "002")
    }

    assert found == {
        "native": "native",
        "layout": "waymo-4dseg",
        "export": "native",
        "a.zip": "native",
        "a.tfrecord": "waymo",
        "nuscenes": "nuscenes",
        "002": "pandaset",
    }
