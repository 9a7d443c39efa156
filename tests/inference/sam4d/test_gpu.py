"""The same model on a GPU: what it says there is what it says on the processor."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from inference.prompts import PointPrompt  # noqa: E402
from inference.sam4d.predictor import Sam4dPredictor  # noqa: E402
from inference.sam4d.runtime import Runtime, best_runtime  # noqa: E402
from tests.builders import CAMERA, LIDAR, build_scene  # noqa: E402
from tests.inference.sam4d.test_predictor import masks_of, random_model  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
PROMPTS = [PointPrompt(LIDAR, (12.0, 0.0, 0.9)), PointPrompt(CAMERA, (30.0, 20.0))]


@pytest.mark.parametrize("release", [False, True], ids=["ours", "release"])
def test_clicks_and_following_agree_with_the_processor(tmp_path, release):
    answers = []
    for device in ("cpu", "cuda"):
        runtime = Runtime(torch.device(device))
        predictor = Sam4dPredictor(
            random_model(release=release), version="1", runtime=runtime, cache_folder=tmp_path
        )
        opened = predictor.open(build_scene(4))
        start = predictor.add_prompt(opened, frame=0, prompts=PROMPTS)
        followed = predictor.propagate(opened, known={1: {0: masks_of(start)}}, frames=range(1, 4))
        answers.append([*start, *(each for step in followed for each in step.masks[1])])
        predictor.close(opened)

    assert [each.sensor for each in answers[0]] == [each.sensor for each in answers[1]]
    for one, other in zip(*answers, strict=True):
        assert other.confidence == pytest.approx(one.confidence, abs=1e-3)
        assert (one.mask == other.mask).mean() > 0.999


def test_half_precision_is_chosen_and_works(tmp_path):
    runtime = best_runtime()
    predictor = Sam4dPredictor(random_model(), version="1", runtime=runtime, cache_folder=tmp_path)
    opened = predictor.open(build_scene(1))

    assert runtime.precision in {torch.bfloat16, torch.float16}
    assert predictor.add_prompt(opened, frame=0, prompts=PROMPTS)
