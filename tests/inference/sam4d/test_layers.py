"""Attention in bfloat16 on a CPU goes a road of its own; it must lead to the same place."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

from inference.sam4d import layers  # noqa: E402
from inference.sam4d.layers import Attention, attend  # noqa: E402


@pytest.mark.parametrize("at_once", [1, 700, 1 << 20])
def test_attention_in_half_precision_is_attention(monkeypatch, at_once):
    monkeypatch.setattr(layers, "SCORES_AT_ONCE", at_once)
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, count, 16) for count in (37, 50, 50))

    with torch.no_grad():
        found = attend(query.bfloat16(), key.bfloat16(), value.bfloat16())

    expected = F.scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(found.float(), expected, atol=0.03, rtol=0.03)


def test_one_set_of_queries_or_keys_serves_many_tracks():
    torch.manual_seed(0)
    layer = Attention(16, 16, heads=2)
    one, many = torch.randn(1, 5, 16), torch.randn(3, 7, 16)

    with torch.no_grad():
        asked_by_one = layer(one, many, many)
        asked_by_many = layer(many, one, one)
        for track in range(3):
            alone = many[track : track + 1]
            torch.testing.assert_close(asked_by_one[track : track + 1], layer(one, alone, alone))
            torch.testing.assert_close(asked_by_many[track : track + 1], layer(alone, one, one))
