import pytest

torch = pytest.importorskip("torch")

from inference.training.losses import is_there, mask_loss, overlap  # noqa: E402

GOLD = torch.tensor([[1.0, 1, 0, 0], [0, 0, 0, 0]])


def test_a_better_mask_costs_less():
    def cost(*logits):
        return float(mask_loss(torch.tensor([logits]), GOLD[:1])[0])

    assert cost(4.0, 4, -4, -4) < cost(4.0, 4, 4, -4) < cost(-4.0, -4, 4, 4)
    assert cost(20.0, 20, -20, -20) == pytest.approx(0, abs=1e-3)


def test_overlap_is_what_one_counts():
    logits = torch.tensor([[1.0, -1, 1, -1], [-1, -1, -1, -1]])

    assert overlap(logits, GOLD).tolist() == pytest.approx([1 / 3, 0])
    weights = torch.tensor([[1.0, 1, 0, 1], [1, 1, 1, 1]])
    assert overlap(logits, GOLD, weights).tolist() == pytest.approx([1 / 2, 0])


def test_cells_without_weight_do_not_count():
    logits = torch.tensor([[4.0, 4, 9, -4]])
    weights = torch.tensor([[1.0, 1, 0, 1]])

    one = mask_loss(logits, GOLD[:1], weights)[0]
    other = mask_loss(torch.tensor([[4.0, 4, -9, -4]]), GOLD[:1], weights)[0]

    assert float(one) == float(other)


def test_half_a_cell_is_there():
    assert is_there(GOLD).tolist() == [1, 0]
    assert is_there(torch.tensor([[0.4, 0.49]])).tolist() == [0]
