"""Stage 2: the drive in space and time. What stands lies in one map, what moves in maps of its own.

Clusters of points are followed from frame to frame into strands, those that lie in a recording's cuboid by that. A strand that has gone somewhere is a
body with a path; its points are gathered in its own frame of reference, all others in the world's
(paper sheet, section 4). A voxel then is the same piece of the same thing in every frame.

N points of a frame, V voxels, S strands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from inference.engine.boxes import Box
from inference.engine.reading import Drive, FrameRead
from inference.geometry import FloatArray

Float32Array = npt.NDArray[np.float32]
Int32Array = npt.NDArray[np.int32]

VOXEL_M = 0.2
STATIC = 0  # the body of everything that does not move
_LEAST_POINTS = 4  # of a cluster that is followed
_MODEL_POINTS = 60  # of a strand, to look for it again
_REACH_M, _FIT_M = 0.6, 0.25  # how far a point may be from its like; how near is a fit
_FORGOTTEN_AFTER_S = 0.55
_FASTEST_M_PER_S = 30.0
_MOVES_M, _MOVES_WITHIN_S = 0.7, 1.5  # what counts as going somewhere
_KEPT_VELOCITY = 0.6
_SURE = 0.5  # of a voxel's points, to say whose it is


@dataclass
class Strand:
    """A cluster through time.  members: frame position -> its numbers of clusters there.

    path: frame position -> [3] metres gone since its first frame.  turn: frame position -> radians turned
    since then about `pivot`, the place in the first frame, where that is known.  box: the cuboid that it is.
    """

    number: int
    members: dict[int, list[int]] = field(default_factory=dict)
    path: dict[int, FloatArray] = field(default_factory=dict)
    model: FloatArray = field(default_factory=lambda: np.zeros((0, 3)))
    velocity: FloatArray = field(default_factory=lambda: np.zeros(3))
    last: int = 0
    moves: bool = False
    turn: dict[int, float] = field(default_factory=dict)
    pivot: FloatArray = field(default_factory=lambda: np.zeros(3))
    box: Box | None = None

    def at_first(self, position: int, points: FloatArray) -> FloatArray:
        """[P, 3] of points at a frame: where in the world they were in its first one."""
        back = points - self.path[position] - self.pivot
        angle = -self.turn.get(position, 0.0)
        c, s = np.cos(angle), np.sin(angle)
        return back @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T + self.pivot


@dataclass(frozen=True)
class Reconstruction:
    """voxel_of: by frame position, [N] the voxel of each point, -1 for the ground and strays.

    body: [V] STATIC, or the number of a strand that moves.  centre: [V, 3] metres in its body.
    strands: by number.  strand_of: by frame position, [N] the strand of each point, -1 for none.
    """

    voxel_of: Sequence[Int32Array]
    strand_of: Sequence[Int32Array]
    body: Int32Array
    centre: Float32Array
    strands: Mapping[int, Strand]

    def __len__(self) -> int:
        return len(self.body)


def reconstruct(drive: Drive, told: Callable[[str, int, int], None]) -> Reconstruction:
    """Gather all sweeps.  told: (stage, frames done, of how many)."""
    strands = followed(drive.frames, told)
    for strand in strands.values():
        strand.moves = _goes_somewhere(strand, drive.frames)
    return _settled(_gathered(drive.frames, strands))


# --- strands -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Clusters:
    """Of one frame.  numbers: [K].  points: [P, 3] thinned, of: [P] which of the K they belong to.

    middle: [K, 3] of the box around each.
    """

    numbers: Int32Array
    points: FloatArray
    of: npt.NDArray[np.int64]
    middle: FloatArray


def _clusters(frame: FrameRead) -> _Clusters:
    index = np.flatnonzero((frame.cluster >= 0) & ~np.isin(frame.cluster, [*frame.boxes]))
    cluster, points = frame.cluster[index], frame.points_world[index].astype(np.float64)
    numbers, of, counts = np.unique(cluster, return_inverse=True, return_counts=True)
    large = counts >= _LEAST_POINTS
    kept = large[of]
    place = np.cumsum(large) - 1
    points, of, numbers = points[kept], place[of[kept]], numbers[large]
    cells = np.floor(points / 0.15).astype(np.int64)
    _, first = np.unique(np.column_stack([of, cells]), axis=0, return_index=True)
    low, high = np.full((len(numbers), 3), np.inf), np.full((len(numbers), 3), -np.inf)
    np.minimum.at(low, of, points)
    np.maximum.at(high, of, points)
    middle = (low + high) / 2 if len(numbers) else np.zeros((0, 3))
    return _Clusters(numbers.astype(np.int32), points[first], of[first], middle)


def followed(
    frames: Sequence[FrameRead], told: Callable[[str, int, int], None]
) -> dict[int, Strand]:
    """All strands of a drive, by number."""
    strands: dict[int, Strand] = {}
    alive: list[Strand] = []
    random = np.random.default_rng(0)
    of_box: dict[str, Strand] = {}
    for position, frame in enumerate(frames):
        _follow_boxes(frame, position, strands, of_box)
        clusters = _clusters(frame)
        alive = [
            strand for strand in alive
            if frame.time_s - frames[strand.last].time_s < _FORGOTTEN_AFTER_S
        ]  # fmt: skip
        matches = _matched(alive, clusters, frames, position) if alive else {}
        taken: set[int] = set()
        for place, (own, shift) in matches.items():
            taken |= set(own)
            _go_on(alive[place], clusters, own, shift, frames, position, random)
        for k in range(len(clusters.numbers)):
            if k not in taken:
                strand = Strand(len(strands) + 1)
                strands[strand.number] = strand
                alive.append(strand)
                strand.path[position] = np.zeros(3)
                _remember(strand, clusters, [k], position, random)
        told("following clusters", position + 1, len(frames))
    return strands


def _follow_boxes(
    frame: FrameRead, position: int, strands: dict[int, Strand], of_box: dict[str, Strand]
) -> None:
    """What lies in cuboids goes where they go."""
    for number, box in frame.boxes.items():
        strand = of_box.get(box.name)
        if strand is None or strand.box is None:
            strand = Strand(len(strands) + 1, box=box, pivot=box.centre_world)
            strands[strand.number] = of_box[box.name] = strand
        first = strand.box
        assert first is not None
        strand.members[position] = [number]
        strand.path[position] = box.centre_world - first.centre_world
        strand.turn[position] = box.heading - first.heading
        strand.last = position


def _matched(
    alive: Sequence[Strand], clusters: _Clusters, frames: Sequence[FrameRead], position: int
) -> dict[int, tuple[list[int], FloatArray]]:
    """By place in `alive`: which of the frame's clusters go on with it, and how far it has gone."""
    count, K = len(alive), len(clusters.numbers)
    if not K:
        return {}
    elapsed = np.array([frames[position].time_s - frames[s.last].time_s for s in alive])
    predicted = np.array([s.velocity for s in alive]) * elapsed[:, None]
    sizes = np.array([len(s.model) for s in alive])
    model = np.concatenate([s.model for s in alive])
    owner = np.repeat(np.arange(count), sizes)
    tree = cKDTree(clusters.points)
    # Each strand where it was, and where its velocity takes it; whatever fits better, then a few steps on.
    best_fit, best_shift = np.full(count, -1.0), predicted.copy()
    for start in (np.zeros((count, 3)), predicted):
        shift = start.copy()
        for _ in range(3):
            near, found = tree.query(model + shift[owner], distance_upper_bound=_REACH_M)
            hit = np.isfinite(near)
            gap = np.zeros((len(model), 3))
            gap[hit] = clusters.points[found[hit]] - (model[hit] + shift[owner[hit]])
            shift += _trimmed_means(gap, hit, owner, count)
        near, _ = tree.query(model + shift[owner], distance_upper_bound=_FIT_M)
        fit = np.bincount(owner, np.isfinite(near), count) / np.maximum(sizes, 1)
        # To stand still, or to go on as before, needs no proof.
        fit -= 0.05 * np.linalg.norm(shift - start, axis=1)
        better = fit > best_fit + 0.02
        best_fit[better], best_shift[better] = fit[better], shift[better]
    too_fast = np.linalg.norm(best_shift, axis=1) > _FASTEST_M_PER_S * elapsed + 0.3
    near, found = tree.query(model + best_shift[owner], distance_upper_bound=2 * _FIT_M)
    hit = np.isfinite(near) & ~too_fast[owner]
    votes = np.zeros((count, K))
    np.add.at(votes, (owner[hit], clusters.of[found[hit]]), 1)
    share_of_strand = votes / np.maximum(sizes, 1)[:, None]
    own_points = np.bincount(clusters.of, minlength=K)
    rows, columns = linear_sum_assignment(-np.where(share_of_strand > 0.15, votes, 0))
    matches: dict[int, tuple[list[int], FloatArray]] = {}
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        if share_of_strand[row, column] > 0.15 and votes[row, column] >= 2:
            matches[row] = [column], best_shift[row]
    # A thing that falls apart for a frame: what lies mostly within it and is nobody else's.
    free = np.ones(K, bool)
    free[[k for own, _ in matches.values() for k in own]] = False
    inside = np.full(K, -1)
    reach = cKDTree(np.concatenate([s.model + d for s, d in zip(alive, best_shift, strict=True)]))
    near, at = reach.query(clusters.points, distance_upper_bound=0.4)
    covered = np.isfinite(near)
    for k in np.flatnonzero(free).tolist():
        own = (clusters.of == k) & covered
        if own.sum() > 0.7 * own_points[k]:
            inside[k] = np.bincount(owner[at[own]]).argmax()
    for k in np.flatnonzero(inside >= 0).tolist():
        if inside[k] in matches:
            matches[int(inside[k])][0].append(k)
    return matches


