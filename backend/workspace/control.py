"""The control socket: edits, clicks and presence in, news out."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from backend.annotations import actions as label_actions
from backend.annotations import queries as labels
from backend.annotations.errors import InvalidEdit
from backend.annotations.models import Document
from backend.jobs.queries import open_jobs
from backend.predictions import actions as predictions
from backend.projects.queries import label_class_record
from backend.protocol import messages, records
from backend.protocol.messages import PROTOCOL_VERSION, Refused, RequestFailed
from backend.scenes import queries as scenes
from backend.tasks.queries import issue_record, issues_of
from backend.workspace.access import Access, access, user_id_of
from backend.workspace.database import in_database
from backend.workspace.hub import hub
from backend.workspace.presence import FADE_S, PresenceBoard
from backend.workspace.socket import Socket

logger = logging.getLogger(__name__)

Asked = messages.AddPrompt | messages.Propagate | messages.CancelRequest | messages.Edit
TRY_AGAIN_LATER = 1013  # a close code of the websocket registry
NOT_ALLOWED = "you may look at this scene, but not change it"
GONE = "you no longer have access to this scene"


class NoAccess(Exception):
    """Membership or account ended while the socket was open."""


class ControlConsumer(Socket):
    """One browser in one scene."""

    joined = False
    _here: records.Presence
    _presence_beat: asyncio.Task[None]
    _closing: asyncio.Task[None]

    async def connect(self) -> None:
        self.scene_id = int(self.scope["url_route"]["kwargs"]["scene_id"])
        self.user_id = user_id_of(self.scope.get("user"))
        self.connection = uuid4().hex
        if await in_database(access, self.user_id, self.scene_id) is None:
            # Refused in the handshake: a stranger learns nothing, not even whether it exists.
            await self.close()
            return
        self.board = PresenceBoard(self.scene_id)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        if self.joined:
            self.joined = False
            hub().leave(self.scene_id, self)
            self._presence_beat.cancel()
            await self.board.remove(self.connection)

    async def deliver(self, text: str) -> None:
        await self.base_send({"type": "websocket.send", "text": text})

    def cut_off(self) -> None:
        # Goes out when the browser reads again; it then comes back and catches up.
        self._closing = asyncio.create_task(self.close(code=TRY_AGAIN_LATER))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            message = messages.client_message.validate_json(text_data or "")
        except ValidationError as error:
            await self._say(RequestFailed(request_id=None, reason=_why(error)))
            return
        if not self.joined and not isinstance(message, messages.Join):
            await self._say(RequestFailed(request_id=None, reason="send join first"))
            return
        try:
            await self._handle(message)
        except NoAccess:
            await self._refuse(messages.CLOSE_NOT_ALLOWED, GONE)
        except (InvalidEdit, predictions.NoWorker) as error:
            await self._say(RequestFailed(request_id=_request_of(message), reason=str(error)))
        except Exception:
            logger.exception("scene %s: %s failed", self.scene_id, message.type)
            await self._say(
                RequestFailed(
                    request_id=_request_of(message),
                    reason="the server failed at this; nothing was changed, please try again",
                )
            )

    async def _handle(self, message: messages.ClientMessage) -> None:
        match message:
            case messages.Join():
                await self._join(message)
            case messages.CatchUp():
                await in_database(self._access)
                await self._say(await in_database(self._missed, message.known_revision))
            case messages.MovePresence():
                await in_database(self._access)
                self._here = self._here.model_copy(
                    update={"frame": message.frame, "track": message.track}
                )
                await self.board.put(self._here)
            case _:
                answer = await in_database(self._change, message)
                if answer is not None:
                    await self._say(answer)

    def _access(self) -> Access:
        """What this person may do in the scene now. Raises NoAccess."""
        now = access(self.user_id, self.scene_id)
        if now is None:
            raise NoAccess
        return now

    def _change(self, message: Asked) -> records.Record | None:
        """What this browser alone is told; the news goes to all by the road of events."""
        now = self._access()
        if not now.may_label:
            raise InvalidEdit(NOT_ALLOWED)
        match message:
            case messages.AddPrompt():
                predictions.request_mask(now.scene, message, by=now.user)
            case messages.Propagate():
                predictions.request_propagation(now.scene, message, by=now.user)
            case messages.CancelRequest():
                predictions.cancel_request(now.scene, message.request_id)
            case messages.Edit():
                applied = label_actions.apply_edit(self.scene_id, message, by=now.user)
                if applied.before:
                    # Its news went out long ago, so this browser gets it again.
                    return _repeated(self.scene_id, message, applied.revision)
        return None

    def _missed(self, known_revision: int) -> messages.LabelsChanged:
        self._access()
        document = Document.objects.get(pk=self.scene_id)
        return labels.labels_changed(document, min(known_revision, document.revision))

    async def _join(self, message: messages.Join) -> None:
        now = await in_database(self._access)
        if message.protocol_version != PROTOCOL_VERSION:
            await self._refuse(
                messages.CLOSE_WRONG_PROTOCOL,
                f"this page speaks protocol {message.protocol_version}, the server "
                f"{PROTOCOL_VERSION}: reload the page",
            )
            return
        # Listening first: what commits between the two is then news twice rather than never.
        if not self.joined:
            hub().enter(self.scene_id, self)
            self.joined = True
            person = records.Person(id=now.user.pk, name=now.user.display_name)
            self._here = records.Presence(connection=self.connection, person=person)
            self._presence_beat = asyncio.create_task(self._stay_present())
        await self.board.put(self._here)
        if message.known_revision is not None:
            await self._say(await in_database(self._missed, message.known_revision))
            return
        people = await self.board.people()
        await self._say(await in_database(_snapshot, now, self.connection, people))

    async def _stay_present(self) -> None:
        """And no longer than one may: news of a scene are for those alone who may look at it."""
        while True:
            await asyncio.sleep(FADE_S / 3)
            try:
                await in_database(self._access)
            except NoAccess:
                hub().leave(self.scene_id, self)
                await self._refuse(messages.CLOSE_NOT_ALLOWED, GONE)
                return
            await self.board.put(self._here)

    async def _say(self, message: records.Record) -> None:
        await self.send(text_data=message.model_dump_json())

    async def _refuse(self, code: int, reason: str) -> None:
        await self._say(Refused(code=code, reason=reason))
        await self.close(code=code)


def _repeated(scene_id: int, edit: messages.Edit, revision: int) -> messages.LabelsChanged:
    document = Document.objects.get(pk=scene_id)
    return labels.labels_changed(document, revision - 1, operation_id=edit.operation_id)


def _snapshot(now: Access, connection: str, people: list[records.Presence]) -> messages.Snapshot:
    """The revision is read first: what commits meanwhile comes as news and is applied again."""
    scene = now.scene
    document = Document.objects.get(pk=scene.pk)
    frozen = document.why_frozen
    return messages.Snapshot(
        protocol_version=PROTOCOL_VERSION,
        scene=scene.pk,
        scene_name=scene.name,
        project=scene.project.pk,
        project_name=scene.project.name,
        role=now.role,
        may_edit=now.may_label and not frozen,
        why_read_only=frozen if now.may_label else NOT_ALLOWED,
        me=records.Person(id=now.user.pk, name=now.user.display_name),
        connection=connection,
        revision=document.revision,
        sensors=scenes.sensor_records(scene),
        frames=scenes.frame_records(scene),
        expected_frames=scene.expected_frames,
        label_classes=[label_class_record(row) for row in scene.project.label_classes.all()],
        tracks=labels.tracks_now(scene.pk),
        cuboids=labels.cuboids_now(scene.pk),
        jobs=open_jobs(scene.pk),
        issues=[issue_record(issue) for issue in issues_of(scene.pk)],
        people=people,
    )


def _request_of(message: Any) -> str | None:
    return getattr(message, "request_id", None) or getattr(message, "operation_id", None)


def _why(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"the message was not understood: {place}: {first['msg']}"
