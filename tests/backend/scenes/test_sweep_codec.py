"""The source keeps every bit of a sweep; the view is off by half a grid step at most."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.protocol import binary
from backend.scenes import sweep_codec
from backend.scenes.sweep_codec import BadObject, decode_source, decode_view, encode_source
from inference.scene import Sweep
from tests.builders import build_sweep

OPTIONAL = [
    field.name
    for field in fields(Sweep)
    if field.name not in ("points_ego", "intensity", "timestamp_us")
]


def assert_identical(before: Sweep, after: Sweep) -> None:
    assert after.timestamp_us == before.timestamp_us
    for field in fields(Sweep):
        one, other = getattr(before, field.name), getattr(after, field.name)
        if isinstance(one, np.ndarray):
            assert one.dtype == other.dtype
            assert one.shape == other.shape
            assert one.tobytes() == other.tobytes(), field.name
        else:
            assert one == other


def spinning_scan(seed: int = 0) -> Sweep:
    """A scan as a spinning sensor makes it: 32 beams, 1800 columns, smooth walls, 2 cm noise."""
    random = np.random.default_rng(seed)
    azimuth = np.tile(np.linspace(-np.pi, np.pi, 1800, endpoint=False), 32)
    elevation = np.repeat(np.linspace(0.03, -0.4, 32), 1800)
    wall = 18 + 8 * np.cos(3 * azimuth) + 5 * np.sin(7 * azimuth)
    ground = np.where(elevation < -0.01, 1.9 / np.maximum(-np.sin(elevation), 1e-3), np.inf)
    distance = np.minimum(wall, ground) + random.normal(0, 0.02, len(azimuth))
    points = np.stack(
        [
            distance * np.cos(elevation) * np.cos(azimuth),
            distance * np.cos(elevation) * np.sin(azimuth),
            distance * np.sin(elevation) + 1.9,
        ],
        axis=1,
    )
    intensity = 0.2 + 0.1 * np.sin(5 * azimuth) + random.normal(0, 0.01, len(azimuth))
    return Sweep(points.astype(np.float32), np.abs(intensity).astype(np.float32), 0)


def test_the_source_gives_back_every_column():
    assert_identical(build_sweep(), decode_source(encode_source(build_sweep())))


@pytest.mark.parametrize("missing", OPTIONAL)
def test_the_source_keeps_a_missing_column_missing(missing):
    sweep = replace(build_sweep(), **{missing: None})

    assert_identical(sweep, decode_source(encode_source(sweep)))


@pytest.mark.parametrize("missing", [(), tuple(OPTIONAL)])
def test_an_empty_sweep_survives(missing):
    sweep = replace(build_sweep(points=0), **dict.fromkeys(missing))

    assert_identical(sweep, decode_source(encode_source(sweep)))
    points, extras = decode_view(sweep_codec.encode_view(sweep))
    assert (points.shape, extras.shape) == ((0, 3), (0, 2))


def test_the_source_keeps_odd_floats():
    odd = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-42], dtype=np.float32)
    sweep = Sweep(np.zeros((5, 3), np.float32), odd, 0)

    assert_identical(sweep, decode_source(encode_source(sweep)))


def test_the_source_keeps_columns_that_are_not_contiguous():
    wide = np.arange(60, dtype=np.float32).reshape(10, 6)
    sweep = Sweep(wide[:, ::2], wide[:, 1], 5)

    assert_identical(sweep, decode_source(encode_source(sweep)))


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 200),
    st.floats(0.001, 3000),
    st.floats(-5000, 5000),
)
def test_the_view_is_off_by_half_a_step_at_most(seed, count, extent_m, offset_m):
    random = np.random.default_rng(seed)
    points = (random.uniform(0, extent_m, (count, 3)) + offset_m).astype(np.float32)
    sweep = Sweep(points, np.ones(count, np.float32), 0)

    view = sweep_codec.encode_view(sweep)

    step = binary.SWEEP_HEADER.unpack_from(view)[8]
    if extent_m < 327:
        assert step == np.float32(binary.STEP_M)
    # Half a step, and what 32-bit floats round away at this distance.
    rounding = 4 * np.spacing(np.float32(np.abs(points).max() + extent_m))
    assert np.abs(decode_view(view)[0] - points).max() <= step / 2 + rounding


@given(st.integers(0, 2**32 - 1), st.integers(0, 300))
def test_both_codecs_decode_to_the_same_points(seed, count):
    random = np.random.default_rng(seed)
    sweep = Sweep(
        random.normal(0, 30, (count, 3)).astype(np.float32),
        random.gamma(1, 1, count).astype(np.float32),
        0,
        elongation=random.uniform(0, 2, count).astype(np.float32),
    )

    d1 = decode_view(sweep_codec.encode_view(sweep, codec=binary.CODEC_D1))
    p8 = decode_view(sweep_codec.encode_view(sweep, codec=binary.CODEC_P8))

    assert np.array_equal(d1[0], p8[0])
    assert np.array_equal(d1[1], p8[1])


def test_extras_follow_the_table():
    # By hand, with top = 0.4: sqrt(0.1 / 0.4) * 255 = 127.5 -> 128 (rint: to even),
    # above the top 255; elongation 0.75 / 1.5 * 255 = 127.5 -> 128, above 1.5 it stays 255.
    intensity = np.array([0.1, 0.4, 9.0, 0.0], dtype=np.float32)
    sweep = Sweep(
        np.zeros((4, 3), np.float32),
        intensity,
        0,
        elongation=np.array([0.75, 1.5, 7.0, 0.0], dtype=np.float32),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep_codec, "intensity_top", lambda intensity: 0.4)

        _, extras = decode_view(sweep_codec.encode_view(sweep))

    assert extras[:, 0].tolist() == [128, 255, 255, 0]
    assert extras[:, 1].tolist() == [128, 255, 255, 0]


def test_a_realistic_scan_takes_less_than_four_bytes_a_point(capsys):
    sweep = spinning_scan()

    per_point = len(sweep_codec.encode_view(sweep)) / len(sweep)

    with capsys.disabled():
        print(f"\n{per_point:.2f} bytes a point in the view, ", end="")
        print(f"{len(encode_source(sweep)) / len(sweep):.2f} in the source")
    assert per_point <= 3.6


@pytest.mark.parametrize("decode", [decode_source, decode_view])
def test_other_bytes_are_refused(decode):
    with pytest.raises(BadObject, match="not a"):
        decode(b"something else" * 10)
