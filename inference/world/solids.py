"""The three solids everything is built from, and lists of them as arrays.

A solid is a unit shape under an affine map, so that one intersection test serves every size:
a tapered box [-1, 1]^3, a ball of radius 1, a capped cylinder of radius 1 along z in [-1, 1].
A leaf ball is a ball with holes: rays march through it until they meet a dense spot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
Vector = Sequence[float] | Float64Array


class Kind(IntEnum):
    BOX = 0
    BALL = 1
    CYLINDER = 2
    LEAVES = 3


class Material(IntEnum):
    PLAIN = 0
    PAVING = 1
    CAR_BODY = 2
    CAR_CABIN = 3
    WHEEL = 4
    CARGO = 5
    COACH = 6  # buses and lorry cabs: a painted box with a band of windows
    CLOTH = 7
    SKIN = 8
    METAL = 9
    SIGN_FACE = 10
    BARK = 11
    LEAVES = 12
    FACADE = 13
    SIGNAL = 14
    PAINT = 15  # smooth painted parts without drawing: mirrors, bonnets, bins
    LAMP = 16
    GLASS = 17
    PATTERN = 18  # made up: two colours in a pattern that follows from the seed (looks.py)


@dataclass(frozen=True)
class Solids:
    """n solids in one frame of reference; every field is an array with n rows."""

    kind: npt.NDArray[np.int32]
    centre: Float64Array  # [n, 3]
    half: Float64Array  # [n, 3] half sizes along the solid's own axes
    rotation: Float64Array  # [n, 3, 3] frame_from_solid
    taper: Float64Array  # [n, 3] how far the top draws in: front, rear, sides, in half sizes
    material: npt.NDArray[np.int32]
    colour: Float64Array  # [n, 3] linear reflectance
    seed: Float64Array
    extra: Float64Array  # one number whose meaning belongs to the material
    track: npt.NDArray[np.int32]  # gold instance id
    part: npt.NDArray[np.int32]  # of the thing: what material it was built of, whatever its paint

    def __len__(self) -> int:
        return len(self.kind)

    def moved(self, rotation: Float64Array, translation: Float64Array) -> Solids:
        """The same solids in an outer frame. rotation [3, 3] or [n, 3, 3]; translation alike."""
        turned = np.einsum("...ij,...j->...i", rotation, self.centre)
        return self.replaced(centre=turned + translation, rotation=rotation @ self.rotation)

    def replaced(self, **arrays: npt.NDArray[np.generic]) -> Solids:
        """A copy with some arrays exchanged."""
        columns = {column.name: getattr(self, column.name) for column in fields(self)}
        return Solids(**(columns | arrays))

    def chosen(self, index: npt.NDArray[np.generic]) -> Solids:
        """The rows `index` selects: positions or a bool mask."""
        return Solids(*(getattr(self, column.name)[index] for column in fields(self)))

    @property
    def radius(self) -> Float64Array:
        """[n] metres, of a sphere about `centre` that holds the solid."""
        largest = self.half * np.stack(
            [
                1 + np.maximum(0, -np.minimum(self.taper[:, 0], self.taper[:, 1])),
                1 + np.maximum(0, -self.taper[:, 2]),
                np.ones(len(self)),
            ],
            axis=1,
        )
        in_plan = np.hypot(largest[:, 0], largest[:, 1])
        round_in_plan = np.where(self.kind == Kind.CYLINDER, largest[:, :2].max(axis=1), in_plan)
        boxy = np.hypot(round_in_plan, largest[:, 2])
        is_ball = (self.kind == Kind.BALL) | (self.kind == Kind.LEAVES)
        return np.where(is_ball, largest.max(axis=1), boxy)

    def extents(self) -> tuple[Float64Array, Float64Array]:
        """Smallest and largest corner [n, 3] of each solid in the frame they are given in."""
        scaled = self.rotation * self.half[:, None, :]
        boxes = np.abs(scaled).sum(axis=2)
        balls = np.sqrt((scaled**2).sum(axis=2))
        cylinders = np.hypot(scaled[:, :, 0], scaled[:, :, 1]) + np.abs(scaled[:, :, 2])
        kind = self.kind[:, None]
        reach = np.where(kind == Kind.BOX, boxes, np.where(kind == Kind.CYLINDER, cylinders, balls))
        return self.centre - reach, self.centre + reach


def joined(parts: Sequence[Solids]) -> Solids:
    """All of them in one list, in order."""
    return Solids(
        *(np.concatenate([getattr(part, c.name) for part in parts]) for c in fields(Solids))
    )


class PackedSolids(NamedTuple):
    """What the kernels read: float32 copies, and the map from the street into the unit shape."""

    kind: npt.NDArray[np.int32]
    unit_from_street: npt.NDArray[np.float32]  # [n, 3, 4]
    half: npt.NDArray[np.float32]
    taper: npt.NDArray[np.float32]
    material: npt.NDArray[np.int32]
    colour: npt.NDArray[np.float32]
    seed: npt.NDArray[np.float32]
    extra: npt.NDArray[np.float32]
    track: npt.NDArray[np.int32]
    part: npt.NDArray[np.int32]


def pack(solids: Solids) -> PackedSolids:
    """solids: in the street's frame."""
    unit_from_street = np.empty((len(solids), 3, 4), np.float32)
    linear = solids.rotation.transpose(0, 2, 1) / solids.half[:, :, None]
    unit_from_street[:, :, :3] = linear
    unit_from_street[:, :, 3] = -np.einsum("nij,nj->ni", linear, solids.centre)
    return PackedSolids(
        kind=solids.kind,
        unit_from_street=unit_from_street,
        half=solids.half.astype(np.float32),
        taper=solids.taper.astype(np.float32),
        material=solids.material,
        colour=solids.colour.astype(np.float32),
        seed=solids.seed.astype(np.float32),
        extra=solids.extra.astype(np.float32),
        track=solids.track,
        part=solids.part,
    )


