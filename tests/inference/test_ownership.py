"""Where masks overlap, the top one owns the element, and what lies under it is counted."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inference.masks import top_owners


def test_the_last_mask_wins_and_each_covered_element_counts_once_per_mask_under_it():
    layers = [(5, [1, 1, 1, 0]), (2, [0, 1, 1, 0]), (9, [0, 0, 1, 0])]

    owners, hidden = top_owners([(n, np.array(mask, dtype=bool)) for n, mask in layers], 4)

    assert owners.tolist() == [5, 2, 9, 0]
    assert hidden == 3  # of 5: two under 2; of 2: one under 9


@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), max_size=5))
def test_what_is_shown_and_what_is_hidden_add_up_to_all_that_was_masked(layers: list[list[bool]]):
    masks = [(number + 1, np.array(mask, dtype=bool)) for number, mask in enumerate(layers)]

    owners, hidden = top_owners(masks, 6)

    for element in range(6):
        covering = [number for number, mask in masks if mask[element]]
        assert owners[element] == (covering[-1] if covering else 0)
    assert np.count_nonzero(owners) + hidden == sum(mask.sum() for _, mask in masks)
