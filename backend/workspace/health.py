"""Two questions that whoever runs the server asks: is the process alive, and can it work?"""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from backend.events import valkey
from backend.scenes import storage

logger = logging.getLogger(__name__)


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    return HttpResponse("alive\n", content_type="text/plain")


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when database, Valkey and storage answer, otherwise 503; the reasons are in the log."""
    parts = {name: _works(name, probe) for name, probe in PROBES.items()}
    return JsonResponse(parts, status=200 if all(parts.values()) else 503)


def _works(name: str, probe: Callable[[], object]) -> bool:
    try:
        probe()
    except Exception as error:  # whatever it is, the answer is no
        logger.warning("not ready: %s: %s", name, error)
        return False
    return True


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


PROBES: dict[str, Callable[[], object]] = {
    "database": _database,
    "valkey": lambda: valkey().ping(),
    "storage": lambda: storage.exists("a-key-that-nobody-uses"),
}
