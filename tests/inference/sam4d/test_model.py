"""One frame, any rig: what comes out, and that everything can learn."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from inference.sam4d.answers import Past, Pointed, Prompts, Remembered  # noqa: E402
from inference.sam4d.config import OURS  # noqa: E402
from inference.sam4d.model import Sam4d, points_within  # noqa: E402
from inference.sam4d.sight import SWEEP  # noqa: E402
from inference.sam4d.tracking import Tracker  # noqa: E402
from tests.inference.sam4d.rig import SIDE_PX, points, sight, small_model  # noqa: E402

RIGS = [(1, True), (3, True), (6, True), (2, False), (0, True)]


def click(name, where=None):
    where = where or ([3.0, 1.0, 0.5] if name == SWEEP else [20.5, 30.5])
    return {name: (torch.tensor([where]), torch.tensor([1]))}


def as_prompts(*clicks):
    """Of several tracks, one dictionary of `click` each, all in the same readings."""
    return Prompts(
        {
            name: tuple(torch.stack([each[name][part] for each in clicks]) for part in (0, 1))
            for name in clicks[0]
        }
    )


@pytest.mark.parametrize(("cameras", "sweep"), RIGS)
def test_one_click_anywhere_gives_masks_in_every_reading_and_through_time(cameras, sweep):
    model = small_model()
    with torch.no_grad():
        seen = sight(model, cameras=cameras, sweep=sweep)
        for name in {seen.readings[0], seen.readings[-1]}:
            tracker = Tracker(model, lambda frame: seen, frames=2)
            tracker.prompt(7, 0, click(name))
            followed = {frame: answers[7] for frame, answers in tracker.propagate()}

            assert list(followed) == [0, 1]
            for answers in followed.values():
                assert set(answers) == set(seen.readings)
                for reading, answer in answers.items():
                    expected = (len(points()),) if reading == SWEEP else (SIDE_PX, SIDE_PX)
                    high = model.high(answer, seen, reading)
                    assert high.shape == (1, *expected)
                    assert bool(high.isfinite().all())


def test_a_click_in_one_camera_changes_the_answer_in_the_others():
    model = present(small_model())
    with torch.no_grad():
        seen = sight(model, cameras=3)
        here, there = (
            model.answer(seen, as_prompts(click("camera0", where)), None)
            for where in ([10.5, 10.5], [50.5, 40.5])
        )

    for reading in seen.readings:
        assert not torch.equal(here[reading].low, there[reading].low)


def test_tracks_answered_together_are_answered_as_alone():
    model = present(small_model())
    wheres = [[10.5, 10.5], [50.5, 40.5], [33.5, 20.5]]
    with torch.no_grad():
        first, second = sight(model, cameras=2), sight(model, cameras=2)

        def follow(tracks, together):
            frames = [first, second, second, first]
            tracker = Tracker(model, frames.__getitem__, len(frames), together=together)
            for track in tracks:
                tracker.prompt(track, 0, click("camera0", wheres[track]))
            return dict(tracker.propagate())

        together = follow([0, 1, 2], together=2)
        for track in range(3):
            for frame, answers in follow([track], together=1).items():
                for reading, alone in answers[track].items():
                    found = together[frame][track][reading]
                    torch.testing.assert_close(found.low, alone.low, atol=1e-4, rtol=1e-4)
                    torch.testing.assert_close(found.iou, alone.iou, atol=1e-5, rtol=1e-5)


def present(model: Sam4d) -> Sam4d:
    """Every object is there: with random weights it may be nowhere, and then all masks are alike."""
    with torch.no_grad():
        model.mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(5.0)
    return model


def test_a_mask_in_the_sweep_alone_is_answered_in_every_picture():
    model = present(small_model())
    cloud = points()
    with torch.no_grad():
        seen = sight(model, cameras=3)
        answers = [
            model.answer_masks(seen, {SWEEP: (cloud[None, :, 0] > east).float()})
            for east in (5.0, 12.0)
        ]

    assert set(answers[0]) == set(seen.readings)
    assert torch.equal(model.high(answers[0][SWEEP], seen, SWEEP)[0] > 0, cloud[:, 0] > 5.0)
    for camera in seen.pictures:
        assert not torch.equal(answers[0][camera].low, answers[1][camera].low)


def test_points_that_stand_for_a_mask_are_points_of_it():
    row = torch.stack([torch.arange(11.0), torch.zeros(11)], dim=1)

    drawn, labels = points_within(row)

    assert sorted(drawn[:, 0].tolist()) == [2.0, 5.0, 8.0]
    assert labels.tolist() == [1, 1, 1]


@pytest.mark.parametrize("count", [0, 1])
def test_masks_of_hardly_any_points_have_stand_ins_too(count):
    drawn, labels = points_within(torch.ones(count, 3))

    assert drawn.shape == (3, 3)
    assert labels.tolist() == [2 * count - 1] * 3


def test_an_object_that_is_not_there_leaves_the_same_memory_for_all_tracks():
    model = small_model()
    with torch.no_grad():
        model.mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(-50.0)
        seen = sight(model)
        clicks = [click("camera0", where) for where in ([10.5, 10.5], [50.5, 40.5])]
        answers = model.answer(seen, as_prompts(*clicks), None)
        first, second = model.remember(seen, answers)

    assert bool((answers[SWEEP].object_logit < 0).all())
    assert all(first.tokens[name] is second.tokens[name] for name in seen.readings)


def test_where_tracks_begin_a_reading_hears_of_the_others():
    """The sheet's fifth defect, and its switch."""
    changed = {}
    for alone in (True, False):
        torch.manual_seed(0)
        config = replace(small_model().config, quirks=replace(OURS, alone_when_prompted=alone))
        model = present(Sam4d(config).eval())
        with torch.no_grad():
            seen = sight(model)
            other = replace(seen, sweep=model.look_at_sweep(points() * 0.5), derived={})
            masks = [
                model.answer(each, as_prompts(click("camera0")), None)["camera0"].low
                for each in (seen, other)
            ]
        changed[alone] = not torch.equal(*masks)

    assert changed == {True: False, False: True}


def test_ambiguity_counts_the_points_of_all_readings():
    both = as_prompts(click("camera0") | click(SWEEP))

    assert both.are_ambiguous(first_reading_decides=True)
    assert not both.are_ambiguous(first_reading_decides=False)


def test_an_empty_sweep_is_a_sweep_without_points():
    model = small_model()
    with torch.no_grad():
        seen = model.look_at_sweep(torch.zeros(0, 3))

    assert seen.at16.shape == (0, 32)
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

    prompted = model.answer(first, as_prompts(click("camera0") | click(SWEEP)), None)
    memories = model.remember(first, prompted)
    places = model.places_then(first.whereabouts, one_from_other)
    followed = model.answer(
        second,
        Prompts(masks={name: each.low for name, each in prompted.items()}),
        Past(
            [Remembered(memories, places, 6)],
            [Pointed(memories, model.place_of_pointer(1.0, one_from_other))],
        ),
    )
    given = model.answer_masks(
        first,
        {name: (model.high(each, first, name) > 0).float() for name, each in prompted.items()},
    )
    loss = sum(
        model.high(each, seen, name).mean() + each.iou + each.pointer.mean() + each.object_logit
        for seen, answers in ((first, prompted), (second, followed))
        for name, each in answers.items()
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
