"""Many browsers' sockets in a process of its own, so that a server's cost is the server's alone.

They look at no more of a message than they must: a slow crowd would be measured in place of the
server. The measuring process holds a `Crowd`; the sockets answer its commands, a line each.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import monotonic, monotonic_ns
from typing import Any

from backend.protocol import binary
from backend.protocol.messages import PROTOCOL_VERSION

CREDIT_BYTES, CREDIT_STEP_BYTES = 4 << 20, 512 << 10  # as frontend/src/assets/BulkSocket.ts
READ_BYTES = 1 << 20
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
WHOLE_TEXT = 1 << 24  # of text messages everything is kept, of binary ones the chunk's header
PATIENCE_S = 5.0
# How tests/bench/fanout.py marks its news: number and monotonic time of sending in nanoseconds.
MARK = re.compile(rb'"operation_id":"(\d+)-(\d+)"')


@dataclass(frozen=True)
class Address:
    """Where to knock, and as whom."""

    port: int
    path: str = "/"
    cookie: str = ""


class Crowd:
    """A handle on the sockets of the other process; `with` ends it."""

    def __init__(self, address: Address, count: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.crowd", json.dumps(asdict(address)), str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()  # all are connected

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)

    def ask(self, command: str, **named: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"command": command, **named}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the crowd of browsers died; its last words are above")
        answer: dict[str, Any] = json.loads(line)
        return answer


def shake_hands(address: Address, extensions: str = "") -> tuple[socket.socket, str]:
    """An open socket, and the headers of the server's answer. Raises ConnectionError."""
    connection = socket.create_connection(("127.0.0.1", address.port), timeout=60)
    asked = [
        f"GET {address.path} HTTP/1.1",
        f"Host: 127.0.0.1:{address.port}",
        f"Origin: http://127.0.0.1:{address.port}",
        f"Cookie: {address.cookie}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *([f"Sec-WebSocket-Extensions: {extensions}"] if extensions else []),
    ]
    connection.sendall("\r\n".join([*asked, "", ""]).encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):  # the server does not speak before we do
        received = connection.recv(1)
        if not received:
            break
        answer += received
    if not answer.startswith(b"HTTP/1.1 101"):
        raise ConnectionError(f"{address.path}: {answer.partition(bytes([13]))[0].decode()}")
    return connection, answer.decode("latin-1")


