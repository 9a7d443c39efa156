"""The evaluation: what a perfect, an empty and a half-right predictor score, and resuming."""

import json
from collections import defaultdict

import numpy as np
import pytest

pytest.importorskip("torch")

from inference.prompts import FramePrediction, MaskPrediction
from inference.training import evaluate
from inference.training.cases import click, render, tight_box


def row(metric, value, route="C→C"):
    return {"metric": metric, "route": route, "value": value, "n": 9}


@pytest.mark.parametrize(
    ("values", "may"),
    [
        ((0.7, 0.59, 0.8), True),  # a hundredth lost, more won
        ((0.7, 0.58, 0.9), False),  # two lost in one row
        ((0.6, 0.6, 0.8), False),  # nothing won
        ((0.62, 0.6, 0.79), True),
    ],
)
def test_a_default_must_lose_nowhere_and_win_in_the_mean(values, may):
    before = [row("iou@1", 0.6), row("box", 0.6), row("pandaset@1", 0.8, "L→L")]
    after = [{**each, "value": value} for each, value in zip(before, values, strict=True)]

    # What may not decide does not, and what only one of them has is not compared.
    is_better, ahead = evaluate.compared(
        [*after, row("nuscenes@1", 0.0), row("iou@1", 0.0, "L→L")],
        [*before, row("nuscenes@1", 1.0)],
    )

    assert is_better is may
    assert [name for name, _ in ahead] == ["iou@1 C→C", "box C→C", "pandaset@1 L→L"]


class Oracle:
    """Knows the gold; answers with what `change` makes of it."""

    name, version = "oracle", "1"

    def __init__(self, change=lambda mask: mask):
        self.change = change
        self.clips = {}

    def open(self, scene):
        return next(clip for clip in self.clips.values() if clip.scene is scene)

    def close(self, opened):
        pass

    def _masks(self, clip, frame, number):
        return [
            MaskPrediction(sensor, self.change((ids == number).ravel()), 1.0)
            for sensor, ids in clip.ids[frame].items()
        ]

    def add_prompt(self, opened, *, frame, prompts, track=None):
        first = prompts[0]
        ids = opened.ids[frame][first.sensor]
        if hasattr(first, "low"):
            (left, top), (right, bottom) = first.low, first.high
            inside = ids[int(top) : int(bottom), int(left) : int(right)]
            things = inside[np.isin(inside, list(opened.classes))]
            number = int(np.bincount(things).argmax())
        elif len(first.position) == 2:
            number = int(ids[int(first.position[1]), int(first.position[0])])
        else:
            points = opened.scene.frames[frame].sweeps[first.sensor].points_ego
            number = int(ids[np.linalg.norm(points - first.position, axis=1).argmin()])
        return self._masks(opened, frame, number)

    def propagate(self, opened, *, known, frames):
        numbers = {}
        for track, masks in known.items():
            shown = opened.ids[0][opened.lidar][masks[0][opened.lidar]]
            numbers[track] = int(np.bincount(shown).argmax()) if shown.size else 0
        for frame in frames:
            yield FramePrediction(
                frame, {track: self._masks(opened, frame, n) for track, n in numbers.items()}
            )


@pytest.fixture
def small(monkeypatch):
    """Drives of the tiny rig, few frames."""
    monkeypatch.setattr(evaluate, "RIGS", ("tiny",))
    monkeypatch.setattr(evaluate, "FRAME", 2)
    monkeypatch.setattr(evaluate, "CARRIED", 2)


def scored(monkeypatch, oracle, seed=4):
    def rendered(*args, **options):
        clip = render(*args, **(options | {"width_px": None}))
        oracle.clips[len(oracle.clips)] = clip
        return clip

    monkeypatch.setattr(evaluate, "render", rendered)
    return evaluate.score_seed(oracle, seed, evaluate.Plan(objects=4, follow_every=1))


def test_gold_itself_scores_one_everywhere(small, monkeypatch):
    scores = scored(monkeypatch, Oracle())

    routes = {f"iou@{k}|{a}→{b}" for k in (1, 2, 3, 5) for a in "CL" for b in "CL"}
    assert routes | {"carry@20|L→L", "carry_kept@20|L→L"} <= set(scores)
    for key, values in scores.items():
        if not key.startswith("box"):  # a box in a crowd may mean another object
            assert values == [1.0] * len(values), key
    assert np.mean(scores["box|C→C"]) > 0.7


def test_nothing_scores_nothing(small, monkeypatch):
    scores = scored(monkeypatch, Oracle(lambda mask: np.zeros_like(mask)))

    assert all(value == 0 for values in scores.values() for value in values)


def test_half_of_each_mask_scores_a_half(small, monkeypatch):
    def half(mask):
        kept = mask.copy()
        kept[np.flatnonzero(mask)[::2]] = False
        return kept

    scores = scored(monkeypatch, Oracle(half))

    assert np.mean(scores["iou@1|C→C"]) == pytest.approx(0.5, abs=0.05)


def test_clicks_start_in_the_middle_and_go_where_the_error_is(small):
    clip = render(4, [2], "tiny")
    case = evaluate.cases_of(clip, 4, 4)[0]
    truth = case.truth(case.camera)

    first = click(case, case.camera, None)
    u, v = (int(x) for x in first.position)
    assert truth[v, u]
    spilled = click(case, case.camera, np.ones(truth.size, bool))
    assert not spilled.positive
    assert click(case, case.camera, truth.ravel()) is None
    box = tight_box(case)
    assert truth[int(box.low[1]) : int(box.high[1]), int(box.low[0]) : int(box.high[0])].sum() == (
        truth.sum()
    )


def test_rows_say_metric_route_mean_and_count():
    scores = defaultdict(list, {"iou@1|C→L": [0.5, 1.0], "iou@1/pole|L→L": [0.25]})

    assert evaluate.rows_of(scores) == [
        {"metric": "iou@1/pole", "route": "L→L", "value": 0.25, "n": 1},
        {"metric": "pole@1", "route": "L→L", "value": 0.25, "n": 1},
        {"metric": "iou@1", "route": "C→L", "value": 0.75, "n": 2},
    ]


def test_a_run_that_was_stopped_goes_on_and_a_wrong_name_is_told(tmp_path, capsys, monkeypatch):
    parts = tmp_path / "out.parts"
    kept = {"predictor": "geometric", "seed": 7, "scores": {"iou@1|L→L": [0.5]}}
    parts.write_text(json.dumps(kept) + "\n")

    arguments = ["--predictor", "geometric", "--seeds", "7", "--json", str(tmp_path / "out.json")]
    assert evaluate.main(arguments) == 0
    rows = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert rows == [{"metric": "iou@1", "route": "L→L", "value": 0.5, "n": 1}]
    assert evaluate.main(["--predictor", "sam9", "--seeds", "7"]) == 1
    assert "there is no predictor 'sam9'" in capsys.readouterr().err
