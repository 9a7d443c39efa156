"""Long lists in pages: `limit` and `offset` in, the total and a link to the next page out (RFC 8288).

The body stays a plain list, so that whoever wants all of a short list needs to know nothing of pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ValidationError

MOST = 1000  # rows of a page
LAST = 2**31
PAGES = [
    OpenApiParameter("limit", int, description=f"rows of a page, at most {MOST}"),
    OpenApiParameter("offset", int, description="rows before the page"),
]


def page(
    request: Request, rows: QuerySet[Any], shown: Callable[[Iterable[Any]], list[Any]],
    *, default: int = MOST,
) -> Response:  # fmt: skip
    """rows: in an order of their own.  shown: rows as their answers.  default: rows of a page where nobody says.

    Raises ValidationError.
    """
    limit = _number(request, "limit", default, 1, MOST)
    offset = _number(request, "offset", 0, 0, LAST)
    some = list(rows[offset : offset + limit + 1])
    # Counted where it is not known already.
    is_all = offset == 0 and len(some) <= limit
    headers = {"X-Total-Count": str(len(some) if is_all else rows.count())}
    links = []
    if len(some) > limit:
        links.append(_link(request, limit, offset + limit, "next"))
    if offset:
        links.append(_link(request, limit, max(0, offset - limit), "prev"))
    if links:
        headers["Link"] = ", ".join(links)
    return Response(shown(some[:limit]), headers=headers)


def _number(request: Request, name: str, default: int, least: int, most: int) -> int:
    given = request.query_params.get(name)
    if given is None:
        return default
    if not given.isdecimal() or len(given) > 12 or not least <= int(given) <= most:
        raise ValidationError({name: [f"{given!r}: use a number from {least} to {most}"]})
    return int(given)


def _link(request: Request, limit: int, offset: int, relation: str) -> str:
    query = request.query_params.copy()
    query["limit"], query["offset"] = str(limit), str(offset)
    return f'<{request.path}?{query.urlencode()}>; rel="{relation}"'
