"""`If-Match`: a change that is meant for what the caller has seen is refused when somebody else was quicker.

Answers to GET carry an ETag (Django's ConditionalGetMiddleware). A PATCH, PUT or DELETE with `If-Match` first looks at what a GET of
the same address answers the same caller now.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.cache import set_response_etag
from django.utils.deprecation import MiddlewareMixin
from django.utils.http import parse_etags

from backend.accounts.middleware import refused


class IfMatch(MiddlewareMixin):
    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        wanted = request.headers.get("If-Match")
        is_change = request.method in ("PATCH", "PUT", "DELETE")
        if wanted is None or not is_change or not request.path.startswith("/api/"):
            return None
        look = copy(request)
        look.method, look.META = "GET", {**request.META, "REQUEST_METHOD": "GET"}
        now = view(look, *args, **kwargs)
        if hasattr(now, "render"):
            now = now.render()
        if now.status_code == 405:
            return refused(400, "this address has no ETag to match: leave out If-Match")
        if now.status_code != 200:
            return None  # the change is refused in the same words
        etag = set_response_etag(now).headers["ETag"]
        if wanted.strip() == "*" or etag in parse_etags(wanted):
            return None
        return refused(412, "this has changed since you looked at it: look again")
