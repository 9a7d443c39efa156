"""Lessons: the same whoever prepares them."""

import pytest

torch = pytest.importorskip("torch")

from inference.sam4d.runtime import Runtime  # noqa: E402
from inference.training import train as loop  # noqa: E402
from inference.training.feed import Lessons, Snapshot, fed  # noqa: E402
from inference.training.frames_stage import FrameStage  # noqa: E402
from inference.training.settings import Schedule, Stage, Training  # noqa: E402
from inference.training.shots import Plan, Shots, write_drive  # noqa: E402
from tests.inference.nano.rig import SMALL  # noqa: E402

STAGE = Stage("frames", Schedule(steps=2), FrameStage(views=1, objects=2, crops=1))
TRAINING = Training((STAGE,), SMALL, seed=3)


@pytest.fixture(scope="module")
def lessons(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drives")
    write_drive(folder, 1, Plan([1], "tiny", frames=1, width_px=None))
    return Lessons(TRAINING, Shots(folder), 0, Runtime(torch.device("cpu")))


def test_another_process_prepares_what_this_one_would(lessons):
    model = loop.begin(TRAINING).model
    lessons.snapshot = Snapshot(model)

    beside = list(fed(lessons, model, 0, 1))
    here = list(fed(lessons, model, 0, 0))

    assert len(beside) == len(here) == 2
    for one, other in zip(beside, here, strict=True):
        for packed, own in zip(one, other, strict=True):
            got = packed.on(torch.device("cpu"))
            assert torch.equal(got.asked.place, own.asked.place)
            assert torch.equal(got.in_picture, own.in_picture)
            for name in ("picture_gold", "sweep_gold", "crops"):
                sent, made = getattr(got, name), getattr(own, name)
                assert (sent is None) == (made is None)
                assert sent is None or torch.allclose(sent, made, atol=2e-3)


def test_a_snapshot_carries_a_model_to_another(lessons):
    learnt = loop.begin(TRAINING).model
    snapshot = Snapshot(learnt)
    with torch.no_grad():
        learnt.no_memory += 1
    snapshot.write(learnt)
    other = loop.begin(TRAINING).model
    snapshot.read(other)

    assert torch.equal(other.no_memory, learnt.no_memory)
