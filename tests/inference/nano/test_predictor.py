from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from inference.geometric.predictor import GeometricPredictor  # noqa: E402
from inference.nano.predictor import NanoPredictor  # noqa: E402
from inference.prompts import BoxPrompt, MaskPrompt, PointPrompt  # noqa: E402
from tests.inference.nano.rig import drive, gold, small_model  # noqa: E402


@pytest.fixture(scope="module")
def predictor():
    return NanoPredictor(small_model(), version="test")


def without(kind):
    scene = drive()
    sensors = [each for each in scene.sensors if each.kind.value != kind]
    gone = {"camera": "images", "lidar": "sweeps"}[kind]
    frames = [replace(frame, **{gone: {}}) for frame in scene.frames]
    return replace(scene, sensors=sensors, frames=frames)


def car_pixel():
    ids = gold()["FRONT"]
    number = max((n for n in np.unique(ids) if n >= 10), key=lambda n: (ids == n).sum())
    v, u = np.nonzero(ids == number)
    return float(u[len(u) // 2]) + 0.5, float(v[len(v) // 2]) + 0.5


def sizes(scene, frame=0):
    found = {c.name: 96 * 64 for c in scene.cameras if c.name in scene.frames[frame].images}
    return found | {name: len(sweep) for name, sweep in scene.frames[frame].sweeps.items()}


def test_a_click_is_answered_with_masks_of_the_readings_sizes(predictor):
    opened = predictor.open(drive())

    answers = predictor.add_prompt(opened, frame=0, prompts=[PointPrompt("FRONT", car_pixel())])

    assert {answer.sensor for answer in answers} >= {"FRONT", "TOP"}
    for answer in answers:
        assert answer.mask.size == sizes(drive())[answer.sensor]
        assert 0 <= answer.confidence <= 1


@pytest.mark.parametrize("kind", ["camera", "lidar"])
def test_scenes_of_one_modality_work(predictor, kind):
    scene = without(kind)
    opened = predictor.open(scene)
    if kind == "camera":
        points = scene.frames[0].sweeps["TOP"].points_ego
        prompt = PointPrompt("TOP", tuple(map(float, points[gold()["TOP"] >= 10][5])))
    else:
        prompt = PointPrompt("FRONT", car_pixel())

    answers = predictor.add_prompt(opened, frame=0, prompts=[prompt])

    assert [answer.sensor for answer in answers] == [prompt.sensor]
    known = {0: {answer.sensor: answer.mask for answer in answers}}
    followed = list(predictor.propagate(opened, known={4: known}, frames=[1, 2]))
    assert [step.frame for step in followed] == [1, 2]


def test_the_same_prompts_give_the_same_masks_whatever_was_asked_between(predictor):
    prompts = [PointPrompt("FRONT", car_pixel()), PointPrompt("FRONT", (5.0, 60.0), positive=False)]
    opened = predictor.open(drive())
    first = predictor.add_prompt(opened, frame=0, prompts=prompts[:1])
    corrected = predictor.add_prompt(opened, frame=0, prompts=prompts)
    predictor.add_prompt(opened, frame=1, prompts=prompts[:1])

    again = predictor.add_prompt(opened, frame=0, prompts=prompts[:1])

    assert [a.mask.tobytes() for a in first] == [a.mask.tobytes() for a in again]
    other = predictor.open(drive())
    predictor.add_prompt(other, frame=0, prompts=prompts[:1])
    repeated = predictor.add_prompt(other, frame=0, prompts=prompts)
    assert [a.mask.tobytes() for a in corrected] == [a.mask.tobytes() for a in repeated]


def test_boxes_and_masks_are_prompts_and_a_drawn_mask_stands(predictor):
    opened = predictor.open(drive())
    drawn = np.zeros((64, 96), bool)
    drawn[20:50, 30:60] = True

    boxed = predictor.add_prompt(
        opened, frame=0, prompts=[BoxPrompt("FRONT", (30.0, 20.0), (60.0, 50.0))]
    )
    masked = predictor.add_prompt(opened, frame=0, prompts=[MaskPrompt("FRONT", drawn.ravel())])

    assert any(answer.sensor == "FRONT" for answer in boxed)
    by_sensor = {answer.sensor: answer for answer in masked}
    assert np.array_equal(by_sensor["FRONT"].mask, drawn.ravel())
    assert by_sensor["FRONT"].confidence == 1.0


def test_what_people_said_of_a_frame_is_given_back_as_it_is(predictor):
    opened = predictor.open(drive())
    answers = predictor.add_prompt(opened, frame=0, prompts=[PointPrompt("FRONT", car_pixel())])
    said = {answer.sensor: answer.mask for answer in answers}

    steps = list(predictor.propagate(opened, known={1: {0: said}}, frames=[0, 1]))

    assert {a.sensor: a.mask.tobytes() for a in steps[0].masks[1]} == {
        sensor: mask.tobytes() for sensor, mask in said.items()
    }


@pytest.mark.parametrize(
    ("prompt", "error", "words"),
    [
        (PointPrompt("REAR", (1.0, 1.0)), KeyError, "no sensor 'REAR'"),
        (MaskPrompt("FRONT", np.ones(7, bool)), ValueError, "the mask for 'FRONT' has 7"),
    ],
)
def test_what_does_not_fit_is_refused_with_words(predictor, prompt, error, words):
    opened = predictor.open(drive())

    with pytest.raises(error, match=words):
        predictor.add_prompt(opened, frame=0, prompts=[prompt])


def test_a_second_return_far_behind_its_cell_does_not_take_the_cell_s_answer():
    from inference.nano.predictor import _on_points, _undecided
    from tests.inference.nano.rig import glances

    sweep = glances(camera=None).sweep
    row, column = np.argwhere(sweep.valid)[500]
    logits = np.full(sweep.valid.shape, -5.0, np.float32)
    logits[row, column] = 5.0
    near = sweep.xyz[row, column]
    cell = row * logits.shape[1] + column
    alone = replace(sweep, cell_of=np.array([cell, cell], np.int32))

    points = np.stack([near, near * 2]).astype(np.float32)
    first, second = _on_points(alone, logits, points)

    assert first > 0
    assert second < 0
    assert _undecided(alone, points).tolist() == [False, True]


def test_of_points_that_no_cell_speaks_for_geometry_does():
    predictor = NanoPredictor(small_model(), version="test")
    opened = predictor.open(drive())
    points = drive().frames[0].sweeps["TOP"].points_ego
    number = max(
        (n for n in np.unique(gold()["TOP"]) if n >= 10), key=lambda n: (gold()["TOP"] == n).sum()
    )
    prompt = PointPrompt("TOP", tuple(map(float, points[gold()["TOP"] == number][0])))
    geometry = GeometricPredictor()
    (meant,) = (
        each.mask for each in geometry.add_prompt(geometry.open(drive()), frame=0, prompts=[prompt])
        if each.sensor == "TOP"
    )  # fmt: skip
    predictor.look(opened, 0)
    opened.frames[0].undecided[:] = True  # as if every point had its cell taken by another one

    answers = predictor.add_prompt(opened, frame=0, prompts=[prompt])

    assert meant.any()
    assert np.array_equal(next(each.mask for each in answers if each.sensor == "TOP"), meant)


@pytest.mark.parametrize("trusts_geometry", [True, False])
def test_geometry_s_outline_is_taken_where_it_is_thought_to_be_better(trusts_geometry):
    model = small_model()
    with torch.no_grad():
        model.refiner.outline_confidence.bias.fill_(9.0 if trusts_geometry else -9.0)
        model.refiner.prior.bias.fill_(-20.0)  # its own mask is empty
    predictor, geometry = NanoPredictor(model, version="test"), GeometricPredictor()
    prompt = PointPrompt("FRONT", car_pixel())

    answers = predictor.add_prompt(predictor.open(drive()), frame=0, prompts=[prompt])
    drawn = geometry.add_prompt(geometry.open(drive()), frame=0, prompts=[prompt])

    own, other = ([a.mask for a in some if a.sensor == "FRONT"] for some in (answers, drawn))
    assert len(own) == trusts_geometry
    assert not own or np.array_equal(own[0], other[0])
