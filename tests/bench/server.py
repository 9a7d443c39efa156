"""Bench area `server`: what a sweep costs the web server, against a server that does nothing else.

The bulk socket of the product as `manage.py up` serves it, browsers in a process of their own, the
same bytes from a raw server as the limit; the two take turns. Ours also looks up who asks and for
what, and reads the bytes from storage.

    python3 manage.py bench server [--full]
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from backend.protocol import binary
from tests.bench.crowd import BINARY, Address, Crowd, frame, shake_hands
from tests.bench.report import Report
from tests.bench.serving import Process, raw_server, stored_scene, web_server

SMALL, LARGE = "0.6 MB", "1.5 MB"
POINTS = {SMALL: 95_000, LARGE: 250_000}  # of random sweeps, which pack badly
CLIENTS, CLIENTS_FULL = (
    {SMALL: (1, 8, 32), LARGE: (32,)},
    {SMALL: (1, 8, 32, 100), LARGE: (32, 100)},
)
TOGETHER = 24  # as many as the browser asks for when it fills its cache
TURNS, TURN_S = 5, 0.5
MOST_TIMES = 1.6


@dataclass(frozen=True)
class Sweep:
    """A stored sweep: how it is asked for, and its bytes."""

    size: str
    wanted: dict[str, object]
    view: bytes


def run(report: Report, full: bool) -> None:
    import django

    django.setup()
    address, sweeps = _stored_sweeps()
    with web_server() as web, tempfile.TemporaryDirectory() as folder:
        address = replace(address, port=web.port)
        _deflate(report, address)
        _warm_up(address, sweeps)
        for sweep in sweeps:
            answer = Path(folder, "answer")
            answer.write_bytes(messages_of(sweep.view))
            with raw_server(answer) as limit:
                for count in (CLIENTS_FULL if full else CLIENTS)[sweep.size]:
                    _compare(report, web, address, limit, sweep, count)
                if sweep.size == SMALL:
                    turns = _turns(web, address, limit, sweep, 8, together=TOGETHER)
                    _cpu_row(report, f"{SMALL} to 8, {TOGETHER} asked at once (CPU)", turns)


def _stored_sweeps() -> tuple[Address, list[Sweep]]:
    """Path of a scene's bulk socket with a cookie of somebody who may look, and its sweeps."""
    from backend.scenes import storage
    from backend.scenes.queries import places
    from tests.builders import LIDAR, FrameList, build_frame, build_scene, build_sweep

    frames = [
        replace(build_frame(index), sweeps={LIDAR: build_sweep(index, points)})
        for index, points in enumerate(POINTS.values())
    ]
    scene, cookie = stored_scene(replace(build_scene(), frames=FrameList(frames)))
    sensor = scene.sensors.get(name=LIDAR).number
    sweeps = []
    for index, size in enumerate(POINTS):
        wanted = {"frame": index, "kind": "sweep", "sensor": sensor}
        sweeps.append(Sweep(size, wanted, storage.get(places(scene.pk, index)[sensor].view_key)))
    return Address(0, f"/ws/scenes/{scene.pk}/bulk", cookie), sweeps


def messages_of(view: bytes) -> bytes:
    """The same websocket messages as the bulk socket's, one after the other."""
    room = binary.MAX_MESSAGE_BYTES - binary.CHUNK_HEADER.size
    messages = []
    for offset in range(0, len(view), room):
        last = binary.FLAG_LAST if offset + room >= len(view) else 0
        header = binary.CHUNK_HEADER.pack(binary.KIND_SWEEP, last, 1, 0, 0, offset, len(view))
        messages.append(frame(BINARY, header + view[offset : offset + room], masked=False))
    return b"".join(messages)


def _deflate(report: Report, address: Address) -> None:
    connection, answer = shake_hands(address, "permessage-deflate; client_max_window_bits")
    connection.close()
    is_on = "permessage-deflate" in answer.lower()
    report.row("server", "deflate negotiated", "yes" if is_on else "no", target="no", ok=not is_on)


def _warm_up(address: Address, sweeps: list[Sweep]) -> None:
    """Until each of the process's database threads has its connection and its memory."""
    with Crowd(address, 8) as crowd:
        for sweep in sweeps:
            crowd.ask("fetch", seconds=TURN_S, together=TOGETHER, wanted=sweep.wanted, raw=False)


def _compare(
    report: Report, web: Process, address: Address, limit: Process, sweep: Sweep, count: int
) -> None:
    web.forget_peak()
    idle_mb = web.memory_mb()
    turns = _turns(web, address, limit, sweep, count)
    client_mb = (web.memory_mb(peak=True) - idle_mb) / count
    what = f"{sweep.size} to {count}"
    _cpu_row(report, f"{what}, one by one (CPU)", turns)
    per_s, limit_per_s = (median(turn[way].per_s for turn in turns) for way in range(2))
    report.row("server", f"{what}, one by one", per_s, "frames/s", limit=limit_per_s)
    if count > 8:  # fewer do not outweigh what the process itself takes and gives back
        frame_mb = len(sweep.view) / 1e6
        report.row(
            "server", f"{what}, memory of one", client_mb, "MB",
            limit=frame_mb, target="<=1x limit", ok=client_mb <= frame_mb,
        )  # fmt: skip
    largest = max(ours.largest for ours, _ in turns)
    most = f"<={binary.MAX_MESSAGE_BYTES}"
    report.row("server", f"{what}, largest message", largest, "B", target=most)


@dataclass(frozen=True)
class Turn:
    cpu_ms: float  # of the server, a frame
    per_s: float
    largest: int


def _turns(
    web: Process, address: Address, limit: Process, sweep: Sweep, count: int, *, together: int = 1
) -> list[tuple[Turn, Turn]]:
    """Ours and the limit's, in turn."""
    with Crowd(address, count) as ours, Crowd(Address(limit.port), count) as theirs:
        return [
            (_turn(ours, web, sweep, together), _turn(theirs, limit, sweep, 1, raw=True))
            for _ in range(TURNS)
        ]


def _turn(crowd: Crowd, server: Process, sweep: Sweep, together: int, *, raw: bool = False) -> Turn:
    before_s = server.cpu_s()
    got = crowd.ask("fetch", seconds=TURN_S, together=together, wanted=sweep.wanted, raw=raw)
    used_s = server.cpu_s() - before_s
    return Turn(1e3 * used_s / got["objects"], got["objects"] / got["seconds"], got["largest"])


def _cpu_row(report: Report, metric: str, turns: list[tuple[Turn, Turn]]) -> None:
    ours, limit = (median(turn[way].cpu_ms for turn in turns) for way in range(2))
    report.row(
        "server", metric, ours, "ms",
        limit=limit, target=f"<={MOST_TIMES}x limit", ok=ours <= MOST_TIMES * limit,
    )  # fmt: skip


if __name__ == "__main__":
    import sys

    own = Report()
    run(own, "--full" in sys.argv)
    print(own.table())
