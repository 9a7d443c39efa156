"""Segments in the second container, written here a component at a time."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from inference.datasets.waymo import read_scene, recordings
from inference.datasets.waymo_parquet import Component
from inference.scene import BadScene
from tests.inference.datasets import waymo_builder as build

FRAMES = 5
TIMES_US = [build.START_US + 100_000 * index for index in range(FRAMES)]
KEYS = {"key.segment_context_name": build.CONTEXT}
Rows = list[dict[str, Any]]


def prefixed(component: str, **values: Any) -> dict[str, Any]:
    """a__b stands for a.b, which is no Python name."""
    return {f"[{component}].{name.replace('__', '.')}": value for name, value in values.items()}


def at(index: int, **keys: Any) -> dict[str, Any]:
    return {
        **KEYS,
        "key.frame_timestamp_micros": TIMES_US[index],
        **{f"key.{name}": value for name, value in keys.items()},
    }


def transform(index: float) -> list[float]:
    return [float(value) for value in build.moved(index).ravel()]


def components(*, camera: int | str = 1, laser: int | str = 1) -> dict[str, Rows]:
    cells = build.range_image()
    lens = dict(zip(("f_u", "f_v", "c_u", "c_v"), (20.0, 20.0, 16.0, 8.0), strict=True))
    frames = range(FRAMES)
    return {
        "vehicle_pose": [
            {
                **at(i),
                **prefixed("VehiclePoseComponent", world_from_vehicle__transform=transform(i)),
            }
            for i in frames
        ],
        "camera_calibration": [
            {
                **KEYS,
                "key.camera_name": camera,
                **prefixed(
                    "CameraCalibrationComponent",
                    **{f"intrinsic__{name}": value for name, value in lens.items()},
                    extrinsic__transform=transform(0),
                    width=build.WIDTH,
                    height=build.HEIGHT,
                    rolling_shutter_direction=2,
                ),
            }
        ],
        "lidar_calibration": [
            {
                **KEYS,
                "key.laser_name": laser,
                **prefixed(
                    "LiDARCalibrationComponent",
                    extrinsic__transform=transform(0),
                    beam_inclination__min=-0.4,
                    beam_inclination__max=0.4,
                    beam_inclination__values=None,
                ),
            }
        ],
        "camera_image": [
            {
                **at(i, camera_name=camera),
                **prefixed(
                    "CameraImageComponent",
                    image=build.jpeg(),
                    pose__transform=transform(i),
                    pose_timestamp=TIMES_US[i] / 1e6,
                ),
            }
            for i in frames
        ],
        "lidar": [
            {
                **at(i, laser_name=laser),
                **prefixed(
                    "LiDARComponent",
                    range_image_return1__values=cells.ravel().tolist(),
                    range_image_return1__shape=list(cells.shape),
                    range_image_return2__values=None,
                    range_image_return2__shape=None,
                ),
            }
            for i in frames
        ],
        "lidar_pose": [
            {
                **at(i, laser_name=laser),
                **prefixed(
                    "LiDARPoseComponent",
                    range_image_return1__values=build.cell_poses(i).ravel().tolist(),
                    range_image_return1__shape=[build.ROWS, build.COLUMNS, 6],
                ),
            }
            for i in frames
        ],
    }


def write(folder: Path, tables: dict[str, Rows], *, narrow: bool = False) -> Path:
    """narrow: lists of float32 instead of float64.  Row groups of two rows."""
    for component, rows in tables.items():
        table = pa.Table.from_pylist(rows)
        if narrow:
            for number, field in enumerate(table.schema):
                if pa.types.is_list(field.type) and pa.types.is_float64(field.type.value_type):
                    column = table.column(number).cast(pa.list_(pa.float32()))
                    table = table.set_column(number, field.name, column)
        place = folder / component / f"{build.CONTEXT}.parquet"
        place.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, place, row_group_size=2)
    return folder


def test_both_containers_give_the_same_scene(tmp_path: Path):
    second = read_scene(write(tmp_path / "v2", components()))
    first = read_scene(
        build.write(tmp_path / "v1.tfrecord", [build.frame(index) for index in range(FRAMES)])
    )

    assert [s.name for s in second.sensors] == [s.name for s in first.sensors]
    for one, other in zip(first.frames, second.frames, strict=True):
        assert one.timestamp_us == other.timestamp_us
        np.testing.assert_array_equal(one.world_from_ego, other.world_from_ego)
        assert one.images["FRONT"].encoded == other.images["FRONT"].encoded
        np.testing.assert_array_equal(
            one.sweeps["LIDAR_TOP"].points_ego, other.sweeps["LIDAR_TOP"].points_ego
        )
    assert second.problems == []


def test_sensors_by_name_and_narrow_numbers_are_read_too(tmp_path: Path):
    plain = read_scene(write(tmp_path / "plain", components()))
    older = read_scene(
        write(tmp_path / "older", components(camera="FRONT", laser="TOP"), narrow=True)
    )

    assert [sensor.name for sensor in older.sensors] == ["FRONT", "LIDAR_TOP"]
    np.testing.assert_allclose(
        older.frames[3].sweeps["LIDAR_TOP"].points_ego,
        plain.frames[3].sweeps["LIDAR_TOP"].points_ego,
        atol=1e-5,
    )


def test_frames_are_read_in_any_order(tmp_path: Path):
    scene = read_scene(write(tmp_path, components()))

    for index in (4, 0, 3, 3, 1):
        frame = scene.frames[index]
        assert frame.timestamp_us == TIMES_US[index]
        assert frame.images["FRONT"].timestamp_us == TIMES_US[index]


def test_columns_that_nobody_asked_for_are_no_matter(tmp_path: Path):
    tables = components()
    for row in tables["vehicle_pose"]:
        row["index"] = "a;b"

    assert len(read_scene(write(tmp_path, tables)).frames) == FRAMES


def test_a_frame_may_lack_what_others_have(tmp_path: Path):
    tables = components()
    del tables["camera_image"][2], tables["lidar"][1], tables["lidar_pose"][3]
    scene = read_scene(write(tmp_path, tables))

    frames = list(scene.frames)

    assert [len(frame.images) for frame in frames] == [1, 1, 0, 1, 1]
    assert [len(frame.sweeps) for frame in frames] == [1, 0, 1, 1, 1]
    said = {(problem.record, problem.message[:25]) for problem in scene.problems}
    assert said == {
        (2, "camera FRONT has no image"),
        (1, "LIDAR_TOP is empty"),
        (3, "LIDAR_TOP: has no poses of"[:25]),
    }


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("vehicle_pose", "the component vehicle_pose is missing"),
        ("camera_calibration", r"camera_calibration/1_000_2_000\.parquet is missing"),
        ("lidar_calibration", r"lidar_calibration/1_000_2_000\.parquet is missing"),
        ("lidar_pose", r"lidar_pose/1_000_2_000\.parquet is missing; lidar cannot be read"),
    ],
)
def test_a_missing_component_is_named(tmp_path: Path, missing: str, reason: str):
    write(tmp_path, components())
    shutil.rmtree(tmp_path / missing)

    with pytest.raises(BadScene, match=reason) as caught:
        read_scene(tmp_path)

    assert missing in caught.value.file


def test_a_component_of_no_bytes_or_of_something_else_is_named(tmp_path: Path):
    write(tmp_path, components())
    lidar = tmp_path / "lidar" / f"{build.CONTEXT}.parquet"
    whole = lidar.read_bytes()

    for damaged, reason in (
        (b"", "is empty"),
        (b"text" * 100, "cannot be read as Parquet"),
        (whole[: len(whole) // 2], "cannot be read as Parquet"),
    ):
        lidar.write_bytes(damaged)
        with pytest.raises(BadScene, match=rf"lidar/1_000_2_000\.parquet: {reason}"):
            read_scene(tmp_path)


def test_a_missing_column_and_a_shape_that_does_not_fit_are_named(tmp_path: Path):
    tables = components()
    tables["lidar"][2]["[LiDARComponent].range_image_return1.shape"] = [4, 9, 4]
    scene = read_scene(write(tmp_path / "shape", tables))
    with pytest.raises(BadScene, match=r"record 2: LIDAR_TOP: .* shape \[4, 9, 4\]") as caught:
        list(scene.frames)
    assert caught.value.record == 2

    tables = components()
    for row in tables["lidar_calibration"]:
        del row["[LiDARCalibrationComponent].extrinsic.transform"]
    with pytest.raises(BadScene, match="has no column"):
        read_scene(write(tmp_path / "column", tables))


def test_splits_and_single_files_stand_for_their_segments(tmp_path: Path):
    for split in ("training", "validation"):
        write(tmp_path / split, components())
    pose = tmp_path / "training" / "vehicle_pose" / f"{build.CONTEXT}.parquet"

    assert len(recordings(tmp_path)) == 2
    assert len(read_scene(tmp_path / "training").frames) == FRAMES
    assert len(read_scene(pose).frames) == FRAMES
    with pytest.raises(BadScene, match="holds 2 segments"):
        read_scene(tmp_path)


def test_rows_come_back_whatever_the_order_they_are_asked_in(tmp_path: Path):
    times = [3, 1, 3, 2, 1, 3, 2]
    rows = [
        {"key.frame_timestamp_micros": time, "[C].place": place, "[C].list": [place, place]}
        for place, time in enumerate(times)
    ]
    path = tmp_path / "c" / "x.parquet"
    path.parent.mkdir()
    parquet.write_table(pa.Table.from_pylist(rows), path, row_group_size=3)
    component = Component(path, batch_rows=2)

    for time in (2, 3, 1, 3):
        found = component.at(time)
        expected = [place for place, at in enumerate(times) if at == time]
        assert [row["[C].place"] for row in found] == expected
        assert [row["[C].list"].tolist() for row in found] == [[p, p] for p in expected]
    assert component.at(9) == []
