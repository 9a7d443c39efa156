"""What both sockets of a scene share: nothing between a message and the wire that we do not need."""

from __future__ import annotations

from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer


class SignedIn:
    """Puts who asks into the scope, by the session cookie.

    Channels' own stack also looks at the session at every message that goes out, in case an answer
    over HTTP has to store it: a third of what a delivery costs.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def go_on(scope: Any, receive: Any, session_send: Any) -> None:
            await self._inner(scope, receive, send)

        await AuthMiddlewareStack(go_on)(scope, receive, send)


class Socket(AsyncWebsocketConsumer):  # type: ignore[misc]
    """A consumer that uses the database by way of database.py only."""

    async def dispatch(self, message: Any) -> None:
        """Without a look, on a thread, for connections to close: ours go back to the pool."""
        await getattr(self, get_handler_name(message))(message)
