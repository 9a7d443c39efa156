"""Stage 1: masks in each camera's video, with numbers that stay.

On key frames a provider finds everything. The map of numbers is carried on (`carrying`) to the next key frame, where a found mask takes the number whose strand of points it was drawn
for, or that lies where it lies, or a new one. The frames between take what the nearer key frame shows,
carried on or back. Each camera is followed by itself.

H x W are a picture's pixels, h x w those of its map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from inference.engine.carrying import Carrier, LabelMap, Picture, size_within
from inference.engine.pairs import counted
from inference.engine.proposals import Proposal
from inference.engine.providers import Provider
from inference.engine.reading import Drive
from inference.engine.reconstruction import Reconstruction
from inference.geometric.frames import picture_of

MAP_WIDTH_PX = 960  # at most
_SAME = 0.4  # IoU from which on a found mask is the one that was there
_LOST_AFTER = 2  # key frames without a match
_LEAST_CELLS = 24
_WORN = 0.97  # of a score with every frame that a mask is carried


@dataclass
class Masklet:
    """One number in one camera.  scores: frame position -> how good the mask there is thought to be."""

    number: int
    camera: str
    scores: dict[int, float] = field(default_factory=dict)
    label_class: str | None = None


@dataclass(frozen=True)
class Video:
    """One camera's.  maps: frame position -> [h, w] number of the masklet there, 0 for none."""

    camera: str
    size: tuple[int, int]
    maps: Mapping[int, LabelMap]
    masklets: Mapping[int, Masklet]


def find_masklets(
    drive: Drive, space: Reconstruction, provider: Provider, every: int,
    told: Callable[[str, int, int], None],
) -> list[Video]:  # fmt: skip
    """every: frames from one key frame to the next."""
    trackers = {
        camera.name: _Tracker(camera.name, provider.carrier) for camera in drive.scene.cameras
    }
    count = len(drive.frames)
    for position, read in enumerate(drive.frames):
        frame = drive.frame(position)
        is_key = position % every == 0 or position == count - 1
        prepared = None  # its clusters are made again for key frames alone
        for camera in read.glimpses:
            proposals = None
            tracker = trackers[camera]
            if is_key or tracker.is_blind:
                prepared = prepared or drive.prepared(frame)
                proposals = [
                    (proposal, _strand(space, position, read.cluster, proposal))
                    for proposal in provider.propose(prepared, camera)
                ]
            tracker.step(position, picture_of(frame, camera), proposals)
        told("finding masklets", position + 1, count)
    return [tracker.video() for tracker in trackers.values() if tracker.maps]


def _strand(
    space: Reconstruction, position: int, cluster: npt.NDArray[np.int32], proposal: Proposal
) -> int:
    """Which strand a proposal was drawn for; -1 for none."""
    if proposal.cluster < 0:
        return -1
    own = np.flatnonzero(cluster == proposal.cluster)
    return int(space.strand_of[position][own[0]]) if len(own) else -1


