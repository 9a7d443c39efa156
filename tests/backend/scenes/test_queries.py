"""What is stored can be read back as a recording."""

from __future__ import annotations

import numpy as np
import pytest

from backend.scenes.queries import read_scene
from tests.builders import CAMERA, LIDAR, build_project, build_scene, build_stored_scene

pytestmark = pytest.mark.django_db


def test_a_stored_scene_reads_back_as_it_came():
    source = build_scene(frames=2)

    stored = read_scene(build_stored_scene(build_project(), source))

    assert [sensor.name for sensor in stored.sensors] == [CAMERA, LIDAR]
    assert stored.sensor(CAMERA).calibration.intrinsics == source.sensors[0].calibration.intrinsics
    for before, after in zip(source.frames, stored.frames, strict=True):
        assert after.timestamp_us == before.timestamp_us
        assert np.array_equal(after.world_from_ego, before.world_from_ego)
        assert after.images[CAMERA].encoded == before.images[CAMERA].encoded
        assert np.array_equal(after.sweeps[LIDAR].points_ego, before.sweeps[LIDAR].points_ego)
