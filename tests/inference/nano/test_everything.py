"""Everything-mode: many objects at once answer like each of them alone."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from inference.nano.everything import everything, spread  # noqa: E402
from inference.nano.predictor import NanoPredictor  # noqa: E402
from inference.sam4d.runtime import Runtime  # noqa: E402
from tests.inference.nano.rig import drive, small_model  # noqa: E402


@pytest.fixture(scope="module")
def predictor():
    return NanoPredictor(small_model(), version="test", runtime=Runtime(torch.device("cpu")))


def test_many_are_answered_like_each_alone(predictor):
    opened = predictor.open(drive())
    prepared = opened.geometric.prepared(0)
    view = prepared.view("FRONT")
    shown = prepared.cloud.cluster[view.point[view.is_real]]
    numbers, counts = np.unique(shown[shown >= 0], return_counts=True)
    asked = [prepared.cloud.cluster == number for number in numbers[counts >= 3]]
    asked = [*asked, (30.5, 30.5)] * 6  # more than go through the decoder at once

    together = everything(predictor, opened, 0, "FRONT", asked)

    assert len(together) == len(asked) > 16
    for one, answer in zip(asked, together, strict=True):
        (alone,) = everything(predictor, opened, 0, "FRONT", [one])
        assert (answer is None) == (alone is None)
        if answer is not None:
            assert (answer.mask != alone.mask).mean() < 0.002
            assert answer.iou == pytest.approx(alone.iou, abs=1e-3)
            assert 0 <= answer.stability <= 1
            assert answer.mask.shape == (64, 96)


def test_nothing_asked_is_nothing_answered(predictor):
    assert everything(predictor, predictor.open(drive()), 0, "FRONT", []) == []


def test_pixels_are_spread_over_what_is_free():
    free = np.zeros((60, 120), bool)
    free[:, 60:] = True

    pixels = spread(free, 50)

    assert 15 <= len(pixels) <= 35
    assert all(u >= 60 and free[int(v), int(u)] for u, v in pixels)
