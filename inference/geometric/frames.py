"""A frame prepared for clicks: the merged point cloud with its clusters, the views, the pictures."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from inference.geometric.clusters import (
    NOTHING,
    RangeImage,
    connected,
    lowest_in_column,
    pieces,
    range_image,
    with_feet,
)
from inference.geometric.ground import height_above_ground
from inference.geometric.projection import Surface, View, camera_from_ego, look
from inference.geometry import FloatArray, transform
from inference.scene import BadScene, Frame, Scene

Float32Array = npt.NDArray[np.float32]
Int32Array = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]
Picture = npt.NDArray[np.uint8]

GROUND_M = 0.18
_TIGHT = 0.7  # of the usual reach: what a large cluster is broken up with
MAX_PREPARED_FRAMES = 4


@dataclass(frozen=True)
class Cloud:
    """All sweeps of a frame as one, in ego at the frame's pose; masks are split back by `part_of`.

    points: [N, 3].  height_m: [N] above ground.  is_ground: [N].  cluster: [N], NOTHING on ground.
    surface: what cameras may see of it.  range_m: [N] from the point's own sensor.
    row: [N] of the point's own sensor's range image, 0 the top beam.
    part_of: sensor name to its slice of all these.
    """

    points: Float32Array
    height_m: Float32Array
    is_ground: BoolArray
    cluster: Int32Array
    range_m: Float32Array
    row: Int32Array
    surface: Surface
    part_of: Mapping[str, slice]

    def __len__(self) -> int:
        return len(self.points)

    def gathered(self, masks: Mapping[str, BoolArray]) -> BoolArray:
        """[N] of masks by sensor name; what is no LiDAR's, or is not there, says nothing."""
        whole = np.zeros(len(self), bool)
        for lidar, part in self.part_of.items():
            if lidar in masks:
                whole[part] = masks[lidar]
        return whole

    def split(self, inside: BoolArray) -> dict[str, BoolArray]:
        """A mask [N] by LiDAR, of those that have any of it."""
        parts = {lidar: inside[part] for lidar, part in self.part_of.items()}
        return {lidar: mask for lidar, mask in parts.items() if mask.any()}


@dataclass
class PreparedFrame:
    """What a click in a frame needs; views and pictures are made when first asked for."""

    scene: Scene
    frame: Frame
    cloud: Cloud
    _views: dict[str, View] = field(default_factory=dict)
    _pictures: dict[str, Picture] = field(default_factory=dict)

    @property
    def cameras(self) -> list[str]:
        """The cameras that have a picture in this frame."""
        return [camera.name for camera in self.scene.cameras if camera.name in self.frame.images]

    def view(self, camera: str) -> View:
        if camera not in self._views:
            calibration = self.scene.sensor(camera).calibration
            if calibration.intrinsics is None:
                raise BadScene(f"camera {camera!r} has no intrinsics; import the scene again")
            self._views[camera] = look(
                self.cloud.surface,
                camera_from_ego=camera_from_ego(
                    calibration, self.frame.images.get(camera), self.frame
                ),
                lens=calibration.intrinsics,
            )
        return self._views[camera]

    def picture(self, camera: str) -> Picture:
        """[H, W, 3] blue, green, red."""
        if camera not in self._pictures:
            self._pictures[camera] = picture_of(self.frame, camera)
        return self._pictures[camera]

    def points_world(self) -> FloatArray:
        return transform(self.frame.world_from_ego, self.cloud.points)


def picture_of(frame: Frame, camera: str) -> Picture:
    """[H, W, 3] blue, green, red. Raises BadScene."""
    encoded = np.frombuffer(frame.images[camera].encoded, np.uint8)
    picture = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    if picture is None:
        raise BadScene(
            f"frame {frame.index}: the picture of {camera!r} cannot be decoded; "
            "import the scene again"
        )
    return np.asarray(picture, np.uint8)


@dataclass
class OpenScene:
    """A scene and its last few prepared frames."""

    scene: Scene
    _prepared: OrderedDict[int, PreparedFrame] = field(default_factory=OrderedDict)

    def prepared(self, index: int) -> PreparedFrame:
        """Raises IndexError for a frame that the scene does not have."""
        if index in self._prepared:
            self._prepared.move_to_end(index)
            return self._prepared[index]
        if not 0 <= index < len(self.scene.frames):
            raise IndexError(
                f"scene {self.scene.name!r} has {len(self.scene.frames)} frames; "
                f"there is no frame {index}"
            )
        frame = self.scene.frames[index]
        while len(self._prepared) >= MAX_PREPARED_FRAMES:
            self._prepared.popitem(last=False)
        self._prepared[index] = PreparedFrame(self.scene, frame, merged_cloud(self.scene, frame))
        return self._prepared[index]

    def forget(self) -> None:
        self._prepared.clear()


