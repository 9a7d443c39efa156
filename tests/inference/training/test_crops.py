"""Crops on disk: what was packed, how they are drawn, and that only the second look learns from them."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from inference.nano.glance import MEAN, STD  # noqa: E402
from inference.nano.weights import save  # noqa: E402
from inference.sam4d.runtime import Runtime  # noqa: E402
from inference.training import crops as crops_module  # noqa: E402
from inference.training import train as loop  # noqa: E402
from inference.training.crops import Crops, CropStage, main, packed, unpacked, write_file  # noqa: E402
from inference.training.feed import Lessons  # noqa: E402
from inference.training.frames_stage import FrameStage  # noqa: E402
from inference.training.settings import Schedule, Stage, Training, build  # noqa: E402
from inference.training.shots import Plan, write_drive  # noqa: E402
from tests.inference.nano.rig import SMALL, small_model  # noqa: E402

UNSPOILT = CropStage(batch=5, no_outline=0, no_points=0, grey=0)
TRAINING = Training((Stage("crops", Schedule(steps=3), crops=CropStage(batch=4)),), SMALL, seed=3)
EXACTLY = Runtime(torch.device("cpu"))


def some_crops(count, seed=0, size=16):
    random = np.random.default_rng(seed)
    crops = random.uniform(-1, 1, (count, 12, size, size)).astype(np.float32)
    crops[:, :3] = (random.integers(0, 256, (count, 3, size, size)) - MEAN) / STD
    return crops, (random.random((count, size, size)) > 0.5).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    for number in range(2):
        np.save(tmp_path / f"{number:05d}.npy", packed(*some_crops(6, number)))
    return tmp_path


def test_what_is_packed_comes_back_within_a_256th():
    crops, gold = some_crops(3)

    again, gold_again = unpacked(packed(crops, gold))

    np.testing.assert_allclose(again[:, :3], crops[:, :3], atol=1e-5)
    np.testing.assert_allclose(again[:, 3:], crops[:, 3:], atol=1 / 254 + 1e-6)
    np.testing.assert_array_equal(gold_again, gold)
    nothing = np.zeros((1, 12, 4, 4), np.float32)
    assert not unpacked(packed(nothing, nothing[:, 0]))[0][:, 3:].any()  # "not known" stays 0


def test_crops_are_drawn_from_all_files_mirrored_with_their_gold(folder):
    found = Crops(folder)
    assert len(found) == 12

    lesson = found.lesson(replace(UNSPOILT, batch=12), np.random.default_rng(1))

    masks = {gold.tobytes() for number in range(2) for gold in some_crops(6, number)[1]}
    mirrored = 0
    for crop, gold in zip(lesson.crops.numpy(), lesson.crop_gold.numpy(), strict=True):
        is_turned = gold.tobytes() not in masks
        mirrored += is_turned
        gold = gold[:, ::-1].copy() if is_turned else gold
        assert gold.tobytes() in masks
        assert crop.shape == (12, 16, 16)
    assert 0 < mirrored < 12


def test_what_is_left_out_is_nothing(folder):
    stage = CropStage(batch=5, no_outline=1, no_points=1, grey=0)

    crops = Crops(folder).lesson(stage, np.random.default_rng(1)).crops

    assert not crops[:, [4, 5, 6, 11]].any()
    assert crops[:, 3].any()


def test_only_the_second_look_learns(tmp_path):
    np.save(tmp_path / "0.npy", packed(*some_crops(8, size=SMALL.refined_px)))
    run = loop.begin(TRAINING)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    lessons = Lessons(TRAINING, None, 0, EXACTLY, crops=Crops(tmp_path))

    for step in range(3):
        loop.take_step(run, lessons.of(step, run.model), loop.Place(), tmp_path, EXACTLY)

    changed = {
        n.split(".")[0] for n, v in run.model.state_dict().items() if not torch.equal(v, before[n])
    }
    assert changed == {"refiner"}


def test_the_command_writes_what_a_model_s_masks_give(tmp_path, monkeypatch):
    monkeypatch.setattr(crops_module, "IN_A_FILE", 6)
    monkeypatch.setattr(
        crops_module, "STAGE", FrameStage(views=1, objects=3, crops=3, corrected=0.5)
    )
    write_drive(tmp_path / "drives", 1, Plan([1], "tiny", frames=1, width_px=None))
    save(small_model(), tmp_path / "w.safetensors")

    for name in ("one.npy", "other.npy"):
        write_file(tmp_path / name, 4, tmp_path / "w.safetensors", tmp_path / "drives")

    one = np.load(tmp_path / "one.npy")
    assert one.shape == (6, 13, SMALL.refined_px, SMALL.refined_px)
    np.testing.assert_array_equal(one, np.load(tmp_path / "other.npy"))
    assert (one[:, 12] > 127).any()


def test_what_is_missing_is_said(tmp_path, capsys):
    (tmp_path / "config.toml").write_text(
        'stages = [{ name = "c", schedule = { steps = 1 }, crops = { batch = 2 } }]'
    )
    arguments = [str(tmp_path / "config.toml"), "--out", str(tmp_path / "run")]

    assert loop.main(arguments) == 1
    assert "learns from --crops" in capsys.readouterr().err
    assert loop.main([*arguments, "--crops", str(tmp_path)]) == 1
    assert "there are no crops in" in capsys.readouterr().err
    assert (
        main(
            [
                str(tmp_path),
                "--weights",
                str(tmp_path / "no"),
                "--data",
                str(tmp_path),
                "--files",
                "0",
            ]
        )
        == 1
    )


def test_a_stage_of_crops_is_read_from_a_config():
    stage = build(Stage, {"name": "c", "schedule": {"steps": 1}, "crops": {"batch": 9}}, "here")

    assert stage.crops == CropStage(batch=9)
