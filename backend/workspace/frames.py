"""The bulk socket: sweeps, images and the labels of frames, in the order in which they are needed.

Never more bytes than the browser has given credit for, so that a seek does not wait behind what
nobody wants any more: dropped requests leave the queue, and an object that is half sent stops.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from time import monotonic

from pydantic import ValidationError

from backend.annotations.queries import labels_blob
from backend.protocol import binary, messages
from backend.protocol.messages import BulkRequest
from backend.scenes import storage
from backend.scenes.queries import places
from backend.workspace.access import access, user_id_of
from backend.workspace.database import in_database
from backend.workspace.socket import Socket

logger = logging.getLogger(__name__)

CHUNK_BYTES = binary.MAX_MESSAGE_BYTES - binary.CHUNK_HEADER.size
MAX_QUEUED = 5_000
# A browser that plays asks some twenty times a second.
ACCESS_HOLDS_S = 1.0
KINDS = {
    "sweep": binary.KIND_SWEEP,
    "image": binary.KIND_IMAGE,
    "proxy": binary.KIND_PROXY,
    "labels": binary.KIND_LABELS,
}


class Unavailable(Exception):
    """The object does not exist; the message is for a person."""


class BulkConsumer(Socket):
    """One browser's stream of bytes."""

    _sender: asyncio.Task[None] | None = None
    _access_until = 0.0

    async def connect(self) -> None:
        self.scene_id = int(self.scope["url_route"]["kwargs"]["scene_id"])
        self.user_id = user_id_of(self.scope.get("user"))
        if not await self._may_look():
            await self.close()
            return
        self._queue: OrderedDict[int, BulkRequest] = OrderedDict()
        self._sending: int | None = None
        self._credit = 0
        self._changed = asyncio.Event()
        await self.accept()
        self._sender = asyncio.create_task(self._send_for_ever())

    async def disconnect(self, code: int) -> None:
        if self._sender:
            self._sender.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            message = messages.bulk_client_message.validate_json(text_data or "")
        except ValidationError:
            await self.close(code=messages.CLOSE_WRONG_PROTOCOL)
            return
        match message:
            case messages.Want():
                if not await self._may_look():
                    await self.close(code=messages.CLOSE_NOT_ALLOWED)
                    return
                for request in message.requests:
                    if len(self._queue) < MAX_QUEUED:
                        self._queue[request.request] = request
            case messages.Drop():
                self._drop(message.requests)
            case messages.Credit():
                self._credit += message.bytes
        self._changed.set()

    async def _may_look(self) -> bool:
        now = monotonic()
        if now < self._access_until:
            return True
        if await in_database(access, self.user_id, self.scene_id) is None:
            return False
        self._access_until = now + ACCESS_HOLDS_S
        return True

    def _drop(self, requests: list[int] | None) -> None:
        if requests is None:
            self._queue.clear()
            self._sending = None
            return
        for request in requests:
            self._queue.pop(request, None)
            if self._sending == request:
                self._sending = None

    async def _send_for_ever(self) -> None:
        while True:
            while not self._queue or self._credit <= 0:
                self._changed.clear()
                await self._changed.wait()
            _, request = self._queue.popitem(last=False)
            self._sending = request.request
            try:
                data = await in_database(_object, self.scene_id, request)
                await self._send_object(request, data)
            except Unavailable as error:
                await self._say_unavailable(request, str(error))
            except Exception:
                logger.exception("scene %s: %s could not be sent", self.scene_id, request)
                await self._say_unavailable(request, "the server could not read it")

    async def _send_object(self, request: BulkRequest, data: bytes) -> None:
        sensor = binary.NO_SENSOR if request.sensor is None else request.sensor
        view = memoryview(data)
        for offset in range(0, max(len(data), 1), CHUNK_BYTES):
            while self._credit <= 0:
                self._changed.clear()
                await self._changed.wait()
            if self._sending != request.request:
                return  # dropped meanwhile
            chunk = view[offset : offset + CHUNK_BYTES]
            last = offset + CHUNK_BYTES >= len(data)
            header = binary.CHUNK_HEADER.pack(
                KINDS[request.kind],
                binary.FLAG_LAST if last else 0,
                sensor,
                request.request,
                request.frame,
                offset,
                len(data),
            )
            self._credit -= len(header) + len(chunk)
            await self.send(bytes_data=b"".join((header, chunk)))

    async def _say_unavailable(self, request: BulkRequest, reason: str) -> None:
        message = messages.BulkUnavailable(request=request.request, reason=reason)
        await self.send(text_data=message.model_dump_json())


def _object(scene_id: int, request: BulkRequest) -> bytes:
    if request.kind == "labels":
        return labels_blob(scene_id, request.frame)
    place = None
    if request.sensor is not None:
        place = places(scene_id, request.frame).get(request.sensor)
    if place is None:
        raise Unavailable(f"sensor {request.sensor} has no reading in frame {request.frame}")
    # An image's source is its own file; a sweep's source is for models, browsers get the view.
    key = place.source_key if request.kind == "image" else place.view_key
    expected = "lidar" if request.kind == "sweep" else "camera"
    if place.kind != expected:
        raise Unavailable(f"sensor {request.sensor} is a {place.kind}")
    try:
        return storage.get(key)
    except FileNotFoundError:
        raise Unavailable(f"its bytes are missing from storage ({key})") from None
