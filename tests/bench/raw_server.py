"""The least that a server of websockets can do, over uvloop: the limit of `server` and `fanout`.

    python -m tests.bench.raw_server FILE_NUMBER [ANSWER]

The file ANSWER, framed already, answers whatever a client says; without it, what one says goes to
all as it came.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import socket
import sys
from pathlib import Path
from typing import Any

import uvloop

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # of RFC 6455
_everyone: set[asyncio.Transport] = set()


class Raw(asyncio.Protocol):
    def __init__(self, answer: bytes | None) -> None:
        self._answer = answer
        self._is_open = False

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        _everyone.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        if not self._is_open:
            self._open(data)
        elif self._answer is not None:
            self._transport.write(self._answer)
        else:
            for transport in _everyone:
                transport.write(data)

    def _open(self, request: bytes) -> None:
        """Browsers send their request for the handshake in one piece, ours do too."""
        key = re.search(rb"(?i)sec-websocket-key: *(\S+)", request)
        assert key is not None
        accept = base64.b64encode(hashlib.sha1(key[1] + GUID).digest())
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self._is_open = True
        _everyone.add(self._transport)


async def _serve(listening: socket.socket, answer: bytes | None) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Raw(answer), sock=listening)
    await server.serve_forever()


if __name__ == "__main__":
    files = sys.argv[2:]
    uvloop.run(
        _serve(
            socket.socket(fileno=int(sys.argv[1])), Path(files[0]).read_bytes() if files else None
        )
    )
