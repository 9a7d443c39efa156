"""How a request is known to come from somebody: by the session cookie, and nothing else."""

from __future__ import annotations

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request

from backend.accounts.models import User


class SessionCookie(SessionAuthentication):
    """Django's session. A request without one is answered 401, so that a page can ask to sign in."""

    def authenticate_header(self, request: Request) -> str:
        return "Session"


def person(request: Request) -> User:
    """Who asks, in a view that lets in nobody who is not signed in."""
    assert isinstance(request.user, User)
    return request.user


class SessionCookieScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Tells the OpenAPI schema what SessionCookie is."""

    target_class = SessionCookie
    name = "session"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
