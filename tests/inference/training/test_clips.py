"""Clips: what is followed, from where, and that following learns."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from inference.nano.hints import Kind  # noqa: E402
from inference.nano.memory import LATEST, SHOWN  # noqa: E402
from inference.sam4d.runtime import Runtime  # noqa: E402
from inference.training import train as loop  # noqa: E402
from inference.training.clips import draw_clip, masks_of  # noqa: E402
from inference.training.feed import Lessons  # noqa: E402
from inference.training.frames_stage import FrameStage, lessons_loss  # noqa: E402
from inference.training.lessons import Wear  # noqa: E402
from inference.training.settings import Schedule, Stage, Training  # noqa: E402
from inference.training.shots import Plan, Shots, write_drive  # noqa: E402
from tests.inference.nano.rig import SMALL  # noqa: E402

REMEMBERS = replace(SMALL, remembers=True)
UNWORN = Wear(no_picture=0, no_sweep=0, no_prior=0, thinned=0, grey=0, blurred=0, mirrored=0)
STAGE = Stage("clips", Schedule(steps=2), FrameStage(views=1, crops=1, followed=1.0, apart=1))
TRAINING = Training((STAGE,), REMEMBERS, seed=3)


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drives")
    for seed in (1, 2):
        write_drive(folder, seed, Plan([seed], "tiny", frames=3, step=2, width_px=None))
    return Shots(folder)


def test_a_drive_s_frames_are_found_from_one_of_them(shots):
    assert shots.drive(1) == [0, 1, 2]
    assert shots.drive(3) == [3, 4, 5]


def test_objects_are_followed_to_where_they_are_and_remembered_as_they_were(shots):
    before, between, now = (shots[k] for k in shots.drive(0))

    clip = draw_clip(
        [before, between, now], REMEMBERS, np.random.default_rng(0), objects=4, wear=UNWORN
    )

    assert len(clip.before) == 2
    overlaps = []
    for question, readings in zip(clip.view.questions, clip.readings, strict=True):
        assert question.hints.points[0].kind is Kind.GUESS
        assert all(each.age == (SHOWN, LATEST)[each.frame] for each in readings)
        inside, gold = question.hints.target, now.point_ids == question.number
        overlaps.append((inside & gold).sum() / (inside | gold).sum())
        if gold.any():
            # A memory stands where the object is now, not where it was.
            away = readings[0].xyz[-1] - np.median(now.prepared.cloud.points[gold], axis=0)
            assert np.linalg.norm(away) < 3
    assert np.mean(overlaps) > 0.5


def test_gold_is_given_in_every_reading(shots):
    shot = shots[0]
    number = int(np.bincount(shot.point_ids[shot.point_ids > 0]).argmax())

    masks = masks_of(shot, number)

    assert masks.keys() == {sensor.name for sensor in shot.prepared.scene.sensors}
    assert sum(
        mask.sum() for name, mask in masks.items() if name in shot.prepared.cloud.part_of
    ) == ((shot.point_ids == number).sum())


def test_what_is_remembered_is_learnt_from(shots):
    run = loop.begin(TRAINING)
    runtime = Runtime(torch.device("cpu"))
    lessons = Lessons(TRAINING, shots, 0, runtime).of(0, run.model)

    lessons_loss(run.model, lessons, runtime, run.sums).backward()

    assert all(lesson.memories is not None for lesson in lessons)
    assert run.model.memory_encoder.pointer.weight.grad.abs().sum() > 0
    assert set(run.sums.of) >= {"then→L"}


def test_weights_without_memory_may_be_begun_with_and_others_not(tmp_path):
    plain = loop.begin(replace(TRAINING, model=SMALL))
    torch.save({"average": plain.average}, tmp_path / "plain.pt")
    torch.save({"average": {**plain.average, "odd": torch.zeros(1)}}, tmp_path / "odd.pt")
    run = loop.begin(TRAINING)

    loop._start_from(run, tmp_path / "plain.pt")

    assert torch.equal(run.model.no_memory, plain.model.no_memory)
    with pytest.raises(ValueError, match="is of another model: odd"):
        loop._start_from(run, tmp_path / "odd.pt")


def test_drives_of_single_frames_cannot_be_followed(tmp_path):
    write_drive(tmp_path, 1, Plan([1], "tiny", frames=1, width_px=None))
    lessons = Lessons(TRAINING, Shots(tmp_path), 0, Runtime(torch.device("cpu")))

    with pytest.raises(ValueError, match="render several frames"):
        lessons.of(0, loop.begin(TRAINING).model)
