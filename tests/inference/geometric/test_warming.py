"""Nothing is left to compile when the first click comes; without a cache folder it still works."""

from __future__ import annotations

from typing import Any

import pytest

from inference.geometric import clusters
from inference.geometric.kernels import kernel
from inference.predictor import load_predictor
from inference.prompts import PointPrompt
from tests.inference.geometric.blocks import CAMERA, LIDAR, Block, Plain, scene_of


def compiled() -> dict[str, list[Any]]:
    """The argument types for which each kernel has machine code in this process."""
    found = {name: getattr(each, "signatures", None) for name, each in vars(clusters).items()}
    return {name: list(types) for name, types in found.items() if types is not None}


@pytest.mark.parametrize("with_rows", [True, False], ids=["rows", "no rows"])
def test_a_loaded_predictor_compiles_nothing_for_a_click(with_rows: bool) -> None:
    predictor = load_predictor("geometric")
    before = compiled()
    plain = Plain((Block((12, 0)),), sensors=(CAMERA, LIDAR), with_rows=with_rows)

    answers = predictor.add_prompt(
        predictor.open(scene_of(plain)), frame=0, prompts=[PointPrompt("TOP", (10.0, 0.0, 1.0))]
    )

    assert {answer.sensor for answer in answers} == {"TOP", "FRONT"}
    assert sum(map(bool, before.values())) >= 3  # those that Python calls
    assert compiled() == before


def test_kernels_compile_where_no_folder_can_keep_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba.core.caching.CacheImpl._locator_classes", [])

    @kernel
    def doubled(number: int) -> int:
        return 2 * number

    assert doubled(21) == 42
