"""The messages of both sockets. Requests are commands, news is in the past tense.

Control socket (`/ws/scenes/<id>/control`): JSON both ways. News of labels is one message,
`labels_changed`: the difference between two revisions. A browser applies it when its own revision
is `from_revision`, and passes over what ends at or before its own. In any other case it asks
`catch_up` and gets the same message from its own revision on: a difference that begins earlier says
nothing of a mask that came and went within it. The first load is a `snapshot`.

Bulk socket (`/ws/scenes/<id>/bulk`): requests are JSON, answers are binary (binary.py). The server
sends no more bytes than the browser has given credit for.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from backend.protocol.records import (
    ClientId,
    Cuboid,
    CuboidKey,
    Frame,
    Issue,
    Job,
    LabelClass,
    Mask,
    MaskKey,
    Number,
    Person,
    Presence,
    Prompt,
    Record,
    Role,
    Runs,
    Sensor,
    Track,
)

PROTOCOL_VERSION = 1

# Application close codes (RFC 6455 leaves 4000-4999 to us).
CLOSE_NOT_SIGNED_IN = 4401
CLOSE_NOT_ALLOWED = 4403
CLOSE_NO_SUCH_SCENE = 4404
CLOSE_WRONG_PROTOCOL = 4409


# --- control: browser to server -----------------------------------------------------------------


class Join(Record):
    """The first message. The answer is a snapshot, or labels_changed when a revision is known."""

    type: Literal["join"] = "join"
    protocol_version: int
    known_revision: Number | None = None


class AddPrompt(Record):
    """Ask the model for a mask: all prompts of this track on this frame, every time.

    Without `track` a new one is made with `label_class`, when the mask arrives.
    """

    type: Literal["add_prompt"] = "add_prompt"
    request_id: ClientId
    frame: Number
    prompts: Annotated[list[Prompt], Field(min_length=1, max_length=200)]
    track: Number | None = None
    label_class: Number | None = None


class Propagate(Record):
    """Follow a track from a frame it has masks in to `to_frame`, forwards or backwards."""

    type: Literal["propagate"] = "propagate"
    request_id: ClientId
    track: Number
    from_frame: Number
    to_frame: Number


class CancelRequest(Record):
    type: Literal["cancel_request"] = "cancel_request"
    request_id: ClientId


class CreateTrack(Record):
    kind: Literal["create_track"] = "create_track"
    label_class: Number
    name: Annotated[str, Field(max_length=100)] = ""


class UpdateTrack(Record):
    """Change what is given, leave the rest."""

    kind: Literal["update_track"] = "update_track"
    track: Number
    label_class: Number | None = None
    name: Annotated[str, Field(max_length=100)] | None = None
    draw_order: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] | None = None


class DeleteTrack(Record):
    kind: Literal["delete_track"] = "delete_track"
    track: Number


class DeleteMasks(Record):
    """Remove the track's masks in these frames (all sensors, or the ones named)."""

    kind: Literal["delete_masks"] = "delete_masks"
    track: Number
    first_frame: Number
    last_frame: Number
    sensors: list[Number] | None = None


class PutMask(Record):
    """A mask drawn or mended by hand replaces what the track had in that reading."""

    kind: Literal["put_mask"] = "put_mask"
    track: Number
    frame: Number
    sensor: Number
    runs: Runs


# What a person may suggest that somebody else then does.
Suggestion = Annotated[
    UpdateTrack | DeleteTrack | DeleteMasks | PutMask, Field(discriminator="kind")
]


class UndoLast(Record):
    """Take back my latest edit in this scene that is not yet taken back."""

    kind: Literal["undo_last"] = "undo_last"


Change = Annotated[
    CreateTrack | UpdateTrack | DeleteTrack | DeleteMasks | PutMask | UndoLast,
    Field(discriminator="kind"),
]


class Edit(Record):
    """A change of labels. `operation_id` makes it harmless to send it twice."""

    type: Literal["edit"] = "edit"
    operation_id: ClientId
    change: Change
    tool: Annotated[str, Field(max_length=40)] = ""


class CatchUp(Record):
    type: Literal["catch_up"] = "catch_up"
    known_revision: Number


class MovePresence(Record):
    type: Literal["move_presence"] = "move_presence"
    frame: Number | None = None
    track: Number | None = None


ClientMessage = Annotated[
    Join | AddPrompt | Propagate | CancelRequest | Edit | CatchUp | MovePresence,
    Field(discriminator="type"),
]


# --- control: server to browser -----------------------------------------------------------------


