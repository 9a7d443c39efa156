"""Damaged recordings: whatever the bytes are, reading them ends in BadScene or in frames.

Seeded, so that a failure comes again. Checksums are mended after the damage: otherwise they would
catch it before the readers behind them see any.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inference.datasets import waymo
from inference.scene import BadScene
from tests.inference.datasets import waymo_builder as build

SEGMENTATION = np.stack([np.arange(32).reshape(4, 8) % 5, np.arange(32).reshape(4, 8) % 23], axis=2)


def small_frame() -> bytes:
    """A frame with an image, both returns, cell poses, segmentation and each kind of box."""
    swept = build.laser(segmentation=SEGMENTATION, second=build.range_image())
    drawn = build.data(8, build.number(1, 1) + build.data(2, build.label("drawn-1")))
    projected = build.data(9, build.number(1, 1) + build.data(2, build.label("car-1_FRONT")))
    return build.frame(lasers=[swept], extra=drawn + projected)


def outcome(path: Path) -> str:
    """Anything but BadScene passes through and fails the test."""
    refusal: BadScene | None = None
    try:
        scene = waymo.read_scene(path)
        for frame in scene.frames:
            assert np.isfinite(frame.world_from_ego).all()
            for sweep in frame.sweeps.values():
                assert np.isfinite(sweep.points_ego).all()
    except BadScene as error:
        refusal = error
    if refusal is None:
        return "read"
    assert refusal.file, f"the error does not say which file: {refusal}"
    assert refusal.message
    return "refused"


def flip(payload: bytearray, random_: random.Random) -> None:
    payload[random_.randrange(len(payload))] ^= 1 << random_.randrange(8)


def overwrite(payload: bytearray, random_: random.Random) -> None:
    payload[random_.randrange(len(payload))] = random_.choice((0x00, 0x7F, 0x80, 0xFF))


def remove(payload: bytearray, random_: random.Random) -> None:
    at = random_.randrange(len(payload))
    del payload[at : at + random_.randrange(1, 40)]


def insert(payload: bytearray, random_: random.Random) -> None:
    at = random_.randrange(len(payload))
    payload[at:at] = random_.randbytes(random_.randrange(1, 12))


# Flipped values overflow in the checks that refuse them.
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("damage", [flip, overwrite, remove, insert])
def test_a_damaged_frame_is_refused_or_read(
    tmp_path: Path, damage: Callable[[bytearray, random.Random], None]
):
    random_ = random.Random(damage.__name__)
    whole = small_frame()
    outcomes: Counter[str] = Counter()

    for _ in range(100):
        payload = bytearray(whole)
        for _ in range(random_.choice((1, 1, 3))):
            damage(payload, random_)
        outcomes[outcome(build.write(tmp_path / "damaged.tfrecord", [bytes(payload)]))] += 1

    # Damage that is never noticed, or always, would mean that the test reaches nothing.
    assert outcomes["refused"] > 10
    if damage in (flip, overwrite):
        assert outcomes["read"] > 10


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path):
    whole = build.write(tmp_path / "whole.tfrecord", [small_frame()]).read_bytes()
    cut = tmp_path / "cut.tfrecord"

    for length in range(0, len(whole), 13):
        cut.write_bytes(whole[:length])

        assert outcome(cut) == "refused", length


@pytest.mark.shared
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_damaged_component_is_refused_or_read(tmp_path: Path, shared_data: Path):
    """Mostly at the end, where Parquet keeps what it says of itself."""
    whole = shared_data / "waymo/v2_converted"
    context = "3132521568089292927_2220_000_2240_000.parquet"
    components = sorted(file.parent.name for file in whole.glob(f"*/{context}"))
    random_ = random.Random(2)
    outcomes: Counter[str] = Counter()

    for _ in range(50):
        shutil.rmtree(tmp_path / "split", ignore_errors=True)
        damaged = random_.choice(components)
        for component in components:
            data = bytearray((whole / component / context).read_bytes())
            if component == damaged:
                reach = random_.choice((3000, len(data)))
                for _ in range(random_.choice((1, 3, 20))):
                    data[-random_.randrange(1, min(reach, len(data)) + 1)] ^= (
                        1 << random_.randrange(8)
                    )
            copy = tmp_path / "split" / component / context
            copy.parent.mkdir(parents=True)
            copy.write_bytes(data)
        outcomes[outcome(tmp_path / "split")] += 1

    assert min(outcomes["refused"], outcomes["read"]) > 5


def test_a_component_that_has_fewer_rows_than_it_says_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Found by flipping bits: pages may hold less than the file's own description promises."""
    from inference.datasets import waymo_parquet

    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "lidar_box" / "a.parquet"
    file.parent.mkdir()
    parquet.write_table(arrow.table({waymo_parquet.TIMESTAMP: [1, 2, 3]}), file)
    component = waymo_parquet.Component(file, batch_rows=1)
    monkeypatch.setattr(component._cursor, "_parquet", _Short(component._cursor._parquet))

    with pytest.raises(BadScene, match="lidar_box"):
        component.at(3)


class _Short:
    """A Parquet file whose row groups end early."""

    def __init__(self, whole: object) -> None:
        self._whole = whole

    def iter_batches(self, **options: object) -> object:
        batches = list(self._whole.iter_batches(**options))  # type: ignore[attr-defined]
        return iter(batches[:-1])
