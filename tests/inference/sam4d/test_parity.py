"""In release mode the model gives what the authors' release gave."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")

from inference.sam4d import parity  # noqa: E402
from inference.sam4d.weights import PREFIXES, UNUSED, released_name  # noqa: E402
from tests.inference.sam4d.rig import small_model  # noqa: E402

# At the release's own picture size; minutes of a slow core. `python -m inference.sam4d.parity` has it.
LARGE = {"e2e_A_768.npz", "image_encoder_768_a.npz"}


@pytest.fixture(scope="module")
def recordings(shared_data):
    folder = shared_data.parent / "reference" / "sam4d" / "parity"
    if not folder.is_dir():
        pytest.skip("no recordings of the release beside the checkout")
    found = parity.Folder(folder)
    found.cases = [case for case in found.cases if case["file"] not in LARGE]
    return found


def test_every_recording_is_reproduced(recordings):
    torch.set_num_threads(1)
    compared = list(recordings.compare())

    assert [each for each in compared if not each.passes] == []
    assert {each.case for each in compared} == {case["file"] for case in recordings.cases}


def test_the_tensors_are_those_of_the_released_file(recordings):
    listed = recordings.folder.parent / "state_dict_sam4d_hieraT_mink34w32.json"
    theirs = {row["name"]: row["shape"] for row in json.loads(listed.read_text())["entries"]}
    ours = {
        released_name(k): list(v.shape) for k, v in small_model(release=True).state_dict().items()
    }

    assert {name: shape for name, shape in theirs.items() if name not in UNUSED} == ours


def test_an_unknown_kind_of_case_is_a_failure(tmp_path, capsys):
    case = {"file": "a.npz", "kind": "dream", "config": "state_dict_sam4d_hieraS_mink34w32.json"}
    (tmp_path / "cases.json").write_text(json.dumps([case]))
    (tmp_path / "weights_recipe.json").write_text("{}")

    assert parity.main([str(tmp_path)]) == 1
    assert "unknown kind 'dream'" in capsys.readouterr().err


def test_a_folder_without_cases_is_a_failure(tmp_path):
    (tmp_path / "cases.json").write_text("[]")
    (tmp_path / "weights_recipe.json").write_text("{}")

    assert parity.main([str(tmp_path)]) == 1


def test_no_two_of_our_names_are_one_of_theirs():
    names = [released_name(name) for name in small_model(release=True).state_dict()]

    assert len(names) == len(set(names))
    assert len({theirs for _, theirs in PREFIXES}) == len(PREFIXES)
