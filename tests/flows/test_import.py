"""Flow 1: command -> importing -> datasets.waymo -> storage -> models, on real containers.

The numbers come from expected.json (an independent float64 decoder) and from what the owner says of
the files; see the reference recordings' own README.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from backend.annotations.models import Cuboid, Document, Edit, Mask, Rectangle, Track
from backend.jobs.models import Job, State
from backend.scenes import storage
from backend.scenes.models import Frame, Reading, Scene
from backend.scenes.queries import read_scene
from backend.scenes.sweep_codec import decode_source
from backend.tasks.models import Task
from tests.builders import build_project

pytestmark = [pytest.mark.django_db, pytest.mark.shared]

TOLERANCE_M = 1e-3
V1 = "waymo_shaped/v1/segment-9000000000000000002_30_000_34_000_with_camera_labels.tfrecord"
V2 = "waymo_shaped/v2"
ROWS = (Scene, Frame, Reading, Document, Track, Mask, Cuboid, Rectangle, Edit, Task)


def import_by_command(path: Path, project: str = "p") -> str:
    out = io.StringIO()
    call_command(
        "import_scene", path, project=project, format="waymo", stdout=out, stderr=io.StringIO()
    )
    return out.getvalue()


def expected_frames(shared_data: Path) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = json.loads(
        (shared_data / "waymo_shaped/expected.json").read_text()
    )["frames"]
    return frames


@pytest.mark.parametrize("container", [V1, V2])
def test_a_segment_comes_into_the_database_as_expected(shared_data, container):
    build_project("p")

    import_by_command(shared_data / container)

    scene = Scene.objects.get()
    expected = expected_frames(shared_data)
    frames = list(scene.frames.prefetch_related("readings__sensor"))
    assert [frame.timestamp_us for frame in frames] == [
        frame["timestamp_micros"] for frame in expected
    ]
    for frame, truth in zip(frames, expected, strict=True):
        readings = {
            (reading.sensor.kind, reading.sensor.name): reading for reading in frame.readings.all()
        }
        assert_images(readings, truth["images"])
        assert_sweeps(readings, truth["lasers"])
        assert Cuboid.objects.filter(frame=frame).count() == truth["laser_labels"]


def assert_images(readings: dict[tuple[str, str], Reading], truth: dict[str, Any]) -> None:
    assert {name for kind, name in readings if kind == "camera"} == set(truth)
    for name, image in truth.items():
        stored = storage.get(readings["camera", name].source_key)
        assert len(stored) == image["jpeg_bytes"]
        assert hashlib.sha256(stored).hexdigest().startswith(image["sha256"])


def assert_sweeps(readings: dict[tuple[str, str], Reading], truth: dict[str, Any]) -> None:
    """First returns in the order of the range image, then the second ones."""
    # A camera and a laser may both be FRONT in the recording; a scene's sensors have one name each.
    truth = {f"LIDAR_{name}": returns for name, returns in truth.items()}
    assert {name for kind, name in readings if kind == "lidar"} == set(truth)
    for name, returns in truth.items():
        sweep = decode_source(storage.get(readings["lidar", name].source_key))
        start = 0
        for number, one in enumerate((returns["return1"], returns["return2"]), start=1):
            points = sweep.points_ego[start : start + one["points"]].astype(np.float64)
            start += one["points"]
            assert sweep.return_number is not None
            assert (sweep.return_number[start - one["points"] : start] == number).all()
            for place, value in zip(one["sample_index"], one["sample_xyz"], strict=True):
                assert np.abs(points[place] - value).max() < TOLERANCE_M
            for value, name_of_it in (
                (points.mean(axis=0), "mean_xyz"),
                (points.min(axis=0), "min_xyz"),
                (points.max(axis=0), "max_xyz"),
            ):
                assert np.abs(value - one[name_of_it]).max() < TOLERANCE_M
        assert start == len(sweep) == readings["lidar", name].size


def test_lidar_segmentation_covers_every_labelled_point_once(shared_data):
    build_project("p")

    import_by_command(shared_data / V1)

    for index, truth in enumerate(expected_frames(shared_data)):
        top = truth["lasers"]["TOP"]
        labelled = sum(
            count
            for one in (top["return1"], top["return2"])
            for number, count in one.get("semantic_histogram", {}).items()
            if number != "0"
        )
        masks = Mask.objects.filter(reading__frame__index=index, reading__sensor__name="LIDAR_TOP")
        assert sum(masks.values_list("area", flat=True)) == labelled


def test_both_containers_are_the_same_recording(shared_data):
    build_project("p")
    import_by_command(shared_data / V1)

    printed = import_by_command(shared_data / V2)

    assert "already in the project" in printed
    assert Scene.objects.count() == 1


def test_both_containers_give_the_same_scene(shared_data):
    for name, container in (("first", V1), ("second", V2)):
        build_project(name)
        import_by_command(shared_data / container, name)

    first, second = (Scene.objects.get(project__name=name) for name in ("first", "second"))
    assert contents(first) == contents(second)
    for one, other in zip(read_scene(first).frames, read_scene(second).frames, strict=True):
        np.testing.assert_allclose(one.world_from_ego, other.world_from_ego, atol=1e-6)


def contents(scene: Scene) -> dict[str, Any]:
    readings = Reading.objects.filter(frame__scene=scene).order_by("frame__index", "sensor__name")
    masks = Mask.objects.filter(track__document__scene=scene)
    return {
        "readings": list(readings.values_list("frame__index", "sensor__name", "size")),
        "pictures": sorted(
            readings.filter(sensor__kind="camera").values_list("source_key", flat=True)
        ),
        "cuboids": Cuboid.objects.filter(track__document__scene=scene).count(),
        "masks": sorted(
            masks.values_list("reading__frame__index", "track__label_class__name", "area")
        ),
    }


def test_a_real_frame_brings_its_boxes_and_panoptic_labels(shared_data):
    build_project("p")

    import_by_command(shared_data / "waymo/v1/pvps_data_one_frame.tfrecord")

    scene = Scene.objects.get()
    assert scene.frames.count() == 1
    assert Cuboid.objects.count() == 75
    assert Rectangle.objects.count() == 66
    assert scene.import_report["labels"]["projected_rectangles_left_out"] == 62
    cameras = {"FRONT", "FRONT_LEFT", "FRONT_RIGHT", "SIDE_LEFT", "SIDE_RIGHT"}
    assert set(Mask.objects.values_list("reading__sensor__name", flat=True)) == cameras
    # No pixel of a panoptic picture has two owners.
    for reading in Reading.objects.filter(sensor__kind="camera"):
        assert 0 < sum(reading.masks.values_list("area", flat=True)) <= reading.size


def test_frames_without_readings_keep_their_boxes(shared_data):
    build_project("p")

    import_by_command(shared_data / "waymo/v1/waymo_dummy_small.tfrecord")

    assert Scene.objects.get().frames.count() == 2
    assert Cuboid.objects.exists()


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "text"])
def test_a_broken_file_is_named_and_leaves_nothing(shared_data, tmp_path, own_folders, damage):
    whole = (shared_data / V1).read_bytes()
    broken = tmp_path / "broken.tfrecord"
    broken.write_bytes(
        {
            "truncated": whole[: 2 * len(whole) // 3],
            "flipped": whole[:8_000_000] + bytes([whole[8_000_000] ^ 1]) + whole[8_000_001:],
            "empty": b"",
            "text": b"this is no recording\n" * 100,
        }[damage]
    )
    build_project("p")

    with pytest.raises(CommandError, match=r"broken\.tfrecord"):
        import_by_command(broken)

    assert sum(table.objects.count() for table in ROWS) == 0
    assert Job.objects.get().state == State.FAILED
    call_command("prune_storage", older_than_hours=0, stdout=io.StringIO())
    for folder in (storage.SOURCES, storage.VIEWS, storage.SPOOL):
        assert list(storage.objects(folder)) == []


def test_a_folder_that_lacks_its_poses_is_refused(shared_data, tmp_path):
    for component in (shared_data / V2).iterdir():
        if component.name != "vehicle_pose":
            (tmp_path / "drive").mkdir(exist_ok=True)
            (tmp_path / "drive" / component.name).symlink_to(component)
    build_project("p")

    with pytest.raises(CommandError, match="vehicle_pose"):
        import_by_command(tmp_path / "drive")

    assert not Scene.objects.exists()
