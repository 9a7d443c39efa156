"""Who is in a scene and where: kept in Valkey for as long as they are there, never stored."""

from __future__ import annotations

import json
import time

import redis.asyncio
from django.conf import settings

from backend.events import SCENE_CHANNEL
from backend.protocol.messages import PresenceChanged
from backend.protocol.records import Presence

# A process that dies cannot say goodbye for its people; they fade after this time.
FADE_S = 45


class PresenceBoard:
    """The presences of one scene, shared by all web processes."""

    def __init__(self, scene_id: int) -> None:
        self._scene_id = scene_id
        self._key = f"masklet:presence:{scene_id}"
        self._valkey = redis.asyncio.Redis.from_url(settings.REDIS_URL)

    async def put(self, presence: Presence) -> None:
        entry = json.dumps({"at": time.time(), "presence": presence.model_dump()})
        await self._valkey.hset(self._key, presence.connection, entry)
        await self._valkey.expire(self._key, 24 * 3600)
        await self._tell()

    async def remove(self, connection: str) -> None:
        await self._valkey.hdel(self._key, connection)
        await self._tell()
        await self._valkey.aclose()

    async def people(self) -> list[Presence]:
        entries = await self._valkey.hgetall(self._key)
        now, here = time.time(), []
        for connection, raw in entries.items():
            entry = json.loads(raw)
            if now - entry["at"] < FADE_S:
                here.append(Presence.model_validate(entry["presence"]))
            else:
                await self._valkey.hdel(self._key, connection)
        return sorted(here, key=lambda presence: (presence.person.name, presence.connection))

    async def _tell(self) -> None:
        message = PresenceChanged(people=await self.people())
        await self._valkey.publish(SCENE_CHANNEL.format(self._scene_id), message.model_dump_json())
