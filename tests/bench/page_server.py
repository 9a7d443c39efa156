"""The harness's server, and what only measurements ask of it: a usual viewer's socket and a letterbox.

    uvicorn tests.bench.page_server:app    (with HARNESS_PAGE and HARNESS_SCENE set)

The letterbox carries questions to the page and its answers back, so that nothing is attached to
the browser: DevTools (and so Playwright) copy every message of a socket, which made a sweep two to
four times as slow as it is.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from tests.frontend.harness.serve import SCENE, Receive, Send
from tests.frontend.harness.serve import app as harness

_letters: defaultdict[str, asyncio.Queue[bytes]] = defaultdict(asyncio.Queue)


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    path = scope.get("path", "")
    if scope["type"] == "websocket" and path == "/usual":
        await _usual(receive, send, bytes_per_s=int(scope["query_string"] or b"0"))
    elif path.startswith("/objects/"):
        await _answer(send, (SCENE / path.removeprefix("/objects/")).read_bytes())
    elif path.startswith("/letters/"):
        await _letter(scope["method"], path, receive, send)
    else:
        await harness(scope, receive, send)


async def _usual(receive: Receive, send: Send, *, bytes_per_s: int) -> None:
    """What a usual viewer is sent: each object it names, whole, in one message."""
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] != "websocket.disconnect":
        data = (SCENE / event["text"]).read_bytes()
        if bytes_per_s:
            await asyncio.sleep(len(data) / bytes_per_s)
        await send({"type": "websocket.send", "bytes": data})


async def _letter(method: str, box: str, receive: Receive, send: Send) -> None:
    """POST leaves one, GET waits for one."""
    body = b""
    if method == "POST":
        is_more = True
        while is_more:
            event = await receive()
            body += event.get("body", b"")
            is_more = event.get("more_body", False)
        _letters[box].put_nowait(body)
        body = b""
    else:
        body = await _letters[box].get()
    await _answer(send, body)


async def _answer(send: Send, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