_NO_TURN = np.eye(3)


@dataclass
class Builder:
    """Collects the solids of one thing (or of many) and hands them out as arrays."""

    track: int = 0
    rows: list[tuple[object, ...]] = field(default_factory=list)

    def add(
        self,
        kind: Kind,
        centre: Vector,
        half: Vector,
        material: Material,
        colour: Vector,
        *,
        rotation: Float64Array = _NO_TURN,
        taper: tuple[float, float, float] = (0.0, 0.0, 0.0),
        seed: float = 0.0,
        extra: float = 0.0,
    ) -> None:
        self.rows.append(
            (int(kind), centre, half, rotation, taper, int(material), colour, seed, extra)
        )

    def box(self, centre: Vector, half: Vector, material: Material, colour: Vector,
            taper: tuple[float, float, float] = (0.0, 0.0, 0.0), seed: float = 0.0,
            extra: float = 0.0, rotation: Float64Array = _NO_TURN) -> None:  # fmt: skip
        self.add(Kind.BOX, centre, half, material, colour,
                 rotation=rotation, taper=taper, seed=seed, extra=extra)  # fmt: skip

    def finished(self) -> Solids:
        columns = list(zip(*self.rows, strict=True))
        kind, centre, half, rotation, taper, material, colour, seed, extra = columns
        return Solids(
            kind=np.array(kind, np.int32),
            centre=np.array(centre, np.float64),
            half=np.array(half, np.float64),
            rotation=np.array(rotation, np.float64),
            taper=np.array(taper, np.float64),
            material=np.array(material, np.int32),
            colour=np.array(colour, np.float64),
            seed=np.array(seed, np.float64),
            extra=np.array(extra, np.float64),
            track=np.full(len(self.rows), self.track, np.int32),
            part=np.array(material, np.int32),
        )


def turn_x(angle: float) -> Float64Array:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0, 0], [0, c, -s], [0, s, c]])


def turn_y(angle: float) -> Float64Array:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1.0, 0], [-s, 0, c]])


def turn_z(angle: float) -> Float64Array:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
