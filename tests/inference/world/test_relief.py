"""Streets that bend and climb: what is planned lies where the course says, on the ground that rays meet."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from inference.geometry import inverse, transform
from inference.world import casting, sensors
from inference.world.drive import make_drive
from inference.world.relief import STEEPEST, drawn_course
from inference.world.solids import Kind
from inference.world.street import ROAD

CROSSING_X = 60.0
SEEDS = range(12)


def course(seed: int):
    return drawn_course(CROSSING_X, np.random.default_rng(seed))


def drive(seed: int, length: int = 2):
    return make_drive(seed, "tiny", length, course="winding")


def ground_of(street, points):
    """Height and place in the plan under points [N, 2], from the course itself."""
    plan = street.course.plan_of(points)
    return np.array([street.course.at(x, y)[0][2] for x, y in plan]), plan


@pytest.mark.parametrize("seed", SEEDS)
def test_the_crossing_stays_as_planned_and_no_ground_is_too_steep(seed: int):
    made = course(seed)

    where, heading, grade = made.at(CROSSING_X + 5, 40.0)

    assert np.allclose(where, (CROSSING_X + 5, 40.0, 0.0), atol=1e-6)
    assert (heading, grade) == (0.0, 0.0)
    assert np.abs(made.grade).max() < STEEPEST
    # In plan, too, as what is on the inside of a bend comes closer together.
    relief = made.relief()
    across, along = np.gradient(relief.height, relief.cell)
    near = np.abs(relief.plan[..., 1]) < 40
    assert np.hypot(across, along)[near].max() < STEEPEST * 1.3


def test_streets_bend_both_ways_rise_and_fall():
    made = [course(seed) for seed in SEEDS]

    ends = np.array([[c.heading[-1], c.height[-1]] for c in made])
    assert (ends.min(axis=0) < (-0.2, -1.0)).all()
    assert (ends.max(axis=0) > (0.2, 1.0)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_place_in_the_plan_is_found_again(seed: int):
    made = course(seed)
    plan = np.random.default_rng(seed).uniform((-60, -14), (150, 14), (400, 2))
    there = np.array([made.at(x, y)[0][:2] for x, y in plan])

    again = made.plan_of(there)

    assert np.abs(again - plan).max() < 0.05


@pytest.mark.parametrize("seed", [2, 3, 5, 9])
def test_rays_meet_the_ground_where_it_is(seed: int):
    frames = drive(seed).frames
    view = frames._view(0.0)
    hits = sensors.cast_lidar(view, frames.rig.units[0], frames._noise)
    on_ground = hits.solid_at == casting.GROUND
    rays = hits.rays
    directions = rays.across[None] * rays.scale[:, None, None] + rays.down[:, None]
    met = (rays.start + directions * hits.distance[..., None])[on_ground].astype(float)

    height, plan = ground_of(frames.street, met[:, :2])

    away = hits.distance[on_ground]
    assert (np.abs(met[:, 2] - height) < 0.02 + 0.0015 * away).all()
    ids = hits.gold_ids(view.paving)[on_ground]
    lay = frames.street.layout
    inside = np.abs(plan[:, 1]) < lay.half - 0.1
    beside = (np.abs(plan[:, 1]) > lay.half + 0.1) & (np.abs(plan[:, 0] - lay.crossing_x) > 20)
    assert (ids[inside] == ROAD).all()
    assert (ids[beside] != ROAD).all()


@pytest.mark.parametrize("seed", [3, 5])
def test_vehicles_stand_on_the_ground(seed: int):
    street = drive(seed).frames.street
    gaps = []
    for thing in street.things:
        if thing.gold.label_class not in ("car", "truck", "bus"):
            continue
        solids = thing.solids_at(0.0)
        wheels = solids.chosen(solids.kind == Kind.CYLINDER)
        low, high = wheels.extents()
        middle = (low + high)[:, :2] / 2
        height, _ = ground_of(street, middle)
        gaps += (low[:, 2] - height).tolist()

    assert len(gaps) > 50
    assert np.quantile(np.abs(gaps), 0.95) < 0.12


def test_ego_pitches_with_the_road_and_drives_along_it():
    frames = drive(5, 30).frames
    poses = [frames.street.street_from_ego(0.1 * k) for k in range(30)]

    steps = [inverse(a) @ b for a, b in pairwise(poses)]
    # Straight on, as its own axes say, whatever the road does.
    for step in steps:
        assert abs(step[2, 3]) < 0.02 * max(step[0, 3], 0.05)
        assert abs(step[1, 3]) < 0.03
    grades = [np.arcsin(pose[2, 0]) for pose in poses]
    assert max(map(abs, grades)) > 0.005


def test_a_course_changes_nothing_of_what_stands_in_a_street():
    plain, bent = make_drive(5, "tiny", 2).frames, drive(5).frames

    assert plain.gold == bent.gold
    pose = make_drive(5, "tiny", 2, course="straight").frames[0].world_from_ego
    assert np.array_equal(pose, plain[0].world_from_ego)


def test_cuboids_hold_the_points_of_their_things():
    scene = drive(5)
    frame, ids = scene.frames[0], scene.frames.gold_ids(0)["TOP"]
    numbers = {track.track: number for number, track in scene.frames.gold.items()}
    points = frame.sweeps["TOP"].points_ego
    shares = []
    for cuboid in frame.labels.cuboids:
        own = points[ids == numbers[cuboid.track]]
        if len(own) < 10:
            continue
        c, s = np.cos(cuboid.heading), np.sin(cuboid.heading)
        away = own - np.array(cuboid.centre_ego)
        local = np.stack(
            [away[:, 0] * c + away[:, 1] * s, away[:, 1] * c - away[:, 0] * s, away[:, 2]]
        )
        inside = (np.abs(local) < np.array(cuboid.size)[:, None] / 2 + 0.25).all(axis=0)
        shares.append(inside.mean())

    assert len(shares) > 5
    assert np.mean(shares) > 0.95
    assert transform(frame.world_from_ego, points).shape == points.shape


def test_an_unknown_course_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match="no course 'steep'; choose straight or winding"):
        make_drive(1, "tiny", 1, course="steep")