def frame(opcode: int, payload: bytes, *, masked: bool) -> bytes:
    """A websocket frame. Clients must mask; a mask of zeros leaves the payload as it is."""
    flag, size = 0x80 if masked else 0, len(payload)
    head = bytes([0x80 | opcode])
    if size < 126:
        head += bytes([flag | size])
    elif size < 1 << 16:
        head += bytes([flag | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([flag | 127]) + size.to_bytes(8, "big")
    return head + (bytes(4) if masked else b"") + payload


class Browser(asyncio.BufferedProtocol):
    """One socket. `heard` is called with the opcode, the payload's beginning and its whole size."""

    # One event loop, so all of them read into the same place.
    _read = memoryview(bytearray(READ_BYTES))

    def __init__(self) -> None:
        self.heard: Callable[[int, bytes, int], None] = lambda opcode, begin, size: None
        self._begin_message()

    def _begin_message(self) -> None:
        self._held = bytearray()
        self._head, self._needed = 0, 2
        self._passed_over = 0

    def connection_made(self, transport: Any) -> None:
        self.transport: asyncio.Transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._read

    def buffer_updated(self, count: int) -> None:
        at = 0
        while at < count:
            if self._passed_over:
                step = min(self._passed_over, count - at)
                self._passed_over -= step
            else:
                step = min(self._needed - len(self._held), count - at)
                self._held += self._read[at : at + step]
                if len(self._held) == self._needed:
                    self._understand()
            at += step

    def _understand(self) -> None:
        """The next part of a message is there: the size of its head, its size, its beginning."""
        held = self._held
        if not self._head:
            self._head = 2 + {126: 2, 127: 8}.get(held[1], 0)
            self._needed = self._head
            if self._head > 2:
                return
        opcode, size = held[0] & 15, held[1]
        if self._head > 2:
            size = int.from_bytes(held[2 : self._head], "big")
        kept = min(size, binary.CHUNK_HEADER.size if opcode == BINARY else WHOLE_TEXT)
        self._needed = self._head + kept
        if len(held) < self._needed:
            return
        begin = bytes(held[self._head :])
        self._begin_message()
        self._passed_over = size - kept
        if opcode == PING:
            self.say(begin, PONG)
        else:
            self.heard(opcode, begin, size)

    def say(self, payload: bytes, opcode: int = TEXT) -> None:
        self.transport.write(frame(opcode, payload, masked=True))

    def say_json(self, **message: Any) -> None:
        self.say(json.dumps(message).encode())


class Fetching:
    """A browser that always wants the same object, `together` at a time, until time is up.

    A raw server takes everything for a wish, so it gets no credit.
    """

    def __init__(
        self, browser: Browser, together: int, wanted: dict[str, Any], *, raw: bool
    ) -> None:
        self._browser, self._together, self._wanted = browser, together, wanted
        self._owed, self._left, self._raw = CREDIT_BYTES, 0, raw
        self.objects, self.largest = 0, 0
        browser.heard = self._heard
        self._repay()

    async def run(self, until: float) -> None:
        self._until, self._done = until, asyncio.get_running_loop().create_future()
        self._want()
        await self._done

    def _want(self) -> None:
        self._left = self._together
        requests = [{"request": at, **self._wanted} for at in range(self._together)]
        self._browser.say_json(type="want", requests=requests)

    def _repay(self) -> None:
        if self._owed >= CREDIT_STEP_BYTES and not self._raw:
            self._browser.say_json(type="credit", bytes=self._owed)
            self._owed = 0

    def _heard(self, opcode: int, begin: bytes, size: int) -> None:
        if opcode != BINARY:
            raise RuntimeError(f"not an object: {begin.decode(errors='replace')}")
        self.largest = max(self.largest, size)
        self._owed += size
        self._repay()
        if not begin[1] & binary.FLAG_LAST:
            return
        self.objects += 1
        self._left -= 1
        if self._left == 0 and monotonic() < self._until:
            self._want()
        elif self._left == 0:
            self._done.set_result(None)


class Listening:
    """A browser that notes which news came and how long after it was sent."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        browser.heard = self._heard
        self.joined = asyncio.Event()
        self.news: list[tuple[int, int]] = []  # number, nanoseconds on the way
        self.last = monotonic()

    def _heard(self, opcode: int, begin: bytes, size: int) -> None:
        mark = MARK.search(begin)
        if mark:
            self.last = monotonic()
            self.news.append((int(mark[1]), monotonic_ns() - int(mark[2])))
        elif b'"snapshot"' in begin[:40]:
            self.joined.set()
        elif opcode == CLOSE:
            raise RuntimeError(f"the server closed a socket: {begin!r}")

    def stall(self) -> None:
        self._browser.transport.pause_reading()

    async def join(self) -> None:
        self._browser.say_json(type="join", protocol_version=PROTOCOL_VERSION)
        await self.joined.wait()


class Sockets:
    """The other process's side: what the commands do."""

    def __init__(self, browsers: list[Browser]) -> None:
        self._browsers = browsers
        self._listening: list[Listening] = []

    async def fetch(
        self, *, seconds: float, together: int, wanted: dict[str, Any], raw: bool
    ) -> dict[str, Any]:
        """Objects that all of them got, and the bytes of the largest message."""
        fetching = [Fetching(browser, together, wanted, raw=raw) for browser in self._browsers]
        began = monotonic()
        await asyncio.gather(*(one.run(began + seconds) for one in fetching))
        return {
            "objects": sum(one.objects for one in fetching),
            "seconds": monotonic() - began,
            "largest": max(one.largest for one in fetching),
        }

    async def listen(self, *, raw: bool) -> dict[str, Any]:
        self._listening = [Listening(browser) for browser in self._browsers]
        for one in [] if raw else self._listening:
            await one.join()
        return {}

    async def stall(self) -> dict[str, Any]:
        """The first of them reads no more, as one whose network is gone; nobody waits for it."""
        self._listening.pop(0).stall()
        return {}

    async def news(self, *, count: int) -> dict[str, Any]:
        """What came of `count` pieces of news: waits for all of them, or until no more comes."""
        quiet_since, before = monotonic(), -1
        while monotonic() < quiet_since + PATIENCE_S:
            came = sum(len(one.news) for one in self._listening)
            if came >= count * len(self._listening):
                break
            if came > before:
                quiet_since, before = monotonic(), came
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)  # for what comes twice
        numbers = [[number for number, _ in one.news] for one in self._listening]
        answer = {
            "deliveries": sum(map(len, numbers)),
            "duplicates": sum(len(came) - len(set(came)) for came in numbers),
            "lost": sum(count - len(set(came)) for came in numbers),
            "last": max((one.last for one in self._listening), default=0.0),
            "ms": [way_ns / 1e6 for one in self._listening for _, way_ns in one.news],
        }
        for one in self._listening:
            one.news.clear()
        return answer


async def _answer_commands(address: Address, count: int) -> None:
    loop = asyncio.get_running_loop()
    browsers = []
    for _ in range(count):
        connection, _ = shake_hands(address)
        connection.setblocking(False)
        _, browser = await loop.create_connection(Browser, sock=connection)
        browsers.append(browser)
    loop.set_exception_handler(_die)  # a browser that understands nothing must not go on waiting
    sockets = Sockets(browsers)
    print("{}", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        answer = await getattr(sockets, asked.pop("command"))(**asked)
        print(json.dumps(answer), flush=True)


def _die(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    loop.default_exception_handler(context)
    os._exit(1)


if __name__ == "__main__":
    import uvloop

    uvloop.run(_answer_commands(Address(**json.loads(sys.argv[1])), int(sys.argv[2])))
