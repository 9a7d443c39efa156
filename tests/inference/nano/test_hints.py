import numpy as np
import pytest

from inference.nano.hints import Kind, as_arrays, guessed
from inference.prompts import BoxPrompt, MaskPrompt, PointPrompt
from inference.training.lessons import View
from tests.inference.nano.rig import SMALL, glances, gold, shown


@pytest.fixture(scope="module")
def view():
    return glances()


def seen_car(view):
    """A gold id that the sector and the front camera see well."""
    ids, points = gold()["FRONT"], gold()["TOP"]
    in_sector = points[view.sweep.point[view.sweep.valid]]
    numbers = [n for n in np.unique(ids) if n >= 10]
    return max(numbers, key=lambda n: min((ids == n).sum(), 20 * (in_sector == n).sum()))


def pixel_of(number):
    v, u = np.nonzero(gold()["FRONT"] == number)
    k = len(v) // 2
    return float(u[k]) + 0.5, float(v[k]) + 0.5


def test_a_click_in_the_cloud_is_the_point_that_was_clicked(view):
    number = seen_car(view)
    index = np.flatnonzero(gold()["TOP"] == number)
    inside = index[view.sweep.cell_of[index] >= 0]
    place = view.prepared.cloud.points[inside[len(inside) // 2]]

    hints = shown(view, [PointPrompt("TOP", tuple(map(float, place)))])

    (hint,) = hints.points
    assert (hint.kind, hint.known, hint.in_cloud) == (Kind.POSITIVE, True, True)
    assert np.array_equal(hint.place, place)
    assert np.linalg.norm(view.sweep.xyz[hint.cell] - place) < 1.0
    assert hints.target is not None
    assert hints.target[inside].mean() > 0.5


def test_a_click_in_a_picture_stays_where_it_was_made_and_gets_a_place(view):
    u, v = pixel_of(seen_car(view))

    (hint,) = shown(view, [PointPrompt("FRONT", (u, v), positive=False)]).points

    assert hint.kind == Kind.NEGATIVE
    assert not hint.in_cloud
    assert hint.share == pytest.approx((u / 96, v / 64))


def test_a_click_in_another_camera_says_nothing_of_this_pictures_pixels(view):
    (hint,) = shown(view, [PointPrompt("FRONT_LEFT", (5.0, 5.0))]).points

    assert hint.share is None or hint.known  # only a place in 3D could be seen here, too


def test_a_box_has_a_middle_and_two_corners(view):
    prompt = BoxPrompt("FRONT", (24.0, 16.0), (48.0, 48.0))

    hints = shown(view, [prompt])

    assert [hint.kind for hint in hints.points] == [Kind.MIDDLE, Kind.LOW_CORNER, Kind.HIGH_CORNER]
    assert hints.points[1].share == pytest.approx((0.25, 0.25))
    assert hints.points[2].share == pytest.approx((0.5, 0.75))
    inside = hints.picture_boxed > 0
    assert inside[4:12, 6:12].all()
    assert inside.sum() == 8 * 6


def test_a_mask_becomes_a_map_and_a_point_inside_it(view):
    mask = np.zeros((64, 96), bool)
    mask[20:40, 30:60] = True

    hints = shown(view, [MaskPrompt("FRONT", mask.ravel())])

    assert (hints.picture_given[5:10, 8:15] == 1).all()
    assert (hints.picture_given[:5] == -1).all()
    assert hints.points[0].kind == Kind.MIDDLE


def test_the_window_holds_the_centre_even_over_the_seam():
    behind = glances(camera=None, first=192)  # the sector behind, which holds the seam
    for column in (3, 60, 124):
        rows = np.flatnonzero(behind.sweep.valid[:, column])
        index = behind.sweep.point[rows[-1], column]
        target = np.zeros(len(behind.prepared.cloud), bool)
        target[index] = True

        arrays = as_arrays(behind, guessed(behind, target, Kind.GUESS), SMALL)

        at = int(arrays.cell[0, 1])
        assert 0 <= arrays.first_column <= SMALL.sector - SMALL.window
        assert arrays.first_column <= at < arrays.first_column + SMALL.window
        assert arrays.first_column % 8 == 0
        inside = arrays.sweep_maps[1] > 0
        assert inside[int(arrays.cell[0, 0]), at - arrays.first_column]


def test_mirroring_twice_changes_nothing(view):
    u, v = pixel_of(seen_car(view))
    prompts = [PointPrompt("FRONT", (u, v)), BoxPrompt("FRONT", (10.0, 10.0), (50.0, 40.0))]
    arrays = as_arrays(view, shown(view, prompts), SMALL)
    drawn = View(None, view, [], True, SMALL)

    once = drawn.turned(arrays)
    twice = drawn.turned(once)

    assert once.share[0, 0] == pytest.approx(1 - u / 96)
    assert once.place[0, 1] == -arrays.place[0, 1]
    for name in ("place", "share", "cell", "picture_maps", "sweep_maps", "first_column"):
        assert np.allclose(getattr(twice, name), getattr(arrays, name), atol=1e-6), name