def _trimmed_means(
    gap: FloatArray, hit: npt.NDArray[np.bool_], owner: npt.NDArray[np.int64], count: int
) -> FloatArray:
    """[S, 3] of each strand's gaps the mean; those far off weigh less."""
    weight = np.where(hit, 1 / (1 + (np.linalg.norm(gap, axis=1) / 0.2) ** 2), 0)
    total = np.bincount(owner, weight, count)
    sums = np.stack([np.bincount(owner, weight * gap[:, axis], count) for axis in range(3)], axis=1)
    means = sums / np.maximum(total, 1e-6)[:, None]
    means[:, 2] *= 0.3  # things do not fly
    return np.asarray(means)


def _go_on(
    strand: Strand, clusters: _Clusters, own: list[int], shift: FloatArray,
    frames: Sequence[FrameRead], position: int, random: np.random.Generator,
) -> None:  # fmt: skip
    elapsed = max(frames[position].time_s - frames[strand.last].time_s, 1e-3)
    measured = shift / elapsed
    measured[2] = 0
    keep = _KEPT_VELOCITY if len(strand.path) > 1 else 0.0
    strand.velocity = keep * strand.velocity + (1 - keep) * measured
    strand.path[position] = strand.path[strand.last] + shift
    _remember(strand, clusters, own, position, random)