def merged_cloud(scene: Scene, frame: Frame) -> Cloud:
    """The frame's sweeps, one after the other, with clusters that reach across sensors."""
    images: list[RangeImage] = []
    part_of: dict[str, slice] = {}
    points = [np.zeros((0, 3), np.float32)]
    for lidar in scene.lidars:
        sweep = frame.sweeps.get(lidar.name)
        if sweep is None:
            continue
        start = sum(len(part) for part in points)
        part_of[lidar.name] = slice(start, start + len(sweep))
        points.append(np.ascontiguousarray(sweep.points_ego, np.float32))
        images.append(range_image(sweep, lidar.calibration))
    together = np.concatenate(points)
    height_m = height_above_ground(together)
    is_ground = height_m < GROUND_M
    cluster = np.full(len(together), NOTHING, np.int32)
    for image, part in zip(images, part_of.values(), strict=True):
        whole = connected(image, together[part], ~is_ground[part])
        parts = connected(image, together[part], ~is_ground[part], scale=_TIGHT)
        own = pieces(whole, parts, together[part])
        own = with_feet(image, together[part], height_m[part], own)
        cluster[part] = np.where(own >= 0, own + cluster.max(initial=-1) + 1, NOTHING)
        is_ground[part] &= own < 0
    range_m = np.concatenate([np.zeros(0, np.float32), *(image.range_m for image in images)])
    if len(images) > 1:
        cluster = _merged(cluster, together)
    return Cloud(
        points=together,
        height_m=height_m,
        is_ground=is_ground & (cluster < 0),
        cluster=cluster,
        range_m=range_m,
        row=np.concatenate([np.zeros(0, np.int32), *(image.row for image in images)]),
        surface=_surface(together, cluster, height_m, range_m, images, list(part_of.values())),
        part_of=part_of,
    )


def _surface(
    points: Float32Array,
    cluster: Int32Array,
    height_m: Float32Array,
    range_m: Float32Array,
    images: list[RangeImage],
    parts: list[slice],
) -> Surface:
    """The points, and below what the lowest beams see of an object the rest down to the ground."""
    spacing = np.concatenate([np.zeros((0, 2), np.float32), *(image.spacing for image in images)])
    lowest = np.concatenate(
        [np.zeros(0, np.int32)]
        + [part.start + lowest_in_column(image) for image, part in zip(images, parts, strict=True)]
    ).astype(np.int32)
    feet = lowest[(cluster[lowest] >= 0) & (height_m[lowest] < 3.0) & (range_m[lowest] < 20.0)]
    step_m = np.maximum(spacing[feet, 1] * range_m[feet], 0.04)
    count = np.floor(height_m[feet] / step_m).astype(np.int64).clip(0, 40)
    below = np.repeat(feet, count)
    nth = np.arange(len(below)) - np.repeat(np.cumsum(count) - count, count) + 1
    implied = points[below]
    implied[:, 2] -= nth * np.repeat(step_m, count)
    source = np.concatenate([np.arange(len(points)), below]).astype(np.int32)
    return Surface(
        np.concatenate([points, implied]),
        source,
        np.arange(len(source)) < len(points),
        spacing[source].astype(np.float32),
        range_m[source],
    )


def _merged(cluster: Int32Array, points: Float32Array) -> Int32Array:
    """Clusters of several sensors that meet in a cell of 0.3 m are one object."""
    index = np.flatnonzero(cluster >= 0)
    if not len(index):
        return cluster
    cell = np.floor(points[index] / 0.3).astype(np.int64)
    key = (cell[:, 0] << 42) + (cell[:, 1] << 21) + cell[:, 2]
    order = np.argsort(key, kind="stable")
    same = key[order][1:] == key[order][:-1]
    first, second = cluster[index[order[:-1]]][same], cluster[index[order[1:]]][same]
    count = int(cluster.max()) + 1
    graph = coo_matrix((np.ones(len(first), bool), (first, second)), shape=(count, count))
    _, label = connected_components(graph, directed=False)
    return np.where(cluster >= 0, label[cluster], NOTHING).astype(np.int32)
