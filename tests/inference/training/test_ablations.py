"""The ablations differ from the reference in what they say, and in nothing else."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from inference.nano.memory import Chosen, as_it_stands  # noqa: E402
from inference.nano.model import Nano  # noqa: E402
from inference.nano.weights import save  # noqa: E402
from inference.scene import SensorKind  # noqa: E402
from inference.training import ablations, train  # noqa: E402
from inference.training.cases import render  # noqa: E402
from inference.training.settings import read_training  # noqa: E402
from tests.inference.nano.rig import SMALL, drive, small_model  # noqa: E402


def plain(name, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(ablations.config_of(ablations.VARIANTS[name], 11, 40))
    return asdict(read_training(str(path)))


def test_each_variant_switches_off_one_thing(tmp_path):
    reference = plain("reference", tmp_path)

    def differences(name):
        other = plain(name, tmp_path)
        model = {k for k, v in other["model"].items() if v != reference["model"][k]}
        frames, before = other["stages"][0]["frames"], reference["stages"][0]["frames"]
        return model | {f"wear.{k}" for k, v in frames["wear"].items() if v != before["wear"][k]}

    assert differences("no UMPE") == {"shared_places"}
    assert differences("no MCMA") == {"cross_modal"}
    assert differences("no ego motion") == {"ego_motion"}
    assert differences("sweeps alone") == {"wear.no_picture", "wear.no_sweep"}


def test_without_umpe_each_modality_goes_on_from_what_both_shared(tmp_path):
    torch.manual_seed(0)
    shared = Nano(SMALL)
    torch.save({"average": shared.state_dict()}, tmp_path / "start.pt")
    how = read_training("nano")
    run = train.begin(replace(how, model=replace(SMALL, shared_places=False)))

    train._start_from(run, tmp_path / "start.pt")

    state, before = run.model.state_dict(), shared.state_dict()
    names = [name for name in before if name.startswith("places.")]
    assert names
    for name in names:
        assert torch.equal(state[f"own_{name}"], before[name])
        assert torch.equal(run.average[f"own_{name}"], before[name])


def test_without_ego_motion_what_is_remembered_stays_where_it_was_seen():
    xyz = np.array([[10.0, 0, 0], [12.0, 0, 0]], np.float32)
    chosen = Chosen(np.array([0]), np.ones(1, np.float32), xyz, np.ones(2, np.float32))
    moved = np.eye(4)
    moved[0, 3] = -5.0

    there = as_it_stands(chosen, moved, None, SMALL)
    left = as_it_stands(chosen, moved, None, replace(SMALL, ego_motion=False))

    assert there[:, 0].tolist() == [5, 7]
    assert left[:, 0].tolist() == [10, 12]


def test_a_scene_can_be_seen_by_one_modality():
    only = ablations.seen_by(drive(), [SensorKind.LIDAR])

    assert [sensor.name for sensor in only.sensors] == ["TOP"]
    assert not only.frames[0].images
    assert only.frames[0].sweeps


@pytest.mark.parametrize("sees", [["camera"], ["lidar"], ["camera", "lidar"]])
def test_a_drive_is_scored_by_what_is_seen(tmp_path, monkeypatch, sees):
    monkeypatch.setattr(ablations, "FOLLOWED", 1)
    save(small_model(), tmp_path / "weights.safetensors")
    kinds = [SensorKind(kind) for kind in sees]

    clip = render(6, range(2), "tiny")
    scores = ablations.score_drive(clip, 6, tmp_path / "weights.safetensors", kinds)

    letters = {"camera": "C", "lidar": "L"}
    routes = {f"iou@1|{letters[a]}→{letters[b]}" for a in sees for b in sees}
    assert set(scores) - {"carry@1|L→L"} == routes
    assert ("carry@1|L→L" in scores) is ("lidar" in sees)


def test_the_scores_of_a_run_are_those_of_all_drives(tmp_path):
    (tmp_path / "scores").mkdir()
    names = [folder.name for folder in ablations.runs(tmp_path).values()]
    for seed, value in ((3, 0.25), (4, 0.75)):
        scores = {name: {"iou@1|L→L": [value]} for name in names}
        (tmp_path / "scores" / f"{seed}.json").write_text(json.dumps(scores))

    gathered = ablations._gathered(tmp_path, [3, 4])

    assert set(gathered) == set(ablations.VARIANTS)
    assert gathered["no MCMA"] == [{"iou@1|L→L": [0.25, 0.75]}] * 2


def test_the_table_has_the_means_of_the_seeds():
    one, two = {"iou@1|C→C": [0.5, 0.7]}, {"iou@1|C→C": [0.6, 0.8]}

    lines = ablations.table_of({"reference": [one, two], "no UMPE": [{"iou@1|C→L": [0.25]}]})

    assert lines[2] == "| reference | 0.650 ± 0.050 | – |"
    assert lines[3] == "| no UMPE | – | 0.250 ± 0.000 |"
    assert json.dumps(lines)
