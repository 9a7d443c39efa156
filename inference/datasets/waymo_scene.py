"""A Waymo segment as a Scene: the same for both containers.

- World: axes as recorded (east, north, up), origin at the first pose.
- A point's place in its file is its laser, return, row and column.

Axes of cameras and the rule for pixels: waymo_sensors.py.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PIL import Image as PillowImage

from inference.datasets import waymo_labels as labels
from inference.datasets.range_image import BadRangeImage
from inference.datasets.waymo_names import CAMERAS
from inference.datasets.waymo_raw import (
    RawFrame,
    RawImage,
    RecordedFrame,
    Segment,
)
from inference.datasets.waymo_sensors import (
    Laser,
    Report,
    cameras_of,
    checked_pose,
    lasers_of,
    matrix_of,
)
from inference.datasets.waymo_sweep import sweep_from_raw
from inference.geometry import NotRigid, inverse, rigid
from inference.scene import (
    BadScene,
    CuboidLabel,
    Float64Array,
    Frame,
    FrameLabels,
    Frames,
    Image,
    MaskLabel,
    RectangleLabel,
    Scene,
    Sensor,
    ShutterTimes,
    Sweep,
)

NOMINAL_STEP_US = 100_000
GAP = 1.5
FASTEST_M_PER_S = 80.0
LONGEST_NAME = 200
# What numbers and types that nobody expects lead the readers of a recording to.
BROKEN = (
    ArithmeticError, AttributeError, LookupError, MemoryError, OSError, TypeError, ValueError
)  # fmt: skip


def build_scene(segment: Segment) -> Scene:
    """The segment's sensors and frames, with what is odd about them. Raises BadScene."""
    if len(segment.name) > LONGEST_NAME:
        raise BadScene(
            f"{segment.file}: the segment's name has {len(segment.name)} characters",
            file=segment.file,
        )
    report = Report(segment.file)
    for note in segment.notes:
        report(None, note)
    recorded, poses = _in_order(segment, report)
    if not recorded:
        raise BadScene(f"{segment.file}: has no frames", file=segment.file)
    _report_steps(recorded, poses, report)
    cameras = cameras_of(segment, report)
    lasers = lasers_of(segment, recorded, report)
    _report_missing(recorded, cameras, lasers, report)
    source_from_world = rigid(np.eye(3), poses[0][:3, 3])
    return Scene(
        name=segment.name,
        sensors=[*cameras.values(), *(laser.sensor for laser in lasers.values())],
        frames=_Frames(segment, recorded, poses, cameras, lasers, source_from_world, report),
        source_from_world=source_from_world,
        facts=dict(segment.facts),
        problems=report.problems,
    )


def _in_order(segment: Segment, report: Report) -> tuple[list[RecordedFrame], list[Float64Array]]:
    """Frames by time, each time once, and their poses in the recording's world."""
    for earlier, later in pairwise(segment.recorded):
        if later.timestamp_us < earlier.timestamp_us:
            report(later.record, "is out of order; frames are sorted by time")
    frames: list[RecordedFrame] = []
    for frame in sorted(segment.recorded, key=lambda frame: frame.timestamp_us):
        if frames and frames[-1].timestamp_us == frame.timestamp_us:
            report(
                frame.record,
                f"has the time of record {frames[-1].record} ({frame.timestamp_us} us); left out",
            )
            continue
        frames.append(frame)
    poses = [
        checked_pose(segment, frame.world_from_vehicle, "the pose", frame.record)
        for frame in frames
    ]
    return frames, poses


def _report_steps(
    frames: Sequence[RecordedFrame], poses: Sequence[Float64Array], report: Report
) -> None:
    for number, (earlier, later) in enumerate(pairwise(frames)):
        step_us = later.timestamp_us - earlier.timestamp_us
        if step_us > GAP * NOMINAL_STEP_US:
            report(later.record, f"comes {step_us / 1000:.0f} ms after the frame before it")
        moved = float(np.linalg.norm(poses[number + 1][:3, 3] - poses[number][:3, 3]))
        if moved > FASTEST_M_PER_S * step_us / 1e6:
            report(later.record, f"its pose jumps by {moved:.1f} m in {step_us / 1000:.0f} ms")


