"""How a request is known to come from somebody: by the session cookie, or by a personal API token.

A token acts for its person wherever that may do things over HTTP, but for what only somebody who has signed
in may do: making tokens, and sockets.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import (
    BaseAuthentication,
    SessionAuthentication,
    get_authorization_header,
)
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from backend.accounts.actions import digest_of
from backend.accounts.models import ApiToken, User

# Of answers with a secret in them, which is told once.
NEVER_KEPT = {"Cache-Control": "no-store"}
_NOTED_EVERY = timedelta(minutes=1)


class SessionCookie(SessionAuthentication):
    """Django's session. A request without one is answered 401, so that a page can ask to sign in."""

    def authenticate_header(self, request: Request) -> str:
        return "Session"


class BearerToken(BaseAuthentication):
    """`Authorization: Bearer TOKEN`. No cookie is read, so that no other site can make use of it."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        kind, _, given = get_authorization_header(request).partition(b" ")
        if kind.lower() != b"bearer":
            return None
        secret = given.strip().decode("ascii", errors="replace")
        now = timezone.now()
        token = ApiToken.objects.select_related("user").filter(digest=digest_of(secret)).first()
        if token is None or not token.user.is_active:
            raise AuthenticationFailed("this token is unknown: it may have been taken back")
        if token.expires_at <= now:
            raise AuthenticationFailed(
                f"the token {token.name!r} expired on {token.expires_at:%Y-%m-%d}: make a new one"
            )
        if token.scope == ApiToken.Scope.READ and request.method not in SAFE_METHODS:
            raise PermissionDenied(f"the token {token.name!r} may only read")
        if token.last_used_at is None or now - token.last_used_at > _NOTED_EVERY:
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class SignedIn(BasePermission):
    """Somebody whose account is open, in person or by a token."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(request.user.is_authenticated and request.user.is_active)


class InPerson(SignedIn):
    """Somebody who has signed in; no token will do."""

    message = "sign in to do this: a token may not"

    def has_permission(self, request: Request, view: Any) -> bool:
        return super().has_permission(request, view) and not request.auth


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


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Tells the OpenAPI schema what BearerToken is."""

    target_class = BearerToken
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}