def _remember(
    strand: Strand, clusters: _Clusters, own: list[int], position: int, random: np.random.Generator
) -> None:
    points = clusters.points[np.isin(clusters.of, own)]
    if len(points) > _MODEL_POINTS:
        points = points[random.choice(len(points), _MODEL_POINTS, replace=False)]
    strand.model, strand.last = points, position
    strand.members[position] = [int(clusters.numbers[k]) for k in own]


def _goes_somewhere(strand: Strand, frames: Sequence[FrameRead]) -> bool:
    """Whether within a second and a half it is ever farther away than noise brings it, in a line."""
    positions = sorted(strand.path)
    if len(positions) < 4:
        return False
    times = np.array([frames[p].time_s for p in positions])
    path = np.array([strand.path[p][:2] for p in positions])
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    ends = np.searchsorted(times, times + _MOVES_WITHIN_S, side="right") - 1
    starts = np.arange(len(positions))
    gone = np.linalg.norm(path[ends] - path[starts], axis=1)
    along = way[ends] - way[starts]
    return bool(((gone > _MOVES_M) & (gone > 0.6 * along)).any())


# --- the maps ------------------------------------------------------------------------------------


def _gathered(frames: Sequence[FrameRead], strands: Mapping[int, Strand]) -> Reconstruction:
    strand_of, keys = [], []
    moving = {number for number, strand in strands.items() if strand.moves}
    by_frame: dict[int, dict[int, int]] = {}
    for strand in strands.values():
        for position, numbers in strand.members.items():
            by_frame.setdefault(position, {}).update(dict.fromkeys(numbers, strand.number))
    for position, frame in enumerate(frames):
        number_of = np.full(int(frame.cluster.max(initial=-1)) + 2, -1, np.int32)
        for cluster, number in by_frame.get(position, {}).items():
            number_of[cluster] = number
        own = number_of[frame.cluster]  # the last one stands for -1
        strand_of.append(own)
        body = np.where(np.isin(own, [*moving]), own, STATIC)
        local = frame.points_world.astype(np.float64)
        for number in np.unique(body[body > 0]).tolist():
            own_points = body == number
            local[own_points] = strands[number].at_first(position, local[own_points])
        key = _packed(body, np.floor(local / VOXEL_M).astype(np.int64))
        key[(frame.cluster < 0) | frame.is_ground] = -1
        keys.append(key)
    whole = np.concatenate(keys) if keys else np.zeros(0, np.int64)
    known, voxel = np.unique(whole[whole >= 0], return_inverse=True)
    voxel_of = np.full(len(whole), -1, np.int32)
    voxel_of[whole >= 0] = voxel
    ends = np.cumsum([len(key) for key in keys])
    body, cells = _unpacked(known)
    return Reconstruction(
        np.split(voxel_of, ends[:-1]), strand_of, body,
        ((cells + 0.5) * VOXEL_M).astype(np.float32), strands,
    )  # fmt: skip


