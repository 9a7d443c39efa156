"""One real Waymo frame, held against its twin in the other container, decoded here step by step."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from inference.datasets import waymo
from inference.datasets.waymo_names import CAMERA_CLASSES
from inference.scene import Frame

pytestmark = pytest.mark.shared

CONTEXT = "1024360143612057520_3580_000_3600_000"


@pytest.fixture(scope="module")
def frame(shared_data: Path) -> Frame:
    return waymo.read_scene(shared_data / "waymo/v1/pvps_data_one_frame.tfrecord").frames[0]


def test_panoptic_pictures_become_the_masks_that_their_pixels_say(shared_data: Path, frame: Frame):
    """Pixel by pixel: the class of each, by the other container's PNG and the published list."""
    path = shared_data / "waymo/v2_converted/camera_segmentation" / f"{CONTEXT}.parquet"
    names = {1: "FRONT", 2: "FRONT_LEFT", 3: "FRONT_RIGHT", 4: "SIDE_LEFT", 5: "SIDE_RIGHT"}
    prefix = "[CameraSegmentationLabelComponent]."
    mapping = prefix + "instance_id_to_global_id_mapping."

    for row in parquet.read_table(path).to_pylist():
        sensor = names[row["key.camera_name"]]
        values = np.array(Image.open(io.BytesIO(row[prefix + "panoptic_label"]))).astype(int)
        masks = [mask for mask in frame.labels.masks if mask.sensor == sensor]
        expected = 0
        for instance in np.unique(values % 1000):
            mine = values % 1000 == instance
            classes, pixels = np.unique(values[mine] // 1000, return_counts=True)
            if instance == 0:
                for label_class in classes[classes > 0]:
                    (mask,) = [
                        m for m in masks if m.label_class == CAMERA_CLASSES[label_class]
                        and np.array_equal(m.mask, (values == label_class * 1000).ravel())
                    ]  # fmt: skip
                    expected += 1
                continue
            (mask,) = [m for m in masks if np.array_equal(m.mask, mine.ravel())]
            assert mask.label_class == CAMERA_CLASSES[classes[pixels.argmax()]]
            assert not mask.is_stuff
            expected += 1
        assert len(masks) == expected
        tracked = sum(row[mapping + "is_tracked"])
        sequence = row[prefix + "sequence_id"]
        assert sum(sequence in mask.track for mask in masks) == tracked


def test_both_containers_say_the_same(shared_data: Path, frame: Frame):
    other = waymo.read_scene(
        shared_data / "waymo/v2_converted/vehicle_pose" / f"{CONTEXT}.parquet"
    ).frames[0]

    assert other.timestamp_us == frame.timestamp_us == 1_553_735_853_462_203
    np.testing.assert_allclose(other.world_from_ego, frame.world_from_ego, atol=1e-9)
    assert {name: image.encoded for name, image in other.images.items()} == {
        name: image.encoded for name, image in frame.images.items()
    }
    assert sorted(other.labels.cuboids, key=repr) == sorted(frame.labels.cuboids, key=repr)
    assert sorted(other.labels.rectangles, key=repr) == sorted(frame.labels.rectangles, key=repr)
    assert {(m.track, m.sensor, m.mask.tobytes()) for m in other.labels.masks} == {
        (m.track, m.sensor, m.mask.tobytes()) for m in frame.labels.masks
    }
