"""Short stories of labelling, told to the real document: what a replay is recorded from.

Each takes a `Teller` on a scene of four frames (camera 0, LiDAR 1) and does what people do.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from uuid import UUID, uuid5

import numpy as np

from backend.accounts.models import User
from backend.annotations import actions
from backend.annotations.actions import PredictedMask
from backend.annotations.models import Cuboid, Document, Source, Track
from backend.protocol import messages
from backend.scenes.models import Scene
from inference.masks import encode_runs
from tests.builders import HEIGHT_PX, POINTS, WIDTH_PX

CAMERA, LIDAR = 0, 1
SIZES = {CAMERA: WIDTH_PX * HEIGHT_PX, LIDAR: POINTS}
NAMESPACE = UUID(int=0x6D61736B6C6574)


class Teller:
    """Does edits with operation ids that are the same each time."""

    def __init__(self, scene: Scene, by: User, name: str) -> None:
        self.scene, self.by = scene, by
        self._name = name
        self._operations = 0

    def operation(self) -> UUID:
        self._operations += 1
        return uuid5(NAMESPACE, f"{self._name} {self._operations}")

    def change(self, change: messages.Change) -> int:
        edit = messages.Edit(operation_id=str(self.operation()), change=change)
        return actions.apply_edit(self.scene.pk, edit, by=self.by).revision

    def class_id(self, name: str) -> int:
        return self.scene.project.label_classes.get(name=name).pk

    def create(self, class_name: str = "car", name: str = "") -> int:
        self.change(messages.CreateTrack(label_class=self.class_id(class_name), name=name))
        return Track.objects.latest("changed_revision").number

    def put(self, track: int, frame: int, sensor: int, first: int, end: int) -> None:
        runs = base64.b64encode(span(sensor, first, end)).decode()
        self.change(messages.PutMask(track=track, frame=frame, sensor=sensor, runs=runs))

    def click(self, track: int | None, frame: int, first: int, end: int) -> int:
        """A click that the model has answered in both sensors; makes a track when given none."""
        operation = self.operation()
        return self._predicted(track, frame, first, end, operation, operation, keep_human=False)

    def follow(self, track: int, frames: range, first: int, end: int) -> None:
        group = self.operation()
        for frame in frames:
            operation = uuid5(group, str(frame))
            self._predicted(track, frame, first, end, operation, group, keep_human=True)

    def undo(self) -> None:
        self.change(messages.UndoLast())

    def cuboid(self, track: int, frame: int, x: float) -> None:
        """As an import leaves it: no edit, there from the track's first revision."""
        row = Track.objects.get(document=self.scene.pk, number=track)
        Cuboid.objects.create(
            track=row, frame=self.scene.frames.get(index=frame), centre_ego=[x, 0, 1],
            size=[4, 2, 1.5], heading=0.5, source=Source.IMPORT, from_revision=row.from_revision,
        )  # fmt: skip

    def _predicted(
        self, track: int | None, frame: int, first: int, end: int,
        operation: UUID, group: UUID, *, keep_human: bool,
    ) -> int:  # fmt: skip
        masks = [PredictedMask(sensor, span(sensor, first, end), 0.75) for sensor in SIZES]
        return actions.save_predicted_masks(
            self.scene.pk, masks, frame=frame, track=track, operation_id=operation, group=group,
            label_class=self.class_id("car") if track is None else None, by=self.by,
            tool="click", model="stub", model_version="1", keep_human=keep_human,
        )  # fmt: skip

    @property
    def revision(self) -> int:
        return Document.objects.get(pk=self.scene.pk).revision


def span(sensor: int, first: int, end: int) -> bytes:
    mask = np.zeros(SIZES[sensor], dtype=bool)
    mask[first:end] = True
    return encode_runs(mask)


def clicks_that_mend_each_other(teller: Teller) -> None:
    car = teller.click(None, 0, 10, 40)
    teller.click(car, 0, 10, 60)
    teller.click(None, 0, 50, 80)  # a second car over the first one's edge
    teller.click(car, 2, 5, 9)


def a_track_that_is_followed_past_a_drawn_mask(teller: Teller) -> None:
    car = teller.click(None, 0, 10, 40)
    teller.put(car, 2, LIDAR, 100, 110)
    teller.follow(car, range(1, 4), 11, 41)
    teller.undo()  # all frames of it at once
    teller.follow(car, range(1, 3), 12, 42)


def edits_by_hand(teller: Teller) -> None:
    first, second = teller.create(name="the blue one"), teller.create("truck")
    for frame in range(3):
        teller.put(first, frame, LIDAR, frame, 20)
        teller.put(first, frame, CAMERA, frame, 90)
        teller.put(second, frame, LIDAR, 10, 30)
    teller.change(messages.UpdateTrack(track=first, label_class=teller.class_id("bus")))
    teller.change(messages.UpdateTrack(track=first, name="the red one", draw_order=900))
    masks = messages.DeleteMasks(track=first, first_frame=0, last_frame=1, sensors=[CAMERA])
    teller.change(masks)
    teller.change(messages.DeleteMasks(track=second, first_frame=2, last_frame=3))
    teller.put(first, 1, LIDAR, 0, 0)  # drawn empty: the car is not in this sweep


def a_track_that_is_deleted_and_brought_back(teller: Teller) -> None:
    car, other = teller.click(None, 0, 10, 40), teller.click(None, 0, 30, 50)
    teller.cuboid(car, 0, 12.0)
    teller.cuboid(other, 1, 20.0)
    teller.follow(car, range(1, 3), 11, 41)
    teller.change(messages.DeleteTrack(track=car))
    teller.undo()
    teller.undo()
    teller.change(messages.DeleteTrack(track=other))


def stuff_under_things(teller: Teller) -> None:
    road = teller.create("road")
    teller.put(road, 0, LIDAR, 0, 200)
    teller.put(road, 0, CAMERA, 0, 2000)
    car = teller.click(None, 0, 150, 220)
    again = teller.create("road")  # of stuff there is one
    teller.put(again, 1, LIDAR, 0, 190)
    teller.change(messages.UpdateTrack(track=car, draw_order=-2_000_00))


STORIES: dict[str, Callable[[Teller], None]] = {
    story.__name__: story
    for story in (
        clicks_that_mend_each_other,
        a_track_that_is_followed_past_a_drawn_mask,
        edits_by_hand,
        a_track_that_is_deleted_and_brought_back,
        stuff_under_things,
    )
}
