"""Somebody without an account is invited by a link, and makes an account with it. There is no other way to sign up."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from backend.accounts import audit
from backend.accounts.actions import digest_of
from backend.accounts.models import User
from backend.projects.actions import set_member
from backend.projects.models import Invitation, Project

LASTS = timedelta(days=14)


class NotInvited(ValueError):
    """The link leads nowhere (any more); the message says why."""


class BadAccount(ValueError):
    """field: of the form, which the message is about."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field


@transaction.atomic
def invite(project: Project, role: str, *, by: User, note: str = "") -> tuple[Invitation, str]:
    """Returns the row and the secret of the link, which nobody can be told again."""
    secret = secrets.token_urlsafe(32)
    row = Invitation.objects.create(
        project=project, role=role, note=note, by=by, digest=digest_of(secret),
        expires_at=timezone.now() + LASTS,
    )  # fmt: skip
    about = f"somebody as {role}" + (f": {note}" if note else "")
    audit.note("member.invited", about, by=by, project=project.pk)
    return row, secret


@transaction.atomic
def take_back(invitation: Invitation, *, by: User) -> None:
    audit.note(
        "invitation.taken_back", invitation.note or invitation.role, by=by,
        project=invitation.project_id,
    )  # fmt: skip
    invitation.delete()


def find(secret: str, *, to_accept: bool = False) -> Invitation:
    """An invitation that can still be accepted. Raises NotInvited.

    to_accept: locked, so that of two who use a link at once the slower one hears that it was used.
    """
    rows = Invitation.objects.select_related("project", "by")
    if to_accept:
        rows = rows.select_for_update(of=("self",))
    found = rows.filter(digest=digest_of(secret)).first()
    if found is None:
        raise NotInvited(
            "this link leads nowhere: it may have been taken back. Ask for another one"
        )
    if found.accepted_at is not None:
        raise NotInvited("this link was used already: sign in, or ask for another one")
    if found.expires_at <= timezone.now():
        raise NotInvited(f"this link expired on {found.expires_at:%Y-%m-%d}: ask for another one")
    return found


@transaction.atomic
def accept(secret: str, *, username: str, name: str, password: str) -> tuple[User, Invitation]:
    """Make an account and a member of it. Raises NotInvited and BadAccount."""
    invitation = find(secret, to_accept=True)
    if User.objects.filter(username__iexact=username).exists():
        raise BadAccount(
            "username", f"there is an account {username!r} already: choose another name"
        )
    first, _, last = name.partition(" ")
    user = User(username=username, first_name=first[:150], last_name=last[:150])
    try:
        user.clean_fields(exclude=["password"])
    except ValidationError as error:
        raise BadAccount("username", " ".join(error.messages)) from error
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise BadAccount("password", " ".join(error.messages)) from error
    user.set_password(password)
    user.save()
    set_member(invitation.project, user, invitation.role, by=invitation.by)
    invitation.accepted_by, invitation.accepted_at = user, timezone.now()
    invitation.save(update_fields=["accepted_by", "accepted_at"])
    return user, invitation
