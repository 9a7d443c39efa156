"""Reading a Waymo-4DSeg data set that others wrote: one LiDAR, pickled meta data, no extras."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from inference.datasets.waymo_4dseg import read_scene
from inference.geometry import rigid
from inference.masks import coco_from_mask
from inference.scene import BadScene

FAR = rigid([[0, -1, 0], [1, 0, 0], [0, 0, 1]], [50_000.0, -20_000.0, 30.0])


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    """Two frames; the second pose is 2 m further along the first one's heading."""
    poses = [FAR, FAR @ rigid(np.eye(3), [2.0, 0, 0])]
    frames = [
        write_frame(tmp_path, stamp, pose) for stamp, pose in zip((100, 200), poses, strict=True)
    ]
    meta = tmp_path / "meta_infos" / "drive-1.pkl"
    meta.parent.mkdir()
    meta.write_bytes(pickle.dumps({"seq_name": "drive-1", "frames": frames}))
    return tmp_path


def write_frame(root: Path, stamp: int, pose: np.ndarray) -> dict:
    cloud = root / "pcds" / "drive-1" / f"{stamp}.npz"
    picture = root / "undistort_images" / "drive-1" / str(stamp) / "FRONT.jpg"
    labels = root / "sam4d_labels" / "drive-1" / f"{stamp}.json"
    for file in (cloud, picture, labels):
        file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(cloud, data=np.arange(12, dtype=np.float32).reshape(4, 3))
    encoded = io.BytesIO()
    PillowImage.new("RGB", (6, 4)).save(encoded, "JPEG")
    picture.write_bytes(encoded.getvalue())
    on = np.array([[True], [False], [True], [False]])
    in_picture = np.zeros((4, 6), dtype=bool)
    in_picture[1, 2:5] = True
    car = {"object_id": 17, "semantic": "car", "score": 0.9, "volume": 50}
    sensors = {
        "LiDAR_TOP": {
            "objects": [
                {**car, "lidar_mask": coco_from_mask(on)},
                {"object_id": -1, "lidar_mask": coco_from_mask(~on)},
            ]
        },
        "FRONT": {"objects": [{**car, "image_mask": coco_from_mask(in_picture)}]},
    }
    labels.write_text(json.dumps({"sensors": sensors}))
    return {
        "cams_info": {
            "FRONT": {
                "data_path": picture.relative_to(root).as_posix(),
                "camera_intrinsics": np.array([[5.0, 0, 3], [0, 5, 2], [0, 0, 1]]),
                "camera2lidar": np.eye(4),
            }
        },
        "path": {
            "pcd": cloud.relative_to(root).as_posix(),
            "sam4d_label": labels.relative_to(root).as_posix(),
        },
        "lidar2world": pose,
    }


def test_a_sequence_is_read_into_the_house_conventions(data_set: Path):
    scene = read_scene(data_set)

    assert [(sensor.name, sensor.kind) for sensor in scene.sensors] == [
        ("FRONT", "camera"),
        ("LiDAR_TOP", "lidar"),
    ]
    frame = scene.frames[1]
    assert frame.timestamp_us == 200
    # World starts at the first pose's place and keeps its axes: 2 m along a heading of 90 degrees.
    np.testing.assert_allclose(frame.world_from_ego[:3, 3], [0, 2, 0], atol=1e-9)
    np.testing.assert_allclose(
        scene.source_from_world @ frame.world_from_ego,
        FAR @ rigid(np.eye(3), [2.0, 0, 0]),
        atol=1e-9,
    )
    assert frame.sweeps["LiDAR_TOP"].points_ego[2].tolist() == [6, 7, 8]
    masks = {label.sensor: label for label in frame.labels.masks}
    assert {label.track for label in masks.values()} == {"17"}
    assert masks["LiDAR_TOP"].mask.tolist() == [True, False, True, False]
    assert np.flatnonzero(masks["FRONT"].mask).tolist() == [6 + 2, 6 + 3, 6 + 4]
    assert frame.sweeps["LiDAR_TOP"].in_no_label_zone.tolist() == [False, True, False, True]


@pytest.mark.parametrize("where", ["data_path", "pcd", "sam4d_label"])
def test_a_path_that_leads_out_of_the_data_set_is_refused(data_set: Path, where: str):
    secret = data_set.parent / "secret"
    secret.write_bytes(b"x")
    meta = data_set / "meta_infos" / "drive-1.pkl"
    content = pickle.loads(meta.read_bytes())
    first = content["frames"][0]
    place = first["cams_info"]["FRONT"] if where == "data_path" else first["path"]
    place[where] = str(secret) if where == "data_path" else "../secret/1.npz"
    meta.write_bytes(pickle.dumps(content))

    with pytest.raises(BadScene, match="outside of the data set"):
        read_scene(data_set).frames[0]


def test_a_pickle_with_code_in_it_is_refused(data_set: Path):
    (data_set / "meta_infos" / "drive-1.pkl").write_bytes(pickle.dumps(print))

    with pytest.raises(BadScene, match=r"asks for builtins\.print"):
        read_scene(data_set)


def test_a_cloud_with_objects_in_it_is_not_unpickled(data_set: Path):
    cloud = data_set / "pcds" / "drive-1" / "100.npz"
    np.savez(cloud, data=np.array([print], dtype=object))

    with pytest.raises(BadScene, match="frame 0"):
        read_scene(data_set).frames[0]


def test_a_mask_of_another_size_than_the_cloud_is_refused(data_set: Path):
    np.savez(data_set / "pcds" / "drive-1" / "100.npz", data=np.zeros((3, 3)))

    with pytest.raises(BadScene, match="a LiDAR mask has 4 points, the cloud 3"):
        read_scene(data_set).frames[0]


def test_a_folder_of_something_else_is_named(tmp_path: Path):
    with pytest.raises(BadScene, match="not the Waymo-4DSeg layout"):
        read_scene(tmp_path)
