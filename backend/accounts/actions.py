"""Personal API tokens: made, and taken back."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from backend.accounts import audit
from backend.accounts.models import ApiToken, User

PREFIX = "masklet_"  # so that scanners of published code can tell what it is
LONGEST_DAYS, MOST = 366, 50


class TooManyTokens(ValueError):
    """A person has as many as anybody may have."""


def create_token(user: User, *, name: str, scope: str, days: int) -> tuple[ApiToken, str]:
    """Returns the row and the token itself, which nobody can be told again. Raises TooManyTokens."""
    if user.api_tokens.count() >= MOST:
        raise TooManyTokens(f"you have {MOST} tokens: take one back that is not used any more")
    secret = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        row = ApiToken.objects.create(
            user=user, name=name, scope=scope, digest=digest_of(secret), hint=secret[-4:],
            expires_at=timezone.now() + timedelta(days=days),
        )  # fmt: skip
        audit.note("token.made", f"{name}, {scope}, for {days} days", by=user)
    return row, secret


@transaction.atomic
def take_back(token: ApiToken) -> None:
    """What uses it is refused from now on."""
    audit.note("token.taken_back", token.name, by=token.user)
    token.delete()


def digest_of(secret: str) -> str:
    """256 random bits need no slow hash, and no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()
