"""The recipe: one thing after the other, and no further than what is done."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from inference.training import crops, recipe, shots, train
from inference.training.settings import read_training


def doing(monkeypatch, trained):
    done = []

    def told(name, status=0):
        def command(words):
            done.append((name, words))
            if name == "train" and trained(words[0]):
                out = Path(words[words.index("--out") + 1])
                out.mkdir(parents=True, exist_ok=True)
                (out / "weights.safetensors").write_bytes(words[0].encode())
            return status

        return command

    for module, name in ((shots, "shots"), (crops, "crops"), (train, "train")):
        monkeypatch.setattr(module, "main", told(name))
    return done


def test_each_part_gets_what_the_one_before_made(tmp_path, monkeypatch):
    done = doing(monkeypatch, trained=lambda config: True)

    assert recipe.main([str(tmp_path), "--processes", "1"]) == 0

    assert [name for name, _ in done] == ["shots", "shots", "train", "crops", "train"]
    (_, drives), (_, clips), (_, first), (_, cut), (_, second) = done
    assert drives[0] == clips[0]
    assert drives[0] == first[first.index("--data") + 1] == cut[cut.index("--data") + 1]
    assert Path(cut[cut.index("--weights") + 1]).parent == Path(first[first.index("--out") + 1])
    assert second[second.index("--crops") + 1] == cut[0]
    assert (tmp_path / "nano.safetensors").read_bytes() == b"nano_crops"


def test_a_part_that_was_stopped_ends_it(tmp_path, monkeypatch):
    done = doing(monkeypatch, trained=lambda config: False)

    assert recipe.main([str(tmp_path), "--processes", "1"]) == 1

    assert [name for name, _ in done] == ["shots", "shots", "train"]


def test_its_configs_are_there():
    frames, second = (read_training(name) for name in ("nano", "nano_crops"))

    assert [stage.crops for stage in frames.stages] == [None, None]
    assert frames.stages[1].frames.followed > 0
    assert second.stages[0].crops is not None
    assert frames.model == second.model
