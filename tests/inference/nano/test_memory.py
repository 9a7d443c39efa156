"""What is kept of a followed object, and that it is looked back at."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from inference.geometry import inverse, rigid  # noqa: E402
from inference.nano.memory import (  # noqa: E402
    KEPT,
    LATEST,
    SHOWN,
    MemoryEncoder,
    Reading,
    as_it_stands,
    chosen_in_picture,
    chosen_in_sweep,
    memories_of,
)
from inference.nano.model import Nano  # noqa: E402
from inference.nano.predictor import NanoPredictor  # noqa: E402
from tests.inference.nano.rig import SMALL, drive, glances, gold  # noqa: E402

SHAPE = (4, 6)  # of SMALL's tokens


def box(top, bottom, left, right):
    mask = np.zeros((64, 96), bool)
    mask[top:bottom, left:right] = True
    return mask


def test_tokens_on_the_object_are_kept_first_then_those_beside_it():
    glance = glances().picture

    chosen = chosen_in_picture(glance, box(16, 32, 32, 56), SHAPE)

    assert len(chosen.index) == KEPT
    # Tokens are 16 px: the mask covers one, and half of the next.
    assert chosen.index[:2].tolist() == [8, 9]
    np.testing.assert_allclose(chosen.share[:3], [1, 0.5, 0])
    assert chosen.inside[:3].tolist() == [True, True, False]
    assert chosen.inside[-1]  # the object as a whole
    np.testing.assert_allclose(chosen.xyz[:KEPT], glance.token_xyz[chosen.index])


def test_a_reading_that_does_not_show_it_is_not_kept():
    view = glances()

    assert chosen_in_picture(view.picture, box(0, 0, 0, 0), SHAPE) is None
    assert chosen_in_sweep(view.sweep, np.zeros(len(view.prepared.cloud), bool)) is None


def test_of_a_sweep_the_share_of_a_token_s_points_counts():
    view = glances()
    mask = np.zeros(len(view.prepared.cloud), bool)
    row, column = np.argwhere(view.sweep.valid)[50]
    mask[view.sweep.point[row, column]] = True

    chosen = chosen_in_sweep(view.sweep, mask)

    token = row // 4 * (view.sweep.valid.shape[1] // 8) + column // 8
    cells = view.sweep.valid[row // 4 * 4 : row // 4 * 4 + 4, column // 8 * 8 : column // 8 * 8 + 8]
    assert chosen.index[0] == token
    assert chosen.share[0] == pytest.approx(1 / cells.sum())


def test_memories_move_with_the_vehicle_and_the_object_with_its_own_motion():
    chosen = chosen_in_picture(glances().picture, box(16, 32, 32, 56), SHAPE)
    chosen = replace(chosen, known=np.ones(KEPT + 1, np.float32))
    world_from_ego = rigid(np.eye(3), [2.0, 0, 0])  # the vehicle drove 2 m ahead
    then = as_it_stands(chosen, inverse(world_from_ego), None, SMALL)
    middle = then[-1] + np.array([5.0, 1, 0], np.float32)

    moved = as_it_stands(chosen, inverse(world_from_ego), middle, SMALL)

    np.testing.assert_allclose(then, chosen.xyz - [2, 0, 0], atol=1e-5)
    away = moved - then
    np.testing.assert_allclose(away[chosen.inside], [[5, 1, 0]] * chosen.inside.sum(), atol=1e-4)
    assert not away[~chosen.inside].any()


def test_the_token_of_the_whole_is_of_what_the_mask_covers():
    torch.manual_seed(0)
    encoder = MemoryEncoder(16, 32)
    features = torch.randn(1, KEPT, 16)
    share = torch.zeros(1, KEPT)
    share[0, 3] = 1
    other = features.clone()
    other[0, 7] += 1  # no part of the object

    one, two = encoder(features, share), encoder(other, share)

    assert one.shape == (1, KEPT + 1, 16)
    assert torch.equal(one[0, -1], two[0, -1])
    assert not torch.equal(one[0, 7], two[0, 7])


def test_a_batch_of_unequal_memories_is_filled_up():
    chosen = chosen_in_picture(glances().picture, box(16, 32, 32, 56), SHAPE)
    one = Reading(0, 0, chosen, chosen.xyz, SHOWN)
    other = Reading(1, 24, chosen, chosen.xyz, LATEST)

    memories = memories_of([[one], [one, other]])

    assert memories.age.tolist() == [[SHOWN, -1], [SHOWN, LATEST]]
    assert memories.index[1, 1].tolist() == (chosen.index + 24).tolist()


@pytest.fixture(scope="module")
def predictor():
    torch.manual_seed(0)
    model = Nano(replace(SMALL, remembers=True)).eval()
    with torch.no_grad():
        model.decoder.tells.layers[-1].bias.copy_(torch.tensor([0.0, 5.0]))
        model.memory_encoder.pointer.weight *= 20  # loud enough to change masks
        model.memory_encoder.covered.weight *= 20
    return NanoPredictor(model, version="test")


def followed(predictor, known_masks):
    opened = predictor.open(drive())
    answers = predictor.propagate(opened, known={1: {0: known_masks}}, frames=[1, 2])
    return [{a.sensor: a.mask for a in answer.masks[1]} for answer in answers]


def test_what_was_shown_is_looked_back_at(predictor):
    ids = gold()
    number = max(
        (n for n in np.unique(ids["TOP"]) if n >= 10), key=lambda n: (ids["TOP"] == n).sum()
    )
    masks = {name: (each == number).ravel() for name, each in ids.items()}
    seen = []
    recall = predictor._recall

    def watched(remembered, *rest):
        seen.append([(each.age, len(each.chosen), len(each.tokens)) for each in remembered])
        return recall(remembered, *rest)

    predictor._recall = watched
    first, second = followed(predictor, masks)
    predictor._recall = recall

    assert first
    assert second
    readings = sum(mask.any() for mask in masks.values())
    assert seen[0] == [(SHOWN, readings, readings * (KEPT + 1))]
    assert [age for age, _, _ in seen[1]] == [SHOWN, LATEST]