def _settled(space: Reconstruction) -> Reconstruction:
    """With every point that stands in the strand whose points lie most often where it does: clusters of
    single frames flow together and fall apart, the map does not.
    """
    voxel, strand = np.concatenate(space.voxel_of), np.concatenate(space.strand_of)
    standing = (voxel >= 0) & (strand > 0)
    standing[standing] = space.body[voxel[standing]] == STATIC
    base = int(strand.max(initial=0)) + 1
    keys, counts = np.unique(
        voxel[standing].astype(np.int64) * base + strand[standing], return_counts=True
    )
    of = keys // base
    order = np.lexsort((counts, of))
    most = order[np.append(of[order][1:] != of[order][:-1], True)] if len(of) else order
    sure = counts[most] >= _SURE * np.bincount(of, counts)[of[most]]
    owner = np.full(len(space.body), -1, np.int32)
    owner[of[most][sure]] = (keys % base)[most][sure]
    settled = strand.copy()
    known = np.flatnonzero(standing)
    known = known[owner[voxel[known]] >= 0]
    settled[known] = owner[voxel[known]]
    ends = np.cumsum([len(own) for own in space.strand_of])
    return replace(space, strand_of=np.split(settled, ends[:-1]))


_BITS, _HALF = 14, 1 << 13  # of each coordinate: 3.2 km across, and as much up and down


def _packed(body: Int32Array, cells: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    key = body.astype(np.int64)
    for axis in range(3):
        key = (key << _BITS) | np.clip(cells[:, axis] + _HALF, 0, 2 * _HALF - 1)
    return key


def _unpacked(keys: npt.NDArray[np.int64]) -> tuple[Int32Array, npt.NDArray[np.int64]]:
    mask = 2 * _HALF - 1
    cells = np.stack([(keys >> (_BITS * (2 - axis))) & mask for axis in range(3)], axis=1) - _HALF
    return (keys >> (3 * _BITS)).astype(np.int32), cells
