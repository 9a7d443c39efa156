"""Segments in the first container, small and made here: sound ones, odd ones, broken ones."""

from __future__ import annotations

import random
import warnings
import zlib
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from inference.datasets.waymo import read_scene, recordings
from inference.scene import BadScene, Scene
from tests.inference.datasets import waymo_builder as build


def scene_of(folder: Path, payloads: Sequence[bytes]) -> Scene:
    """A segment in a file of its own, as another scene of the test may still be read."""
    path = next(
        path for number in count() if not (path := folder / str(number) / "drive.tfrecord").exists()
    )
    path.parent.mkdir()
    return read_scene(build.write(path, payloads))


def messages(scene: Scene) -> list[str]:
    for _ in scene.frames:
        pass
    return [problem.message for problem in scene.problems]


def test_a_sound_segment_is_read_without_a_word(tmp_path: Path):
    scene = scene_of(tmp_path, [build.frame(index) for index in range(3)])

    frames = list(scene.frames)

    assert scene.name == build.CONTEXT
    assert [sensor.name for sensor in scene.sensors] == ["FRONT", "LIDAR_TOP"]
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.timestamp_us for frame in frames] == [
        build.START_US + 100_000 * index for index in range(3)
    ]
    assert all(frame.images.keys() == {"FRONT"} for frame in frames)
    assert [len(frame.sweeps["LIDAR_TOP"]) for frame in frames] == [31, 31, 31]
    assert [label.track for label in frames[0].labels.cuboids] == ["box:car-1"]
    assert scene.problems == []


def test_frames_are_read_in_any_order(tmp_path: Path):
    scene = scene_of(tmp_path, [build.frame(index) for index in range(3)])

    last, first, again = (scene.frames[index] for index in (2, 0, 2))

    assert first.index == 0
    assert last.timestamp_us == again.timestamp_us
    np.testing.assert_array_equal(
        last.sweeps["LIDAR_TOP"].points_ego, again.sweeps["LIDAR_TOP"].points_ego
    )
    with pytest.raises(IndexError):
        scene.frames[3]


def test_the_world_begins_at_the_first_pose_and_its_origin_is_kept(tmp_path: Path):
    far = build.moved(40_000, -20_000, 10)
    stood = build.cell_poses()
    stood[..., 3:] = far[:3, 3]
    scene = scene_of(
        tmp_path,
        [build.frame(0, world_from_vehicle=far, lasers=[build.laser(poses=stood)])],
    )

    frame = scene.frames[0]

    np.testing.assert_array_equal(frame.world_from_ego, np.eye(4))
    np.testing.assert_array_equal(scene.source_from_world @ frame.world_from_ego, far)
    np.testing.assert_array_equal(frame.images["FRONT"].world_from_ego, np.eye(4))


def test_the_camera_s_axes_are_turned(tmp_path: Path):
    """In the recording a camera looks along its x, in the house along its z."""
    scene = scene_of(tmp_path, [build.frame()])

    ego_from_camera = scene.sensor("FRONT").calibration.ego_from_sensor

    np.testing.assert_array_equal(ego_from_camera @ (0, 0, 5, 1), (5, 0, 0, 1))  # ahead
    np.testing.assert_array_equal(ego_from_camera @ (5, 0, 0, 1), (0, -5, 0, 1))  # to the right
    np.testing.assert_array_equal(ego_from_camera @ (0, 5, 0, 1), (0, 0, -5, 1))  # down


def test_second_returns_come_after_the_first(tmp_path: Path):
    second = build.range_image(empty=True)
    second[2, 3] = 7, 0.25, 1, 1
    scene = scene_of(tmp_path, [build.frame(lasers=[build.laser(second=second)])])

    sweep = scene.frames[0].sweeps["LIDAR_TOP"]

    assert sweep.return_number is not None
    assert sweep.return_number.tolist() == [1] * 31 + [2]
    assert sweep.row is not None
    assert sweep.column is not None
    assert (sweep.row[-1], sweep.column[-1]) == (2, 3)
    assert (sweep.row[0], sweep.column[0]) == (0, 1)  # the first cell is empty
    assert np.linalg.norm(sweep.points_ego[-1]) == pytest.approx(7, abs=1e-5)
    assert sweep.intensity[-1] == 0.25
    assert sweep.elongation is not None
    assert sweep.elongation[-1] == 1
    assert sweep.in_no_label_zone is not None
    assert sweep.in_no_label_zone.tolist() == [False] * 31 + [True]


