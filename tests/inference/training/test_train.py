"""The loop: it learns, it goes on where it stopped, bit for bit, and it says why it will not."""

import signal
import subprocess
import sys
from argparse import Namespace
from dataclasses import replace
from time import sleep

import pytest

torch = pytest.importorskip("torch")

from inference.sam4d.runtime import Runtime  # noqa: E402
from inference.training import train as loop  # noqa: E402
from inference.training.feed import Lessons  # noqa: E402
from inference.training.frames_stage import FrameStage  # noqa: E402
from inference.training.settings import Schedule, Stage, Training, read_training  # noqa: E402
from inference.training.shots import Plan, Shots, write_drive  # noqa: E402
from tests.inference.nano.rig import SMALL  # noqa: E402

CONFIG = """
seed = 3
[model]
picture_px = [64, 96]
rows = 16
columns = 256
sector = 128
window = 64
width = 32
hidden = 48
refined_px = 48
[[stages]]
name = "frames"
schedule = { steps = STEPS }
frames = { views = 1, objects = 2, crops = 1 }
"""
STAGE = Stage("frames", Schedule(steps=4, warm_up=2), FrameStage(views=1, objects=2, crops=1))
TRAINING = Training((STAGE,), SMALL, seed=3)


@pytest.fixture(scope="module")
def drives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drives")
    for seed in (1, 2):
        write_drive(folder, seed, Plan([seed], "tiny", frames=1, width_px=None))
    return folder


EXACTLY = Runtime(torch.device("cpu"))


def advance(run, shots, folder, until):
    losses = []
    lessons = Lessons(run.training, shots, 0, EXACTLY)
    while run.step < until:
        some = lessons.of(run.step, run.model)
        losses.append(float(loop.take_step(run, some, loop.Place(), folder, EXACTLY)))
    return losses


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.values(), other.values(), strict=True))


def test_a_run_that_was_stopped_goes_on_bit_for_bit(drives, tmp_path):
    torch.set_num_threads(1)
    shots = Shots(drives)
    whole = loop.begin(TRAINING)
    losses = advance(whole, shots, tmp_path, 4)

    first = loop.begin(TRAINING)
    stopped = advance(first, shots, tmp_path, 2)
    loop.save_checkpoint(first, tmp_path / "checkpoint.pt")
    second = loop.begin(TRAINING)
    loop.load_checkpoint(second, tmp_path / "checkpoint.pt")
    stopped += advance(second, shots, tmp_path, 4)

    assert stopped == losses
    assert same(second.model.state_dict(), whole.model.state_dict())
    assert same(second.average, whole.average)


def test_a_checkpoint_of_another_config_is_refused_with_the_difference(tmp_path):
    loop.save_checkpoint(loop.begin(TRAINING), tmp_path / "checkpoint.pt")
    other = loop.begin(replace(TRAINING, model=replace(SMALL, hidden=64)))

    with pytest.raises(ValueError, match=r"model\.hidden is 48 there and 64 here"):
        loop.load_checkpoint(other, tmp_path / "checkpoint.pt")


def test_a_run_may_become_longer_while_it_waits(tmp_path):
    loop.save_checkpoint(loop.begin(TRAINING), tmp_path / "checkpoint.pt")
    longer = replace(TRAINING, stages=(replace(STAGE, schedule=Schedule(steps=9, warm_up=2)),))

    loop.load_checkpoint(loop.begin(longer), tmp_path / "checkpoint.pt")


def test_a_run_that_is_told_to_end_saves_first(drives, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loop, "read_training", lambda name: TRAINING)
    learn = loop.take_step

    def stopped_after_two(run, *rest):
        loss = learn(run, *rest)
        if run.step == 2:
            signal.raise_signal(signal.SIGTERM)
        return loss

    monkeypatch.setattr(loop, "take_step", stopped_after_two)
    asked = Namespace(config="x", data=drives, out=tmp_path, threads=1, start=None, exact=True,
                      workers=0, crops=None)  # fmt: skip

    loop.train(asked, loop.Place())

    assert "stopped after step 2 of 4" in capsys.readouterr().out
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 2
    assert not (tmp_path / "weights.safetensors").exists()


def test_two_runs_do_not_share_a_folder(drives, tmp_path, capsys):
    with loop._alone_in(tmp_path):
        status = loop.main(["nano", "--data", str(drives), "--out", str(tmp_path)])

    assert status == 1
    assert "another run is at work" in capsys.readouterr().err


def test_several_processes_end_after_the_same_step_and_go_on(drives, tmp_path):
    (tmp_path / "config.toml").write_text(CONFIG.replace("STEPS", "4000"))
    command = [sys.executable, "-m", "inference.training.train", str(tmp_path / "config.toml"),
               "--data", str(drives), "--out", str(tmp_path), "--processes", "2", "--exact"]  # fmt: skip
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    curves = tmp_path / "curves.csv"
    while running.poll() is None and not curves.is_file():  # 20 steps
        sleep(0.2)
    running.terminate()
    said, _ = running.communicate(timeout=120)

    assert running.returncode == 0
    assert "stopped after step" in said
    step = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"]
    assert f"stopped after step {step} of 4000" in said


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_what_led_to_it(drives, tmp_path):
    run = loop.begin(TRAINING)
    with torch.no_grad():
        run.model.decoder.picture_head.prior.bias.fill_(float("nan"))
        run.model.decoder.sweep_head.prior.bias.fill_(float("nan"))

    with pytest.raises(loop.Diverged, match="the loss of step 0 is nan"):
        advance(run, Shots(drives), tmp_path, 1)

    kept = torch.load(tmp_path / "diverged-0-0.pt", weights_only=True)
    assert (kept["step"], kept["rank"], kept["seed"]) == (0, 0, 3)


def test_the_rate_warms_up_stays_and_falls():
    schedule = Schedule(steps=100, rate=1.0, warm_up=10, flat=0.5, last=0.1)

    rates = [loop.rate_at(schedule, step) for step in range(100)]

    assert rates[0] == pytest.approx(0.1)
    assert rates[10:50] == [1.0] * 40
    assert rates[99] == pytest.approx(0.1, abs=0.01)
    assert rates[50:] == sorted(rates[50:], reverse=True)


def test_the_shipped_config_is_read_and_a_wrong_key_is_named(tmp_path):
    assert read_training("nano").stages[0].name == "frames"
    (tmp_path / "odd.toml").write_text("sead = 1\nstages = []\n")

    with pytest.raises(ValueError, match="there is no 'sead'; choose from clip, ema"):
        read_training(str(tmp_path / "odd.toml"))
    with pytest.raises(ValueError, match="no training config 'mega'"):
        read_training("mega")


def test_the_command_trains_and_leaves_weights(drives, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loop, "read_training", lambda name: TRAINING)
    monkeypatch.setattr(loop, "REPORT_EVERY", 2)
    asked = Namespace(config="x", data=drives, out=tmp_path, processes=1, threads=1, start=None,
                      exact=True, workers=0, crops=None)  # fmt: skip

    loop.train(asked, loop.Place())

    assert "min left" in capsys.readouterr().err
    assert (tmp_path / "weights.safetensors").is_file()
    assert len((tmp_path / "curves.csv").read_text().splitlines()) == 3
