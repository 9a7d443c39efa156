"""Serves a built harness page and a scene written by make_scene: HTTP and the bulk socket.

`uvicorn --ws-per-message-deflate false tests.frontend.harness.serve:app` with HARNESS_PAGE and
HARNESS_SCENE set to the two folders.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from backend.protocol import binary

PAGE = Path(os.environ["HARNESS_PAGE"])
SCENE = Path(os.environ["HARNESS_SCENE"])
KINDS = {
    "sweep": binary.KIND_SWEEP,
    "image": binary.KIND_IMAGE,
    "proxy": binary.KIND_PROXY,
    "labels": binary.KIND_LABELS,
}
POLICY = (
    b"default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline';"
    b" img-src 'self' blob:; worker-src 'self'; connect-src 'self'"
)
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await _bulk(receive, send, bytes_per_s=int(scope["query_string"] or b"0"))
    elif scope["type"] == "http":
        await _file(scope["path"], send)


async def _file(path: str, send: Send) -> None:
    root = SCENE if path == "/scene.json" else PAGE
    file = root / (path.lstrip("/") or "index.html")
    found = file.is_file()
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    headers = [(b"content-type", kind.encode()), (b"content-security-policy", POLICY)]
    await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
    await send({"type": "http.response.body", "body": file.read_bytes() if found else b""})


async def _bulk(receive: Receive, send: Send, *, bytes_per_s: int) -> None:
    """bytes_per_s: as a slower network would take them; 0 sends as fast as it goes."""
    await receive()
    await send({"type": "websocket.accept"})
    waiting: list[dict[str, Any]] = []
    credit = 0
    news = asyncio.Event()

    async def read() -> None:
        nonlocal credit, waiting
        while (event := await receive())["type"] != "websocket.disconnect":
            message = json.loads(event["text"])
            if message["type"] == "credit":
                credit += message["bytes"]
            elif message["type"] == "want":
                waiting += message["requests"]
            else:
                gone = message["requests"]
                waiting = [r for r in waiting if gone is not None and r["request"] not in gone]
            news.set()

    reader = asyncio.create_task(read())
    while not reader.done():
        while waiting:
            request = waiting.pop(0)
            for chunk in _chunks(request):
                while credit < len(chunk) and not reader.done():
                    news.clear()
                    await news.wait()
                credit -= len(chunk)
                if bytes_per_s:
                    await asyncio.sleep(len(chunk) / bytes_per_s)
                await send({"type": "websocket.send", "bytes": chunk})
        news.clear()
        waiter = asyncio.create_task(news.wait())
        await asyncio.wait({waiter, reader}, return_when=asyncio.FIRST_COMPLETED)
        waiter.cancel()


def _chunks(request: dict[str, Any]) -> list[bytes]:
    kind, sensor = request["kind"], request["sensor"]
    name = f"{kind}_{request['frame']}" + ("" if sensor is None else f"_{sensor}")
    data = (SCENE / name).read_bytes()
    step = binary.MAX_MESSAGE_BYTES - binary.CHUNK_HEADER.size
    return [
        binary.CHUNK_HEADER.pack(
            KINDS[kind],
            binary.FLAG_LAST if start + step >= len(data) else 0,
            binary.NO_SENSOR if sensor is None else sensor,
            request["request"],
            request["frame"],
            start,
            len(data),
        )
        + data[start : start + step]
        for start in range(0, max(len(data), 1), step)
    ]