def _report_missing(
    recorded: Sequence[RecordedFrame],
    cameras: dict[int, Sensor],
    lasers: dict[int, Laser],
    report: Report,
) -> None:
    for number, camera in cameras.items():
        without = [frame for frame in recorded if number not in frame.cameras]
        if len(without) == len(recorded):
            report(None, f"camera {camera.name} has no image in any frame")
            continue
        for frame in without:
            report(frame.record, f"camera {camera.name} has no image")
    for number, laser in lasers.items():
        for frame in recorded:
            if number not in frame.lasers:
                report(frame.record, f"{laser.sensor.name} is empty")
    for number in set().union(*(frame.cameras for frame in recorded)) - cameras.keys():
        if number in CAMERAS:
            report(None, f"camera {CAMERAS[number]} has images but no calibration; left out")


class _Frames(Frames):
    def __init__(
        self,
        segment: Segment,
        recorded: list[RecordedFrame],
        poses: list[Float64Array],
        cameras: dict[int, Sensor],
        lasers: dict[int, Laser],
        source_from_world: Float64Array,
        report: Report,
    ) -> None:
        self._segment, self._recorded, self._poses = segment, recorded, poses
        self._cameras, self._lasers, self._report = cameras, lasers, report
        self._world_from_source = inverse(source_from_world)

    def __len__(self) -> int:
        return len(self._recorded)

    def __getitem__(self, index: int, /) -> Frame:
        if not 0 <= index < len(self):
            raise IndexError(f"the segment has {len(self)} frames, there is no frame {index}")
        recorded = self._recorded[index]
        try:
            return self._frame(index, self._segment.read(recorded))
        except BadScene as error:
            record = recorded.record if error.record is None else error.record
            raise BadScene(error.message, file=error.file, record=record) from error
        except BROKEN as error:
            raise BadScene(
                f"{self._segment.file}, record {recorded.record}: {error}",
                file=self._segment.file,
                record=recorded.record,
            ) from error

    def _frame(self, index: int, raw: RawFrame) -> Frame:
        images = {
            self._cameras[image.camera].name: self._image(index, image)
            for image in raw.images
            if image.camera in self._cameras
        }
        sweeps, masks = self._sweeps(index, raw)
        masks += self._panoptics(raw)
        cuboids, rectangles = self._boxes(index, raw)
        for what in raw.left_out:
            self._report(None, f"left out: {what}")
        return Frame(
            index=index,
            timestamp_us=self._recorded[index].timestamp_us,
            world_from_ego=self._world_from_source @ self._poses[index],
            images={
                camera.name: images[camera.name]
                for camera in self._cameras.values()
                if camera.name in images
            },
            sweeps=sweeps,
            labels=FrameLabels(tuple(masks), tuple(cuboids), tuple(rectangles)),
        )

    def _say(self, index: int, message: str) -> None:
        self._report(self._recorded[index].record, message)

    def _image(self, index: int, raw: RawImage) -> Image:
        camera = self._cameras[raw.camera]
        _check_picture(raw.encoded, camera)
        try:
            pose = self._world_from_source @ matrix_of(raw.world_from_vehicle, "its pose")
        except NotRigid as error:
            self._say(index, f"camera {camera.name}: {error}; the frame's pose stands for it")
            pose = None
        is_timed = 0 < raw.pose_time_s < 1e11  # seconds: a NaN is not
        frame_us = self._recorded[index].timestamp_us
        return Image(
            encoded=raw.encoded,
            timestamp_us=round(raw.pose_time_s * 1e6) if is_timed else frame_us,
            world_from_ego=pose,
            shutter=_shutter(raw),
        )

    def _sweeps(self, index: int, raw: RawFrame) -> tuple[dict[str, Sweep], list[MaskLabel]]:
        sweeps: dict[str, Sweep] = {}
        masks: list[MaskLabel] = []
        by_laser = {sweep.laser: sweep for sweep in raw.sweeps}
        for number, laser in self._lasers.items():
            if number not in by_laser:
                continue
            name = laser.sensor.name
            try:
                sweep, segmentation, oddities = sweep_from_raw(
                    by_laser[number],
                    laser.raw,
                    timestamp_us=self._recorded[index].timestamp_us,
                    world_from_frame=self._poses[index],
                )
            except BadRangeImage as error:
                raise BadRangeImage(f"{name}: {error}") from error
            for oddity in oddities:
                self._say(index, f"{name}: {oddity}")
            if not len(sweep):
                self._say(index, f"{name} has no returns")
                continue
            sweeps[name] = sweep
            if segmentation is not None:
                masks += labels.lidar_masks(segmentation, name)
        return sweeps, masks

    def _panoptics(self, raw: RawFrame) -> list[MaskLabel]:
        masks: list[MaskLabel] = []
        for panoptic in {panoptic.camera: panoptic for panoptic in raw.panoptics}.values():
            camera = self._cameras.get(panoptic.camera)
            lens = camera.calibration.intrinsics if camera else None
            if lens is None:
                continue  # that the camera is left out has been said
            size_px = lens.width_px, lens.height_px
            masks += labels.panoptic_masks(panoptic, timestamp_us=raw.timestamp_us, size_px=size_px)
        return masks

    def _boxes(self, index: int, raw: RawFrame) -> tuple[list[CuboidLabel], list[RectangleLabel]]:
        """One that makes no sense is left out and said."""
        cuboids: list[CuboidLabel] = []
        rectangles: list[RectangleLabel] = []
        for cuboid in raw.cuboids:
            try:
                cuboids.append(labels.cuboid_label(cuboid))
            except labels.BadLabel as error:
                self._say(index, f"{error}; left out")
        for listed, is_projected in ((raw.rectangles, False), (raw.projected, True)):
            for box in listed:
                if box.camera not in self._cameras:
                    self._say(index, f"boxes of camera number {box.camera}, unknown; left out")
                    continue
                try:
                    rectangles.append(labels.rectangle_label(box, is_projected=is_projected))
                except labels.BadLabel as error:
                    self._say(index, f"{error}; left out")
        return cuboids, rectangles