def test_the_motion_during_a_sweep_is_taken_out(tmp_path: Path):
    """Measured 2 m before the vehicle got to the frame's pose: 2 m nearer now."""
    still = scene_of(tmp_path, [build.frame(lasers=[build.laser(poses=build.cell_poses(0))])])
    moving = scene_of(tmp_path, [build.frame(lasers=[build.laser(poses=build.cell_poses(-2))])])

    shift = (
        moving.frames[0].sweeps["LIDAR_TOP"].points_ego
        - still.frames[0].sweeps["LIDAR_TOP"].points_ego
    )

    np.testing.assert_allclose(shift, np.tile((-2.0, 0, 0), (31, 1)), atol=1e-5)


# --- odd, and read all the same -----------------------------------------------------------------


def test_frames_out_of_order_are_sorted_and_said(tmp_path: Path):
    scene = scene_of(tmp_path, [build.frame(index) for index in (1, 0, 2)])

    assert [frame.timestamp_us for frame in scene.frames] == [
        build.START_US + 100_000 * index for index in range(3)
    ]
    (problem,) = scene.problems
    assert (problem.file, problem.record) == ("drive.tfrecord", 1)
    assert "out of order" in problem.message


def test_a_frame_that_comes_twice_is_taken_once(tmp_path: Path):
    scene = scene_of(tmp_path, [build.frame(0), build.frame(1), build.frame(1)])

    assert len(scene.frames) == 2
    assert any("has the time of record 1" in message for message in messages(scene))


def test_gaps_and_jumps_are_said(tmp_path: Path):
    gap = scene_of(tmp_path, [build.frame(0), build.frame(4)])
    assert messages(gap) == ["comes 400 ms after the frame before it"]

    jump = scene_of(
        tmp_path,
        [build.frame(0), build.frame(1, world_from_vehicle=build.moved(500))],
    )
    assert messages(jump) == ["its pose jumps by 500.0 m in 100 ms"]


def test_a_missing_image_is_said_of_its_frame(tmp_path: Path):
    scene = scene_of(tmp_path, [build.frame(0), build.frame(1, image=b"")])

    assert messages(scene) == ["camera FRONT has no image"]
    assert scene.problems[0].record == 1
    assert scene.frames[1].images == {}


def test_an_empty_laser_is_said_and_is_no_sensor_when_it_never_has_a_return(tmp_path: Path):
    empty = build.number(1, 1)
    once = scene_of(tmp_path, [build.frame(0), build.frame(1, lasers=[empty])])
    never = scene_of(tmp_path, [build.frame(0, lasers=[empty])])

    assert messages(once) == ["LIDAR_TOP is empty"]
    assert [len(frame.sweeps) for frame in once.frames] == [1, 0]
    assert messages(never) == ["LIDAR_TOP is calibrated, but empty in every frame; left out"]
    assert never.lidars == []


def test_a_laser_without_a_calibration_is_left_out(tmp_path: Path):
    scene = scene_of(tmp_path, [build.frame(stated=build.context(with_lasers=False))])

    assert messages(scene) == ["LIDAR_TOP has range images but no calibration; left out"]
    assert scene.frames[0].sweeps == {}


def test_a_sweep_without_returns_is_said(tmp_path: Path):
    scene = scene_of(tmp_path, [build.frame(lasers=[build.laser(build.range_image(empty=True))])])

    assert messages(scene) == ["LIDAR_TOP has no returns"]


def test_reading_a_frame_again_says_nothing_again(tmp_path: Path):
    scene = scene_of(tmp_path, [build.frame(lasers=[build.laser(build.range_image(empty=True))])])

    assert len(messages(scene)) == len(messages(scene)) == 1


def test_a_box_of_nan_is_left_out_and_said(tmp_path: Path):
    odd = build.data(6, build.label("odd", box=(float("nan"), 0, 0, 1, 1, 1, 0)))
    scene = scene_of(tmp_path, [build.frame(extra=odd)])

    assert messages(scene) == ["box 'odd' has NaN, infinity or a negative size; left out"]
    assert [label.track for label in scene.frames[0].labels.cuboids] == ["box:car-1"]


# --- broken -------------------------------------------------------------------------------------

