"""One frame, any rig: what comes out, and that everything can learn."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from inference.sam4d.model import SWEEP, Pointed, Prompts, Remembered, readings  # noqa: E402
from inference.sam4d.tracking import Tracker  # noqa: E402
from tests.inference.sam4d.rig import SIDE_PX, points, sight, small_model  # noqa: E402

RIGS = [(1, True), (3, True), (6, True), (2, False), (0, True)]


def click(name):
    where = [[3.0, 1.0, 0.5]] if name == SWEEP else [[20.5, 30.5]]
    return {name: (torch.tensor(where), torch.tensor([1]))}


@pytest.mark.parametrize(("cameras", "sweep"), RIGS)
def test_one_click_anywhere_gives_masks_in_every_reading_and_through_time(cameras, sweep):
    model = small_model()
    with torch.no_grad():
        seen = sight(model, cameras=cameras, sweep=sweep)
        for name in {readings(seen)[0], readings(seen)[-1]}:
            tracker = Tracker(model, lambda frame: seen, frames=2)
            tracker.prompt(7, 0, click(name))
            followed = {frame: answers[7] for frame, answers in tracker.propagate()}

            assert list(followed) == [0, 1]
            for answers in followed.values():
                assert set(answers) == set(readings(seen))
                for reading, answer in answers.items():
                    expected = (len(points()),) if reading == SWEEP else (SIDE_PX, SIDE_PX)
                    assert answer.high.shape == expected
                    assert bool(answer.high.isfinite().all())


def test_a_click_in_one_camera_changes_the_answer_in_the_others():
    model = small_model()
    with torch.no_grad():
        seen = sight(model, cameras=3)
        here, there = (
            model.answer(
                seen, Prompts({"camera0": (torch.tensor([where]), torch.tensor([1]))}), None
            )
            for where in ([10.5, 10.5], [50.5, 40.5])
        )

    for reading in readings(seen):
        assert not torch.equal(here[reading].low, there[reading].low)


def test_an_empty_sweep_is_a_sweep_without_points():
    model = small_model()
    with torch.no_grad():
        seen = model.look_at_sweep(torch.zeros(0, 3))

    assert seen.at16.shape == (0, 256)
    assert seen.to_points(torch.zeros(0, 1)).shape == (0, 1)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_points_that_are_nowhere_are_refused_with_words(bad):
    cloud = points(5)
    cloud[3, 1] = bad

    with pytest.raises(ValueError, match=r"point 3 .* not finite"):
        small_model().look_at_sweep(cloud)


def test_everything_that_a_click_and_a_followed_frame_use_can_learn():
    model = small_model().train()
    first, second = sight(model), sight(model)
    one_from_other = torch.eye(4, dtype=torch.float64)
    one_from_other[0, 3] = 1.0
    prompts = Prompts(click("camera0") | click(SWEEP))

    prompted = model.answer(first, prompts, None)
    memory = model.remember(first, prompted)
    followed = model.answer(
        second,
        Prompts(masks={name: each.low for name, each in prompted.items()}),
        [Remembered(memory, first, 6, one_from_other)],
        [Pointed(memory, 1.0, one_from_other)],
    )
    given = model.answer_masks(
        first, {name: (each.high > 0).float() for name, each in prompted.items()}
    )
    loss = sum(
        each.high.mean() + each.iou + each.pointer.mean() + each.object_logit
        for answers in (prompted, followed)
        for each in answers.values()
    ) + sum(each.pointer.mean() for each in given.values())
    loss.backward()

    without = {name for name, weight in model.named_parameters() if weight.grad is None}
    assert without <= MAY_HAVE_NONE


# Which candidates are chosen, and whether the object is there, decides about these.
MAY_HAVE_NONE = (
    {"absent", "no_pointer"}
    | {
        f"mask_decoder.output_hypernetworks_mlps.{k}.layers.{layer}.{part}"
        for k in range(4)
        for layer in range(3)
        for part in ("weight", "bias")
    }
    | {
        f"{prompts}.point_embeddings.{label}.weight"
        for prompts in ("image_prompts", "lidar_prompts")
        for label in (0, 2, 3)
    }
)
