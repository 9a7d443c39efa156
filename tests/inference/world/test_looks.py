from collections import Counter

import numpy as np
import pytest

from inference.world.drive import make_drive
from inference.world.looks import painted
from inference.world.solids import Material

WIDTH_PX = 96


def drive(seed, length=2, look=None):
    return make_drive(seed, "random", length, width_px=WIDTH_PX, look=look)


def test_a_random_look_follows_from_the_seed():
    first, again, longer = drive(5), drive(5), drive(5, length=4)

    for name, image in first.frames[1].images.items():
        assert image.encoded == again.frames[1].images[name].encoded
        assert image.encoded == longer.frames[1].images[name].encoded
    assert first.facts["time of day"] == again.facts["time of day"]


def test_looks_differ_between_seeds():
    names = Counter(drive(seed, length=1).facts["time of day"] for seed in range(40))

    assert set(names) == {"day", "dusk", "night", "rain", "glare", "dim"}


def test_the_look_changes_pictures_and_no_gold_but_for_what_was_added():
    plain, dressed = drive(5, look="plain"), drive(5, look="random")

    added = dressed.frames.gold.keys() - plain.frames.gold.keys()
    assert added
    assert plain.frames.gold.items() <= dressed.frames.gold.items()
    for name, ids in plain.frames.gold_ids(0).items():
        if ids.ndim == 2:
            there = dressed.frames.gold_ids(0)[name]
            same = ~np.isin(there, list(added))
            assert (ids[same] == there[same]).all()


def test_a_moving_thing_keeps_its_paint():
    street = next(
        street
        for seed in range(30)
        if (street := drive(seed, length=1).frames.street)
        and any(
            (thing.body_at(0.0).material == Material.PATTERN).any()
            for thing in street.things
            if not thing.is_static
        )
    )
    for thing in street.things:
        if thing.gold.is_moving:
            now, later = thing.body_at(0.0), thing.body_at(0.7)
            assert (now.material == later.material).all()
            assert np.array_equal(now.seed, later.seed)


def test_no_share_paints_nothing():
    solids = drive(5, look="plain").frames.street.static

    assert painted(solids, 0.0, 7) is solids
    all_painted = painted(solids, 1.0, 7)
    kept = np.isin(solids.material, (Material.WHEEL, Material.SIGNAL, Material.LEAVES))
    assert (all_painted.material[~kept] == Material.PATTERN).all()
    assert (all_painted.material[kept] == solids.material[kept]).all()


def test_an_unknown_look_is_refused():
    with pytest.raises(ValueError, match="no look 'pretty'"):
        make_drive(1, "tiny", 1, look="pretty")
