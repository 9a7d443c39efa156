"""Bench area `click`: what a click costs besides the model, and the two roads to the worker.

A click goes the whole way: the control socket of the web server as `manage.py up` serves it, access,
job row, doorbell, claim, a predictor that answers at once, one transaction with the next revision,
news on the road of events, back through the hub and the socket. Web server, model worker, database
and asker are processes of their own. The browser's own part (drawing) is not in it. The first click
makes the track, the others correct it. The limit is what nobody can go without: a message to the
server and back, and a commit that the disk has. The hops alone compare the Valkey list on which the
worker waits with Celery.

    python3 manage.py bench click [--full]
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter
from typing import Any
from uuid import uuid4

from tests.bench.answering import READY
from tests.bench.crowd import TEXT, Address, frame, shake_hands
from tests.bench.report import Report
from tests.bench.serving import stored_scene, web_server

CLICKS, CLICKS_FULL, WARM_UP = 200, 1000, 10
SENSOR, ON_THE_CAR = 1, [12.0, 0.0, 0.9]


def run(report: Report, full: bool) -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    django.setup()
    count = CLICKS_FULL if full else CLICKS
    with _asker() as asker:
        bare = [asker.there_and_back_ms() + _commit_ms() for _ in range(count)]
        times_ms = [asker.click_ms() for _ in range(count + WARM_UP)][WARM_UP:]
    report.row("click", "overhead p50", median(times_ms), "ms", limit=median(bare), target="<=10")
    worst, worst_bare = _percentile(times_ms, 95), _percentile(bare, 95)
    report.row("click", "overhead p95", worst, "ms", limit=worst_bare, target="<=20")
    direct, celery = _direct_hops(CLICKS), _celery_hops(CLICKS)
    report.row("click", "hop over the list, p50", median(direct), "ms")
    report.row("click", "hop over the list, p95", _percentile(direct, 95), "ms")
    report.row("click", "hop over Celery, p50", median(celery), "ms")
    report.row("click", "hop over Celery, p95", _percentile(celery, 95), "ms")


def _percentile(values: list[float], share: int) -> float:
    return sorted(values)[min(len(values) * share // 100, len(values) - 1)]


class Asker:
    """A browser's control socket in a scene."""

    def __init__(self, connection: socket.socket, car: int) -> None:
        self._connection, self._car = connection, car
        self._incoming = connection.makefile("rb")
        self._track: int | None = None

    def _say(self, text: str) -> None:
        self._connection.sendall(frame(TEXT, text.encode(), masked=True))

    def hear(self, kind: str, **expected: Any) -> dict[str, Any]:
        """The next message of this kind with these values."""
        while True:
            opcode, payload = self._message()
            if opcode == TEXT:
                message: dict[str, Any] = json.loads(payload)
                if message["type"] == kind and expected.items() <= message.items():
                    return message

    def _message(self) -> tuple[int, bytes]:
        """The server's next frame; it sends each message in one, unmasked."""
        head = self._incoming.read(2)
        size = head[1]
        if size > 125:
            size = int.from_bytes(self._incoming.read(2 if size == 126 else 8), "big")
        return head[0] & 15, self._incoming.read(size)

    def there_and_back_ms(self) -> float:
        """To the server, which understands nothing, and back."""
        began = perf_counter()
        self._say("{}")
        self.hear("request_failed")
        return (perf_counter() - began) * 1000

    def join(self) -> None:
        from backend.protocol import messages

        joining = messages.Join(protocol_version=messages.PROTOCOL_VERSION)
        self._say(joining.model_dump_json())
        self.hear("snapshot")

    def click_ms(self) -> float:
        """From the click to its mask; the first makes the track, the others correct it."""
        from backend.protocol import messages, records

        request_id = str(uuid4())
        click = messages.AddPrompt(
            request_id=request_id,
            frame=0,
            prompts=[records.PointPrompt(sensor=SENSOR, position=ON_THE_CAR)],
            track=self._track,
            label_class=self._car,
        )
        text = click.model_dump_json()
        began = perf_counter()
        self._say(text)
        changed = self.hear("labels_changed", operation_id=request_id)
        taken_ms = (perf_counter() - began) * 1000
        self.hear("job_changed")  # nobody clicks again before the mask is painted
        self._track = changed["tracks"][0]["number"]
        return taken_ms


@contextmanager
def _asker() -> Iterator[Asker]:
    """Somebody in a scene, on the product's own web server, with a model worker behind it."""
    from tests.builders import build_scene

    scene, cookie = stored_scene(build_scene())
    car = scene.project.label_classes.get(name="car").pk
    with web_server() as web, _worker():
        address = Address(web.port, f"/ws/scenes/{scene.pk}/control", cookie)
        connection, _ = shake_hands(address)
        with connection:
            asker = Asker(connection, car)
            asker.join()
            yield asker


@contextmanager
def _worker() -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.answering"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != READY:
            raise RuntimeError("the model worker did not start; its last words are above")
        yield
    finally:
        process.terminate()
        process.wait(20)


def _commit_ms() -> float:
    """One row more that the disk has."""
    from django.contrib.auth.models import Group

    from backend import statements

    group = Group(name=str(uuid4()))
    began = perf_counter()
    statements.insert([group])
    return (perf_counter() - began) * 1000


def _direct_hops(count: int) -> list[float]:
    """Milliseconds through one list to a waiting thread, and back through another."""
    import redis

    url, asked, answered = os.environ["REDIS_URL"], f"ask-{uuid4()}", f"answer-{uuid4()}"

    def answer() -> None:
        valkey = redis.Redis.from_url(url)
        for _ in range(count):
            valkey.brpop([asked], timeout=10)
            valkey.rpush(answered, 1)

    threading.Thread(target=answer, daemon=True).start()
    valkey, times_ms = redis.Redis.from_url(url), []
    for _ in range(count):
        began = perf_counter()
        valkey.lpush(asked, 1)
        valkey.blpop([answered], timeout=10)
        times_ms.append((perf_counter() - began) * 1000)
    return times_ms


def _celery_hops(count: int) -> list[float]:
    """The same through a Celery worker (solo pool) in another process."""
    import redis

    from tests.bench.celery_echo import app

    queue, answered = f"echo-{uuid4()}", f"answer-{uuid4()}"
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "tests.bench.celery_echo", "worker", "-Q", queue,
         "-P", "solo", "--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "ERROR"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        valkey, times_ms = redis.Redis.from_url(os.environ["REDIS_URL"]), []
        for _ in range(count + 5):
            began = perf_counter()
            app.send_task("echo", args=[answered], queue=queue, ignore_result=True)
            if valkey.blpop([answered], timeout=60) is None:
                raise RuntimeError("the Celery worker did not answer within a minute")
            times_ms.append((perf_counter() - began) * 1000)
        return times_ms[5:]
    finally:
        worker.terminate()
        worker.wait(20)


if __name__ == "__main__":
    own = Report()
    run(own, "--full" in sys.argv)
    print(own.table())
