"""Real frames with cuboids: who knows the boxes scores high, who answers nothing scores nothing."""

import numpy as np
import pytest

pytest.importorskip("torch")

from inference.prompts import MaskPrediction
from inference.training import recordings

pytestmark = pytest.mark.shared


class Ball:
    """Every point within 2 m of the click, or of the return that a pixel shows; or nothing."""

    def __init__(self, radius_m):
        self.radius_m = radius_m

    def open(self, scene):
        return scene

    def close(self, opened):
        pass

    def add_prompt(self, opened, *, frame, prompts, track=None):
        (prompt,) = prompts
        shown = opened.frames[frame]
        lidar = max(shown.sweeps, key=lambda name: len(shown.sweeps[name]))
        points = shown.sweeps[lidar].points_ego
        if len(prompt.position) == 3:
            place = np.array(prompt.position)
        else:
            pixels, seen = recordings._seen(opened.sensor(prompt.sensor), shown, points)
            away = np.where(seen, np.linalg.norm(pixels - prompt.position, axis=1), np.inf)
            place = points[away.argmin()]
        mask = np.linalg.norm(points - place, axis=1) < self.radius_m
        return [MaskPrediction(lidar, mask, 1.0)]


def test_every_object_is_asked_for_in_the_cloud_and_in_a_camera(shared_data):
    scores = recordings.score_recordings(Ball(1.5), shared_data, every=7)

    assert set(scores) == {
        f"{name}@1|{route}" for name in ("pandaset", "nuscenes") for route in ("L→L", "C→L")
    }
    for name in ("pandaset", "nuscenes"):
        assert len(scores[f"{name}@1|L→L"]) == len(scores[f"{name}@1|C→L"]) > 10
    # A ball is no car, but it is not nothing; both clicks mean the same object.
    assert 0.2 < np.mean(scores["pandaset@1|L→L"]) < 0.9
    assert abs(np.mean(scores["pandaset@1|L→L"]) - np.mean(scores["pandaset@1|C→L"])) < 0.2


def test_no_mask_scores_nothing(shared_data):
    scores = recordings.score_recordings(Ball(0.0), shared_data, every=7)

    assert max(max(values) for values in scores.values()) == 0
