"""The small model answers on a GPU as it does on a processor. Skipped where there is none."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from inference.nano.everything import everything  # noqa: E402
from inference.nano.predictor import NanoPredictor  # noqa: E402
from inference.prompts import PointPrompt  # noqa: E402
from inference.sam4d.runtime import Runtime, best_runtime  # noqa: E402
from tests.inference.nano.rig import drive, small_model  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
FRAMES = [0, 1, 2]


def on(device):
    return NanoPredictor(small_model(), version="test", runtime=Runtime(torch.device(device)))


def answers(predictor):
    """After a click, followed from there, and of everything, as one flat list."""
    opened = predictor.open(drive())
    clicked = predictor.add_prompt(
        opened, frame=0, prompts=[PointPrompt("FRONT", (40.5, 40.5)), PointPrompt("FRONT", (44.5, 42.5))]
    )  # fmt: skip
    known = {0: {each.sensor: each.mask for each in clicked}}
    followed = list(predictor.propagate(opened, known={7: known}, frames=FRAMES))
    cluster = opened.geometric.prepared(0).cloud.cluster
    groups = [cluster == number for number in range(min(20, int(cluster.max()) + 1))]
    drawn = everything(predictor, opened, 0, "FRONT", [*groups, (30.5, 30.5)])
    return [
        *((each.sensor, each.mask) for each in clicked),
        *((each.sensor, each.mask) for step in followed for each in step.masks[7]),
        *(("drawn", None if each is None else each.mask.ravel()) for each in drawn),
    ]


def test_a_gpu_answers_as_a_processor_does():
    one, other = answers(on("cpu")), answers(on("cuda"))

    assert [name for name, _ in one] == [name for name, _ in other]
    for (name, mask), (_, same) in zip(one, other, strict=True):
        assert (mask is None) == (same is None), name
        if mask is not None:
            assert (mask != same).mean() < 0.01, name


def test_what_a_gpu_machine_takes_by_itself_works():
    found = answers(NanoPredictor(small_model(), version="test", runtime=best_runtime()))

    assert any(np.any(mask) for _, mask in found if mask is not None)
