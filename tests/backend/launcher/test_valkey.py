from __future__ import annotations

import pytest
import redis

from backend.launcher.identity import Record
from backend.launcher.places import Data
from backend.launcher.valkey import Valkey


def server(data: Data) -> Valkey:
    return Valkey(data.folder, data.logs / "valkey.log", Record(data.processes))


def test_what_was_queued_survives_a_restart(data: Data):
    first = server(data)
    first.start()
    redis.Redis.from_url(first.url).lpush("io", "job 7")
    first.stop()

    second = server(data)
    second.start()
    queued = redis.Redis.from_url(second.url).lrange("io", 0, -1)
    second.stop()

    assert queued == [b"job 7"]


def test_only_who_has_the_password_gets_in_and_nobody_else_can_read_it(data: Data):
    valkey = server(data)
    valkey.start()
    try:
        without = valkey.url.rpartition("@")[2]
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(f"redis://{without}").ping()
        command = (data.folder / "valkey" / "valkey.conf").stat()
        assert command.st_mode & 0o077 == 0
        assert valkey.child is not None
        password = valkey.url.split(":")[2].split("@")[0]
        assert password not in " ".join(valkey.child.program.command)
    finally:
        valkey.stop()
