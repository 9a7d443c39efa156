"""One street with a crossing: what stands on it, who moves on it, and how the ego vehicle drives.

The street's frame: the main road runs along x about y = 0, the side road along y about
x = crossing_x, z = 0 is the asphalt. Traffic keeps to the right. Everything follows from the seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from inference.geometry import rigid
from inference.world import bodies
from inference.world.relief import Course, laid, put
from inference.world.solids import (
    Builder,
    Float64Array,
    Kind,
    Material,
    Solids,
    joined,
    turn_y,
    turn_z,
)
from inference.world.traffic import STEP_S, Driver, Route, Walk, bent_route, simulate

Random = np.random.Generator
Pose = tuple[float, float, float, float]  # x, y, z, heading in the street's frame

KERB_M = 0.15
WEST, EAST, SOUTH, NORTH = -85.0, 200.0, -120.0, 120.0
ROAD, SIDEWALK, TERRAIN, BUILDING = 1, 2, 3, 4
FIRST_THING = 10
_PARKING_M = 3.2  # from the outer lane to the kerb: a strip for cyclists and parked cars
_SIMULATED_STEPS = 200
_ON_WHEELS = ("car", "truck", "bus", "cyclist", "bicycle")


@dataclass(frozen=True)
class GoldTrack:
    """What a gold id stands for. `track` is stable over the drive; 0 is nobody's id."""

    track: str
    label_class: str
    is_stuff: bool = False
    is_moving: bool = False  # at some time in the drive's first 20 s


@dataclass(frozen=True)
class Layout:
    """Where the roads are; metres. `half` and `cross_half` reach from the middle to the kerb."""

    lane: float
    lanes: int  # per direction of the main road; the side road has one
    half: float
    cross_half: float
    crossing_x: float
    sidewalk: float

    def height(self, x: float, y: float) -> float:
        """Of the ground under (x, y): asphalt 0, sidewalk KERB_M."""
        past_main, past_side = abs(y) - self.half, abs(x - self.crossing_x) - self.cross_half
        if min(past_main, past_side) < 0 or min(past_main, past_side) > self.sidewalk:
            return 0.0
        a, b = self.sidewalk - past_main, self.sidewalk - past_side
        is_cut_off = a > 0 and b > 0 and math.hypot(a, b) > self.sidewalk  # the round corner
        return 0.0 if is_cut_off else KERB_M


@dataclass(frozen=True)
class Light:
    """Sun, sky and air of one drive; colours are linear."""

    to_sun: Float64Array
    sun: Float64Array
    sky: Float64Array
    clouds: float  # 0 clear, 1 overcast
    haze_m: float
    exposure: float = 0.62
    grain: float = 5.6  # of the picture, grey levels
    sky_scale: float = 1.0
    head_lamps: float = 0.0


@dataclass
class Thing:
    """One object: its body (at a time, seconds, when it changes) and its pose at a time.

    course: of a street that bends; the pose is in its plan.  leans: whether it takes the road's grade.
    """

    number: int
    gold: GoldTrack
    body_at: Callable[[float], Solids]
    pose_at: Callable[[float], Pose]
    is_static: bool
    course: Course | None = None

    def solids_at(self, time_s: float) -> Solids:
        """In the street's frame, carrying the thing's gold id."""
        body = self.body_at(time_s)
        x, y, z, heading = self.pose_at(time_s)
        moved = body.moved(turn_z(heading), np.array([x, y, z]))
        if self.course is not None:
            leans = self.gold.label_class in _ON_WHEELS
            moved = put(self.course, moved, x, y, leans=leans)
        return moved.replaced(track=np.full(len(body), self.number, np.int32))

    def stands_at(self, time_s: float) -> Pose:
        """Its pose in the street's frame."""
        x, y, z, heading = self.pose_at(time_s)
        if self.course is None:
            return x, y, z, heading
        where, turned, _ = self.course.at(x, y)
        return float(where[0]), float(where[1]), float(where[2]) + z, heading + turned

    def bounds_at(self, time_s: float) -> tuple[Float64Array, Float64Array]:
        """Smallest and largest corner [3] of the body in the thing's own axes."""
        low, high = self.body_at(time_s).extents()
        return low.min(axis=0), high.max(axis=0)


