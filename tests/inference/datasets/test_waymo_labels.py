"""Waymo's labels as ours, from pictures and numbers small enough to count by hand."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from inference.datasets.waymo_labels import (
    BadLabel,
    cuboid_label,
    lidar_masks,
    panoptic_masks,
    rectangle_label,
)
from inference.datasets.waymo_raw import RawCuboid, RawPanoptic, RawRectangle

FRONT = 1
SIZE_PX = (4, 2)
# Panoptic classes and divisor: 2 car, 9 pedestrian, 20 road.
CAR, PEDESTRIAN, ROAD, DIVISOR = 2, 9, 20, 1000


def picture(values: list[list[int]]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.array(values, np.uint16)).save(out, "PNG")
    return out.getvalue()


def panoptic(values: list[list[int]], tracked: dict[int, int] | None = None) -> RawPanoptic:
    return RawPanoptic(FRONT, picture(values), DIVISOR, "sequence", tracked or {})


def test_each_instance_of_a_picture_is_a_mask_and_what_has_none_is_stuff():
    car, road = CAR * DIVISOR + 7, ROAD * DIVISOR
    raw = panoptic([[car, car, road, 0], [0, car, road, road]], tracked={7: 41})

    masks = {mask.track: mask for mask in panoptic_masks(raw, timestamp_us=5, size_px=SIZE_PX)}

    assert masks.keys() == {"camera:sequence:41", "stuff:road"}
    assert masks["camera:sequence:41"].mask.tolist() == [1, 1, 0, 0, 0, 1, 0, 0]
    assert masks["camera:sequence:41"].label_class == "car"
    assert masks["stuff:road"].mask.tolist() == [0, 0, 1, 0, 0, 0, 1, 1]
    assert masks["stuff:road"].is_stuff
    assert not masks["camera:sequence:41"].is_stuff


def test_an_instance_that_touches_two_classes_has_the_larger_one():
    car, walker = CAR * DIVISOR + 5, PEDESTRIAN * DIVISOR + 5
    raw = panoptic([[walker, walker, walker, 0], [car, 0, 0, 0]])

    (mask,) = panoptic_masks(raw, timestamp_us=5, size_px=SIZE_PX)

    assert mask.label_class == "pedestrian"
    assert mask.mask.tolist() == [1, 1, 1, 0, 1, 0, 0, 0]


def test_an_untracked_instance_is_its_own_object_in_every_picture():
    raw = panoptic([[CAR * DIVISOR + 5] * 4] * 2)

    tracks = [
        mask.track
        for time in (5, 6)
        for mask in panoptic_masks(raw, timestamp_us=time, size_px=SIZE_PX)
    ]

    assert len(set(tracks)) == 2


def test_a_picture_of_another_size_or_depth_is_refused():
    wrong = io.BytesIO()
    Image.new("RGB", SIZE_PX).save(wrong, "PNG")

    with pytest.raises(BadLabel, match=r"is \(4, 2\), its camera \(8, 2\)"):
        list(panoptic_masks(panoptic([[0] * 4] * 2), timestamp_us=5, size_px=(8, 2)))
    for raw, reason in (
        (RawPanoptic(FRONT, wrong.getvalue(), DIVISOR, "", {}), "mode 'RGB'"),
        (RawPanoptic(FRONT, b"no picture", DIVISOR, "", {}), "cannot be decoded"),
        (RawPanoptic(FRONT, picture([[1] * 4] * 2), 0, "", {}), "divisor 0"),
    ):
        with pytest.raises(BadLabel, match=reason):
            list(panoptic_masks(raw, timestamp_us=5, size_px=SIZE_PX))


def test_a_flood_of_instances_is_refused():
    values = (np.arange(400) + 2000).reshape(20, 20).tolist()

    with pytest.raises(BadLabel, match="names 400 instances"):
        list(panoptic_masks(panoptic(values), timestamp_us=5, size_px=(20, 20)))


def test_points_of_a_sweep_are_split_by_class_and_instance():
    """Channels: instance, class. 1 is a car, 18 the road, 0 no label."""
    points = np.array([[3, 1], [0, 18], [4, 1], [3, 1], [9, 0], [0, 0], [0, 18]], np.int32)

    masks = {mask.track: mask for mask in lidar_masks(points, "LIDAR_TOP")}

    assert {track: mask.mask.nonzero()[0].tolist() for track, mask in masks.items()} == {
        "lidar:1:3": [0, 3],
        "lidar:1:4": [2],
        "stuff:road": [1, 6],
    }
    assert {mask.label_class for mask in masks.values()} == {"car", "road"}
    assert [mask.track for mask in masks.values() if mask.is_stuff] == ["stuff:road"]


def test_cars_without_a_number_are_not_stuff():
    """A class that is stuff has one track: all numbered cars would end in it."""
    points = np.array([[0, 1], [5, 1], [0, 1], [0, 4]], np.int32)
    unnumbered_car = panoptic([[CAR * DIVISOR] * 4] * 2)

    masks = [
        *lidar_masks(points, "LIDAR_TOP"),
        *panoptic_masks(unnumbered_car, timestamp_us=5, size_px=SIZE_PX),
    ]

    assert [(mask.track, mask.label_class) for mask in masks] == [
        ("unnumbered:car", "car"),
        ("lidar:1:5", "car"),
        ("unnumbered:other vehicle", "other vehicle"),
        ("unnumbered:car", "car"),
    ]
    assert not any(mask.is_stuff for mask in masks)


def test_a_class_newer_than_the_list_keeps_its_number():
    (mask,) = lidar_masks(np.array([[1, 77]], np.int32), "LIDAR_TOP")

    assert mask.label_class == "class 77"


def test_a_rectangle_is_given_by_its_corners_and_a_projection_is_of_its_cuboid():
    raw = RawRectangle(FRONT, "id", 2, centre_px=(100, 50), size_px=(20, 10))

    drawn = rectangle_label(raw, is_projected=False)
    projected = rectangle_label(raw, is_projected=True)

    assert drawn.corners_px == (90, 45, 110, 55)
    assert (drawn.sensor, drawn.label_class) == ("FRONT", "pedestrian")
    cuboid = cuboid_label(RawCuboid("id", 2, (0, 0, 0), (1, 1, 1), 0, None, None))
    assert projected.track == cuboid.track != drawn.track


def test_boxes_that_make_no_sense_are_refused():
    nan = float("nan")
    with pytest.raises(BadLabel, match="'id' has NaN"):
        cuboid_label(RawCuboid("id", 1, (nan, 0, 0), (1, 1, 1), 0, None, None))
    with pytest.raises(BadLabel, match="negative size"):
        rectangle_label(RawRectangle(FRONT, "id", 1, (0, 0), (-1, 1)), is_projected=False)
