"""A drive read once: what every stage asks of its frames, kept small enough for two hundred of them.

N points of a frame's merged cloud, M of them seen by a camera.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.engine.boxes import Box, BoxesOf, boxed, in_world
from inference.geometric.frames import PreparedFrame, merged_cloud
from inference.geometric.projection import View
from inference.geometry import FloatArray, transform
from inference.scene import BadScene, CuboidLabel, Frame, FrameLabels, Scene

Float32Array = npt.NDArray[np.float32]
Int32Array = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Glimpse:
    """What a camera sees of a frame's points.  point: [M] index of the cloud.  column, row: [M] px.

    owner: [h, w] index into `point` of the nearest one, `gap`: [h, w] how far away it is, in units of
    its reach; both on the view's small map.  size: height and width of the picture, px.
    """

    point: Int32Array
    column: npt.NDArray[np.uint16]
    row: npt.NDArray[np.uint16]
    owner: Int32Array
    gap: npt.NDArray[np.float16]
    size: tuple[int, int]

    def sampled(self, map_: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """[M] of a map of the picture, of any resolution: what it says where each point is seen."""
        height, width = map_.shape
        row = np.minimum((self.row * (height / self.size[0])).astype(int), height - 1)
        column = np.minimum((self.column * (width / self.size[1])).astype(int), width - 1)
        return map_[row, column]


@dataclass(frozen=True)
class FrameRead:
    """points_world: [N, 3] float32, metres from the scene's first pose.  cluster: [N], -1 for none.

    is_ground: [N].  height_m: [N] above the ground.  part_of: LiDAR -> its
    slice.  glimpses: by camera that has a picture.  boxes: of the clusters that lie in one.
    """

    index: int
    timestamp_us: int
    world_from_ego: FloatArray
    points_world: Float32Array
    cluster: Int32Array
    is_ground: BoolArray
    height_m: Float32Array
    part_of: Mapping[str, slice]
    glimpses: Mapping[str, Glimpse]
    boxes: Mapping[int, Box] = field(default_factory=dict)

    @property
    def time_s(self) -> float:
        return self.timestamp_us * 1e-6

    def __len__(self) -> int:
        return len(self.points_world)


@dataclass(frozen=True)
class Drive:
    """scene: the recording.  frames: read, in the order of time.  remarks: what was odd, for people.

    cuboids: by index of the frame, where boxes are looked at.
    """

    scene: Scene
    frames: Sequence[FrameRead]
    remarks: tuple[str, ...]
    cuboids: Mapping[int, Sequence[CuboidLabel]] = field(default_factory=dict)

    def frame(self, position: int) -> Frame:
        """A frame once more, without labels."""
        return replace(self.scene.frames[self.frames[position].index], labels=FrameLabels())

    def prepared(self, frame: Frame) -> PreparedFrame:
        """Its clusters once more, too."""
        cloud = merged_cloud(self.scene, frame)
        return PreparedFrame(self.scene, frame, boxed(cloud, self.cuboids.get(frame.index, ()))[0])


def read_drive(
    scene: Scene, told: Callable[[str, int, int], None], boxes: BoxesOf | None = None
) -> Drive:
    """Read every frame once, in the order of time. Its labels are not looked at but for boxes.

    told: (stage, frames done, of how many).  boxes: where a frame's cuboids come from; None: from nowhere.
    Raises BadScene for a scene without frames, or in which no frame can be read.
    """
    count = len(scene.frames)
    if not count:
        raise BadScene(f"scene {scene.name!r} has no frames: there is nothing to label")
    if not scene.cameras and not scene.lidars:
        raise BadScene(f"scene {scene.name!r} has neither cameras nor LiDARs")
    frames: list[FrameRead] = []
    remarks: list[str] = []
    cuboids: dict[int, Sequence[CuboidLabel]] = {}
    for index in range(count):
        try:
            recorded = scene.frames[index]
            cuboids[index] = tuple(boxes(recorded)) if boxes else ()
            frame = replace(recorded, labels=FrameLabels())
        except BadScene as error:
            remarks.append(f"frame {index} was left out: {error}")
            continue
        cloud, known = boxed(merged_cloud(scene, frame), cuboids[index])
        read = _read(PreparedFrame(scene, frame, cloud), remarks)
        frames.append(replace(read, boxes=in_world(known, frame.world_from_ego)))
        told("reading", index + 1, count)
    if not frames:
        raise BadScene(f"no frame of scene {scene.name!r} can be read: {remarks[0]}")
    times = [frame.timestamp_us for frame in frames]
    if times != sorted(times):
        remarks.append("frames were not in the order of time; they were taken in that order")
        frames.sort(key=lambda frame: frame.timestamp_us)
    return Drive(scene, frames, tuple([*remarks, *_what_is_missing(scene, frames)]), cuboids)


def _read(prepared: PreparedFrame, remarks: list[str]) -> FrameRead:
    cloud, frame = prepared.cloud, prepared.frame
    glimpses: dict[str, Glimpse] = {}
    for camera in prepared.cameras:
        try:
            prepared.picture(camera)
        except BadScene as error:
            remarks.append(str(error))
            continue
        glimpses[camera] = _glimpse(prepared.view(camera))
    return FrameRead(
        frame.index, frame.timestamp_us, frame.world_from_ego,
        transform(frame.world_from_ego, cloud.points).astype(np.float32),
        cloud.cluster, cloud.is_ground, cloud.height_m.astype(np.float32),
        cloud.part_of, glimpses,
    )  # fmt: skip


def _glimpse(view: View) -> Glimpse:
    return Glimpse(
        view.point, view.pixels[:, 0].astype(np.uint16), view.pixels[:, 1].astype(np.uint16),
        view.owner, view.gap.astype(np.float16), (view.height_px, view.width_px),
    )  # fmt: skip


def _what_is_missing(scene: Scene, frames: Sequence[FrameRead]) -> list[str]:
    said = []
    if not any(len(frame) for frame in frames):
        said.append("there are no LiDAR points: objects are followed in each camera by itself")
    for camera in scene.cameras:
        without = [frame.index for frame in frames if camera.name not in frame.glimpses]
        if without:
            said.append(
                f"{camera.name} has no picture in {len(without)} of {len(frames)} frames, the first "
                f"of them {without[0]}"
            )
    if len(frames) > 1 and all(
        np.allclose(frame.world_from_ego, frames[0].world_from_ego) for frame in frames
    ):
        said.append("the vehicle does not move, or its poses are missing")
    return said