@dataclass
class Street:
    """All of it. `static` holds the solids of everything that never changes: pavements, houses (a list
    of solids each) and things.  course: None for a street that is straight and level.
    """

    seed: int
    layout: Layout
    light: Light
    asphalt: float  # how bright
    terrain: Float64Array
    static: Solids
    things: list[Thing]
    ego: Driver
    gold: dict[int, GoldTrack]
    pavements: Solids
    houses: list[Solids]
    course: Course | None = None

    def moving_solids(self, time_s: float) -> Solids:
        return joined([t.solids_at(time_s) for t in self.things if not t.is_static])

    def ego_pose(self, time_s: float) -> tuple[float, float, float]:
        """x, y, heading of the ego vehicle in the plan; speed comes from the simulation's steps."""
        return self.ego.route.at(_between(self.ego.track_s, time_s))

    def street_from_ego(self, time_s: float) -> Float64Array:
        """[4, 4]."""
        x, y, heading = self.ego_pose(time_s)
        if self.course is None:
            return np.asarray(rigid(turn_z(heading), (x, y, 0.0)), np.float64)
        where, turned, grade = self.course.at(x, y)
        rotation = turn_z(turned) @ turn_y(-math.atan(grade)) @ turn_z(heading)
        return np.asarray(rigid(rotation, where), np.float64)


def _between(samples: list[float], time_s: float) -> float:
    place = min(max(time_s / STEP_S, 0.0), len(samples) - 1.0)
    k = min(int(place), len(samples) - 2)
    return samples[k] + (place - k) * (samples[k + 1] - samples[k])


def make_street(seed: int, length: int) -> Street:
    """The street of a seed, with traffic simulated for `length` frames."""
    random = np.random.default_rng([seed, 7])
    maker = _Maker(random, _layout(random))
    maker.light = _light(random)
    maker.green_s = random.uniform(8.0, 9.5)
    maker.turn = str(random.choice(("right", "left", "straight"), p=(0.4, 0.35, 0.25)))
    maker.pave()
    maker.build()
    maker.furnish()
    maker.park()
    maker.walkers()
    ego = maker.traffic(max(length, _SIMULATED_STEPS) + 1)
    pavements = maker.scenery.finished()
    static = joined([
        pavements, *maker.blocks, *(t.solids_at(0.0) for t in maker.things if t.is_static),
    ])  # fmt: skip
    gold = maker.stuff | {thing.number: thing.gold for thing in maker.things}
    return Street(seed, maker.layout, maker.light, random.uniform(0.06, 0.1),
                  np.array(((0.09, 0.12, 0.04), (0.17, 0.15, 0.11), (0.2, 0.2, 0.19))[
                      int(random.integers(3))]),
                  static, maker.things, ego, gold, pavements, maker.blocks)  # fmt: skip


def winding(street: Street, course: Course) -> Street:
    """The same street along a course."""
    things = [replace(thing, course=course) for thing in street.things]
    houses = []
    for house in street.houses:
        low, high = house.extents()
        x, y = ((low.min(axis=0) + high.max(axis=0)) / 2)[:2].tolist()
        # Sunk in, so that no corner hangs over falling ground.
        _, _, grade = course.at(x, y)
        sunk = abs(grade) * float(np.ptp([low[:, 0].min(), high[:, 0].max()])) / 2
        placed = put(course, house, x, y, leans=False)
        houses.append(placed.moved(np.eye(3), np.array([0.0, 0.0, -sunk])))
    pavements = laid(course, street.pavements)
    static = joined([
        pavements, *houses, *(t.solids_at(0.0) for t in things if t.is_static),
    ])  # fmt: skip
    return replace(street, things=things, static=static, pavements=pavements, houses=houses,
                   course=course)  # fmt: skip


def _layout(random: Random) -> Layout:
    lane, lanes = random.uniform(3.3, 3.6), int(random.integers(1, 3))
    return Layout(
        lane=lane,
        lanes=lanes,
        half=lanes * lane + _PARKING_M,
        cross_half=lane + _PARKING_M,
        crossing_x=random.uniform(56, 66),
        sidewalk=random.uniform(3.0, 4.5),
    )


