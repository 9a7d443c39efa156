"""Waymo's first container: one TFRecord file per segment, one protocol buffer per frame.

Opening a segment walks tags and lengths of every frame and reads next to nothing of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from inference.datasets import range_image
from inference.datasets.protobuf import BadMessage, Message, Place, parse, skim
from inference.datasets.range_image import BadRangeImage
from inference.datasets.tfrecord import Record, index_records, read_record
from inference.datasets.waymo_names import CAMERAS, LASERS, name_of
from inference.datasets.waymo_raw import (
    RawCamera,
    RawCuboid,
    RawFrame,
    RawImage,
    RawLaserCalibration,
    RawPanoptic,
    RawRectangle,
    RawReturn,
    RawSweep,
    RecordedFrame,
    clean,
)
from inference.scene import BadScene, Float64Array

MAX_CONTEXT_BYTES = 2**20
_LEFT_OUT = {
    7: "no-label zones as polygons (points keep the flag of being in one)",
    10: "the map",
}


class SegmentV1:
    """An opened file. Raises BadScene, and BadMessage where bytes do not decode."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.file = path.name
        self._records = index_records(path)
        self._first_context = b""
        self.name = ""
        self._empty_lasers: set[int] = set()
        self.recorded = [self._recorded(record) for record in self._records]
        for frame in self.recorded:
            self._empty_lasers -= frame.lasers
        try:
            context = parse(self._first_context)
            self.cameras = [_camera(message) for message in context.messages(2)]
            self.lasers = [_laser(message) for message in context.messages(3)]
            self.facts = _facts(context.message(4))
        except BadMessage as error:
            raise BadScene(
                f"{self.file}, record 0: the calibrations cannot be read: {error}",
                file=self.file,
                record=0,
            ) from error
        self.notes = [
            f"{name_of(laser, LASERS)} is neither calibrated nor ever filled; left out"
            for laser in sorted(self._empty_lasers - {laser.laser for laser in self.lasers})
        ]

    def read(self, frame: RecordedFrame) -> RawFrame:
        return raw_frame(parse(read_record(self._path, self._records[frame.record])))

    def _recorded(self, record: Record) -> RecordedFrame:
        try:
            with self._path.open("rb") as file:
                return self._skimmed(file, record)
        except BadMessage as error:
            read_record(self._path, record)  # says so when the checksum is wrong, too
            raise BadScene(
                f"{self.file}, record {record.number}: is no frame of a Waymo segment: {error}",
                file=self.file,
                record=record.number,
            ) from error

    def _skimmed(self, file: BinaryIO, record: Record) -> RecordedFrame:
        timestamp_us, pose, context = 0, b"", b""
        cameras: set[int] = set()
        lasers: set[int] = set()
        for place in skim(file, record.start, record.end):
            if place.number == 1:
                context = _small(file, place)
            elif place.number == 2:
                timestamp_us = place.value
            elif place.number == 3:
                pose = _small(file, place)
            elif place.number == 4:
                camera, is_filled = _sensor(file, place, deep=False)
                cameras |= {camera} if is_filled else set()
            elif place.number == 5:
                laser, is_filled = _sensor(file, place, deep=True)
                (lasers if is_filled else self._empty_lasers).add(laser)
        if not context or not 0 < timestamp_us < 2**62 or not pose:
            raise BadMessage("it has no context, no time or no pose")
        self._check_context(context, record)
        return RecordedFrame(
            timestamp_us,
            parse(pose).doubles(1),
            record.number,
            frozenset(cameras),
            frozenset(lasers),
        )

    def _check_context(self, context: bytes, record: Record) -> None:
        if not self._first_context:
            self._first_context = context
            self.name = clean(parse(context).text(1))
            if not self.name:
                raise BadMessage("it has no context name")
        elif context != self._first_context and clean(parse(context).text(1)) != self.name:
            raise BadScene(
                f"{self.file}, record {record.number}: belongs to segment "
                f"{parse(context).text(1)!r}, the file began with {self.name!r}",
                file=self.file,
                record=record.number,
            )


def _small(file: BinaryIO, place: Place) -> bytes:
    if place.end - place.start > MAX_CONTEXT_BYTES:
        raise BadMessage(f"field {place.number} has {place.end - place.start} bytes")
    file.seek(place.start)
    return file.read(place.end - place.start)


def _sensor(file: BinaryIO, sensor: Place, *, deep: bool) -> tuple[int, bool]:
    """The sensor's number, and whether its message holds an image or (deep) a range image."""
    number, is_filled = 0, False
    for place in skim(file, sensor.start, sensor.end):
        if place.number == 1:
            number = place.value
        elif deep and place.number in (2, 3):
            inner = skim(file, place.start, place.end)
            is_filled |= any(part.number == 2 and part.end > part.start for part in inner)
        elif not deep and place.number == 2:
            is_filled |= place.end > place.start
    return number, is_filled


