"""What is stored can be read back as a recording."""

from __future__ import annotations

import numpy as np
import pytest

from backend.scenes.queries import places, read_scene
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


def test_the_places_of_a_frame_are_its_readings_and_one_that_comes_later_is_found():
    scene = build_stored_scene(build_project(), frames=2)
    frame = scene.frames.get(index=1)
    expected = {
        row.sensor.number: (row.pk, row.size, row.sensor.kind, row.source_key, row.view_key)
        for row in frame.readings.select_related("sensor")
    }
    assert places(scene.pk, 1) == expected
    assert places(scene.pk, 2) == {}

    readings = list(frame.readings.all())
    frame.pk, frame.index, frame._state.adding = None, 2, True
    frame.save()
    for reading in readings:
        reading.pk, reading.frame, reading._state.adding = None, frame, True
        reading.save()

    assert set(places(scene.pk, 2)) == set(expected)