def _check_picture(encoded: bytes, camera: Sensor) -> None:
    """Only the head is read. Raises ValueError."""
    lens = camera.calibration.intrinsics
    assert lens is not None, "every camera got intrinsics"
    try:
        with PillowImage.open(io.BytesIO(encoded), formats=["JPEG", "PNG"]) as picture:
            size = picture.size
    except Exception as error:  # Pillow raises whatever a broken file leads it to
        raise ValueError(f"camera {camera.name}: the image cannot be read: {error}") from error
    if size != (lens.width_px, lens.height_px):
        raise ValueError(
            f"camera {camera.name}: the image is {size[0]}x{size[1]}, "
            f"its calibration says {lens.width_px}x{lens.height_px}"
        )


def _shutter(raw: RawImage) -> ShutterTimes | None:
    x, y, z, roll, pitch, yaw = (float(value) for value in raw.velocity)
    times = ShutterTimes(
        exposure_s=raw.exposure_s,
        trigger_s=raw.trigger_s,
        readout_done_s=raw.readout_done_s,
        velocity_world=(x, y, z),
        angular_velocity_ego=(roll, pitch, yaw),
    )
    numbers = (raw.exposure_s, raw.trigger_s, raw.readout_done_s, x, y, z, roll, pitch, yaw)
    return times if np.isfinite(numbers).all() else None