def _pose(message: Message, number: int) -> Float64Array:
    return message.message(number).doubles(1)


def _facts(stats: Message) -> dict[str, str]:
    stated = {"time_of_day": stats.text(2), "location": stats.text(3), "weather": stats.text(4)}
    return {name: clean(value) for name, value in stated.items() if value}


def _camera(message: Message) -> RawCamera:
    return RawCamera(
        camera=message.integer(1),
        intrinsics=message.doubles(2).tolist(),
        vehicle_from_camera=_pose(message, 3),
        width_px=message.integer(4),
        height_px=message.integer(5),
        shutter_direction=message.integer(6),
    )


def _laser(message: Message) -> RawLaserCalibration:
    return RawLaserCalibration(
        laser=message.integer(1),
        inclinations=message.doubles(2),
        lowest=message.double(3),
        highest=message.double(4),
        vehicle_from_laser=_pose(message, 5),
    )


def raw_frame(message: Message) -> RawFrame:
    """A frame's message, read. Raises BadMessage and BadRangeImage."""
    return RawFrame(
        timestamp_us=message.integer(2),
        world_from_vehicle=_pose(message, 3),
        images=[_image(image) for image in message.messages(4) if len(image.data(2))],
        sweeps=[sweep for laser in message.messages(5) for sweep in _sweeps(laser)],
        cuboids=[_cuboid(label) for label in message.messages(6)],
        rectangles=list(_rectangles(message, 8, is_projected=False)),
        projected=list(_rectangles(message, 9, is_projected=True)),
        left_out=[what for number, what in _LEFT_OUT.items() if number in message],
        panoptics=[panoptic for image in message.messages(4) for panoptic in _panoptics(image)],
    )


def _image(message: Message) -> RawImage:
    velocity = message.message(4)
    return RawImage(
        camera=message.integer(1),
        encoded=bytes(message.data(2)),
        world_from_vehicle=_pose(message, 3),
        pose_time_s=message.double(5),
        exposure_s=message.double(6),
        trigger_s=message.double(7),
        readout_done_s=message.double(8),
        velocity=[
            *(velocity.float(number) for number in (1, 2, 3)),
            *(velocity.double(number) for number in (4, 5, 6)),
        ],
    )


def _sweeps(message: Message) -> Iterator[RawSweep]:
    laser = message.integer(1)
    first, second = message.message(2), message.message(3)
    what = ""
    try:
        what = "return 1"
        one = _return(first)
        what = "return 2"
        two = _return(second)
        what = "poses"
        packed = first.data(4)
        poses = range_image.float_matrix(packed, channels=6) if len(packed) else None
    except BadRangeImage as error:
        raise BadRangeImage(f"{name_of(laser, LASERS)}, {what}: {error}") from error
    if one is not None or two is not None:
        yield RawSweep(laser, one, two, poses)


def _return(message: Message) -> RawReturn | None:
    if not len(message.data(2)):
        return None
    pixels, segmentation = message.data(3), message.data(6)
    return RawReturn(
        cells=range_image.float_matrix(message.data(2), channels=4),
        camera_pixels=range_image.integer_matrix(pixels, channels=6) if len(pixels) else None,
        segmentation=(
            range_image.integer_matrix(segmentation, channels=2) if len(segmentation) else None
        ),
    )


def _cuboid(label: Message) -> RawCuboid:
    box, motion = label.message(1), label.message(2)
    return RawCuboid(
        track=clean(label.text(4)),
        label_class=label.integer(3),
        centre=(box.double(1), box.double(2), box.double(3)),
        size=(box.double(5), box.double(4), box.double(6)),
        heading=box.double(7),
        velocity=(motion.double(1), motion.double(2), motion.double(5)) if 2 in label else None,
        point_count=label.integer(7) if 7 in label else None,
    )


def _rectangles(frame: Message, number: int, *, is_projected: bool) -> Iterator[RawRectangle]:
    for labels in frame.messages(number):
        camera = labels.integer(1)
        for label in labels.messages(2):
            box = label.message(1)
            track = clean(label.text(4))
            if is_projected:  # "<id of the cuboid>_<name of the camera>"
                track = track.removesuffix(f"_{name_of(camera, CAMERAS)}")
            yield RawRectangle(
                camera=camera,
                track=track,
                label_class=label.integer(3),
                centre_px=(box.double(1), box.double(2)),
                size_px=(box.double(5), box.double(4)),
            )


def _panoptics(image: Message) -> Iterator[RawPanoptic]:
    label = image.message(10)
    if not len(label.data(2)):
        return
    instances = list(label.messages(3))
    yield RawPanoptic(
        camera=image.integer(1),
        encoded=bytes(label.data(2)),
        divisor=label.integer(1),
        sequence=clean(label.text(4)),
        tracked={one.integer(1): one.integer(2) for one in instances if one.integer(3)},
    )
