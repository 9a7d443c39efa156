"""An instance and a box are joined where the points leave no doubt."""

from __future__ import annotations

import numpy as np
import pytest

from backend.imports.joining import boxes_of_instances, same_objects
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


@pytest.mark.parametrize(
    ("frames", "joined"),
    [
        ([{"i": "a"}, {"i": "a"}], {"i": "a"}),
        ([{"i": "a"}, {}], {"i": "a"}),  # not seen: no contradiction
        ([{"i": "a"}, {"i": "b"}], {}),
        ([{"i": "a"}, {"i": None}], {}),
        ([{"i": "a", "j": "a"}], {}),  # rider and bicycle in one box
        ([{"i": "a"}, {"j": "a"}], {}),
        ([{"i": "a", "j": "b"}], {"i": "a", "j": "b"}),
        ([], {}),
    ],
)
def test_objects_are_the_same_when_every_frame_agrees_and_nobody_else_claims(frames, joined):
    assert same_objects(frames) == joined
