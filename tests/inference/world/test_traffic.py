"""Who moves does so like a body in traffic: along its route, at red lights, not through others."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inference.world.solids import Float64Array
from inference.world.street import KERB_M, Street, make_street
from inference.world.traffic import Driver, Walk, bent_route, simulate, straight_route


def test_a_bend_ends_where_geometry_puts_it() -> None:
    # 20 m straight on, a left quarter circle of radius 10 m, then 30 m.
    route = bent_route(0.0, 0.0, 0.0, ((20.0, 0.0), (5 * math.pi, math.pi / 2), (30.0, 0.0)))

    x, y, heading = route.at(route.length)

    # Rounding the corners moves the far end by centimetres.
    assert (x, y) == pytest.approx((30.0, 40.0), abs=0.3)
    assert heading == pytest.approx(math.pi / 2, abs=0.02)
    assert route.at(-5.0) == pytest.approx((-5.0, 0.0, 0.0))


def test_a_driver_stops_before_the_line_and_goes_at_green() -> None:
    driver = Driver(straight_route(0, 0, 0, 300), 0.0, 9.0, 10.0, 4.5, 60.0, (0.0, 12.0))

    simulate([driver], 250)

    front = np.array(driver.track_s) + 4.5 / 2
    assert front[:121].max() <= 60.0
    assert front[118] > 56.0
    assert driver.track_speed[118] < 0.7
    assert driver.track_speed[-1] > 8.0


def test_who_follows_keeps_a_gap() -> None:
    route = straight_route(0, 0, 0, 400)
    slow, fast = Driver(route, 30.0, 4.0, 4.0, 5.0), Driver(route, 0.0, 12.0, 14.0, 5.0)

    simulate([slow, fast], 300)

    gaps = np.array(slow.track_s) - np.array(fast.track_s) - 5.0
    assert gaps.min() > 1.5
    assert fast.track_speed[-1] == pytest.approx(4.0, abs=0.3)


def test_a_walker_stops_after_its_distance() -> None:
    walk = Walk((1.0, 2.0), math.pi / 2, 1.5, 0.0, 3.0)

    assert walk.at(1.0) == pytest.approx((1.0, 3.5, math.pi / 2))
    assert walk.at(10.0) == pytest.approx((1.0, 5.0, math.pi / 2))
    assert walk.is_walking(1.9)
    assert not walk.is_walking(2.1)
    assert walk.gait(5.0) == walk.gait(9.0)


def footprint(x: float, y: float, heading: float, half: Float64Array) -> Float64Array:
    corners = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * half
    c, s = math.cos(heading), math.sin(heading)
    return corners @ np.array([[c, s], [-s, c]]) + (x, y)


def overlap(first: Float64Array, second: Float64Array) -> bool:
    """Two rectangles overlap unless a side of one separates them."""
    for rectangle in (first, second):
        for k in range(2):
            along = rectangle[k + 1] - rectangle[k]
            a, b = first @ along, second @ along
            if a.max() < b.min() or b.max() < a.min():
                return False
    return True


def rectangles(street: Street, time_s: float) -> list[tuple[str, bool, Float64Array]]:
    x, y, heading = street.ego_pose(time_s)
    out = [("ego", True, footprint(x, y, heading, np.array([2.4, 0.95])))]
    for thing in street.things:
        if thing.gold.label_class in ("car", "truck", "bus", "cyclist"):
            low, high = thing.bounds_at(time_s)
            x, y, _, heading = thing.pose_at(time_s)
            out.append((thing.gold.track, not thing.is_static,
                        footprint(x, y, heading, (high - low)[:2] / 2 * 0.97)))  # fmt: skip
    return out


@pytest.mark.parametrize("seed", [0, 1, 6])
def test_no_vehicle_drives_through_another(seed: int) -> None:
    street = make_street(seed, 200)

    for time_s in np.arange(0, 20, 0.5):
        bodies = rectangles(street, float(time_s))
        middles = np.array([body.mean(axis=0) for _, _, body in bodies])
        for i, (first, is_moving, body) in enumerate(bodies):
            if not is_moving:
                continue
            for j in np.flatnonzero(((middles - middles[i]) ** 2).sum(axis=1) < 150):
                assert j == i or not overlap(body, bodies[j][2]), (time_s, first, bodies[j][0])


def test_people_walk_on_the_sidewalk_or_the_zebra() -> None:
    street = make_street(2, 200)
    lay = street.layout

    for thing in street.things:
        if thing.gold.label_class != "pedestrian":
            continue
        for time_s in np.arange(0, 20, 1.0):
            x, y, z, _ = thing.pose_at(float(time_s))
            along = abs(x - lay.crossing_x) - lay.cross_half
            # Round kerbs let the zebra reach a little beyond the road's straight edge.
            on_zebra = 1.0 < along < 4.0 and abs(y) < lay.half + 1.6
            assert z == KERB_M or on_zebra, (thing.gold.track, time_s)
