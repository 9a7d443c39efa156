"""The door to the predictors: names, and what the rest of the house relies on."""

from __future__ import annotations

import pytest

from inference.predictor import load_predictor, main
from inference.prompts import PointPrompt
from tests.builders import CAR_POINTS, LIDAR, build_scene


def test_the_geometric_predictor_is_found_by_name_and_says_its_version():
    predictor = load_predictor("geometric")

    assert predictor.name == "geometric"
    assert predictor.version


def test_an_unknown_predictor_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match="no predictor 'sam9'; choose geometric or nano, or name"):
        load_predictor("sam9")


def test_weights_without_pytorch_are_refused_with_what_to_do(monkeypatch):
    monkeypatch.setattr("inference.predictor.find_spec", lambda name: None)

    with pytest.raises(
        ValueError, match=r"'nano' needs PyTorch.*extra 'model', or choose geometric"
    ):
        load_predictor.__wrapped__("nano")


def test_a_frame_the_scene_does_not_have_is_refused_with_its_number():
    predictor = load_predictor()
    opened = predictor.open(build_scene(2))

    with pytest.raises(IndexError, match="there is no frame 2"):
        predictor.add_prompt(opened, frame=2, prompts=[PointPrompt(LIDAR, (12.0, 0.0, 1.0))])


def test_an_unknown_sensor_is_refused_with_the_names_there_are():
    predictor = load_predictor()
    opened = predictor.open(build_scene(1))

    with pytest.raises(KeyError, match="no sensor 'REAR'"):
        predictor.add_prompt(opened, frame=0, prompts=[PointPrompt("REAR", (1.0, 1.0))])


def test_a_closed_scene_can_be_opened_again():
    predictor = load_predictor()
    scene = build_scene(1)
    position = tuple(float(x) for x in scene.frames[0].sweeps[LIDAR].points_ego[CAR_POINTS.start])
    first = predictor.open(scene)
    before = predictor.add_prompt(first, frame=0, prompts=[PointPrompt(LIDAR, position)])
    predictor.close(first)

    again = predictor.add_prompt(
        predictor.open(scene), frame=0, prompts=[PointPrompt(LIDAR, position)]
    )

    assert [p.sensor for p in again] == [p.sensor for p in before]
    assert all((a.mask == b.mask).all() for a, b in zip(again, before, strict=True))


def test_the_command_says_what_a_predictor_is_or_why_there_is_none(capsys):
    assert main(["geometric"]) == 0
    assert capsys.readouterr().out == f"geometric, version {load_predictor().version}\n"
    assert main(["sam9"]) == 1
    assert "no predictor 'sam9'" in capsys.readouterr().err
