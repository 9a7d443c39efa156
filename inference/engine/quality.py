"""How far pre-labels can be trusted: what is too doubtful is marked, not hidden.

The confidence of a track in a camera at a time is how good its mask is thought to be (the provider's word,
worn by every frame that it was carried) times how well mask and points agree there. A track's score is
the mean over where it is seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from inference.engine.fusion import Labels
from inference.engine.reading import Drive
from inference.engine.video_masklets import Video

TRUSTED = 0.6  # from here on
_POINTS_ALONE = 0.9  # the confidence of points: they are clustered, not guessed
_WITHOUT_MASKLET = 0.45  # of pixels that points alone claim
_FEW = 8  # points that a camera must see to tell whether they agree


@dataclass(frozen=True)
class Quality:
    """masks: (camera, frame position, track) -> confidence of the mask there.  scores: track -> 0 ... 1."""

    masks: Mapping[tuple[str, int, int], float]
    scores: Mapping[int, float]

    def is_trusted(self, camera: str, position: int, track: int) -> bool:
        return self.masks.get((camera, position, track), 0.0) >= TRUSTED


def assess(drive: Drive, labels: Labels, videos: Sequence[Video]) -> Quality:
    of_masklet = {
        (camera, masklet): track.number
        for track in labels.tracks.values()
        for camera, masklet in track.masklets
    }
    masks: dict[tuple[str, int, int], float] = {}
    for video in videos:
        said: dict[tuple[int, int], float] = defaultdict(float)
        for number, masklet in video.masklets.items():
            track = of_masklet.get((video.camera, number))
            if track is not None:
                for position, score in masklet.scores.items():
                    said[position, track] = max(said[position, track], score)
        for position, map_ in labels.maps[video.camera].items():
            agreeing = overlaps(drive, labels, video.camera, position)
            shown = np.unique(map_)
            for track in shown[shown > 0].tolist():
                both, either, _ = agreeing.get(track, (0, 0, 0))
                fits = both / either if either >= _FEW else 0.85
                confidence = said.get((position, track), _WITHOUT_MASKLET)
                masks[video.camera, position, track] = float(
                    confidence * min(1.0, 0.4 + 0.7 * fits)
                )
    seen: dict[int, list[float]] = defaultdict(list)
    for (_, _, track), confidence in masks.items():
        seen[track].append(confidence)
    scores = {
        number: float(np.mean(seen[number])) if number in seen else _POINTS_ALONE
        for number in labels.tracks
    }
    return Quality(masks, scores)


def overlaps(
    drive: Drive, labels: Labels, camera: str, position: int
) -> dict[int, tuple[int, int, int]]:
    """By track, of the points that a camera sees: in its mask and its own, in either, its own."""
    glimpse = drive.frames[position].glimpses[camera]
    map_ = labels.maps[camera][position]
    if not len(glimpse.point):
        return {}
    masks, points = glimpse.sampled(map_), labels.points[position][glimpse.point]
    size = 1 + max(int(masks.max(initial=0)), int(points.max(initial=0)))
    both = np.bincount(masks[masks == points], minlength=size)
    own = np.bincount(points, minlength=size)
    either = np.bincount(masks, minlength=size) + own - both
    return {
        t: (int(both[t]), int(either[t]), int(own[t])) for t in np.flatnonzero(either).tolist() if t
    }
