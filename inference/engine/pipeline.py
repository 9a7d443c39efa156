"""The data engine from a scene to tracks: the readable function is `run`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from inference.engine.boxes import BoxesOf
from inference.engine.classes import classes_of
from inference.engine.fusion import Labels, fuse
from inference.engine.kept import load_videos, name_of, save_videos
from inference.engine.products import labelled, things_of
from inference.engine.providers import NanoProvider, Provider
from inference.engine.quality import Quality, assess
from inference.engine.reading import Drive, read_drive
from inference.engine.reconstruction import Reconstruction, reconstruct
from inference.engine.video_masklets import Video, find_masklets
from inference.scene import Scene

KEY_FRAME_EVERY = 3
Told = Callable[[str, int, int], None]


@dataclass(frozen=True)
class PreLabels:
    """What the engine found.  things: tracks worth handing on.  remarks: what was odd about the
    recording, for people.
    """

    drive: Drive
    labels: Labels
    quality: Quality
    things: frozenset[int]
    remarks: tuple[str, ...]

    def scene(self) -> Scene:
        """The recording with what can be trusted of the labels."""
        return labelled(self.drive, self.labels, self.quality, self.things)


def run(
    scene: Scene, provider: Provider | None = None, *, every: int = KEY_FRAME_EVERY,
    boxes: BoxesOf | None = None, told: Told = lambda stage, done, total: None,
    keep: Path | None = None,
) -> PreLabels:  # fmt: skip
    """Label a whole scene: no one clicks.

    provider: where masks in pictures come from; None: our own small model.  every: frames from one key
    frame to the next.  boxes: where cuboids of its things come from, if anywhere.  told: (stage, frames done, of how many).  keep: a folder for what the pictures gave,
    most of the work; a run that is begun again with the same one goes on from there.  Raises BadScene for a scene in which
    there is nothing to label.
    """
    if every < 1:
        raise ValueError(f"key frames come every {every} frames; give 1 or more")
    drive = read_drive(scene, told, boxes)
    space = reconstruct(drive, told)
    videos = _videos(drive, space, provider or NanoProvider(), every, told, keep)
    labels = fuse(drive, space, videos, told)
    for number, guess in classes_of(drive, labels).items():
        if labels.tracks[number].label_class is None:
            labels.tracks[number].label_class = guess
    things = things_of(drive, space, labels)
    return PreLabels(drive, labels, assess(drive, labels, videos), things, drive.remarks)


def _videos(
    drive: Drive, space: Reconstruction, provider: Provider, every: int, told: Told,
    keep: Path | None,
) -> list[Video]:  # fmt: skip
    if not drive.scene.cameras:
        return []
    path = keep and keep / name_of(drive, f"{provider.name} {provider.version}", every)
    videos = load_videos(path) if path else None
    if videos is None:
        videos = find_masklets(drive, space, provider, every, told)
        if path:
            save_videos(videos, path)
    return videos
