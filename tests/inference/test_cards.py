"""What is offered, and what its card says."""

import pytest

torch = pytest.importorskip("torch")

from inference import predictor  # noqa: E402
from inference.nano.model import Nano  # noqa: E402
from inference.nano.weights import save  # noqa: E402
from tests.inference.nano.rig import SMALL  # noqa: E402


@pytest.fixture
def weights(tmp_path, monkeypatch):
    path = tmp_path / "nano.safetensors"
    save(Nano(SMALL), path, [("Trained on", "procedural drives")])
    monkeypatch.setattr(predictor, "SHIPPED", path)
    return path


def test_the_default_comes_first_and_cards_carry_the_facts_of_the_file(weights):
    assert [card.key for card in predictor.offered("geometric")] == ["geometric", "nano"]
    first, second = predictor.offered("nano")
    assert (first.key, second.key) == ("nano", "geometric")
    assert first.facts == [("Trained on", "procedural drives")]


def test_without_shipped_weights_geometry_alone_is_offered(tmp_path, monkeypatch):
    monkeypatch.setattr(predictor, "SHIPPED", tmp_path / "none")

    assert [card.key for card in predictor.offered("geometric")] == ["geometric"]


def test_without_pytorch_nothing_is_offered_that_needs_it(weights, monkeypatch):
    monkeypatch.setattr(predictor, "find_spec", lambda name: None)

    assert [card.key for card in predictor.offered("geometric")] == ["geometric"]


def test_a_file_of_one_s_own_is_offered_by_its_name_not_by_its_path(weights, tmp_path):
    own = tmp_path / "ours.safetensors"
    save(Nano(SMALL), own)
    released = tmp_path / "sam4d.pt"
    released.write_bytes(b"\0" * 2**20)

    assert [card.key for card in predictor.offered(str(own))] == ["checkpoint", "geometric", "nano"]
    assert predictor.offered(str(own))[0].title == "Nano: ours.safetensors"
    card = predictor.offered(str(released))[0]
    assert (card.key, card.title) == ("checkpoint", "SAM4D: sam4d.pt")
    assert card.facts == [("Size of the file", "1 MiB")]
