import numpy as np
import pytest

pytest.importorskip("torch")

from inference.masks import intersection_over_union
from inference.nano.hints import Hints
from inference.nano.refiner import Window, crop_of, pasted, warped, window_of
from tests.inference.nano.rig import SMALL, glances


@pytest.mark.parametrize("side", [20.0, 48.0, 130.0])
def test_a_mask_cut_out_and_pasted_back_is_the_same(side):
    v, u = np.mgrid[:120, :200]
    mask = (v - 60) ** 2 + (u - 100) ** 2 < (0.4 * side) ** 2
    window = Window(100 - side / 2 - 3.3, 60 - side / 2 + 1.7, side)

    crop = warped((mask * 255).astype(np.uint8), window, 48).astype(np.float32) / 255
    again = pasted(crop - 0.5, window, mask.shape) > 0

    assert intersection_over_union(again, mask) > 0.93


def test_a_window_over_the_picture_s_edge_is_pasted_where_it_lies():
    window = Window(-10.0, -5.0, 40.0)
    logits = np.full((48, 48), 1.0, np.float32)

    whole = pasted(logits, window, (60, 80)) > 0

    assert whole[:35, :30].all()
    assert whole.sum() == 35 * 30


def test_the_window_holds_the_mask_and_follows_the_object_not_a_speck():
    view = glances()
    logits = np.full((16, 24), -5.0, np.float32)
    logits[4:10, 6:12] = 5

    window = window_of(view.prepared.view("FRONT"), Hints(), "FRONT", logits)

    assert window.left < 24
    assert window.left + window.side > 48
    assert window.top < 16
    assert window.top + window.side > 40
    assert window.side < 45


def test_without_anything_to_look_at_there_is_no_window():
    logits = np.full((16, 24), -5.0, np.float32)

    assert window_of(glances().prepared.view("FRONT"), Hints(), "FRONT", logits) is None


def test_a_crop_shows_which_points_are_the_object_s():
    view = glances()
    seen = view.prepared.view("FRONT")
    target = np.zeros(len(view.prepared.cloud), bool)
    target[seen.point[seen.pixels[:, 0] < 48]] = True
    window = Window(0.0, -16.0, 96.0)

    crop = crop_of(view.prepared, "FRONT", Hints(target=target), np.zeros((16, 24), np.float32),
                   window, SMALL)  # fmt: skip

    assert crop.shape == (12, 48, 48)
    assert crop[4, :, :22].max() > 0.3
    assert crop[4, :, 27:].max() <= 0
    assert (crop[10, :6] == 1).all()  # above the picture
