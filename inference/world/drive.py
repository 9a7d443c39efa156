"""A drive made from a seed: `make_drive` gives a Scene with gold tracks, rendered frame by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from inference.geometry import FloatArray, inverse, transform, yaw_of
from inference.scene import (
    CuboidLabel,
    Frame,
    FrameLabels,
    Frames,
    Image,
    MaskLabel,
    Scene,
    Sensor,
    Sweep,
)
from inference.world import sensors
from inference.world.casting import Int32Array
from inference.world.clutter import with_clutter
from inference.world.looks import dressed, plain_look, random_look
from inference.world.relief import drawn_course
from inference.world.rigs import Rig, Unit, make_rig
from inference.world.sensors import JPEG_QUALITY, Hits, Noise, Returns, Sunlight, View
from inference.world.shading import Lighting
from inference.world.solids import joined, pack, turn_z
from inference.world.street import FIRST_THING, GoldTrack, Street, make_street, winding
from inference.world.traffic import STEP_S

START_US = 1_700_000_000_000_000
FRAME_US = round(STEP_S * 1e6)


def make_drive(
    seed: int = 0,
    rig: str = "demo",
    length: int = 200,
    *,
    width_px: int | None = None,
    look: str | None = None,
    course: str | None = None,
) -> Scene:
    """A procedural drive of `length` frames at 10 Hz through a street that follows from the seed.

    rig: one of `rigs.RIGS`.  width_px: of its pictures, None: the rig's own.  look: "plain", or
    "random", which follows from the seed.  course: of the street, "straight" (and level), or
    "winding", with bends and grades that follow from the seed.  None for either: random and winding
    for the rig "random", plain and straight for the others.
    The same seed gives the same bytes on one machine; a longer drive begins like a shorter one.
    Frames are rendered when they are asked for. `scene.frames` is a `DriveFrames`: it also gives
    gold ids without masks.
    """
    if length < 1:
        raise ValueError(f"a drive needs at least one frame, not {length}")
    if look not in (None, "plain", "random"):
        raise ValueError(f"there is no look {look!r}; choose plain or random")
    if course not in (None, "straight", "winding"):
        raise ValueError(f"there is no course {course!r}; choose straight or winding")
    chosen = make_rig(rig, seed=seed, width_px=width_px)
    street = make_street(seed, length)
    dress = plain_look(street.light)
    is_odd = (look or ("random" if rig == "random" else "plain")) == "random"
    random = np.random.default_rng([seed, 22])
    if is_odd:
        dress = random_look(street.light, random)
        street = with_clutter(street, random)
    if (course or ("winding" if rig == "random" else "straight")) == "winding":
        bends = np.random.default_rng([seed, 23])
        street = winding(street, drawn_course(street.layout.crossing_x, bends))
    if is_odd:
        street = dressed(street, dress, random)
    frames = DriveFrames(street, chosen, length, jpeg_quality=dress.jpeg_quality)
    return Scene(
        name=f"procedural-{seed:04d}",
        sensors=chosen.sensors,
        frames=frames,
        facts={"origin": f"procedural, seed {seed}, rig {rig}", "time of day": dress.name},
    )


@dataclass(frozen=True)
class _Turn:
    """ego_from_then: of each slice; () where all of it is at the frame's pose.  ids, parts: [N]."""

    returns: Returns
    ego_from_then: Sequence[FloatArray]
    ids: Int32Array
    parts: Int32Array


@dataclass(frozen=True)
class _Rendering:
    """One frame's rays, before they become bytes.

    own: the frame's own instant.  cameras, views: what each camera met, and the instant it looked at.
    turns: what each LiDAR got back.  ids, parts: by sensor, gold.
    """

    own: View
    cameras: Mapping[str, Hits]
    views: Mapping[str, View]
    turns: Mapping[str, _Turn]
    ids: Mapping[str, Int32Array]
    parts: Mapping[str, Int32Array]


