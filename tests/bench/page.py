"""A Chromium page with the harness's measurements, on a sweep of the procedural drive."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from backend.protocol import binary
from backend.scenes.sweep_codec import decode_view, encode_view
from inference.scene import Sweep
from inference.world.drive import make_drive
from tests.frontend.harness.page import build, harness_page


def write_sweep(folder: Path) -> int:
    """A sweep in every codec that is compared, and its number of points.

    Two of the drive's sweeps, one after the other: about as many points as Waymo's five lasers.
    """
    frames = make_drive(seed=3, rig="demo", length=20).frames
    parts = [next(iter(frames[index].sweeps.values())) for index in (0, 10)]
    sweep = Sweep(
        points_ego=np.concatenate([part.points_ego for part in parts]),
        intensity=np.concatenate([part.intensity for part in parts]),
        timestamp_us=0,
    )
    compact = encode_view(sweep)
    (folder / "sweep_0_0").write_bytes(compact)
    (folder / "p8_0_0").write_bytes(encode_view(sweep, codec=binary.CODEC_P8))
    points, extras = decode_view(compact)
    raw = np.concatenate([points, extras[:, :1].astype(np.float32)], axis=1)
    (folder / "float32_0_0").write_bytes(raw.astype("<f4").tobytes())
    return len(sweep)


@contextmanager
def bench_page() -> Iterator[tuple[Any, dict[str, float]]]:
    """The page, ready to be asked, and the sizes of what it fetches."""
    with tempfile.TemporaryDirectory() as folder:
        scene, built = Path(folder, "scene"), Path(folder, "page")
        scene.mkdir()
        count = write_sweep(scene)
        build(built)
        sizes = {
            f"{path.name.split('_')[0]}_bytes_per_point": path.stat().st_size / count
            for path in scene.iterdir()
        }
        with harness_page(scene, built, "bench.html", "'bench' in window") as page:
            yield page, {"points": float(count), **sizes}
