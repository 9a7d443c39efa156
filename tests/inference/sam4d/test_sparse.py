"""Sparse convolutions are dense ones on the occupied cells."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from inference.sam4d.sparse import BadCells, Voxels, cells_of, convolve, keys_of  # noqa: E402

SIDE = 6


@st.composite
def grids(draw):
    """Some cells of a small grid, not at its origin, with features of 2 channels in float64."""
    numbers = draw(st.sets(st.integers(0, SIDE**3 - 1), min_size=1, max_size=60))
    cells = torch.tensor([[n // SIDE**2, n // SIDE % SIDE, n % SIDE] for n in sorted(numbers)])
    torch.manual_seed(draw(st.integers(0, 1000)))
    return cells, torch.randn(len(cells), 2, dtype=torch.float64)


def dense(cells, features, side=SIDE):
    volume = torch.zeros(features.shape[1], side, side, side, dtype=features.dtype)
    volume[:, cells[:, 0], cells[:, 1], cells[:, 2]] = features.T
    return volume


def at(volume, cells):
    return volume[:, cells[:, 0], cells[:, 1], cells[:, 2]].T


@settings(max_examples=30, deadline=None)
@given(grids(), st.sampled_from([1, 3, 5]))
def test_a_kernel_that_keeps_the_cells_is_a_dense_correlation_there(grid, size):
    cells, features = grid
    weights = torch.randn(size**3, 2, 3, dtype=torch.float64)

    ours = convolve(features, weights, Voxels(cells).neighbours(size))

    # Weights count x fastest: as a volume they are indexed (z, y, x).
    kernel = weights.reshape(size, size, size, 2, 3).permute(4, 3, 2, 1, 0)
    theirs = torch.nn.functional.conv3d(dense(cells, features)[None], kernel, padding=size // 2)
    torch.testing.assert_close(ours, at(theirs[0], cells))


@settings(max_examples=30, deadline=None)
@given(grids(), st.sampled_from([2, 3]), st.booleans())
def test_a_kernel_as_large_as_its_stride_is_dense_and_leads_back(grid, factor, keep_incomplete):
    cells, features = grid
    voxels = Voxels(cells)
    weights = torch.randn(factor**3, 2, 3, dtype=torch.float64)

    down = voxels.coarser(factor, keep_incomplete=keep_incomplete)
    ours = convolve(features, weights, down.kernel_map)

    kernel = weights.reshape(factor, factor, factor, 2, 3).permute(4, 3, 0, 1, 2)
    theirs = torch.nn.functional.conv3d(dense(cells, features)[None], kernel, stride=factor)
    torch.testing.assert_close(ours, at(theirs[0], down.voxels.cells))
    # Without padding the dense convolution has no cell that the finer cells do not fill.
    last = torch.div(cells.amax(dim=0) - (factor - 1), factor, rounding_mode="floor")
    parents = {tuple(cell) for cell in (cells // factor).tolist()}
    expected = {
        c
        for c in parents
        if keep_incomplete or all(i <= m for i, m in zip(c, last.tolist(), strict=True))
    }
    assert {tuple(cell) for cell in down.voxels.cells.tolist()} == expected

    back = convolve(ours, weights.transpose(1, 2), down.kernel_map.transposed)
    spread = torch.nn.functional.conv_transpose3d(
        dense(down.voxels.cells, ours)[None], kernel, stride=factor
    )
    kept = down.parents >= 0
    torch.testing.assert_close(back[kept], at(spread[0], cells[kept]))
    assert not back[~kept].any()


def maps_of(voxels):
    """Each kind of map, and how many weights it has."""
    down = voxels.coarser(2).kernel_map
    return [(voxels.neighbours(3), 27), (down, 8), (down.transposed, 8)]


@pytest.mark.parametrize("tracks", [(), (2,)])
def test_gradients_are_those_of_finite_differences(tracks):
    cells = torch.tensor([[0, 0, 0], [0, 0, 1], [0, 1, 1], [2, 1, 0], [2, 1, 1]])
    voxels = Voxels(cells)
    for kernel_map, weight_count in maps_of(voxels):
        shape = (kernel_map.input_count, *tracks, 2)
        features = torch.randn(shape, dtype=torch.float64, requires_grad=True)
        weights = torch.randn(weight_count, 2, 3, dtype=torch.float64, requires_grad=True)

        assert torch.autograd.gradcheck(
            lambda f, w, m=kernel_map: convolve(f, w, m), (features, weights)
        )


@settings(max_examples=30, deadline=None)
@given(grids(), st.integers(1, 3))
def test_several_tracks_at_once_are_one_after_the_other(grid, tracks):
    cells, _ = grid
    for kernel_map, weight_count in maps_of(Voxels(cells)):
        features = torch.randn(kernel_map.input_count, tracks, 2, dtype=torch.float64)
        weights = torch.randn(weight_count, 2, 3, dtype=torch.float64)

        together = convolve(features, weights, kernel_map)

        each = [convolve(features[:, track], weights, kernel_map) for track in range(tracks)]
        torch.testing.assert_close(together, torch.stack(each, dim=1))


def test_the_gradient_reaches_only_what_asks_for_it():
    kernel_map = Voxels(torch.tensor([[0, 0, 0], [0, 0, 1]])).neighbours(3)
    weights = torch.randn(27, 1, 3, requires_grad=True)
    sensed = torch.ones(2, 1)

    convolve(sensed, weights, kernel_map).sum().backward()

    # By hand: two cells meet themselves, and each the other through the weight above or below.
    expected = torch.zeros(27, 1, 3)
    expected[13], expected[13 - 9], expected[13 + 9] = 2, 1, 1
    assert torch.equal(weights.grad, expected)
    assert sensed.grad is None


def test_autocast_leaves_the_precision_of_the_weights():
    kernel_map = Voxels(torch.tensor([[0, 0, 0], [0, 0, 1]])).neighbours(3)
    features, weights = torch.randn(2, 4), torch.randn(27, 4, 3)
    plain = convolve(features, weights, kernel_map)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = convolve(features, weights, kernel_map)

    assert out.dtype == torch.float32
    assert torch.equal(out, plain)


def test_points_find_the_voxel_that_they_lie_in():
    cells = torch.tensor([[5, -2, 0], [-1, 0, 7], [5, -2, 0], [-1, 0, -7]])

    voxels, rows = Voxels.of(cells)

    assert voxels.cells.tolist() == [[-1, 0, -7], [-1, 0, 7], [5, -2, 0]]
    assert rows.tolist() == [2, 1, 2, 0]
    assert voxels.rows_of(torch.tensor([[5, -2, 0], [5, -2, 1]])).tolist() == [2, -1]


def test_keys_give_the_cells_back_and_keep_their_order():
    cells = torch.tensor([[-3, 4, 5], [-3, 4, 6], [-3, 5, -9], [2, -500_000, 0]])

    assert torch.equal(cells_of(keys_of(cells)), cells)
    assert bool((keys_of(cells).diff() > 0).all())


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (torch.tensor([[1 << 20, 0, 0]]), "1048576 cells from the origin"),
        (torch.tensor([[0.5, 0, 0]]), "integers"),
        (torch.tensor([[1, 0, 0], [0, 0, 0]]), "lexicographic"),
        (torch.tensor([[1, 0, 0], [1, 0, 0]]), "unique"),
    ],
)
def test_what_cannot_be_cells_is_refused_with_words(cells, why):
    with pytest.raises(BadCells, match=why):
        Voxels(cells)


def test_an_empty_sweep_convolves_to_nothing():
    voxels = Voxels(torch.zeros(0, 3, dtype=torch.long))
    down = voxels.coarser(2, keep_incomplete=False)

    assert len(down.voxels) == 0
    assert convolve(torch.zeros(0, 2), torch.ones(27, 2, 3), voxels.neighbours(3)).shape == (0, 3)
    assert convolve(torch.zeros(0, 2), torch.ones(8, 2, 3), down.kernel_map).shape == (0, 3)
