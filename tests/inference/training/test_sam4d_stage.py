"""SAM4D learns by the same loop: clips, prompts, corrections, and what its losses say."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from inference.predictor import load_predictor  # noqa: E402
from inference.sam4d import weights  # noqa: E402
from inference.sam4d.config import (  # noqa: E402
    ImageEncoderConfig,
    LidarEncoderConfig,
    Sam4dConfig,
)
from inference.sam4d.model import Sam4d  # noqa: E402
from inference.sam4d.prompt_encoder import NEGATIVE, PADDING, POSITIVE  # noqa: E402
from inference.sam4d.runtime import Runtime  # noqa: E402
from inference.sam4d.sight import SWEEP  # noqa: E402
from inference.training import sam4d_stage as stage  # noqa: E402
from inference.training import train as loop  # noqa: E402
from inference.training.feed import Lessons  # noqa: E402
from inference.training.sam4d_stage import ClipStage, Shown  # noqa: E402
from inference.training.settings import Schedule, Stage, Training, read_training  # noqa: E402
from inference.training.shots import Plan, Shots, write_drive  # noqa: E402
from inference.training.sums import Sums  # noqa: E402

CONFIG = Sam4dConfig(
    ImageEncoderConfig(16, 1, (1, 1, 1, 1), (4, 4, 4, 2), (2,)),
    64,
    LidarEncoderConfig(0.4, (8, 8, 12, 16, 32), (1, 1, 1, 1), (32, 16), (1, 1)),
    width=32,
    hidden=48,
    heads=2,
    memory_layers=1,
    memory_kernel=3,
)
CLIPS = ClipStage(frames=3, objects=2, corrections=2, alone=0)
CPU = torch.device("cpu")
EXACTLY = Runtime(CPU)


def training(**changed: object) -> Training:
    how = Schedule(steps=4, rate=1e-3, warm_up=1)
    return Training((Stage("clips", how, clips=replace(CLIPS, **changed)),), sam4d=CONFIG, seed=1)


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drives")
    write_drive(folder, 3, Plan([3], "tiny", frames=4, step=1, width_px=None))
    return Shots(folder)


def clip_of(shots, seed=0, **changed):
    return stage.draw_track_clip(
        shots, CONFIG, replace(CLIPS, **changed), np.random.default_rng(seed)
    )


def test_a_clip_shows_the_same_objects_in_all_its_frames_as_gold_has_them(shots):
    clip = clip_of(shots)

    assert len(clip.frames) == 3
    first = clip.frames[0]
    assert first.gold[SWEEP].shape == (2, len(first.points))
    (camera,) = first.cameras
    assert first.gold[camera].shape == (2, 32, 32)
    assert first.pictures.shape == (1, 3, 64, 64)
    for row in range(2):
        assert any(stage.is_seen(first, name, row) for name in first.gold)


@pytest.mark.parametrize("kind", [stage.MASK, stage.BOX, stage.CLICK])
def test_every_kind_of_prompt_gives_a_loss_to_learn_from(shots, kind):
    torch.manual_seed(0)
    model, sums = Sam4d(CONFIG).train(), Sums()
    clip = replace(clip_of(shots), kind=kind)

    loss = stage.clip_loss(model, clip, CLIPS, CPU, sums)
    loss.backward()

    assert torch.isfinite(loss)
    assert {"then→C", "then→L"} <= set(sums.means())
    unlearnt = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is None} - {
        name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None
    }
    # Masks alone need the layers that shrink them; what is absent, who is not there.
    assert unlearnt <= {"image_mask_down", "lidar_mask_down", "absent", "no_pointer"}


@pytest.mark.parametrize("sees", ["picture", "sweep"])
def test_clips_of_one_modality_are_learnt_from(shots, sees):
    torch.manual_seed(0)
    drawn = (clip_of(shots, seed, alone=1.0) for seed in range(40))
    clip = next(c for c in drawn if (c.frames[0].points is None) == (sees == "picture"))

    assert torch.isfinite(stage.clip_loss(Sam4d(CONFIG), clip, CLIPS, CPU, Sums()))


def test_the_best_of_several_masks_learns_and_all_estimates_do():
    shares = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    right, wrong = torch.tensor([9.0, 9.0, -9.0, -9.0]), torch.tensor([-9.0, -9.0, 9.0, 9.0])
    logits = torch.stack([wrong, right])[None].requires_grad_()
    ious = torch.tensor([[0.5, 0.75]], requires_grad=True)

    loss, taken = stage.candidates_loss(logits, ious, torch.tensor([9.0]), shares)
    loss.sum().backward()

    assert taken.item() == 1.0  # of the mask with the higher estimate
    assert logits.grad[0, 0].abs().max() == 0
    assert logits.grad[0, 1].abs().max() > 0
    # Estimates are off by .5 (of 0) and .25 (of 1): both are pulled the right way.
    assert ious.grad[0, 0] > 0 > ious.grad[0, 1]


def test_masks_of_what_is_not_there_are_not_judged():
    logits = torch.randn(1, 3, 8)

    loss, _ = stage.candidates_loss(
        logits, torch.rand(1, 3), torch.tensor([-9.0]), torch.zeros(1, 8)
    )

    assert loss.item() == pytest.approx(np.log1p(np.exp(-9.0)), rel=1e-2)


def test_corrections_are_clicks_where_the_answer_is_wrong(shots):
    frame = clip_of(shots).frames[0]
    shown = Shown(frame, CONFIG, np.random.default_rng(0))
    right = {name: gold.numpy() >= 0.5 for name, gold in frame.gold.items()}
    spilled = right[SWEEP].copy()
    extra = np.flatnonzero(~right[SWEEP][0])[:50]
    spilled[0, extra] = True

    assert not shown.correct(right)
    assert shown.correct(right | {SWEEP: spilled})

    places, labels = shown.points(CPU)[SWEEP]
    assert labels.tolist() == [[NEGATIVE], [PADDING]]
    assert places[0, 0].tolist() in frame.points[extra].tolist()


def test_a_box_in_a_sweep_reaches_over_the_points_in_it(shots):
    clip = clip_of(shots)
    frame = replace(clip.frames[0], gold={SWEEP: clip.frames[0].gold[SWEEP]})
    for seed in range(6):
        shown = Shown(frame, CONFIG, np.random.default_rng(seed))
        shown.show(stage.BOX)
        (places, labels) = shown.points(CPU)[SWEEP]
        for row, (low, high) in enumerate(places):
            inside = frame.points[frame.gold[SWEEP][row] > 0.5]
            if labels[row, 0] == PADDING:
                continue
            share = ((inside >= low - 0.3) & (inside <= high + 0.3)).all(dim=1).float().mean()
            assert share > 0.5


def test_clicks_are_in_pixels_of_the_models_picture(shots):
    frame = clip_of(shots).frames[0]
    (camera,) = frame.cameras
    only = replace(frame, gold={camera: frame.gold[camera]})
    shown = Shown(only, CONFIG, np.random.default_rng(0))

    where = shown.show(stage.CLICK)

    places, labels = shown.points(CPU)[camera]
    for row, name in enumerate(where):
        if name is not None:
            u, v = (places[row, 0] / stage.LOSS_STRIDE).long().tolist()
            assert labels[row, 0] == POSITIVE
            assert frame.gold[camera][row, v, u] >= 0.5


def test_the_loop_takes_steps_saves_and_its_weights_answer_clicks(shots, tmp_path, monkeypatch):
    how = training(frames=2, corrections=1)
    monkeypatch.setattr(loop, "read_training", lambda name: how)
    asked = Namespace(config="x", data=shots.paths[0].parent.parent, out=tmp_path, threads=1,
                      start=None, exact=True, workers=0, crops=None)  # fmt: skip

    loop.train(asked, loop.Place())

    made = load_predictor.__wrapped__(str(tmp_path / "weights.safetensors"))
    assert made.name == "sam4d"
    assert weights.load_model(tmp_path / "weights.safetensors").config == CONFIG


def test_a_run_of_clips_goes_on_bit_for_bit(shots, tmp_path):
    torch.set_num_threads(1)
    how = training(frames=2, corrections=1)

    def advance(run, until):
        lessons = Lessons(how, shots, 0, EXACTLY)
        while run.step < until:
            learnt = lessons.of(run.step, run.model)
            loop.take_step(run, learnt, loop.Place(), tmp_path, EXACTLY)

    whole, first, second = (loop.begin(how) for _ in range(3))
    advance(whole, 3)
    advance(first, 1)
    loop.save_checkpoint(first, tmp_path / "checkpoint.pt")
    loop.load_checkpoint(second, tmp_path / "checkpoint.pt")
    advance(second, 3)

    kept, again = whole.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(kept[name], again[name]) for name in kept)


def test_learning_lowers_the_loss_on_one_clip(shots):
    torch.manual_seed(0)
    how = training()
    run = loop.begin(replace(how, stages=(replace(how.stages[0], schedule=Schedule(40, 3e-3)),)))
    clip = replace(clip_of(shots, frames=1), kind=stage.CLICK)
    losses = [
        float(loop.take_step(run, clip, loop.Place(), None, EXACTLY))  # type: ignore[arg-type]
        for _ in range(40)
    ]

    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


def test_a_model_may_begin_with_sam_2(tmp_path, capsys):
    from safetensors.torch import save_file

    torch.manual_seed(3)
    tensors = {
        f"image_encoder.{name}": tensor
        for name, tensor in Sam4d(CONFIG).image_encoder.state_dict().items()
    }
    save_file(tensors, tmp_path / "sam2.safetensors")
    run = loop.begin(training())

    loop._start_from(run, tmp_path / "sam2.safetensors")

    for name, tensor in tensors.items():
        assert torch.equal(run.model.state_dict()[name], tensor)
        assert torch.equal(run.average[name], tensor)
    assert f"{len(tensors)} tensors match" in capsys.readouterr().err


def test_sizes_are_frozen_configs_by_name(tmp_path):
    (tmp_path / "other.toml").write_text(
        'sam4d = "huge"\n[[stages]]\nname = "clips"\nschedule = { steps = 1 }\nclips = {}\n'
    )
    (tmp_path / "wrong.toml").write_text(
        'sam4d = "small"\n[[stages]]\nname = "frames"\nschedule = { steps = 1 }\n'
    )

    small, base = read_training("small"), read_training("base")

    assert [s.clips.frames for s in small.stages] == [1, 1, 6]
    assert base.sam4d.side_px == 768
    with pytest.raises(ValueError, match="'huge'; choose small, base"):
        read_training(str(tmp_path / "other.toml"))
    with pytest.raises(ValueError, match="'frames' has no clips, and needs clips to learn"):
        read_training(str(tmp_path / "wrong.toml"))


def test_a_drive_without_long_enough_clips_is_refused_with_what_to_do(shots):
    with pytest.raises(ValueError, match=r"no clip of 9 frames.*render more frames of each"):
        clip_of(shots, frames=9)


def test_what_a_checkpoint_says_of_its_model_is_plain(tmp_path):
    how = training()
    loop.save_checkpoint(loop.begin(how), tmp_path / "checkpoint.pt")

    held = torch.load(tmp_path / "checkpoint.pt", weights_only=True)

    assert json.loads(json.dumps(held["training"]["sam4d"]))["width"] == 32
