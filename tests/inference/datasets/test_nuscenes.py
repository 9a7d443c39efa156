"""nuScenes against its own numbers: as many points in a box as its annotation counts."""

import shutil

import numpy as np
import pytest

from inference.datasets import READERS, detect_format
from inference.datasets.sensor_origin import find_origin
from inference.scene import BadScene

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def folder(shared_data):
    return shared_data / "nuscenes"


@pytest.fixture(scope="module")
def scene(folder):
    return READERS["nuscenes"](folder)


def count_inside(cuboid, points):
    away = points - np.array(cuboid.centre_ego)
    c, s = np.cos(cuboid.heading), np.sin(cuboid.heading)
    turned = np.stack(
        [c * away[:, 0] + s * away[:, 1], c * away[:, 1] - s * away[:, 0], away[:, 2]]
    )
    return int((np.abs(turned) <= np.array(cuboid.size)[:, None] / 2).all(axis=0).sum())


def test_the_format_is_told_and_the_rig_is_whole(folder, scene):
    assert detect_format(folder) == "nuscenes"
    assert detect_format(folder / "scene-0916") == "nuscenes"
    assert scene.name == "scene-0916"
    assert (len(scene.cameras), len(scene.lidars), len(scene.frames)) == (6, 1, 6)


def test_boxes_hold_as_many_points_as_their_annotations_say(scene):
    frame = scene.frames[2]
    points = frame.sweeps["LIDAR_TOP"].points_ego

    counts = np.array([(count_inside(c, points), c.point_count) for c in frame.labels.cuboids])

    assert counts[:, 1].sum() > 500
    assert np.abs(counts[:, 0] - counts[:, 1]).sum() < 0.03 * counts[:, 1].sum()


def test_rows_are_rings_the_top_one_first_and_the_stated_origin_is_right(scene):
    calibration = scene.lidars[0].calibration
    sweep = scene.frames[0].sweeps["LIDAR_TOP"]

    assert len(calibration.beam_elevations) == 32
    assert (np.diff(calibration.beam_elevations) < 0).all()
    seen = (sweep.points_ego - calibration.ego_from_sensor[:3, 3]) @ (
        calibration.ego_from_sensor[:3, :3]
    )
    elevation = np.arctan2(seen[:, 2], np.hypot(seen[:, 0], seen[:, 1]))
    off = elevation - np.array(calibration.beam_elevations)[sweep.row]
    assert np.median(np.abs(off)) < 2e-3
    up = calibration.ego_from_sensor[:3, 2]
    assert find_origin(sweep.points_ego, calibration.ego_from_sensor[:3, 3], ups=[up]).is_stated


def test_a_scene_that_is_not_there_is_refused_with_those_that_are(folder):
    with pytest.raises(BadScene, match="no scene 'scene-0001'; it has scene-0916"):
        READERS["nuscenes"](folder / "scene-0001")


def test_a_file_outside_of_the_data_set_is_not_read(folder, tmp_path):
    copy = tmp_path / "set"
    shutil.copytree(folder / "v1.0-mini", copy / "v1.0-mini")
    shutil.copytree(folder / "samples/LIDAR_TOP", copy / "samples/LIDAR_TOP")
    table = copy / "v1.0-mini/sample_data.json"
    table.chmod(0o644)
    text = table.read_text()
    table.write_text(text.replace("samples/CAM_FRONT/", "../../CAM_FRONT/"))

    with pytest.raises(BadScene, match="outside of the data set"):
        _ = READERS["nuscenes"](copy).frames[0]
