"""The reader on recordings that others made: real Waymo frames, and PandaSet in Waymo's containers.

Numbers come from expected.json (an independent decoder) and from Waymo's own projected boxes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.datasets.waymo import read_scene
from inference.datasets.waymo_names import LIDAR_CLASSES
from inference.geometry import (
    inverse,
    project_to_image,
    rigid,
    rotation_from_euler,
    transform,
)
from inference.scene import CuboidLabel, Frame, Scene, Sweep

pytestmark = pytest.mark.shared

V1 = "waymo_shaped/v1"
V2 = "waymo_shaped/v2"
PVPS = "waymo/v1/pvps_data_one_frame.tfrecord"
PVPS_V2 = "waymo/v2_converted/vehicle_pose/1024360143612057520_3580_000_3600_000.parquet"
TOLERANCE_M = 1e-3
CAMERA_NUMBERS = ("UNKNOWN", "FRONT", "FRONT_LEFT", "FRONT_RIGHT", "SIDE_LEFT", "SIDE_RIGHT")


def frames_and_truth(shared: Path, container: str) -> Iterator[tuple[Frame, dict[str, Any]]]:
    truth = json.loads((shared / "waymo_shaped/expected.json").read_text())["frames"]
    return zip(read_scene(shared / container).frames, truth, strict=True)


def returns(
    frame: Frame, truth: dict[str, Any]
) -> Iterator[tuple[Sweep, np.ndarray, dict[str, Any]]]:
    """Each return of each laser: its sweep, which points are its own, what is expected."""
    assert frame.sweeps.keys() == {f"LIDAR_{name}" for name in truth["lasers"]}
    for name, both in truth["lasers"].items():
        sweep = frame.sweeps[f"LIDAR_{name}"]
        assert sweep.return_number is not None
        for number in (1, 2):
            yield sweep, sweep.return_number == number, both[f"return{number}"]


@pytest.mark.parametrize("container", [V1, V2])
def test_times_images_and_boxes_are_the_expected_ones(shared_data: Path, container: str):
    for frame, truth in frames_and_truth(shared_data, container):
        assert frame.timestamp_us == truth["timestamp_micros"]
        assert frame.images.keys() == truth["images"].keys()
        for name, image in truth["images"].items():
            encoded = frame.images[name].encoded
            assert len(encoded) == image["jpeg_bytes"]
            assert hashlib.sha256(encoded).hexdigest()[:16] == image["sha256"]
        assert len(frame.labels.cuboids) == truth["laser_labels"]


@pytest.mark.parametrize("container", [V1, V2])
def test_points_are_the_expected_ones(shared_data: Path, container: str):
    for frame, truth in frames_and_truth(shared_data, container):
        for sweep, mine, expected in returns(frame, truth):
            points = sweep.points_ego[mine].astype(np.float64)
            assert len(points) == expected["points"]
            for found, name in (
                (points.mean(axis=0), "mean_xyz"),
                (points.min(axis=0), "min_xyz"),
                (points.max(axis=0), "max_xyz"),
                (points[expected["sample_index"]], "sample_xyz"),
            ):
                np.testing.assert_allclose(found, expected[name], rtol=0, atol=TOLERANCE_M)


@pytest.mark.parametrize("container", [V1, V2])
def test_projections_that_were_shipped_are_the_expected_ones(shared_data: Path, container: str):
    for frame, truth in frames_and_truth(shared_data, container):
        for sweep, mine, expected in returns(frame, truth):
            assert sweep.camera_pixels is not None
            pixels = sweep.camera_pixels[mine]
            counts = np.bincount(pixels[:, 0], minlength=len(CAMERA_NUMBERS)).tolist()
            assert dict(zip(CAMERA_NUMBERS, counts, strict=True)) == expected["first_camera_counts"]
            assert np.count_nonzero(pixels[:, 3]) == expected["second_camera_points"]


@pytest.mark.parametrize("container", [V1, V2])
def test_segmentation_is_the_expected_one(shared_data: Path, container: str):
    for frame, truth in frames_and_truth(shared_data, container):
        labelled = [mask for mask in frame.labels.masks if mask.sensor == "LIDAR_TOP"]
        assert labelled == list(frame.labels.masks)
        assert bool(labelled) == ("semantic_histogram" in truth["lasers"]["TOP"]["return1"])
        if not labelled:
            continue
        for _, mine, expected in list(returns(frame, truth))[:2]:
            histogram = {
                number: sum(
                    int(mask.mask[mine].sum()) for mask in labelled if mask.label_class == name
                )
                for number, name in LIDAR_CLASSES.items()
                if number
            }
            stated = {int(number): n for number, n in expected["semantic_histogram"].items()}
            unlabelled = stated.pop(0)
            assert {number: n for number, n in histogram.items() if n} == stated
            assert sum(histogram.values()) == expected["points"] - unlabelled
            instances = {
                mask.track
                for mask in labelled
                if mask.track.startswith("lidar:") and mask.mask[mine].any()
            }
            assert len(instances) == expected["instances"]


def test_both_containers_are_the_same_recording(shared_data: Path):
    first, second = read_scene(shared_data / V1), read_scene(shared_data / V2)

    assert (first.name, dict(first.facts)) == (second.name, dict(second.facts))
    assert [repr(sensor) for sensor in first.sensors] == [repr(s) for s in second.sensors]
    np.testing.assert_array_equal(first.source_from_world, second.source_from_world)
    for one, other in zip(first.frames, second.frames, strict=True):
        np.testing.assert_array_equal(one.world_from_ego, other.world_from_ego)
        for name, sweep in one.sweeps.items():
            for column in ("points_ego", "intensity", "elongation", "row", "column"):
                np.testing.assert_array_equal(
                    getattr(sweep, column), getattr(other.sweeps[name], column)
                )
        for name, image in one.images.items():
            twin = other.images[name]
            assert (image.encoded, image.timestamp_us) == (twin.encoded, twin.timestamp_us)
            assert image.shutter == twin.shutter
            np.testing.assert_array_equal(image.world_from_ego, twin.world_from_ego)
        assert set(one.labels.cuboids) == set(other.labels.cuboids)
        assert {box.track for box in one.labels.rectangles} == {
            box.track for box in other.labels.rectangles
        }
        for mask, twin_mask in zip(one.labels.masks, other.labels.masks, strict=True):
            assert (mask.track, mask.label_class) == (twin_mask.track, twin_mask.label_class)
            np.testing.assert_array_equal(mask.mask, twin_mask.mask)


def test_what_the_recording_left_empty_is_said_once(shared_data: Path):
    scene = read_scene(shared_data / V1)
    for _ in scene.frames:
        pass

    assert [problem.message.split()[0] for problem in scene.problems] == [
        "LIDAR_SIDE_LEFT",
        "LIDAR_SIDE_RIGHT",
        "LIDAR_REAR",
    ]


@pytest.mark.parametrize("container", [PVPS, PVPS_V2])
def test_a_real_frame_has_its_images_boxes_and_panoptic_labels(shared_data: Path, container: str):
    scene = read_scene(shared_data / container)

    (frame,) = scene.frames

    assert scene.name == "1024360143612057520_3580_000_3600_000"
    assert frame.timestamp_us == 1553735853462203
    # Their order is that of the panorama.
    assert list(frame.images) == ["SIDE_LEFT", "FRONT_LEFT", "FRONT", "FRONT_RIGHT", "SIDE_RIGHT"]
    # The cameras follow the sweep: milliseconds after the frame's time.
    delays_ms = [(i.timestamp_us - frame.timestamp_us) / 1000 for i in frame.images.values()]
    np.testing.assert_allclose(delays_ms, [22, 42, 52, 62, 72], atol=1.5)
    labels = frame.labels
    assert len(labels.cuboids) == 75
    assert sum(box.is_projected for box in labels.rectangles) == 62
    assert sum(not box.is_projected for box in labels.rectangles) == 66
    assert {mask.sensor for mask in labels.masks} == set(frame.images)
    assert frame.sweeps == {}
    assert sum("empty in every frame" in p.message for p in scene.problems) == 5


def test_an_instance_that_touches_two_classes_has_the_one_of_most_of_its_pixels(
    shared_data: Path,
):
    """Local id 5 of the FRONT image: 35 783 pixels of class 5, 161 of class 2."""
    (frame,) = read_scene(shared_data / PVPS).frames

    (found,) = (
        mask
        for mask in frame.labels.masks
        if mask.sensor == "FRONT" and mask.label_class == "other large vehicle"
    )

    assert found.mask.sum() == 35_783 + 161


@pytest.mark.parametrize("container", [PVPS, PVPS_V2])
@pytest.mark.parametrize(("with_camera_pose", "limit_px"), [(True, 0.1), (False, 0.2)])
def test_boxes_projected_here_agree_with_waymo_s_own(
    shared_data: Path, container: str, with_camera_pose: bool, limit_px: float
):
    scene = read_scene(shared_data / container)
    (frame,) = scene.frames
    cuboids = {label.track: label for label in frame.labels.cuboids}

    errors_px = [
        np.abs(
            np.array(own.corners_px)
            - hull_px(scene, frame, cuboids[own.track], own.sensor, with_camera_pose)
        ).max()
        for own in frame.labels.rectangles
        if own.is_projected
    ]

    assert len(errors_px) == 62
    assert np.median(errors_px) <= limit_px


def hull_px(
    scene: Scene, frame: Frame, cuboid: CuboidLabel, camera: str, with_camera_pose: bool
) -> np.ndarray:
    """(u0, v0, u1, v1) of the projected corners, clamped to the image."""
    calibration = scene.sensor(camera).calibration
    lens = calibration.intrinsics
    assert lens is not None
    camera_from_ego = inverse(calibration.ego_from_sensor)
    if with_camera_pose:
        seen_from = frame.images[camera].world_from_ego
        assert seen_from is not None
        camera_from_ego = camera_from_ego @ inverse(seen_from) @ frame.world_from_ego
    signs = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    ego_from_box = rigid(rotation_from_euler(0, 0, cuboid.heading), cuboid.centre_ego)
    corners = transform(ego_from_box, signs * np.array(cuboid.size) / 2)
    pixels, _, _ = project_to_image(corners, camera_from_ego, lens)
    size = (lens.width_px, lens.height_px)
    low, high = np.clip(pixels.min(axis=0), 0, size), np.clip(pixels.max(axis=0), 0, size)
    return np.concatenate([low, high])


def test_frames_without_any_reading_keep_their_boxes(shared_data: Path):
    scene = read_scene(shared_data / "waymo/v1/waymo_dummy_small.tfrecord")

    frames = list(scene.frames)

    assert len(frames) == 2
    assert frames[1].timestamp_us - frames[0].timestamp_us == pytest.approx(100_000, abs=1000)
    assert all(frame.labels.cuboids for frame in frames)
    assert len(scene.cameras) == 5
    # 17.8 m/s for a tenth of a second.
    step_m = np.linalg.norm(frames[1].world_from_ego[:3, 3] - frames[0].world_from_ego[:3, 3])
    assert step_m == pytest.approx(1.78, abs=0.02)


def test_files_older_than_the_release_are_read(shared_data: Path):
    scene = read_scene(shared_data / "waymo/v2_prerelease")

    frames = list(scene.frames)

    assert len(frames) == 199
    assert scene.sensors == []
    assert [frame.index for frame in frames] == list(range(199))
    assert all(np.isfinite(frame.world_from_ego).all() for frame in frames)
