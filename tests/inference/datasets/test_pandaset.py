"""PandaSet against its own numbers: boxes hold the points of their class, pictures see them."""

import json

import numpy as np
import pytest

from inference.datasets import READERS, detect_format
from inference.datasets.pandaset import FORWARD, SPINNER
from inference.geometry import inverse, project_to_image
from inference.scene import BadScene

# The elevations that Pandar64's manual gives its upper beams, degrees.
UPPER_BEAMS_DEG = (14.882, 11.032, 8.059, 5.057, 3.04, 2.028)


@pytest.fixture(scope="module")
def folder(shared_data):
    return shared_data / "pandaset" / "002"


@pytest.fixture(scope="module")
def scene(folder):
    return READERS["pandaset"](folder)


pytestmark = pytest.mark.shared


def inside(cuboid, points):
    away = points - np.array(cuboid.centre_ego)
    c, s = np.cos(cuboid.heading), np.sin(cuboid.heading)
    turned = np.stack([c * away[:, 0] + s * away[:, 1], c * away[:, 1] - s * away[:, 0]], 1)
    length, width, height = cuboid.size
    flat = (np.abs(turned) < (length / 2 + 0.1, width / 2 + 0.1)).all(axis=1)
    return flat & (np.abs(away[:, 2]) < height / 2 + 0.1)


def test_the_format_is_told_and_the_rig_is_whole(folder, scene):
    assert detect_format(folder) == "pandaset"
    assert len(scene.cameras) == 6
    assert [lidar.name for lidar in scene.lidars] == [SPINNER, FORWARD]
    assert len(scene.frames) == 8


def test_points_of_a_class_lie_in_the_boxes_of_that_class(scene):
    frame = scene.frames[3]
    points = frame.sweeps[SPINNER].points_ego
    (cars,) = [m.mask for m in frame.labels.masks if m.sensor == SPINNER and m.label_class == "Car"]

    boxed = np.logical_or.reduce(
        [inside(c, points) for c in frame.labels.cuboids if c.label_class == "Car"]
    )

    assert cars.sum() > 10_000
    assert (cars & boxed).sum() / cars.sum() > 0.99


def test_the_spinner_s_true_origin_is_found_with_its_beams(scene):
    calibration = scene.sensor(SPINNER).calibration

    place = calibration.ego_from_sensor[:3, 3]

    assert place == pytest.approx((0.9, 0.0, 1.85), abs=0.06)
    upper = np.degrees(calibration.beam_elevations[: len(UPPER_BEAMS_DEG)])
    assert np.abs(upper - UPPER_BEAMS_DEG).max() < 0.1
    assert any("not main_pandar64's own" in problem.message for problem in scene.problems)


def test_what_drives_ahead_shows_in_the_front_camera(scene):
    frame = scene.frames[2]
    camera = scene.sensor("front_camera")
    lens = camera.calibration.intrinsics
    pose = frame.images["front_camera"].world_from_ego
    camera_from_ego = inverse(pose @ camera.calibration.ego_from_sensor) @ frame.world_from_ego
    centres = np.array([c.centre_ego for c in frame.labels.cuboids])

    pixels, _, in_view = project_to_image(centres, camera_from_ego, lens)

    straight = (np.abs(np.arctan2(centres[:, 1], centres[:, 0])) < 0.25) & (centres[:, 0] > 5)
    assert in_view[straight].all()
    assert np.abs(pixels[straight][:, 1] - lens.cy).max() < 250


def test_a_camera_s_pose_is_exact_whatever_the_sweep_s_is(folder, scene):
    number = 34
    theirs = json.loads((folder / "camera/left_camera/poses.json").read_text())[number]
    frame = scene.frames[4]
    pose = frame.images["left_camera"].world_from_ego

    world_from_camera = pose @ scene.sensor("left_camera").calibration.ego_from_sensor

    place = (scene.source_from_world @ world_from_camera)[:3, 3]
    assert place == pytest.approx([theirs["position"][k] for k in "xyz"], abs=1e-6)


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(BadScene, match="so no PandaSet sequence"):
        READERS["pandaset"](tmp_path)


def test_a_table_with_a_class_of_its_own_is_refused(folder, tmp_path):
    import gzip
    import pickle
    import shutil

    copy = tmp_path / "002"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.jpg", "3[1-7].pkl.gz"))
    shutil.copy(folder / "camera/front_camera/30.jpg", copy / "camera/front_camera/30.jpg")

    class Evil:
        def __reduce__(self):
            return print, ("run",)

    (copy / "lidar/30.pkl.gz").write_bytes(gzip.compress(pickle.dumps(Evil())))

    with pytest.raises(BadScene, match=r"lidar/30\.pkl\.gz: it asks for builtins\.print"):
        READERS["pandaset"](copy)
