"""Writes a few frames of the procedural drive as the objects that a browser would be sent.

`python -m tests.frontend.harness.make_scene OUT [FRAMES]`. For looking at the frontend without a
server, a database or a job.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import zstandard
from PIL import Image

from backend.protocol import binary
from backend.scenes.sweep_codec import encode_view
from inference.geometry import Intrinsics
from inference.masks import encode_runs
from inference.scene import Frame, Sensor
from inference.world.drive import make_drive


def write_scene(out: Path, frame_count: int, rig: str = "demo") -> None:
    scene = make_drive(seed=3, rig=rig, length=200)
    out.mkdir(parents=True, exist_ok=True)
    numbers = {sensor.name: number for number, sensor in enumerate(scene.sensors)}
    tracks: dict[str, int] = {}
    classes: dict[str, int] = {}
    frames, cuboids = [], []
    for index in range(frame_count):
        frame = scene.frames[index]
        frames.append(_write_frame(out, frame, numbers, tracks))
        for cuboid in frame.labels.cuboids:
            number = tracks.setdefault(cuboid.track, len(tracks))
            classes.setdefault(cuboid.label_class, len(classes))
            cuboids.append(
                {
                    "track": number,
                    "frame": index,
                    "centre_ego": cuboid.centre_ego,
                    "size": cuboid.size,
                    "heading": cuboid.heading,
                    "source": "import",
                }
            )
    description = {
        "sensors": [_sensor(number, sensor) for number, sensor in enumerate(scene.sensors)],
        "frames": frames,
        "tracks": list(tracks.values()),
        "cuboids": cuboids,
    }
    (out / "scene.json").write_text(json.dumps(description))


def _sensor(number: int, sensor: Sensor) -> dict[str, object]:
    lens: Intrinsics | None = sensor.calibration.intrinsics
    return {
        "number": number,
        "name": sensor.name,
        "kind": str(sensor.kind),
        "ego_from_sensor": sensor.calibration.ego_from_sensor.ravel().tolist(),
        "width_px": lens and lens.width_px,
        "height_px": lens and lens.height_px,
        "intrinsics": lens
        and [lens.fx, lens.fy, lens.cx, lens.cy, lens.k1, lens.k2, lens.p1, lens.p2, lens.k3],
    }


def _write_frame(
    out: Path, frame: Frame, numbers: dict[str, int], tracks: dict[str, int]
) -> dict[str, object]:
    readings = []
    for name, image in frame.images.items():
        key = f"{frame.index}_{numbers[name]}"
        (out / f"image_{key}").write_bytes(image.encoded)
        (out / f"proxy_{key}").write_bytes(_half_size(image.encoded))
        pose = image.world_from_ego
        readings.append(
            {
                "sensor": numbers[name],
                "points": None,
                "world_from_ego": None if pose is None else pose.ravel().tolist(),
            }
        )
    for name, sweep in frame.sweeps.items():
        (out / f"sweep_{frame.index}_{numbers[name]}").write_bytes(encode_view(sweep))
        readings.append({"sensor": numbers[name], "points": len(sweep), "world_from_ego": None})
    (out / f"labels_{frame.index}").write_bytes(_labels(frame, numbers, tracks))
    return {
        "index": frame.index,
        "timestamp_us": frame.timestamp_us,
        "world_from_ego": frame.world_from_ego.ravel().tolist(),
        "readings": readings,
    }


def _half_size(encoded: bytes) -> bytes:
    with Image.open(io.BytesIO(encoded)) as image:
        half = io.BytesIO()
        image.resize((image.width // 2, image.height // 2)).save(half, "JPEG", quality=85)
    return half.getvalue()


def _labels(frame: Frame, numbers: dict[str, int], tracks: dict[str, int]) -> bytes:
    table, runs = b"", b""
    for label in frame.labels.masks:
        coded = encode_runs(np.asarray(label.mask))
        number = tracks.setdefault(label.track, len(tracks))
        table += binary.MASK_ROW.pack(
            number, numbers[label.sensor], 3, binary.NO_CONFIDENCE, len(coded)
        )
        runs += coded
    head = binary.LABELS_HEADER.pack(
        binary.LABELS_MAGIC, binary.LABELS_VERSION, 1, len(frame.labels.masks)
    )
    return zstandard.ZstdCompressor(level=1).compress(head + table + runs)


if __name__ == "__main__":
    write_scene(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 6)
