"""Posts painted before a wall of many colours: followed to their end, and not beyond it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from inference.geometric.posts import followed_up
from inference.masks import intersection_over_union

BoolArray = npt.NDArray[np.bool_]

TOP, SEEN_FROM, BOTTOM = 30, 130, 190
WALL = np.random.default_rng(3).integers(90, 256, (20, 16, 3)).repeat(10, axis=0).repeat(10, axis=1)


def post(*, lean: float, width: int) -> BoolArray:
    """[200, 160] a post from TOP to BOTTOM."""
    rows, columns = np.mgrid[:200, :160]
    left = np.round(80 + lean * (rows - BOTTOM))
    inside = (columns >= left) & (columns < left + width)
    return np.asarray(inside & (rows >= TOP) & (rows < BOTTOM))


def painted(*shapes: BoolArray) -> npt.NDArray[np.uint8]:
    picture = WALL.copy()
    for shape in shapes:
        picture[shape] = (60, 55, 50)
    noise = np.random.default_rng(4).normal(0, 4, picture.shape)
    return (picture + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("width", [2, 4, 8])
@pytest.mark.parametrize("lean", [0.0, 0.08])
def test_a_post_is_followed_to_its_end(lean: float, width: int) -> None:
    whole = post(lean=lean, width=width)
    seen = whole.copy()
    seen[:SEEN_FROM] = False

    found = followed_up(painted(whole), seen, [])

    assert intersection_over_union((found | seen).ravel(), whole.ravel()) > 0.85


def test_nothing_is_added_where_the_post_ends_in_sight() -> None:
    seen = post(lean=0, width=4)
    seen[:SEEN_FROM] = False

    assert not followed_up(painted(seen), seen, []).any()


def test_a_plate_on_the_post_ends_it() -> None:
    whole = post(lean=0, width=4)
    plate = np.zeros_like(whole)
    plate[SEEN_FROM : SEEN_FROM + 26, 70:94] = True
    seen = whole | plate
    seen[:SEEN_FROM] = False

    # Another post of its colour stands behind the plate.
    assert not followed_up(painted(whole, plate), seen, []).any()


def test_a_negative_click_in_its_middle_ends_a_post_and_one_beside_it_does_not() -> None:
    whole = post(lean=0, width=8)
    seen = whole.copy()
    seen[:SEEN_FROM] = False

    ended = followed_up(painted(whole), seen, [(84.0, 80.5)])
    beside = followed_up(painted(whole), seen, [(80.5, 80.5)])

    assert not ended[:81].any()
    assert ended[82:SEEN_FROM].any()
    assert not beside[80, 80]
    assert intersection_over_union((beside | seen).ravel(), whole.ravel()) > 0.85
