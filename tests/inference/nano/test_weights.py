from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from inference.nano.weights import WrongWeights, load, save  # noqa: E402
from inference.predictor import load_predictor  # noqa: E402
from tests.inference.nano.rig import SMALL, small_model  # noqa: E402


def test_what_was_saved_is_loaded_in_half_precision(tmp_path):
    model = small_model()
    save(model, tmp_path / "one.safetensors")

    again = load(tmp_path / "one.safetensors")

    assert again.config == SMALL
    for name, tensor in model.state_dict().items():
        assert torch.allclose(again.state_dict()[name].float(), tensor.float(), atol=2e-3), name


def test_another_config_is_refused_with_the_difference(tmp_path):
    save(small_model(), tmp_path / "one.safetensors")

    with pytest.raises(WrongWeights, match=r"trained with width = 32; this model has 64"):
        load(tmp_path / "one.safetensors", replace(SMALL, width=64))


def test_what_is_no_safetensors_file_is_refused(tmp_path):
    (tmp_path / "one.safetensors").write_bytes(b"nonsense, and enough of it to be read")

    with pytest.raises(WrongWeights, match="no safetensors file"):
        load(tmp_path / "one.safetensors")


def test_the_face_takes_a_file_of_the_small_model(tmp_path):
    save(small_model(), tmp_path / "one.safetensors")

    assert load_predictor(str(tmp_path / "one.safetensors")).name == "nano"
