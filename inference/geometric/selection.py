"""Which points are meant: from clicks, boxes and masks in any sensor to points of the cloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import cKDTree

from inference.geometric.frames import Cloud, PreparedFrame
from inference.geometry import distances
from inference.prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt
from inference.scene import SensorKind

Int32Array = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]
Pixel = tuple[float, float]

# How far from a LiDAR click its point may be: browsers send positions on a 5 mm grid.
_CLICK_REACH_M = 0.5
# A click on the ground selects what is level with it, this far around.
_PATCH_REACH_M = 25.0
# Walking over more points than this takes longer than a person likes to wait.
_MOST_WALKED = 12_000


@dataclass
class Asked:
    """The prompts of one track in one frame, sorted; points are indices into the cloud.

    given: points that a LiDAR mask or box names itself, [N] or None.
    """

    positive: list[int] = field(default_factory=list)
    negative: list[int] = field(default_factory=list)
    pixels: dict[str, list[tuple[Pixel, bool]]] = field(default_factory=dict)
    rectangles: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)
    drawn: dict[str, BoolArray] = field(default_factory=dict)
    given: BoolArray | None = None

    @property
    def is_in_cloud(self) -> bool:
        """Whether something positive was said in a point cloud itself."""
        return bool(self.positive) or self.given is not None

    def clicks(self, camera: str, *, positive: bool) -> list[Pixel]:
        return [pixel for pixel, sign in self.pixels.get(camera, []) if sign is positive]


def sorted_prompts(prepared: PreparedFrame, prompts: Sequence[Prompt]) -> Asked:
    """Raises KeyError for an unknown sensor, ValueError for a prompt that does not fit it."""
    asked = Asked()
    for prompt in prompts:
        sensor = prepared.scene.sensor(prompt.sensor)
        in_lidar = sensor.kind is SensorKind.LIDAR
        if in_lidar and sensor.name not in prepared.cloud.part_of:
            raise ValueError(f"{sensor.name!r} has no sweep in frame {prepared.frame.index}")
        if not in_lidar and sensor.name not in prepared.frame.images:
            raise ValueError(f"{sensor.name!r} has no picture in frame {prepared.frame.index}")
        match prompt:
            case PointPrompt() if in_lidar:
                _click_points(prepared.cloud, prompt, asked)
            case PointPrompt():
                u, v = (float(x) for x in prompt.position)
                asked.pixels.setdefault(sensor.name, []).append(((u, v), prompt.positive))
            case BoxPrompt() if in_lidar:
                asked.given = _either(asked.given, _in_box(prepared.cloud, prompt))
            case BoxPrompt():
                asked.rectangles[sensor.name] = (*prompt.low[:2], *prompt.high[:2])  # type: ignore[assignment]
            case MaskPrompt():
                _add_mask(prepared, prompt, asked, in_lidar=in_lidar)
    return asked


def _either(first: BoolArray | None, second: BoolArray) -> BoolArray:
    return second if first is None else first | second


def _click_points(cloud: Cloud, prompt: PointPrompt, asked: Asked) -> None:
    """The point of that sensor that was clicked: the nearest one."""
    part = cloud.part_of[prompt.sensor]
    points = cloud.points[part]
    if not len(points):
        return
    distance = distances(points, np.array(prompt.position, np.float32))
    nearest = int(distance.argmin())
    (asked.positive if prompt.positive else asked.negative).append(part.start + nearest)


def _in_box(cloud: Cloud, prompt: BoxPrompt) -> BoolArray:
    """The points inside; a box without heights means what stands on the ground in it."""
    low, high = np.array(prompt.low), np.array(prompt.high)
    across = cloud.points[:, : len(low)]
    inside = np.asarray(((across >= low) & (across <= high)).all(axis=1), bool)
    above: BoolArray = inside & ~cloud.is_ground
    return above if above.any() else inside


def _add_mask(prepared: PreparedFrame, prompt: MaskPrompt, asked: Asked, *, in_lidar: bool) -> None:
    cloud = prepared.cloud
    if in_lidar:
        part = cloud.part_of[prompt.sensor]
        size = part.stop - part.start
    else:
        size = prepared.picture(prompt.sensor)[..., 0].size
    if prompt.mask.size != size:
        raise ValueError(
            f"the mask for {prompt.sensor!r} has {prompt.mask.size} elements, the reading {size}"
        )
    if in_lidar:
        given = np.zeros(len(cloud), bool)
        given[part] = prompt.mask.ravel()
        asked.given = _either(asked.given, given)
    else:
        asked.drawn[prompt.sensor] = prompt.mask.reshape(prepared.picture(prompt.sensor).shape[:2])


# --- points to object ------------------------------------------------------------------------


def selected(
    cloud: Cloud, positive: Sequence[int], negative: Sequence[int], *, start: BoolArray
) -> BoolArray:
    """[N] the object that the clicked points mean.

    start: [N] what boxes and masks gave; clicks add to it and take away from it.
    """
    target = start.copy()
    chosen = [_cluster_near(cloud, index) for index in positive]
    numbers = {number for number in chosen if number >= 0}
    if not numbers and not start.any():
        for index in positive:
            target |= ground_patch(cloud, index)
    target |= np.isin(cloud.cluster, list(numbers))
    rejected = {int(cloud.cluster[index]) for index in negative} - {-1}
    kept = numbers | set(np.unique(cloud.cluster[start & (cloud.cluster >= 0)]).tolist())
    target &= ~np.isin(cloud.cluster, list(rejected - kept))
    inside = [index for index in negative if target[index]]
    if inside:
        inner = list(positive) or [_middle_of(cloud, start, inside)]
        target &= nearer_to(cloud, target, inner, inside)
    target[list(positive)] = True
    target[list(negative)] = False
    return target


def _middle_of(cloud: Cloud, start: BoolArray, but_not: Sequence[int]) -> int:
    """The point of a mask that stands for it beside negative clicks."""
    index = np.setdiff1d(np.flatnonzero(start), but_not)
    if not len(index):
        return int(np.flatnonzero(start)[0])
    middle = np.median(cloud.points[index], axis=0)
    return int(index[distances(cloud.points[index], middle).argmin()])


def with_other_sensors(cloud: Cloud, given: BoolArray) -> BoolArray:
    """A mask drawn in some LiDARs, with the same object's points in the others."""
    target = given.copy()
    drawn_in = [part for part in cloud.part_of.values() if given[part].any()]
    if len(drawn_in) == len(cloud.part_of):
        return target
    looked = np.zeros(len(cloud), bool)
    for part in drawn_in:
        looked[part] = True
    has_number = cloud.cluster >= 0
    seen = np.bincount(cloud.cluster[looked & has_number], minlength=1)
    inside = np.bincount(cloud.cluster[given & has_number], minlength=len(seen))
    mostly = np.flatnonzero(inside > 0.5 * seen)
    mostly = mostly[inside[mostly] > 0]
    return target | (np.isin(cloud.cluster, mostly) & ~looked)


