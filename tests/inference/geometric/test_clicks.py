"""Clicks, boxes and masks on blocks of which every pixel and point is known."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial import cKDTree

from inference.geometry import Intrinsics, rigid, rotation_from_euler
from inference.masks import intersection_over_union
from inference.predictor import load_predictor
from inference.prompts import BoxPrompt, MaskPrediction, MaskPrompt, PointPrompt, Prompt
from inference.scene import Calibration, Sensor, SensorKind
from tests.inference.geometric.blocks import (
    CAMERA,
    EGO_FROM_CAMERA,
    GROUND,
    LENS,
    LIDAR,
    SKY,
    Block,
    Plain,
    scene_of,
)

BoolArray = npt.NDArray[np.bool_]

CAR, VAN = 0, 1
STREET = (Block((12, 0)), Block((11, 4.5), (5, 2, 2.2)), Block((25, -5)))


def predicted(plain: Plain, *prompts: Prompt, frame: int = 0) -> dict[str, MaskPrediction]:
    predictor = load_predictor("geometric")
    opened = predictor.open(scene_of(plain))
    answers = predictor.add_prompt(opened, frame=frame, prompts=prompts)
    assert len({answer.sensor for answer in answers}) == len(answers)
    assert all(0 <= answer.confidence <= 1 for answer in answers)
    return {answer.sensor: answer for answer in answers}


def middle_of(plain: Plain, number: int, sensor: Sensor, frame: int = 0) -> tuple[float, ...]:
    """A position in the middle of what the sensor sees of an id."""
    gold = plain.gold(frame, sensor) == number
    if sensor.kind is SensorKind.LIDAR:
        points = plain[frame].sweeps[sensor.name].points_ego[gold]
        distance = np.linalg.norm(points - np.median(points, axis=0), axis=1)
        return tuple(float(x) for x in points[distance.argmin()])
    lens = sensor.calibration.intrinsics
    assert lens is not None
    region = np.pad(gold.reshape(lens.height_px, lens.width_px), 1).astype(np.uint8)
    depth = cv2.distanceTransform(region, cv2.DIST_L2, 5)[1:-1, 1:-1]
    v, u = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(u) + 0.5, float(v) + 0.5


def click_on(plain: Plain, number: int, sensor: Sensor, *, positive: bool = True) -> PointPrompt:
    return PointPrompt(sensor.name, middle_of(plain, number, sensor), positive)


def agreement(
    plain: Plain, answers: dict[str, MaskPrediction], number: int, sensor: Sensor
) -> float:
    gold = plain.gold(0, sensor) == number
    return intersection_over_union(answers[sensor.name].mask, gold)


@pytest.mark.parametrize("clicked", [CAMERA, LIDAR], ids=["camera", "lidar"])
@pytest.mark.parametrize("number", [CAR, VAN], ids=["car", "van"])
def test_one_click_in_either_sensor_finds_the_object_in_both(clicked: Sensor, number: int) -> None:
    plain = Plain(STREET)

    answers = predicted(plain, click_on(plain, number, clicked))

    assert agreement(plain, answers, number, LIDAR) > 0.85
    assert agreement(plain, answers, number, CAMERA) > 0.85


def test_a_sweep_without_rows_gives_nearly_the_same_object() -> None:
    plain = Plain(STREET, with_rows=False)

    answers = predicted(plain, click_on(plain, CAR, CAMERA))

    assert agreement(plain, answers, CAR, LIDAR) > 0.8


def test_each_lidar_gets_its_own_part_of_the_object() -> None:
    front = Sensor(
        "LOW",
        SensorKind.LIDAR,
        Calibration(rigid(rotation_from_euler(0, 0.1, 0.3), [2.0, 0.3, 0.8])),
    )
    plain = Plain(STREET, sensors=(CAMERA, LIDAR, front))

    answers = predicted(plain, click_on(plain, CAR, front))

    assert agreement(plain, answers, CAR, LIDAR) > 0.8
    assert agreement(plain, answers, CAR, front) > 0.8
    assert agreement(plain, answers, CAR, CAMERA) > 0.8


def test_cameras_of_different_size_lens_and_pose_each_find_the_object() -> None:
    bent = replace(LENS, k1=-0.08, k2=0.01, p1=0.001)
    wide = Intrinsics(fx=150, fy=155, cx=250, cy=130, width_px=480, height_px=270)
    left = EGO_FROM_CAMERA @ rigid(rotation_from_euler(0, -0.35, 0.1), [0.2, 0, 0.1])
    cameras = (
        Sensor("BENT", SensorKind.CAMERA, Calibration(EGO_FROM_CAMERA, bent)),
        Sensor("WIDE", SensorKind.CAMERA, Calibration(left, wide)),
    )
    # The vehicle was 0.8 m further on, and turned, when the cameras looked.
    later = rigid(rotation_from_euler(0, 0, 0.02), [0.8, 0.1, 0])
    plain = Plain(STREET, sensors=(*cameras, LIDAR), ego_from_ego_at_picture=later)

    answers = predicted(plain, click_on(plain, CAR, LIDAR))

    for camera in cameras:
        assert agreement(plain, answers, CAR, camera) > 0.8


def test_a_scene_without_lidar_is_answered_from_the_picture() -> None:
    plain = Plain(STREET, sensors=(CAMERA,))

    answers = predicted(plain, click_on(plain, CAR, CAMERA))

    assert set(answers) == {"FRONT"}
    assert agreement(plain, answers, CAR, CAMERA) > 0.7


def test_a_scene_without_cameras_is_answered_in_the_points() -> None:
    plain = Plain(STREET, sensors=(LIDAR,))

    answers = predicted(plain, click_on(plain, CAR, LIDAR))

    assert set(answers) == {"TOP"}
    assert agreement(plain, answers, CAR, LIDAR) > 0.85


@pytest.mark.parametrize(("clicked", "gone"), [(CAMERA, "TOP"), (LIDAR, "FRONT")])
def test_a_missing_reading_is_left_out(clicked: Sensor, gone: str) -> None:
    plain = Plain(STREET, missing={(0, gone)})

    answers = predicted(plain, click_on(plain, CAR, clicked))

    assert set(answers) == {clicked.name}
    assert agreement(plain, answers, CAR, clicked) > 0.7


def test_a_prompt_for_a_missing_reading_is_refused() -> None:
    plain = Plain(STREET, missing={(0, "TOP")})

    with pytest.raises(ValueError, match="'TOP' has no sweep in frame 0"):
        predicted(plain, PointPrompt("TOP", (12.0, 0.0, 1.0)))


@pytest.mark.parametrize("clicked", [CAMERA, LIDAR], ids=["camera", "lidar"])
def test_a_click_on_the_ground_finds_ground_and_no_object(clicked: Sensor) -> None:
    plain = Plain(STREET)
    if clicked is LIDAR:
        click = PointPrompt("TOP", (9.0, -3.0, 0.0))
    else:
        click = PointPrompt("FRONT", (160.0, 190.0))

    answers = predicted(plain, click)

    for sensor in (CAMERA, LIDAR):
        found = plain.gold(0, sensor)[answers[sensor.name].mask]
        assert len(found) > 200
        assert (found == GROUND).mean() > 0.97


def test_a_click_in_the_sky_finds_sky_and_no_points() -> None:
    plain = Plain(STREET)

    answers = predicted(plain, PointPrompt("FRONT", (160.0, 15.0)))

    assert set(answers) == {"FRONT"}
    assert agreement(plain, answers, SKY, CAMERA) > 0.8


def test_a_negative_click_parts_objects_that_touch() -> None:
    plain = Plain((Block((12, 0), (4, 1.8, 1.6)), Block((12, 1.9), (4, 1.9, 1.6))))
    merged = predicted(plain, click_on(plain, 0, LIDAR))
    assert agreement(plain, merged, 0, LIDAR) < 0.8  # else there is nothing to part

    parted = predicted(plain, click_on(plain, 0, LIDAR), click_on(plain, 1, LIDAR, positive=False))

    assert agreement(plain, parted, 0, LIDAR) > 0.8


def test_a_negative_click_in_the_picture_parts_objects_that_touch() -> None:
    plain = Plain((Block((12, 0), (4, 1.8, 1.6)), Block((12, 1.9), (4, 1.9, 1.6))))
    merged = predicted(plain, click_on(plain, 0, CAMERA))
    assert agreement(plain, merged, 0, LIDAR) < 0.8  # else there is nothing to part

    parted = predicted(
        plain, click_on(plain, 0, CAMERA), click_on(plain, 1, CAMERA, positive=False)
    )

    assert agreement(plain, parted, 0, LIDAR) > 0.8


@pytest.mark.parametrize("number", [CAR, VAN], ids=["car", "van"])
def test_negative_clicks_round_an_outline_leave_the_points_alone(number: int) -> None:
    plain = Plain(STREET)
    inside = (plain.gold(0, CAMERA) == number).reshape(200, 320)
    v, u = np.nonzero(cv2.dilate(inside.astype(np.uint8), np.ones((3, 3))).astype(bool) & ~inside)
    corners = [
        PointPrompt("FRONT", (u[i] + 0.5, v[i] + 0.5), positive=False)
        for i in (u.argmin(), u.argmax(), v.argmin(), len(u) // 2)
    ]
    click = click_on(plain, number, CAMERA)
    before = predicted(plain, click)

    after = predicted(plain, click, *corners)

    assert (after["TOP"].mask == before["TOP"].mask).all()
    assert agreement(plain, after, number, CAMERA) > 0.85


def test_a_later_click_on_something_else_does_not_leave_the_object() -> None:
    plain = Plain(STREET)

    answers = predicted(plain, click_on(plain, CAR, CAMERA), click_on(plain, VAN, CAMERA))
    again = predicted(plain, *[click_on(plain, n, CAMERA) for n in (CAR, VAN, VAN)])

    for found in (answers, again):
        assert agreement(plain, found, CAR, LIDAR) > 0.85


@pytest.mark.parametrize("seed", range(6))
def test_positive_clicks_are_inside_and_negative_ones_outside(seed: int) -> None:
    random = np.random.default_rng(seed)
    plain = Plain(STREET)
    points = plain[0].sweeps["TOP"].points_ego
    ahead = np.flatnonzero((points[:, 0] > 4) & (np.abs(points[:, 1]) < 8))
    chosen = random.choice(ahead, 3, replace=False)
    pixels = np.stack([random.integers(0, 320, 3), random.integers(0, 200, 3)], axis=1)
    signs = [True, *(random.random(2) < 0.6).tolist()]
    prompts = [
        *(PointPrompt("TOP", tuple(points[i].tolist()), bool(s)) for i, s in zip(chosen, signs, strict=True)),
        *(PointPrompt("FRONT", (u + 0.5, v + 0.5), bool(s)) for (u, v), s in zip(pixels, signs, strict=True)),
    ]  # fmt: skip

    answers = predicted(plain, *prompts)

    nothing = MaskPrediction("", np.zeros(320 * 200, bool), 0)
    picture = answers.get("FRONT", nothing).mask.reshape(200, 320)
    assert [bool(answers["TOP"].mask[i]) for i in chosen] == signs
    assert [bool(picture[v, u]) for u, v in pixels] == signs


def test_confidence_is_lower_where_less_was_seen() -> None:
    plain = Plain((Block((12, 0)), Block((48, 4))))

    near, far = (predicted(plain, click_on(plain, number, LIDAR)) for number in (0, 1))
    no_points = predicted(Plain(STREET, sensors=(CAMERA,)), click_on(plain, 0, CAMERA))

    assert near["TOP"].confidence > far["TOP"].confidence
    assert near["FRONT"].confidence > no_points["FRONT"].confidence


def test_confidence_is_lower_where_things_that_touch_were_taken_for_one() -> None:
    alone = Plain((Block((12, 0), (2, 4, 1.6)),))
    row = Plain(
        (Block((12, 0), (2, 4, 1.6)), Block((12, 4), (2, 4, 1.6)), Block((12, -4), (2, 4, 1.6)))
    )

    one, many = (predicted(plain, click_on(plain, 0, LIDAR)) for plain in (alone, row))

    assert agreement(row, many, 0, LIDAR) < 0.5  # else they were told apart
    for sensor in ("TOP", "FRONT"):
        assert one[sensor].confidence > many[sensor].confidence + 0.05


def test_masks_have_no_crumbs_and_no_pinholes() -> None:
    plain = Plain(STREET)

    mask = predicted(plain, click_on(plain, VAN, LIDAR))["FRONT"].mask.reshape(200, 320)

    for side, connectivity in ((mask, 8), (~mask, 4)):
        _, _, stats, _ = cv2.connectedComponentsWithStats(
            side.astype(np.uint8), connectivity=connectivity
        )
        assert stats[1:, cv2.CC_STAT_AREA].min() >= 12


def test_a_rectangle_in_the_picture_finds_what_it_encloses() -> None:
    plain = Plain(STREET)
    v, u = np.nonzero((plain.gold(0, CAMERA) == CAR).reshape(200, 320))
    box = BoxPrompt("FRONT", (u.min() - 3.0, v.min() - 3.0), (u.max() + 4.0, v.max() + 4.0))

    answers = predicted(plain, box)

    assert agreement(plain, answers, CAR, CAMERA) > 0.8
    assert agreement(plain, answers, CAR, LIDAR) > 0.8


@pytest.mark.parametrize("heights", [(), (0.0, 1.7)], ids=["any height", "with heights"])
def test_a_box_in_the_point_cloud_finds_what_it_encloses(heights: tuple[float, ...]) -> None:
    plain = Plain(STREET)
    box = BoxPrompt("TOP", (9.8, -1.1, *heights[:1]), (14.2, 1.1, *heights[1:]))

    answers = predicted(plain, box)

    assert agreement(plain, answers, CAR, LIDAR) > 0.8
    assert agreement(plain, answers, CAR, CAMERA) > 0.8


def test_a_mask_in_one_sensor_gives_the_mask_in_the_other() -> None:
    plain = Plain(STREET)
    in_points = plain.gold(0, LIDAR) == VAN
    in_picture = plain.gold(0, CAMERA) == VAN

    from_points = predicted(plain, MaskPrompt("TOP", in_points))
    from_picture = predicted(plain, MaskPrompt("FRONT", in_picture))

    assert agreement(plain, from_points, VAN, CAMERA) > 0.85
    assert agreement(plain, from_picture, VAN, LIDAR) > 0.8


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="has 7 elements, the reading 64000"):
        predicted(Plain(STREET), MaskPrompt("FRONT", np.zeros(7, bool)))


def test_a_second_click_in_a_frame_does_not_read_it_again() -> None:
    plain = Plain(STREET)
    predictor = load_predictor("geometric")
    opened = predictor.open(scene_of(plain))
    click = click_on(plain, CAR, LIDAR)
    predictor.add_prompt(opened, frame=0, prompts=[click])
    plain.reads.clear()

    predictor.add_prompt(opened, frame=0, prompts=[click])

    assert plain.reads == []


def test_clusters_keep_objects_apart_that_the_picture_shows_side_by_side() -> None:
    """A plain second way: every point of a block is within 0.6 m of another one of its own."""
    plain = Plain(STREET)
    answers = predicted(plain, click_on(plain, VAN, CAMERA))
    points = plain[0].sweeps["TOP"].points_ego

    chosen = points[answers["TOP"].mask]

    others = points[plain.gold(0, LIDAR) == CAR]
    assert cKDTree(others).query(chosen)[0].min() > 0.5
