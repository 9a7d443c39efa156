"""An instance and a box are joined where the points leave no doubt."""

from __future__ import annotations

import numpy as np
import pytest

from backend.imports.joining import (
    boxes_of_image_instances,
    boxes_of_instances,
    same_objects,
)
from inference.scene import CuboidLabel


def box(track: str, *, centre=(0.0, 0.0, 0.0), size=(4.0, 2.0, 2.0), heading=0.0) -> CuboidLabel:
    return CuboidLabel(track, "vehicle", centre, size, heading)


@pytest.mark.parametrize(("inside", "winner"), [(8, "a"), (7, None)])
def test_a_box_holds_an_instance_from_eighty_per_cent_of_its_points(inside, winner):
    points = np.array([[0.5, 0.5, 0.5]] * inside + [[9.0, 0.0, 0.0]] * (10 - inside))

    votes = boxes_of_instances(points, {"i": np.ones(10, dtype=bool)}, [box("a")])

    assert votes == {"i": winner}


def test_a_turned_box_is_measured_along_its_own_axes():
    # 1.9 m along the heading and 0.9 m across it: inside a 4 x 2 box turned by 30 degrees,
    # outside the same box unturned (y = 1.73).
    along, across = np.array([0.8660254, 0.5, 0]), np.array([-0.5, 0.8660254, 0])
    points = np.tile(1.9 * along + 0.9 * across, (5, 1))
    everything = {"i": np.ones(5, dtype=bool)}

    assert boxes_of_instances(points, everything, [box("a", heading=np.pi / 6)]) == {"i": "a"}
    assert boxes_of_instances(points, everything, [box("a")]) == {"i": None}


def test_points_that_two_boxes_hold_leave_a_doubt():
    points = np.zeros((5, 3))

    votes = boxes_of_instances(points, {"i": np.ones(5, dtype=bool)}, [box("a"), box("b")])

    assert votes == {"i": None}


def test_four_points_have_no_say():
    points = np.zeros((4, 3))

    assert boxes_of_instances(points, {"i": np.ones(4, dtype=bool)}, [box("a")]) == {}


def test_only_the_instance_s_own_points_count():
    points = np.array([[0.0, 0.0, 0.0]] * 5 + [[50.0, 0.0, 0.0]] * 100)
    mask = np.arange(105) < 5

    assert boxes_of_instances(points, {"i": mask}, [box("a")]) == {"i": "a"}


def in_lidar(*frames: dict[str, str | None]) -> list[dict[str, dict[str, str | None]]]:
    return [{"TOP": votes} for votes in frames]


@pytest.mark.parametrize(
    ("frames", "joined"),
    [
        (in_lidar({"i": "a"}, {"i": "a"}), {"i": "a"}),
        (in_lidar({"i": "a"}, {}), {"i": "a"}),  # not seen: no contradiction
        (in_lidar({"i": "a"}, {"i": "b"}), {}),
        (in_lidar({"i": "a"}, {"i": "a"}, {"i": "b"}), {}),
        (in_lidar({"i": "a"}, {"i": None}), {"i": "a"}),
        (in_lidar({"i": "a"}, {"i": None}, {"i": None}), {}),
        (in_lidar({"i": None}), {}),
        (in_lidar({"i": "a", "j": "a"}), {}),  # rider and bicycle in one box
        (in_lidar({"i": "a"}, {"j": "a"}), {}),
        (in_lidar({"i": "a", "j": "b"}), {"i": "a", "j": "b"}),
        ([{"TOP": {"i": "a"}, "FRONT": {"c": "a"}}], {"i": "a", "c": "a"}),
        ([{"FRONT": {"c": "a"}, "LEFT": {"c": "b"}}], {}),
        ([], {}),
    ],
)
def test_objects_are_the_same_when_no_doubt_is_left(frames, joined):
    assert same_objects(frames) == joined


# --- instances of a picture: ten points of a box, on pixels 0 ... 9 of a picture of 100 ------------


def seen(*, in_box: int = 10, behind: int = 0) -> tuple[np.ndarray, np.ndarray]:
    points = [[0.0, 0.0, 0.5]] * in_box + [[30.0, 0.0, 0.5]] * behind
    return np.array(points), np.arange(len(points))


def picture_mask(pixels: range) -> np.ndarray:
    mask = np.zeros(100, dtype=bool)
    mask[pixels.start : pixels.stop] = True
    return mask


@pytest.mark.parametrize(
    ("covered", "behind", "winner"),
    [
        (10, 0, "a"),
        (8, 0, "a"),
        (7, 0, None),  # shows less than 80 % of the box's points: something else hides it
        (12, 2, "a"),
        (13, 3, None),  # 10 of 13 points on the mask are the box's
    ],
)
def test_a_picture_s_instance_shows_the_box_and_nothing_else(covered, behind, winner):
    points, places = seen(behind=behind)

    votes = boxes_of_image_instances(
        points, places, {"c": picture_mask(range(covered))}, [box("a")]
    )

    assert votes == {"c": winner}


def test_a_picture_s_instance_with_few_points_has_no_say():
    points, places = seen(in_box=4)

    votes = boxes_of_image_instances(points, places, {"c": picture_mask(range(100))}, [box("a")])

    assert votes == {}


def test_the_road_under_a_box_is_not_the_box_s():
    # Ten points on the car and thirty on the road below it, which another mask shows.
    points = np.array([[0.0, 0.0, 0.5]] * 10 + [[0.0, 0.0, -0.9]] * 30)
    places = np.arange(40)

    votes = boxes_of_image_instances(points, places, {"c": picture_mask(range(10))}, [box("a")])

    assert votes == {"c": "a"}


def test_points_of_two_boxes_belong_to_neither():
    points, places = seen()

    votes = boxes_of_image_instances(
        points, places, {"c": picture_mask(range(10))}, [box("a"), box("b")]
    )

    assert votes == {"c": None}


def test_a_scene_without_boxes_has_nothing_to_join():
    points, places = seen()

    assert boxes_of_image_instances(points, places, {"c": picture_mask(range(10))}, []) == {}
