"""The browser's pages: one index.html for every address that is not the API."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

NOT_BUILT = b"""<!doctype html>
<meta charset="utf-8"><title>Masklet: pages not built</title>
<h1>The pages are not built yet</h1>
<p>The server is running, but <code>frontend/dist</code> is missing.
<p><code>python3 manage.py up</code> builds it; by hand: <code>npm ci &amp;&amp; npm run build</code>
in <code>frontend</code>, then start the server again.
"""


@require_safe
@ensure_csrf_cookie
def page(request: HttpRequest) -> HttpResponse:
    """The single page; what it shows depends on its address and is asked of the API.

    Never cached: it names the hashed files of one build.
    """
    index = settings.FRONTEND / "index.html"
    try:
        response = HttpResponse(index.read_bytes())
    except FileNotFoundError:
        response = HttpResponse(NOT_BUILT, status=503)
    response["Cache-Control"] = "no-store"
    return response
