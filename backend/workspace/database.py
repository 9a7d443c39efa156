"""Calling the ORM from sockets, off the event loop and not through one shared thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from django.db import connection

Result = TypeVar("Result")

# Django's sync_to_async puts all callers on one thread, so that a slow snapshot would hold up
# every click of the process. These threads give their connection back to the pool after each call.
_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="database")


def _call(work: Callable[[], Result]) -> Result:
    try:
        return work()
    finally:
        connection.close()


async def in_database(work: Callable[..., Result], *args: Any, **named: Any) -> Result:
    """Run `work` on a database thread and await its result."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, _call, partial(work, *args, **named))
