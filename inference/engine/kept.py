"""Masklets on disk, so that a run that was cut short need not look at the pictures again.

One file, written aside and renamed: JSON lines of what the masklets are, then maps as PNGs; no pickles.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from inference.engine.carrying import LabelMap
from inference.engine.reading import Drive
from inference.engine.video_masklets import Masklet, Video


def name_of(drive: Drive, provider: str, every: int) -> str:
    """A file name that other frames, another provider or other key frames do not have."""
    facts = [drive.scene.name, provider, every, [frame.timestamp_us for frame in drive.frames],
             [sorted(frame.glimpses) for frame in drive.frames],
             [[str(box) for box in frame.boxes.values()] for frame in drive.frames]]  # fmt: skip
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    return f"masklets-{digest}.zip"


def save_videos(videos: Sequence[Video], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    with zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as archive:
        described = []
        for number, video in enumerate(videos):
            described.append({
                "camera": video.camera, "size": video.size, "positions": [*video.maps],
                "masklets": [
                    [each.number, each.label_class, [*each.scores], [*each.scores.values()]]
                    for each in video.masklets.values()
                ],
            })  # fmt: skip
            for position, map_ in video.maps.items():
                encoded = cv2.imencode(".png", map_)[1]
                archive.writestr(f"{number}/{position}.png", encoded.tobytes())
        archive.writestr("videos.json", json.dumps(described))
    aside.replace(path)


def load_videos(path: Path) -> list[Video] | None:
    """None where nothing was kept, or nothing that can be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            described = json.loads(archive.read("videos.json"))
            return [_video(archive, number, each) for number, each in enumerate(described)]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _video(archive: zipfile.ZipFile, number: int, described: dict[str, object]) -> Video:
    camera = str(described["camera"])
    positions: list[int] = described["positions"]  # type: ignore[assignment]
    listed: list[tuple[int, str | None, list[int], list[float]]] = described["masklets"]  # type: ignore[assignment]
    height, width = described["size"]  # type: ignore[misc]
    masklets = {
        own: Masklet(own, camera, dict(zip(where, scores, strict=True)), name)
        for own, name, where, scores in listed
    }
    maps = {p: _map(archive.read(f"{number}/{p}.png")) for p in positions}
    return Video(camera, (height, width), maps, masklets)  # type: ignore[has-type]


def _map(encoded: bytes) -> LabelMap:
    map_ = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    if map_ is None or map_.dtype != np.uint16 or map_.ndim != 2:
        raise ValueError("a kept map cannot be read")
    return np.asarray(map_, np.uint16)
