"""Requests that come twice: `Idempotency-Key` makes a second sending of a POST do nothing but answer again.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header: whoever lost the answer sends the same again
with the same key. Only answers that changed something are kept, for a day; what was refused may be asked anew. An
answer with a secret in it (`Cache-Control: no-store`) is never kept.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.deprecation import MiddlewareMixin

from backend.accounts.middleware import refused
from backend.accounts.models import Repeat

KEPT = timedelta(days=1)
_PATIENCE = timedelta(minutes=2)  # with a request that never ended: its process died
_LONGEST = 200


class IdempotencyKeys(MiddlewareMixin):
    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        key = request.headers.get("Idempotency-Key")
        whose = request.headers.get("Authorization") or request.COOKIES.get(
            settings.SESSION_COOKIE_NAME
        )
        is_ours = request.method == "POST" and request.path.startswith("/api/")
        if key is None or not whose or not is_ours:
            return None
        if not 1 <= len(key) <= _LONGEST:
            return refused(400, f"an Idempotency-Key has 1 to {_LONGEST} characters")
        asked = _digest(request.get_full_path().encode(), request.body)
        row, is_new = _begin(_digest(whose.encode(), key.encode()), asked)
        if is_new:
            request.META["masklet.repeat"] = row.pk
            return None
        if row.asked != asked:
            return refused(422, "this Idempotency-Key was used for something else: make a new one")
        if row.status is None:
            return refused(409, "the same request is under way: ask again in a moment")
        answer = HttpResponse(bytes(row.body), status=row.status, content_type="application/json")
        answer.headers["Idempotency-Replayed"] = "true"
        return answer

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        row = request.META.pop("masklet.repeat", None)
        if row is None:
            return response
        is_secret = "no-store" in response.headers.get("Cache-Control", "")
        if (
            isinstance(response, HttpResponse)
            and 200 <= response.status_code < 300
            and not is_secret
        ):
            Repeat.objects.filter(pk=row).update(status=response.status_code, body=response.content)
        else:
            Repeat.objects.filter(pk=row).delete()
        return response


@transaction.atomic
def _begin(digest: str, asked: str) -> tuple[Repeat, bool]:
    """The row of this request, and whether it is the first one."""
    now = timezone.now()
    Repeat.objects.filter(at__lt=now - KEPT).delete()
    Repeat.objects.filter(digest=digest, status=None, at__lt=now - _PATIENCE).delete()
    return Repeat.objects.get_or_create(digest=digest, defaults={"asked": asked})


def _digest(*parts: bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()