def _cluster_near(cloud: Cloud, index: int) -> int:
    """The clicked point's cluster, or that of an object whose foot was clicked."""
    number = int(cloud.cluster[index])
    if number >= 0 or cloud.height_m[index] < 0.08:
        return number
    distance = distances(cloud.points, cloud.points[index])
    distance[cloud.cluster < 0] = np.inf
    nearest = int(distance.argmin())
    return int(cloud.cluster[nearest]) if distance[nearest] < _CLICK_REACH_M else -1


def nearer_to(
    cloud: Cloud, target: BoolArray, positive: Sequence[int], negative: Sequence[int]
) -> BoolArray:
    """[N] the points of the target closer to a positive click, walking over the surface.

    A step over a gap costs its square, so that the border settles where the object is thinnest.
    """
    index = np.flatnonzero(target)
    place = {int(point): at for at, point in enumerate(index)}
    known = [seed for seed in dict.fromkeys([*positive, *negative]) if seed in place]
    if not any(seed in place for seed in positive):
        return target
    points = cloud.points[index]
    straight = cKDTree(cloud.points[known]).query(points)[1]
    seeds = np.array(known)[straight]
    if 2 < len(index) < _MOST_WALKED:
        walked = _walked(points, [place[seed] for seed in known])
        # Pieces that no walk reaches keep the straight way.
        seeds[walked >= 0] = index[walked[walked >= 0]]
    kept = np.zeros(len(cloud), bool)
    kept[index[np.isin(seeds, list(positive))]] = True
    return kept


def _walked(points: npt.NDArray[np.float32], seeds: list[int]) -> Int32Array:
    """[K] the seed that each point is reached from first, by steps between near points, or -1."""
    neighbours = min(9, len(points))
    distance, other = cKDTree(points).query(points, k=neighbours)
    start = np.repeat(np.arange(len(points)), neighbours - 1)
    cost = (distance[:, 1:].ravel() + 1e-3) ** 2
    graph = coo_matrix((cost, (start, other[:, 1:].ravel())), shape=(len(points), len(points)))
    length, _, source = dijkstra(
        graph.tocsr(), directed=False, indices=seeds, min_only=True, return_predecessors=True
    )
    return np.where(np.isfinite(length), source, -1).astype(np.int32)


def ground_patch(cloud: Cloud, index: int) -> BoolArray:
    """[N] the ground that can be reached from a point without a kerb's step; cells of 0.5 m."""
    near = cloud.is_ground & (distances(cloud.points, cloud.points[index]) < _PATCH_REACH_M)
    near[index] = True
    at = np.flatnonzero(near)
    cell = np.floor(cloud.points[at, :2] / 0.5).astype(np.int64)
    cell -= cell.min(axis=0) - 1
    shape = tuple(cell.max(axis=0) + 2)
    flat = np.ravel_multi_index((cell[:, 0], cell[:, 1]), shape)
    count = np.bincount(flat, minlength=shape[0] * shape[1])
    total = np.bincount(flat, weights=cloud.points[at, 2], minlength=len(count))
    height: npt.NDArray[np.float64] = total / np.maximum(count, 1)
    label = _level_pieces(height.reshape(shape), (count > 0).reshape(shape))
    patch = np.zeros(len(cloud), bool)
    own = label.ravel()[flat]
    patch[at[own == own[np.flatnonzero(at == index)[0]]]] = True
    return patch


def _level_pieces(height: npt.NDArray[np.float64], filled: BoolArray) -> Int32Array:
    """[rows, columns] number of the piece; neighbours differ by less than 7 cm."""
    number = np.arange(height.size).reshape(height.shape)
    first, second = [], []
    for down, right in ((0, 1), (1, 0), (0, 2), (2, 0), (0, 3), (3, 0), (1, 1)):
        a = (slice(0, height.shape[0] - down), slice(0, height.shape[1] - right))
        b = (slice(down, None), slice(right, None))
        step = 0.05 + 0.02 * max(down, right)
        level = filled[a] & filled[b] & (np.abs(height[a] - height[b]) < step)
        first.append(number[a][level])
        second.append(number[b][level])
    joined = np.concatenate(first), np.concatenate(second)
    graph = coo_matrix((np.ones(len(joined[0]), bool), joined), shape=(height.size, height.size))
    _, label = connected_components(graph, directed=False)
    pieces: Int32Array = label.reshape(height.shape).astype(np.int32)
    return pieces
