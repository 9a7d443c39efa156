"""One listener per process: news from Valkey, fanned out to this process's own sockets.

Channel-layer groups cost 140-200 microseconds a delivery, this 17-20 (docs/decisions): one
subscription per process, and each message goes out as the bytes that came in.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from typing import Protocol

import redis.asyncio
from django.conf import settings

from backend.annotations.models import Document
from backend.events import SCENE_CHANNEL
from backend.protocol.messages import Heartbeat
from backend.workspace.database import in_database

logger = logging.getLogger(__name__)

HEARTBEAT_S = 5.0
# Longer than that, nobody waits for a browser that does not take its news.
PATIENCE_S = 1.0


class Listener(Protocol):
    async def deliver(self, text: str) -> None: ...

    def cut_off(self) -> None: ...


class Hub:
    """The sockets of one process and event loop, by scene."""

    def __init__(self) -> None:
        self._rooms: dict[int, set[Listener]] = defaultdict(set)
        self._work: list[asyncio.Task[None]] = []

    def enter(self, scene_id: int, listener: Listener) -> None:
        self._rooms[scene_id].add(listener)
        if not self._work:
            self._work = [
                asyncio.create_task(self._listen(), name="hub"),
                asyncio.create_task(self._heartbeats(), name="heartbeats"),
            ]

    def leave(self, scene_id: int, listener: Listener) -> None:
        room = self._rooms.get(scene_id)
        if room:
            room.discard(listener)
            if not room:
                del self._rooms[scene_id]
        if not self._rooms:
            for task in self._work:
                task.cancel()
            self._work = []

    async def _listen(self) -> None:
        """Subscribed for ever; after a lost connection the heartbeat tells browsers what they missed."""
        while True:
            try:
                valkey = redis.asyncio.Redis.from_url(
                    settings.REDIS_URL, socket_timeout=None, health_check_interval=15
                )
                async with valkey, valkey.pubsub() as subscription:
                    await subscription.psubscribe(SCENE_CHANNEL.format("*"))
                    async for message in subscription.listen():
                        if message["type"] == "pmessage":
                            scene_id = int(message["channel"].rsplit(b":", 1)[1])
                            await self._fan_out(scene_id, message["data"].decode())
            except redis.RedisError as error:
                logger.warning("the road of events is down: %s", error)
                await asyncio.sleep(1)

    async def _fan_out(self, scene_id: int, text: str) -> None:
        waiting = list(self._rooms.get(scene_id, ()))
        while waiting:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await _deliver_to_each(waiting, text)
            except TimeoutError:
                stalled = waiting.pop()
                logger.info("a browser of scene %s does not take its news: cut off", scene_id)
                self.leave(scene_id, stalled)
                stalled.cut_off()

    async def _heartbeats(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            try:
                for scene_id, revision in await in_database(_revisions, list(self._rooms)):
                    await self._fan_out(scene_id, Heartbeat(revision=revision).model_dump_json())
            except Exception as error:
                logger.warning("no heartbeat: %s", error)


async def _deliver_to_each(waiting: list[Listener], text: str) -> None:
    """Empties the list; who is last in it has not got the text yet."""
    while waiting:
        try:
            await waiting[-1].deliver(text)
        except Exception as error:  # one broken socket must not silence the others
            logger.info("a browser is gone: %s", error)
        waiting.pop()


def _revisions(scene_ids: list[int]) -> list[tuple[int, int]]:
    return list(Document.objects.filter(pk__in=scene_ids).values_list("pk", "revision"))


_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


def hub() -> Hub:
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        for finished in [other for other in _hubs if other.is_closed()]:
            del _hubs[finished]
        _hubs[loop] = Hub()
    return _hubs[loop]