def _light(random: Random) -> Light:
    azimuth, elevation = random.uniform(0, 2 * math.pi), random.uniform(0.5, 0.95)
    clouds = float(random.choice((random.uniform(0.05, 0.45), 0.85), p=(0.8, 0.2)))
    warmth = 1 - (elevation - 0.5) / 0.6
    return Light(
        to_sun=np.array([
            math.cos(azimuth) * math.cos(elevation),
            math.sin(azimuth) * math.cos(elevation),
            math.sin(elevation),
        ]),
        sun=np.array([1.0, 0.93 - 0.07 * warmth, 0.84 - 0.18 * warmth])
        * (3.3 if clouds < 0.6 else 0.5),
        sky=np.array([0.55, 0.7, 1.0]) * 0.9 if clouds < 0.6 else np.array([0.95, 1.0, 1.08]) * 1.1,
        clouds=clouds,
        haze_m=random.uniform(350, 700),
        exposure=0.62 if clouds < 0.6 else 0.72,
    )  # fmt: skip


@dataclass
class _Maker:
    """Lays the street out, thing by thing; the order of calls is part of the seed's meaning."""

    random: Random
    layout: Layout
    light: Light = field(init=False)
    green_s: float = field(init=False)  # when the main road gets green
    turn: str = field(init=False)  # what ego does at the lights
    scenery: Builder = field(default_factory=lambda: Builder(track=SIDEWALK))
    blocks: list[Solids] = field(default_factory=list)
    things: list[Thing] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    stuff: dict[int, GoldTrack] = field(
        default_factory=lambda: {
            ROAD: GoldTrack("road", "road", is_stuff=True),
            SIDEWALK: GoldTrack("sidewalk", "sidewalk", is_stuff=True),
            TERRAIN: GoldTrack("terrain", "terrain", is_stuff=True),
            BUILDING: GoldTrack("building", "building", is_stuff=True),
        }
    )

    def add(
        self,
        label_class: str,
        body: Solids | Callable[[float], Solids],
        pose: Pose | Callable[[float], Pose],
        *,
        is_moving: bool = False,
    ) -> None:
        count = self.counts[label_class] = self.counts.get(label_class, 0) + 1
        gold = GoldTrack(f"{label_class}-{count:03d}", label_class, is_moving=is_moving)
        body_at = (lambda _: body) if isinstance(body, Solids) else body
        pose_at = (lambda _: pose) if isinstance(pose, tuple) else pose
        is_static = isinstance(body, Solids) and isinstance(pose, tuple)
        number = FIRST_THING + len(self.things)
        self.things.append(Thing(number, gold, body_at, pose_at, is_static))

    # -- what stands ------------------------------------------------------------------------

    def pave(self) -> None:
        """Raised sidewalks along all four arms, with round corners."""
        lay, width = self.layout, self.layout.sidewalk
        grey = np.array([0.3, 0.29, 0.275]) * self.random.uniform(0.8, 1.15)
        for side in (-1, 1):
            for first, last in self._arms(WEST, EAST, lay.crossing_x, lay.cross_half + width):
                self.scenery.box(((first + last) / 2, side * (lay.half + width / 2), KERB_M / 2),
                                 ((last - first) / 2, width / 2, KERB_M / 2), Material.PAVING, grey)  # fmt: skip
            for first, last in self._arms(SOUTH, NORTH, 0.0, lay.half + width):
                self.scenery.box((lay.crossing_x + side * (lay.cross_half + width / 2),
                                  (first + last) / 2, KERB_M / 2),
                                 (width / 2, (last - first) / 2, KERB_M / 2), Material.PAVING, grey)  # fmt: skip
            for other in (-1, 1):
                corner = (lay.crossing_x + side * (lay.cross_half + width),
                          other * (lay.half + width), KERB_M / 2)  # fmt: skip
                self.scenery.add(Kind.CYLINDER, corner, (width, width, KERB_M / 2),
                                 Material.PAVING, grey)  # fmt: skip

    @staticmethod
    def _arms(low: float, high: float, middle: float, gap: float) -> Iterator[tuple[float, float]]:
        yield low, middle - gap
        yield middle + gap, high

    def build(self) -> None:
        """House fronts along both roads, and across the far ends so that no street ends in fog."""
        lay = self.layout
        back = lay.sidewalk + 0.2
        for side in (-1, 1):
            for first, last in self._arms(WEST, EAST, lay.crossing_x, lay.cross_half + back):
                for x, length in self._plots(first, last):
                    self._house(length, x, side * (lay.half + back), 0.0 if side > 0 else math.pi)
            for first, last in self._arms(SOUTH, NORTH, 0.0, lay.half + back + 12):
                for y, length in self._plots(first, last):
                    x = lay.crossing_x + side * (lay.cross_half + back)
                    self._house(length, x, y, -side * math.pi / 2)
        for end, turn in ((WEST - 4, math.pi / 2), (EAST + 4, -math.pi / 2)):
            self._house(40.0, end, 0.0, turn)
        for end, turn in ((SOUTH - 4, math.pi), (NORTH + 4, 0.0)):
            self._house(40.0, lay.crossing_x, end, turn)

    def _plots(self, first: float, last: float) -> Iterator[tuple[float, float]]:
        """Middles and lengths of the houses that fill a stretch, with a few gaps."""
        place = first
        while last - place > 7:
            if self.random.random() < 0.12:
                place += self.random.uniform(3, 8)
                continue
            length = min(self.random.uniform(9, 22), last - place)
            yield place + length / 2, length
            place += length + (0.0 if self.random.random() < 0.7 else self.random.uniform(1, 4))

    def _house(self, length: float, x: float, y: float, turn: float) -> None:
        """A house whose front's middle is at (x, y), facing the road when turned by `turn`."""
        depth = 11.0
        height = 3.1 * int(self.random.integers(2, 6)) + self.random.uniform(0.6, 1.4)
        body = bodies.building(self.random, length, depth, height)
        rotation = turn_z(turn)
        middle = np.array([x, y, 0.0]) + rotation @ np.array([0.0, depth / 2, 0.0])
        placed = body.moved(rotation, middle)
        self.blocks.append(placed.replaced(track=np.full(len(body), BUILDING, np.int32)))

    def _kerbs(self) -> Iterator[tuple[Callable[[float, float], Pose], float, float]]:
        """Each stretch of kerb: (along, inwards) to a pose that faces the road, and its ends.

        `inwards` is metres from the kerb away from the road.
        """
        lay = self.layout
        for side in (-1, 1):
            for first, last in self._arms(-45, 150, lay.crossing_x, lay.cross_half + lay.sidewalk):
                yield (
                    lambda along, inwards, side=side: (
                        along, side * (lay.half + inwards), KERB_M, -side * math.pi / 2)
                ), first, last  # fmt: skip
            for first, last in self._arms(-90, 90, 0.0, lay.half + lay.sidewalk):
                yield (
                    lambda along, inwards, side=side: (
                        lay.crossing_x + side * (lay.cross_half + inwards), along, KERB_M,
                        math.pi if side > 0 else 0.0)
                ), first, last  # fmt: skip

    def furnish(self) -> None:
        """Lamp posts, trees, signs, bins, bushes, parked bicycles; traffic lights at the corners."""
        random = self.random
        for place, first, last in self._kerbs():
            stop = first + random.uniform(3, 9)
            turn = 0
            while stop < last - 2:
                x, y, z, heading = place(stop, 0.55)
                kind = ("pole", "tree", "tree", "sign")[turn % 4]
                if kind == "pole":
                    # The arm is along the body's y: turn it towards the road.
                    self.add("pole", bodies.pole(random, arm=1.6), (x, y, z, heading - math.pi / 2))
                elif kind == "tree" and random.random() < 0.8:
                    x, y, z, _ = place(stop, 1.0)
                    self.add("tree", bodies.tree(random), (x, y, z, random.uniform(0, 6.3)))
                elif kind == "sign":
                    facing = heading + random.choice((-1, 1)) * math.pi / 2 + random.normal(0, 0.15)
                    self.add("sign", bodies.sign(random), (x, y, z, facing))
                if random.random() < 0.25:
                    x, y, z, heading = place(stop + 2.5, 0.7)
                    self.add("bin", bodies.bin_or_box(random), (x, y, z, heading))
                if random.random() < 0.3:
                    x, y, z, heading = place(stop + 3.5, self.layout.sidewalk - 0.6)
                    self.add("bush", bodies.bush(random), (x, y, z, heading))
                if random.random() < 0.2:
                    x, y, z, heading = place(stop + 4.2, 0.9)
                    bicycle = bodies.cyclist(bodies.looks(random), 0.0, random.uniform(0.02, 0.4, 3),
                                             with_rider=False)  # fmt: skip
                    self.add("bicycle", bicycle, (x, y, z, heading + random.normal(0, 0.3)))
                turn += 1
                stop += random.uniform(5.5, 8.5)

    def park(self) -> None:
        """Cars and vans along all kerbs, clear of the crossing."""
        random, lay = self.random, self.layout
        for place, first, last in self._kerbs():
            near_crossing = 9.0
            start = first + (near_crossing if first > 0 or first > lay.crossing_x else 0)
            end = last - (near_crossing if last <= lay.crossing_x and last < 90 else 0)
            stop = start + random.uniform(0, 3)
            while stop + 6 < end:
                if random.random() < 0.25:
                    stop += random.uniform(4, 9)
                    continue
                body = bodies.car(random)
                length = float(body.extents()[1][:, 0].max() - body.extents()[0][:, 0].min())
                x, y, _, heading = place(stop + length / 2, random.uniform(-1.2, -1.05))
                # Parked with the traffic on its side: the road on the left.
                turned = heading - math.pi / 2 + random.normal(0, 0.025)
                self.add("car", body, (x, y, 0.0, turned))
                stop += length + random.uniform(0.7, 1.8)

    # -- what moves -------------------------------------------------------------------------

    def walkers(self) -> None:
        random, lay = self.random, self.layout
        for k in range(14):
            side = -1 if k % 2 else 1
            y = side * (lay.half + random.uniform(1.4, lay.sidewalk - 0.7))
            heading = float(random.choice((0.0, math.pi)))
            along = random.uniform(5, 95) - lay.crossing_x
            along, free = self._up_to_kerb(along, math.cos(heading), lay.cross_half)
            self._walker(lay.crossing_x + along, y, heading, random.uniform(0.9, 1.7), free)
        for k in range(6):
            side = -1 if k % 2 else 1
            x = lay.crossing_x + side * (lay.cross_half + random.uniform(1.4, lay.sidewalk - 0.7))
            heading = float(random.choice((-1, 1))) * math.pi / 2
            y, free = self._up_to_kerb(random.uniform(-45, 45), math.sin(heading), lay.half)
            self._walker(x, y, heading, random.uniform(0.9, 1.7), free)
        for k in range(3):  # over the zebra in front of the waiting traffic, off it by green
            speed = random.uniform(1.25, 1.5)
            side = (-1, 1, -1)[k]
            x = lay.crossing_x - lay.cross_half - (1.5, 2.4, 3.3)[k]
            way = min(speed * (self.green_s - 0.5) - 1.2 * k, 2 * lay.half + 3)
            self._walker(x, side * (way - lay.half), -side * math.pi / 2, speed, way + 1.6)
        for _ in range(7):  # standing about, some in pairs
            side = random.choice((-1, 1))
            x = random.uniform(8, 90)
            y = side * (lay.half + random.uniform(1.4, lay.sidewalk - 0.9))
            if abs(x - lay.crossing_x) < lay.cross_half + lay.sidewalk:
                continue
            facing = random.uniform(0, 2 * math.pi)
            self._walker(x, y, facing, 0.0, 0.0)
            if random.random() < 0.6:
                self._walker(x + 0.8 * math.cos(facing), y + 0.5 * math.sin(facing),
                             facing + math.pi, 0.0, 0.0)  # fmt: skip

    def _up_to_kerb(self, place: float, direction: float, half: float) -> tuple[float, float]:
        """A start and how far one walks before the road at 0 (to +-half) has to be waited for."""
        edge = half + self.layout.sidewalk / 2
        away = 1.0 if place >= 0 else -1.0
        if abs(place) < edge + 8:  # always a few steps to walk
            place = away * (edge + 8)
        goes_towards_it = direction * away < 0
        return place, abs(place) - edge if goes_towards_it else math.inf

    def _walker(self, x: float, y: float, heading: float, speed: float, distance: float) -> None:
        looks = bodies.looks(self.random)
        walk = Walk((x, y), heading, speed, self.random.uniform(0, 6.3), distance)

        def pose_at(time_s: float) -> Pose:
            x, y, heading = walk.at(time_s)
            return x, y, self.layout.height(x, y), heading

        def body_at(time_s: float) -> Solids:
            return bodies.person(looks, walk.gait(time_s), float(walk.is_walking(time_s)))

        if speed > 0:
            self.add("pedestrian", body_at, pose_at, is_moving=True)
        else:
            self.add("pedestrian", body_at(0.0), pose_at(0.0))

    def traffic(self, steps: int) -> Driver:
        """Vehicles and cyclists, driven for `steps`; the traffic lights they obey. Returns ego."""
        random, lay = self.random, self.layout
        green_s, turn = self.green_s, self.turn
        opposite_green_s = green_s + (9.0 if turn == "left" else 0.0)
        # Time for the crossing to empty between the side road's red and the main road's green.
        side_red_s = green_s - 1.5 - (2 * lay.half + 12) / 8
        ego = self._ego(turn, green_s)
        cars: list[tuple[Driver, str, Solids]] = []
        own_lane = lay.lanes - 1 if turn == "right" else 0
        for s in (-14.0, 17.0):
            route = ego.route if s < 0 else self._main(+1, own_lane)
            # A car, not a bus, right ahead: who follows wants to see the street.
            cars.append(self._car_on(route, s, (0, green_s), kind="car"))
        for s in (6.0, 30.0, -28.0) if lay.lanes > 1 else ():
            cars.append(self._car_on(self._main(+1, 1 - own_lane), s, (0, green_s)))
        for lane in range(lay.lanes):
            for s in (30.0, 58.0, 84.0) if lane == 0 else (44.0, 78.0):
                cars.append(self._car_on(self._main(-1, lane), s, (0, opposite_green_s), west=True))
        for direction in (-1, 1):
            for s in (18.0, 42.0, 66.0):
                red = (side_red_s, green_s + 60)
                cars.append(self._car_on(self._side(direction), s, red, side=True))
        # Cyclists let a turning ego go first.
        own_s = green_s + (9.5 if turn == "right" else 0.0)
        riders = [
            Driver(self._edge(sign), s, speed := random.uniform(3.5, 5.0), speed, 1.8,
                   stop_at=self._line_s(), red_s=(0, own_s if sign > 0 else opposite_green_s))
            for sign, s in ((1, 108.0), (1, 96.0), (-1, 80.0), (-1, 110.0))
        ]  # fmt: skip
        simulate([ego, *(driver for driver, _, _ in cars), *riders], steps)
        for driver, label_class, body in cars:
            self._add_driver(label_class, body, driver)
        for rider in riders:
            self._add_cyclist(rider)
        self._signals(green_s, opposite_green_s, side_red_s)
        return ego

    def _main(self, sign: int, lane: int) -> Route:
        """A lane of the main road: sign +1 eastwards; lane 0 is the inner one. 100 m before x=0."""
        y = -sign * self.layout.lane * (0.5 + lane)
        start = -100.0 if sign > 0 else 2 * self.layout.crossing_x + 100.0
        return bent_route(start, y, 0.0 if sign > 0 else math.pi, ((380.0, 0.0),))

    def _edge(self, sign: int) -> Route:
        """Where cyclists ride: between the outer lane and the parked cars."""
        lay = self.layout
        y = -sign * (lay.lanes * lay.lane + 0.45)
        start = -100.0 if sign > 0 else 2 * lay.crossing_x + 100.0
        return bent_route(start, y, 0.0 if sign > 0 else math.pi, ((380.0, 0.0),))

    def _side(self, direction: int) -> Route:
        x = self.layout.crossing_x + direction * self.layout.lane / 2
        return bent_route(x, -direction * 100.0, direction * math.pi / 2, ((260.0, 0.0),))

    def _line_s(self) -> float:
        """Metres along a main-road lane to its stop line (both directions start alike)."""
        return 100.0 + self.layout.crossing_x - self.layout.cross_half - 5.2

    def _car_on(
        self, route: Route, s: float, red: tuple[float, float], *, west: bool = False,
        side: bool = False, kind: str = "",
    ) -> tuple[Driver, str, Solids]:  # fmt: skip
        random, lay = self.random, self.layout
        if not kind:
            kind = str(random.choice(("car", "truck", "bus"), p=(0.8, 0.12, 0.08)))
        make = {"car": bodies.car, "truck": bodies.lorry, "bus": bodies.bus}[kind]
        body = make(random)
        length = float(body.extents()[1][:, 0].max() - body.extents()[0][:, 0].min())
        is_behind_ego = s < 0 and not side and not west
        speed = random.uniform(7.5, 9.5) if not is_behind_ego else 8.0
        line = 100.0 - lay.half - 5.2 if side else self._line_s()
        start = s if side or west else 100.0 + s
        return Driver(route, start, speed, speed + 1.0, length, line, red), kind, body

    def _ego(self, turn: str, green_s: float) -> Driver:
        """From x = 0 to the lights, then right, left or straight on."""
        lay = self.layout
        lane = lay.lanes - 1 if turn == "right" else 0
        y = -lay.lane * (0.5 + lane)
        if turn == "straight":
            pieces: tuple[tuple[float, float], ...] = ((380.0, 0.0),)
            slow = None
        else:
            sign, radius = (-1, 8.5) if turn == "right" else (1, 10.5)
            # The arc ends in the middle of the lane that leads away from the crossing.
            begin = 100.0 + lay.crossing_x + sign * lay.lane / 2 - radius
            arc = radius * math.pi / 2
            pieces = ((begin, 0.0), (arc, sign * math.pi / 2), (200.0, 0.0))
            slow = (begin - 1.0, begin + arc, 4.8 if turn == "right" else 6.0)
        route = bent_route(-100.0, y, 0.0, pieces)
        return Driver(route, 100.0, 8.5, 9.5, 4.8, self._line_s(), (0.0, green_s), slow)

    def _add_driver(self, label_class: str, body: Solids, driver: Driver) -> None:
        def pose_at(time_s: float) -> Pose:
            x, y, heading = driver.route.at(_between(driver.track_s, time_s))
            return x, y, 0.0, heading

        travelled = driver.track_s[_SIMULATED_STEPS - 1] - driver.track_s[0]
        self.add(label_class, body, pose_at, is_moving=travelled > 1.0)

    def _add_cyclist(self, driver: Driver) -> None:
        looks, colour = bodies.looks(self.random), self.random.uniform(0.02, 0.5, 3)

        def pose_at(time_s: float) -> Pose:
            x, y, heading = driver.route.at(_between(driver.track_s, time_s))
            return x, y, 0.0, heading

        def body_at(time_s: float) -> Solids:
            return bodies.cyclist(looks, _between(driver.track_s, time_s) * 0.9, colour)

        self.add("cyclist", body_at, pose_at, is_moving=True)

    def _signals(self, green_s: float, opposite_green_s: float, side_red_s: float) -> None:
        lay = self.layout
        dx, dy = lay.cross_half + 0.6, lay.half + 0.6
        # Place, heading it faces, when it is green: (from, to) seconds.
        for x, y, facing, green, arm in (
            (-dx - 4.6, -dy, math.pi, (green_s, math.inf), -3.0),
            (dx + 4.6, dy, 0.0, (opposite_green_s, math.inf), -3.0),
            (dx, -dy - 4.6, -math.pi / 2, (-1e9, side_red_s), 0.0),
            (-dx, dy + 4.6, math.pi / 2, (-1e9, side_red_s), 0.0),
        ):
            lamps = [bodies.pole(np.random.default_rng(5), arm=arm, signal=k) for k in (0, 2)]

            def body_at(
                time_s: float,
                lamps: list[Solids] = lamps,
                green: tuple[float, float] = green,
            ) -> Solids:
                return lamps[1 if green[0] <= time_s < green[1] else 0]

            pose = (lay.crossing_x + x, y, KERB_M, facing)
            self.add("pole", body_at, lambda _, pose=pose: pose)