class Snapshot(Record):
    """The scene and its label document, without the masks: those come frame by frame, in bulk."""

    type: Literal["snapshot"] = "snapshot"
    protocol_version: int
    scene: Number
    scene_name: str
    project: Number
    project_name: str
    role: Role
    may_edit: bool
    why_read_only: str = ""
    me: Person
    connection: str
    revision: Number
    sensors: list[Sensor]
    frames: list[Frame]
    expected_frames: int  # more than len(frames) while a drive is still arriving
    label_classes: list[LabelClass]
    tracks: list[Track]
    cuboids: list[Cuboid]
    jobs: list[Job]
    issues: list[Issue]
    people: list[Presence]


class LabelsChanged(Record):
    """All that differs between two revisions. Tracks are whole; masks and cuboids replace."""

    type: Literal["labels_changed"] = "labels_changed"
    from_revision: Number
    revision: Number
    operation_id: str | None = None  # of a single edit: whose request this answers
    by: Person | None = None
    tracks: list[Track] = []
    deleted_tracks: list[Number] = []
    masks: list[Mask] = []
    deleted_masks: list[MaskKey] = []
    cuboids: list[Cuboid] = []
    deleted_cuboids: list[CuboidKey] = []


class JobChanged(Record):
    type: Literal["job_changed"] = "job_changed"
    job: Job


class IssueChanged(Record):
    """An issue was raised, answered or resolved; this is all of it."""

    type: Literal["issue_changed"] = "issue_changed"
    issue: Issue


class RequestFailed(Record):
    """To the asker alone: what went wrong with one request, in words for a person."""

    type: Literal["request_failed"] = "request_failed"
    request_id: str | None
    reason: str


class FramesAdded(Record):
    """A drive that is still arriving has grown."""

    type: Literal["frames_added"] = "frames_added"
    frames: list[Frame]
    expected_frames: int


class PresenceChanged(Record):
    type: Literal["presence_changed"] = "presence_changed"
    people: list[Presence]


class DocumentFrozen(Record):
    """Whether the labels may still be edited has changed (accepted, sent back, taken away)."""

    type: Literal["document_frozen"] = "document_frozen"
    may_edit: bool
    why_read_only: str = ""


class ClassesChanged(Record):
    """The project's classes are other ones now; these are all of them."""

    type: Literal["classes_changed"] = "classes_changed"
    label_classes: list[LabelClass]


class Heartbeat(Record):
    type: Literal["heartbeat"] = "heartbeat"
    revision: Number


class Refused(Record):
    """The connection ends after this; `code` is the socket's close code."""

    type: Literal["refused"] = "refused"
    code: int
    reason: str


ServerMessage = Annotated[
    Snapshot
    | LabelsChanged
    | JobChanged
    | IssueChanged
    | RequestFailed
    | FramesAdded
    | PresenceChanged
    | DocumentFrozen
    | ClassesChanged
    | Heartbeat
    | Refused,
    Field(discriminator="type"),
]


# --- bulk ---------------------------------------------------------------------------------------


class BulkRequest(Record):
    """One object. `proxy`: the half-size JPEG. `labels` needs no sensor: all masks of the frame."""

    request: Number
    frame: Number
    kind: Literal["sweep", "image", "proxy", "labels"]
    sensor: Number | None = None


class Want(Record):
    """Objects in the order in which they are needed, after those asked for before."""

    type: Literal["want"] = "want"
    requests: Annotated[list[BulkRequest], Field(min_length=1, max_length=500)]


class Drop(Record):
    """Forget requests that are no longer wanted (after a seek); without a list, all of them."""

    type: Literal["drop"] = "drop"
    requests: list[Number] | None = None


class Credit(Record):
    """Allow the server to send this many more bytes."""

    type: Literal["credit"] = "credit"
    bytes: Annotated[int, Field(gt=0, le=2**30)]


BulkClientMessage = Annotated[Want | Drop | Credit, Field(discriminator="type")]


class BulkUnavailable(Record):
    type: Literal["bulk_unavailable"] = "bulk_unavailable"
    request: Number
    reason: str


BulkServerMessage = BulkUnavailable

suggestion: TypeAdapter[Suggestion] = TypeAdapter(Suggestion)
client_message: TypeAdapter[ClientMessage] = TypeAdapter(ClientMessage)
server_message: TypeAdapter[ServerMessage] = TypeAdapter(ServerMessage)
bulk_client_message: TypeAdapter[BulkClientMessage] = TypeAdapter(BulkClientMessage)
