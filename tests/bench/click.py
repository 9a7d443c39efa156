"""Bench area `click`: what a click costs besides the model, and the two roads to the worker.

A click goes the whole way: job row, doorbell, claim, a predictor that answers at once, one
transaction with the next revision, news on the road of events. The browser's own part (drawing) is
not in it. The hops alone compare the Valkey list on which the worker waits with Celery.

    python -m tests.bench.click
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from statistics import median
from time import perf_counter
from typing import Any
from uuid import uuid4

from tests.bench.report import Report

CLICKS, CLICKS_FULL = 200, 1000
SENSOR, ON_THE_CAR = 1, [12.0, 0.0, 0.9]


def run(report: Report, full: bool) -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    django.setup()
    times_ms = _clicks(CLICKS_FULL if full else CLICKS)
    report.row("click", "overhead p50", median(times_ms), "ms", target="<=10")
    report.row("click", "overhead p95", _percentile(times_ms, 95), "ms", target="<=20")
    direct, celery = _direct_hops(CLICKS), _celery_hops(CLICKS)
    report.row("click", "hop over the list, p50", median(direct), "ms")
    report.row("click", "hop over the list, p95", _percentile(direct, 95), "ms")
    report.row("click", "hop over Celery, p50", median(celery), "ms")
    report.row("click", "hop over Celery, p95", _percentile(celery, 95), "ms")


def _percentile(values: list[float], share: int) -> float:
    return sorted(values)[min(len(values) * share // 100, len(values) - 1)]


def _clicks(count: int) -> list[float]:
    """Milliseconds from the request in the web process to the news on the road of events."""
    from backend.events import SCENE_CHANNEL, valkey
    from backend.predictions import actions
    from backend.predictions.worker import Resident
    from backend.protocol import messages, records
    from tests.builders import build_project, build_stored_scene, build_user
    from tests.stub_predictor import StubPredictor

    project = build_project(f"bench {uuid4()}")
    scene = build_stored_scene(project)
    person = build_user(f"bench-{uuid4()}", project=project)
    car = project.label_classes.get(name="car").pk

    class AnswersAtOnce(StubPredictor):
        """What a click costs besides the model: the first answer, given again."""

        answer: list[Any] | None = None

        def add_prompt(self, opened: Any, *, frame: int, prompts: Any) -> list[Any]:
            if self.answer is None:
                self.answer = super().add_prompt(opened, frame=frame, prompts=prompts)
            return self.answer

    resident, stop = Resident(AnswersAtOnce(), f"bench-{uuid4()}"), threading.Event()
    resident.register()
    for work in (resident.listen_for_clicks, resident.beat_for_ever):
        threading.Thread(target=work, args=[stop], daemon=True).start()
    news = valkey().pubsub(ignore_subscribe_messages=True)
    news.subscribe(SCENE_CHANNEL.format(scene.pk))
    news.get_message(timeout=1)
    times_ms, track = [], None
    for _ in range(count + 10):
        request_id = str(uuid4())
        message = messages.AddPrompt(
            request_id=request_id,
            frame=0,
            prompts=[records.PointPrompt(sensor=SENSOR, position=ON_THE_CAR)],
            track=track,
            label_class=car,
        )
        began = perf_counter()
        actions.request_mask(scene, message, by=person)
        changed = _wait_for(news, request_id)
        times_ms.append((perf_counter() - began) * 1000)
        track = changed["tracks"][0]["number"]
    stop.set()
    resident.leave()
    return times_ms[10:]  # the first ones open the scene and the connections


def _wait_for(news: Any, request_id: str) -> dict[str, Any]:
    import json

    for message in news.listen():
        body: dict[str, Any] = json.loads(message["data"])
        if body["type"] == "labels_changed" and body["operation_id"] == request_id:
            return body
    raise RuntimeError("the road of events ended")


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
