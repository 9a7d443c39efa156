"""Response headers that belong on every page."""

from __future__ import annotations

from collections.abc import Callable

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import sync_and_async_middleware


@sync_and_async_middleware
def ContentSecurityPolicy(get_response: Callable):  # type: ignore[no-untyped-def, type-arg]
    """Scripts, styles and connections from our own origin only; nobody may frame us."""
    if iscoroutinefunction(get_response):

        async def asynchronous(request: HttpRequest) -> HttpResponse:
            return _with_policy(request, await get_response(request))

        return asynchronous

    def synchronous(request: HttpRequest) -> HttpResponse:
        return _with_policy(request, get_response(request))

    return synchronous


def refused(status: int, words: str) -> HttpResponse:
    """What a middleware answers in the place of a view, in the shape of a view's own refusals."""
    return JsonResponse({"detail": words}, status=status)


def _with_policy(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    # Django's own admin styles elements inline; it is for admins alone.
    if not request.path.startswith("/admin/"):
        response.headers.setdefault("Content-Security-Policy", settings.CONTENT_SECURITY_POLICY)
    return response