class DriveFrames(Frames):
    """The frames of a drive (see `inference.scene.Frames`), and their gold."""

    def __init__(
        self, street: Street, rig: Rig, length: int, *, jpeg_quality: int = JPEG_QUALITY
    ) -> None:
        self.street, self.rig, self.jpeg_quality = street, rig, jpeg_quality
        self._length = length
        self._noise = Noise()
        self._static = street.static
        self._paving = sensors.paving_of(street)
        self._sunlight: Sunlight | None = None
        self._last: tuple[tuple[int, bool], _Rendering] | None = None
        # House rule: the world starts at the first pose.
        self.world_from_street = inverse(street.street_from_ego(0.0))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int, /) -> Frame:
        """Render frame `index`, pictures and all; negative indices count from the end."""
        index = self._checked(index)
        time_s, timestamp_us = index * STEP_S, START_US + index * FRAME_US
        rendering = self._cast(index)
        view = rendering.own
        light = self._light(time_s)
        images = {
            camera.name: self._image(camera, rendering, light, timestamp_us)
            for camera in self.rig.cameras
        }
        return Frame(
            index=index,
            timestamp_us=timestamp_us,
            world_from_ego=self.world_from_street @ view.street_from_ego,
            images=images,
            sweeps={unit.name: _sweep(unit, rendering, timestamp_us) for unit in self.rig.units},
            labels=FrameLabels(
                masks=_masks(rendering.ids, self.gold),
                cuboids=self._cuboids(rendering.ids, view, time_s),
            ),
        )

    @property
    def gold(self) -> Mapping[int, GoldTrack]:
        """What each gold id stands for; id 0 (sky, nothing) is not in it."""
        return self.street.gold

    def gold_ids(self, index: int) -> dict[str, Int32Array]:
        """Sensor name to the gold id of every pixel [H, W] or point [N], without rendering.

        The same ids as in the frame's labels, points in the order of the frame's sweep.
        """
        index = self._checked(index)
        return dict(self._cast(index).ids)

    def gold_parts(self, index: int) -> dict[str, Int32Array]:
        """Sensor name to the part of every pixel [H, W] or point [N]: what a click may mean within a
        thing, its wheel or its cabin. A `solids.Material`, -1 where nothing was met.
        """
        return dict(self._cast(self._checked(index)).parts)

    def occluded(self, index: int, camera: str) -> dict[int, float]:
        """By gold id, the share of each thing in a camera's picture that others hide, 0 ... 1.

        What lies outside the picture counts for nothing. Things that are hidden wholly are not
        in it. Each thing is cast once more, alone: a few milliseconds each.
        """
        index = self._checked(index)
        sensor, rendering = self._camera(camera), self._cast(index)
        view = rendering.views[camera]
        shown = np.bincount(rendering.ids[camera].ravel(), minlength=max(self.gold) + 1)
        found = {}
        for number in np.flatnonzero(shown).tolist():
            if number < FIRST_THING:
                continue
            alone = view.solids.chosen(view.solids.track == number)
            hits = sensors.cast_camera(
                View(alone, pack(alone), view.paving, view.street_from_ego), sensor, self._noise
            )
            whole = int((hits.solid_at >= 0).sum())
            found[number] = float(np.clip(1 - shown[number] / max(whole, 1), 0, 1))
        return found

    def _camera(self, name: str) -> Sensor:
        for camera in self.rig.cameras:
            if camera.name == name:
                return camera
        names = ", ".join(camera.name for camera in self.rig.cameras)
        raise KeyError(f"the rig has no camera {name!r}; it has {names}")

    def sweep(self, index: int) -> Sweep:
        """The first LiDAR's reading of a frame alone, without the pictures."""
        index = self._checked(index)
        rendering = self._cast(index, with_cameras=False)
        return _sweep(self.rig.units[0], rendering, START_US + index * FRAME_US)

    def _checked(self, index: int) -> int:
        if not -self._length <= index < self._length:
            raise IndexError(f"the drive has {self._length} frames; there is no frame {index}")
        return index % self._length

    def _view(self, time_s: float) -> View:
        solids = joined([self._static, self.street.moving_solids(time_s)])
        return View(solids, pack(solids), self._paving, self.street.street_from_ego(time_s))

    def _cast(self, index: int, *, with_cameras: bool = True) -> _Rendering:
        """Kept for the last frame: whoever asks for it asks for its gold, too."""
        if self._last is None or self._last[0] != (index, with_cameras):
            self._last = (index, with_cameras), self._rendered(index, with_cameras)
        return self._last[1]

    def _rendered(self, index: int, with_cameras: bool) -> _Rendering:
        time_s, rig = index * STEP_S, self.rig
        own = self._view(time_s)
        views, cameras = {}, {}
        for camera in rig.cameras if with_cameras else ():
            after_s = sensors.looks_after_s(rig, camera)
            views[camera.name] = self._view(time_s + after_s) if after_s else own
            cameras[camera.name] = sensors.cast_camera(views[camera.name], camera, self._noise)
        ids = {name: hits.gold_ids(own.paving) for name, hits in cameras.items()}
        parts = {name: hits.gold_parts() for name, hits in cameras.items()}
        instants = [own]
        if rig.slices > 1:
            middles = ((k + 0.5) / rig.slices * STEP_S for k in range(rig.slices))
            instants = [self._view(time_s + after_s) for after_s in middles]
        # A generator of its own per frame: frame 7 does not depend on whether 6 was rendered.
        random = np.random.default_rng([self.street.seed, index, 64])
        turns = {unit.name: self._turn(unit, own, instants, random) for unit in rig.units}
        ids |= {name: turn.ids for name, turn in turns.items()}
        parts |= {name: turn.parts for name, turn in turns.items()}
        return _Rendering(own, cameras, views, turns, ids, parts)

    def _turn(
        self, unit: Unit, own: View, instants: Sequence[View], random: np.random.Generator
    ) -> _Turn:
        """Put together of what was there at several instants."""
        pieces, point_ids, point_parts, ego_from_then = [], [], [], []
        starts = sensors.slice_starts(unit, len(instants))
        for view, (first, last) in zip(instants, pairwise(starts), strict=True):
            if len(instants) > 1:
                ego_from_then.append(inverse(own.street_from_ego) @ view.street_from_ego)
            hits = sensors.cast_lidar(view, unit, self._noise, (first, last))
            returns = sensors.lidar_returns(hits, view, self._noise, random)
            if self.rig.has_second_returns:
                returns = sensors.with_second_returns(returns, hits, random)
            point_ids.append(hits.gold_ids(view.paving).ravel()[returns.met])
            point_parts.append(hits.gold_parts().ravel()[returns.met])
            pieces.append(sensors.on_whole_turn(returns, first, last - first, unit.columns))
        whole, order = _in_order(pieces)
        return _Turn(
            whole, ego_from_then,
            np.concatenate(point_ids)[order], np.concatenate(point_parts)[order],
        )  # fmt: skip

    def _image(
        self, camera: Sensor, rendering: _Rendering, light: Lighting, timestamp_us: int
    ) -> Image:
        hits, view = rendering.cameras[camera.name], rendering.views[camera.name]
        film = self.street.light
        picture = sensors.shade_camera(hits, view, camera, light, self._noise, film)
        encoded = sensors.encode_jpeg(picture, self.jpeg_quality)
        after_us = round(1e6 * sensors.looks_after_s(self.rig, camera))
        if not after_us:
            return Image(encoded, timestamp_us)
        pose = self.world_from_street @ view.street_from_ego
        return Image(encoded, timestamp_us + after_us, pose)

    def _light(self, time_s: float) -> Lighting:
        if self._sunlight is None:
            self._sunlight = Sunlight(self.street, self._noise)
        return self._sunlight.at(self.street.moving_solids(time_s), time_s)

    def _cuboids(
        self, ids: Mapping[str, Int32Array], view: View, time_s: float
    ) -> tuple[CuboidLabel, ...]:
        """A box around each thing that some sensor sees in this frame."""
        lidars = {unit.name for unit in self.rig.units}
        points = np.concatenate([each for name, each in ids.items() if name in lidars])
        counts = np.bincount(points, minlength=max(self.gold) + 1)
        seen = counts > 0
        for array in ids.values():
            seen |= np.bincount(array.ravel(), minlength=len(seen)) > 0
        return tuple(
            self._cuboid(int(number), view.street_from_ego, time_s, int(counts[number]))
            for number in np.flatnonzero(seen)
            if number and not self.gold[int(number)].is_stuff
        )

    def _cuboid(
        self, number: int, street_from_ego: FloatArray, time_s: float, point_count: int
    ) -> CuboidLabel:
        thing = self.street.things[number - FIRST_THING]
        low, high = thing.bounds_at(time_s)
        x, y, z, heading = thing.stands_at(time_s)
        centre_street = turn_z(heading) @ ((low + high) / 2) + (x, y, z)
        centre = transform(inverse(street_from_ego), centre_street[None])[0]
        before, after = (np.array(thing.stands_at(time_s + d)[:2]) for d in (-0.05, 0.05))
        velocity = self.world_from_street[:2, :2] @ (after - before) / 0.1
        length, width, height = (float(size) for size in high - low)
        turned = heading - yaw_of(street_from_ego)
        return CuboidLabel(
            track=thing.gold.track,
            label_class=thing.gold.label_class,
            centre_ego=(float(centre[0]), float(centre[1]), float(centre[2])),
            size=(length, width, height),
            heading=float(np.arctan2(np.sin(turned), np.cos(turned))),
            velocity_world=(float(velocity[0]), float(velocity[1]), 0.0),
            point_count=point_count,
        )


def _sweep(unit: Unit, rendering: _Rendering, timestamp_us: int) -> Sweep:
    turn = rendering.turns[unit.name]
    return sensors.sweep_of(turn.returns, unit, timestamp_us, turn.ego_from_then)


def _in_order(pieces: Sequence[Returns]) -> tuple[Returns, npt.NDArray[np.int64]]:
    """The parts of a turn as one, in range-image order; and that order."""
    joined_up = [
        np.concatenate([getattr(piece, each.name) for piece in pieces]) for each in fields(Returns)
    ]
    order = np.argsort(joined_up[0], kind="stable")
    return Returns(*(column[order] for column in joined_up)), order


def _masks(ids: Mapping[str, Int32Array], gold: Mapping[int, GoldTrack]) -> tuple[MaskLabel, ...]:
    """One mask per track and sensor that shows it."""
    masks = []
    for sensor, array in ids.items():
        flat = array.ravel()
        for number in np.flatnonzero(np.bincount(flat)):
            if number == 0:
                continue
            track = gold[int(number)]
            masks.append(
                MaskLabel(track.track, track.label_class, sensor, flat == number, track.is_stuff)
            )
    return tuple(masks)