class _Tracker:
    def __init__(self, camera: str, carrier: Callable[[], Carrier]) -> None:
        self.camera = camera
        self.maps: dict[int, LabelMap] = {}
        self._masklets: dict[int, Masklet] = {}
        self._of_strand: dict[int, int] = {}
        self._missed: dict[int, int] = {}
        self._new_carrier = carrier
        self._carrier = carrier()
        # Since the last key frame: positions, and the pictures there.
        self._since: list[tuple[int, Picture]] = []
        self._size = (0, 0)

    @property
    def is_blind(self) -> bool:
        """Whether nothing is known of the frame before."""
        return not self.maps

    def step(
        self, position: int, picture: Picture,
        proposals: Sequence[tuple[Proposal, int]] | None,
    ) -> None:  # fmt: skip
        self._size = (picture.shape[0], picture.shape[1])
        shape = size_within(self._size, MAP_WIDTH_PX)
        carried = self._carrier.next(picture) if self.maps else None
        if carried is None or carried.shape != shape:
            carried = np.zeros(shape, np.uint16)
        self._since.append((position, picture))
        if proposals is None:
            self._keep(position, carried)
            return
        self._keep(position, self._renewed(carried, proposals, position))
        self._carrier.begin(picture, self.maps[position])
        self._carry_back()
        self._since = [(position, picture)]

    def _keep(self, position: int, map_: LabelMap) -> None:
        numbers = np.unique(map_)
        for number in numbers[numbers > 0].tolist():
            masklet = self._masklets[number]
            known = [masklet.scores[p] for p in sorted(masklet.scores)[-1:]]
            # What is carried wears off.
            masklet.scores.setdefault(position, _WORN * known[0] if known else 0.5)
        self.maps[position] = map_

    def _carry_back(self) -> None:
        """The second half of the frames since the last key frame, from the new one."""
        if len(self._since) < 3:
            return
        carrier = self._new_carrier()
        last, picture = self._since[-1]
        carrier.begin(picture, self.maps[last])
        for place in range(len(self._since) - 2, (len(self._since) - 1) // 2, -1):
            position, picture = self._since[place]
            map_ = carrier.next(picture)
            if map_ is None or map_.shape != self.maps[position].shape:
                return
            self._keep(position, map_)

    def _renewed(
        self, carried: LabelMap, proposals: Sequence[tuple[Proposal, int]], position: int
    ) -> LabelMap:
        """The map of a key frame: what was found, under the numbers that it had before."""
        shape = carried.shape
        order = sorted(range(len(proposals)), key=lambda k: proposals[k][0].score)
        drawn = np.zeros(shape, np.int32)  # place among the proposals, from 1; the best on top
        for k in order:
            drawn[_small(proposals[k][0].mask, shape)] = k + 1
        numbers = self._numbered(carried, drawn, proposals)
        renewed = np.zeros(shape, np.uint16)
        for k, number in numbers.items():
            proposal = proposals[k][0]
            inside = drawn == k + 1
            if inside.sum() < _LEAST_CELLS:
                continue
            renewed[inside] = number
            masklet = self._masklets.setdefault(number, Masklet(number, self.camera))
            masklet.scores[position] = proposal.score
            masklet.label_class = masklet.label_class or proposal.label_class
            self._missed[number] = 0
        # What was not found again stays for a while where nothing else was found.
        there = set(np.unique(renewed).tolist())
        for number in set(np.unique(carried).tolist()) - there - {0}:
            self._missed[number] = self._missed.get(number, 0) + 1
            if self._missed[number] < _LOST_AFTER:
                renewed[(carried == number) & (drawn == 0)] = number
        return renewed

    def _numbered(
        self, carried: LabelMap, drawn: npt.NDArray[np.int32],
        proposals: Sequence[tuple[Proposal, int]],
    ) -> dict[int, int]:  # fmt: skip
        """By place among the proposals: its number."""
        numbers: dict[int, int] = {}
        for k, (_, strand) in enumerate(proposals):
            if strand >= 0 and strand in self._of_strand:
                numbers[k] = self._of_strand[strand]
        taken = set(numbers.values())
        old = [n for n in np.unique(carried).tolist() if n and n not in taken]
        free = [k for k in range(len(proposals)) if k not in numbers]
        if old and free:
            places = {n: i for i, n in enumerate(old)}
            both = np.zeros((len(free), len(old)))
            where = np.isin(carried, old) & (drawn > 0)
            rows = {k: i for i, k in enumerate(free)}
            for k, n, cells in counted(drawn[where] - 1, carried[where]):
                if k in rows:
                    both[rows[k], places[n]] = cells
            sizes = np.array([(drawn == k + 1).sum() for k in free])[:, None]
            olds = np.array([(carried == n).sum() for n in old])[None]
            iou = both / np.maximum(sizes + olds - both, 1)
            for i, j in zip(*linear_sum_assignment(-iou), strict=True):
                if iou[i, j] >= _SAME:
                    numbers[free[i]] = old[j]
        for k, (_, strand) in enumerate(proposals):
            if k not in numbers:
                numbers[k] = len(self._masklets) + 1
                self._masklets[numbers[k]] = Masklet(numbers[k], self.camera)
            if strand >= 0:
                self._of_strand.setdefault(strand, numbers[k])
        return numbers

    def video(self) -> Video:
        return Video(self.camera, self._size, self.maps, self._masklets)


def _small(mask: npt.NDArray[np.bool_], shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    shrunk = cv2.resize(mask.astype(np.uint8) * 255, shape[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk >= 128)