STRETCHED = np.diag([2.0, 1, 1, 1])
LOST = np.full((4, 4), np.nan)


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (b"", "it has no context, no time or no pose"),
        (b"a text, not a frame", "is no frame of a Waymo segment"),
        (build.frame(1, world_from_vehicle=LOST), "the pose: contains NaN"),
        (build.frame(1, world_from_vehicle=STRETCHED), "is not a rotation"),
        (build.frame(1, timestamp_us=0), "no time"),
        (build.frame(1, stated=build.context("another")), "belongs to segment 'another'"),
        (build.frame(1, image=b"no picture"), "FRONT: the image cannot be read"),
        (build.frame(1, image=build.jpeg(8, 8)), "FRONT: the image is 8x8"),
        (build.frame(1, lasers=[build.laser(raw_cells=b"no zlib")]), "LIDAR_TOP, return 1"),
        (
            build.frame(1, lasers=[build.laser(raw_cells=zlib.compress(bytes(2**25)))]),
            "unpacks to more than",
        ),
        (
            build.frame(1, lasers=[build.laser(np.full((4, 8, 4), np.inf))]),
            "holds a range of inf m",
        ),
        (
            build.frame(1, lasers=[build.laser(poses=np.full((4, 8, 6), np.nan))]),
            "the poses of its cells hold NaN",
        ),
        (
            build.frame(1, lasers=[build.laser(poses=np.zeros((4, 9, 6)))]),
            r"poses have shape \(4, 9\)",
        ),
    ],
)
def test_a_broken_record_is_named(tmp_path: Path, second: bytes, reason: str):
    path = build.write(tmp_path / "drive.tfrecord", [build.frame(0), second])

    with pytest.raises(BadScene, match=reason) as caught:
        list(read_scene(path).frames)

    assert (caught.value.file, caught.value.record) == ("drive.tfrecord", 1)
    assert "drive.tfrecord, record 1" in caught.value.message


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        (build.context(camera_mount=STRETCHED), "extrinsic of camera FRONT: is not a rotation"),
        (build.context(focal_px=float("nan")), "camera FRONT has intrinsics"),
        (build.context("x" * 300), "name has 300 characters"),
    ],
)
def test_a_broken_calibration_is_refused(tmp_path: Path, stated: bytes, reason: str):
    with pytest.raises(BadScene, match=reason):
        scene_of(tmp_path, [build.frame(stated=stated)])


def test_what_is_no_recording_is_said(tmp_path: Path):
    with pytest.raises(BadScene, match="nowhere does not exist"):
        read_scene(tmp_path / "nowhere")
    with pytest.raises(BadScene, match="is no Waymo recording"):
        read_scene(tmp_path)
    (tmp_path / "text.txt").write_text("this is no recording\n" * 10)
    with pytest.raises(BadScene, match=r"text\.txt: is no TFRecord file"):
        read_scene(tmp_path / "text.txt")


def test_a_folder_of_several_segments_asks_for_one_and_lists_them(tmp_path: Path):
    for name in ("a", "b"):
        build.write(tmp_path / f"{name}.tfrecord", [build.frame(stated=build.context(name))])

    with pytest.raises(BadScene, match="holds 2 segments; name one"):
        read_scene(tmp_path)
    assert [read_scene(path).name for path in recordings(tmp_path)] == ["a", "b"]


def test_damage_anywhere_is_a_bad_scene_or_no_damage(tmp_path: Path):
    """Checksums are made right again, so that damage gets to the bottom."""
    dice = random.Random(7)
    labelled = np.ones((build.ROWS, build.COLUMNS, 2), int)
    whole = build.frame(lasers=[build.laser(segmentation=labelled, second=build.range_image())])
    matrix = build.data(1, build.range_image().tobytes())
    matrix += build.shape((build.ROWS, build.COLUMNS, 4))
    refused = 0
    for number in range(150):
        damaged = bytearray(matrix if number % 2 else whole)
        for _ in range(dice.randint(1, 4)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        if dice.random() < 0.2:
            del damaged[dice.randrange(len(damaged)) :]
        packed = zlib.compress(bytes(damaged))
        payload = build.frame(lasers=[build.laser(raw_cells=packed)]) if number % 2 else damaged
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                list(scene_of(tmp_path, [bytes(payload)]).frames)
        except BadScene:
            refused += 1

    assert 30 < refused < 150  # some damage is harmless: a colour, a digit of an intensity
