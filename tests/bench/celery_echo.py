"""A Celery application whose only task answers on a Valkey list: how long a hop takes."""

from __future__ import annotations

import os

import redis
from celery import Celery

app = Celery("echo", broker=os.environ["REDIS_URL"])
app.conf.task_ignore_result = True


@app.task(name="echo")  # type: ignore[untyped-decorator]
def echo(answer_list: str) -> None:
    redis.Redis.from_url(os.environ["REDIS_URL"]).rpush(answer_list, 1)
