import numpy as np
import pytest

from inference.training.simulation import (
    box_in_cloud,
    box_in_picture,
    click_in_cloud,
    click_in_picture,
    larger_error,
    masks_in_cloud,
)

PARTS = {"TOP": slice(0, 80), "FRONT": slice(80, 100)}


def random(seed=0):
    return np.random.default_rng(seed)


def disc():
    v, u = np.mgrid[:60, :90]
    return (v - 30) ** 2 + (u - 50) ** 2 < 15**2


@pytest.mark.parametrize("central", [False, True])
def test_clicks_in_pictures_are_inside(central):
    for seed in range(30):
        click = click_in_picture(disc(), "FRONT", random(seed), central=central)
        u, v = click.position
        away = np.hypot(u - 50.5, v - 30.5)
        assert away <= (7.5 if central else 15.5)
        assert disc()[int(v), int(u)]


def test_boxes_in_pictures_hold_most_of_the_object():
    for seed in range(30):
        box = box_in_picture(disc(), "FRONT", random(seed))
        assert 33 <= box.low[0] <= 39
        v, u = np.nonzero(disc())
        inside = (u >= box.low[0]) & (u < box.high[0]) & (v >= box.low[1]) & (v < box.high[1])
        assert inside.mean() > 0.65


def test_clicks_and_boxes_in_clouds_belong_to_the_lidar_of_their_point():
    places = random().normal(0, 3, (100, 3)).astype(np.float32)
    region = np.zeros(100, bool)
    region[85:95] = True

    click = click_in_cloud(region, places, PARTS, random(), central=False)
    box = box_in_cloud(region, places, PARTS, random())
    (mask,) = masks_in_cloud(region, PARTS, random())

    assert click.sensor == box.sensor == mask.sensor == "FRONT"
    assert any(np.allclose(click.position, place) for place in places[region])
    inside = places[region][:, : len(box.low)]
    assert ((inside >= np.array(box.low) - 1) & (inside <= np.array(box.high) + 1)).all()
    assert mask.mask.sum() >= 9


def test_the_larger_error_decides_what_is_clicked():
    truth = np.array([1, 1, 1, 0, 0], bool)

    missed = larger_error(truth, np.array([1, 0, 0, 1, 0], bool))
    spilled = larger_error(truth, np.array([1, 1, 1, 1, 0], bool))

    assert missed[1] is True
    assert missed[0].tolist() == [False, True, True, False, False]
    assert spilled[1] is False
    assert spilled[0].tolist() == [False, False, False, True, False]
    assert larger_error(truth, truth) is None
