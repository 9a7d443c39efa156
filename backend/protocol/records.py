"""The things that messages are about. Plain data: numbers refer to rows of one scene.

A track, a sensor and a frame are named by small numbers that are unique in their scene, a label
class by its id in the project, a person by the user's id.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

# Masks travel as base64 of the canonical run lengths (inference/masks.py): row-major over the
# pixels of an image, scan order over the points of a sweep.
Runs = Annotated[str, Field(max_length=4_000_000, pattern=r"^[A-Za-z0-9+/]*={0,2}$")]
ClientId = Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]  # a UUID made by the browser
Colour = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]
Finite = Annotated[float, Field(allow_inf_nan=False, ge=-1e7, le=1e7)]
Vector3 = Annotated[list[Finite], Field(min_length=3, max_length=3)]
Matrix4 = Annotated[list[Finite], Field(min_length=16, max_length=16)]  # row-major
Number = Annotated[int, Field(ge=0, lt=2**31)]
Source = Literal["person", "model", "engine", "import"]
Role = Literal["viewer", "annotator", "reviewer", "manager", "admin"]


class Record(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_serialization_defaults_required=True
    )


class PointPrompt(Record):
    """One click: (u, v) pixels in a camera, (x, y, z) metres in ego in a LiDAR."""

    kind: Literal["point"] = "point"
    sensor: Number
    position: Annotated[list[Finite], Field(min_length=2, max_length=3)]
    positive: bool = True


class BoxPrompt(Record):
    """Two opposite corners, smaller coordinates first; units as in PointPrompt."""

    kind: Literal["box"] = "box"
    sensor: Number
    low: Annotated[list[Finite], Field(min_length=2, max_length=3)]
    high: Annotated[list[Finite], Field(min_length=2, max_length=3)]


class MaskPrompt(Record):
    kind: Literal["mask"] = "mask"
    sensor: Number
    runs: Runs


Prompt = Annotated[PointPrompt | BoxPrompt | MaskPrompt, Field(discriminator="kind")]


class Mask(Record):
    """The pixels or points of one track in one reading."""

    track: Number
    frame: Number
    sensor: Number
    runs: Runs
    area: Number
    confidence: float | None = None  # the model's estimate of its IoU, 0 ... 1
    source: Source = "person"


class MaskKey(Record):
    """Which mask is gone."""

    track: Number
    frame: Number
    sensor: Number


class Cuboid(Record):
    """A 3D box: centre and size (length, width, height) in metres, ego of its frame."""

    track: Number
    frame: Number
    centre_ego: Vector3
    size: Vector3
    heading: Finite
    source: Source = "person"


class CuboidKey(Record):
    track: Number
    frame: Number


class Track(Record):
    """One real object through the whole scene, all sensors.

    mask_frames: [first, last] ranges of frames in which it has a mask in any sensor.
    """

    number: Number
    label_class: Number
    name: str = ""
    is_stuff: bool = False
    draw_order: int = 0  # higher is drawn on top
    source: Source = "person"
    mask_frames: list[list[int]] = []


class LabelClass(Record):
    id: Number
    name: str
    colour: Colour
    is_stuff: bool = False
    position: int = 0  # the order in lists; 1-9 are also its keys
    parent: Number | None = None  # what it is a kind of
    hint: str = ""  # when to choose it
    longest_m: Finite | None = None  # how long an object of it can be
    is_archived: bool = False  # no new objects of it


class Sensor(Record):
    """A camera or LiDAR. `intrinsics`: fx fy cx cy k1 k2 p1 p2 k3, pixels, for cameras."""

    number: Number
    name: str
    kind: Literal["camera", "lidar"]
    ego_from_sensor: Matrix4
    width_px: int | None = None
    height_px: int | None = None
    intrinsics: list[Finite] | None = None


class Reading(Record):
    """That a sensor took something in a frame. `points`: how many, for a sweep."""

    sensor: Number
    points: int | None = None
    world_from_ego: Matrix4 | None = None  # where it differs from the frame's


class Frame(Record):
    index: Number
    timestamp_us: int
    world_from_ego: Matrix4
    readings: list[Reading]


class Person(Record):
    id: Number
    name: str


class Presence(Record):
    """Who is in the scene, and where. Never stored."""

    connection: str
    person: Person
    frame: Number | None = None
    track: Number | None = None


class Job(Record):
    """Work for a machine, as far as a browser wants to know."""

    id: Number
    kind: Literal["click", "propagate", "import", "export", "demo", "engine", "compare", "check"]
    state: Literal["waiting", "running", "done", "failed", "cancelled", "superseded"]
    done: int = 0
    total: int = 0
    message: str = ""
    request_id: str | None = None
    track: Number | None = None
    by: Person | None = None


class Comment(Record):
    """What was said about an issue."""

    by: Person | None = None
    text: str
    at: str  # ISO 8601


class Issue(Record):
    """What somebody says of a place. `position`: (u, v) pixels or (x, y, z) metres in ego.

    suggestion: a change of labels that whoever labels may take over, as `messages.Suggestion`; `suggests` says it
    in words.
    """

    id: Number
    frame: Number
    sensor: Number | None = None
    position: Annotated[list[Finite], Field(min_length=2, max_length=3)] | None = None
    track: Number | None = None
    fault: str = ""
    rule: str = ""  # that found it; empty: a person did
    is_open: bool = True
    suggests: str = ""
    verdict: Literal["", "taken", "declined"] = ""
    by: Person | None = None
    comments: list[Comment] = []
