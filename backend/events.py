"""publish(): the one road from a committed change to the browsers.

A message is published on the scene's channel of Valkey when the transaction commits; each web
process listens once and fans out to its own sockets (backend/workspace/hub.py). A message that is
lost between commit and publish is noticed as a revision gap, at the next news or heartbeat.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cache, partial

import redis
from django.conf import settings
from django.db import transaction

from backend.protocol.messages import ServerMessage

logger = logging.getLogger(__name__)

SCENE_CHANNEL = "masklet:scene:{}"


@cache
def valkey() -> redis.Redis:
    """This process's connections to Valkey (a pool; safe to share between threads)."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=None, health_check_interval=30)


def publish(scene_id: int, message: ServerMessage) -> None:
    """Tell every browser in the scene, once the current transaction is committed."""
    publish_to([scene_id], message)


def publish_to(scene_ids: Iterable[int], message: ServerMessage) -> None:
    """The same to every browser in several scenes."""
    data = message.model_dump_json()
    for scene_id in scene_ids:
        transaction.on_commit(partial(_send, scene_id, data), robust=True)


def _send(scene_id: int, data: str) -> None:
    try:
        valkey().publish(SCENE_CHANNEL.format(scene_id), data)
    except redis.RedisError as error:
        # The change itself is safe; browsers catch up at the next heartbeat.
        logger.warning("news of scene %s was not sent: %s", scene_id, error)
