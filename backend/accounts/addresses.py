"""Whose a mail address is, and a new password for who has lost theirs: both by links that are mailed.

Links carry signed secrets behind the #, which no log of addresses has. That of a new password dies with the password,
with any sign-in, and after two hours (Django's token generator); that of an address after two days.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import default_token_generator
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

from backend.accounts import audit, mail
from backend.accounts.models import User

_SALT, _LASTS_S = "masklet.address", 2 * 24 * 3600


class NotPossible(ValueError):
    """The message is for the person."""


def ask_for_address(user: User, email: str) -> None:
    """Mail a link that shows that the address is the person's. Raises NotPossible."""
    if not mail.is_possible():
        raise NotPossible("this installation has no mail server: ask whoever runs it")
    try:
        validate_email(email)
    except ValidationError as error:
        raise NotPossible(f"{email!r} is no mail address") from error
    secret = signing.dumps([user.pk, email], salt=_SALT)
    mail.write(
        email, "Masklet: is this your address?",
        f"{user.display_name} ({user.username}) has given this address at {settings.PUBLIC_URL}.\n\n"
        f"If that was you, open {settings.PUBLIC_URL}/confirm#{secret}\n"
        "within two days. If not, there is nothing to do.",
    )  # fmt: skip


@transaction.atomic
def confirm_address(secret: str) -> User:
    """Raises NotPossible."""
    try:
        number, email = signing.loads(secret, salt=_SALT, max_age=_LASTS_S)
    except signing.SignatureExpired as error:
        raise NotPossible(
            "this link is over: ask for another one on your account's page"
        ) from error
    except (signing.BadSignature, ValueError) as error:
        raise NotPossible("this link leads nowhere: copy all of it") from error
    user = User.objects.filter(pk=number, is_active=True).first()
    if user is None:
        raise NotPossible("the account of this link is closed")
    user.email = email
    user.save(update_fields=["email"])
    audit.note("address.confirmed", user.username, by=user)
    return user


@transaction.atomic
def forget_address(user: User) -> None:
    user.email = ""
    user.save(update_fields=["email"])
    audit.note("address.forgotten", user.username, by=user)


def ask_for_password(email: str) -> None:
    """Mail a link to everybody who has this address; who has not is not told apart."""
    for user in User.objects.filter(email__iexact=email, is_active=True).exclude(email=""):
        number = urlsafe_base64_encode(force_bytes(user.pk))
        secret = f"{number}.{default_token_generator.make_token(user)}"
        mail.write(
            user.email, "Masklet: a new password",
            f"Somebody wants a new password for {user.username} at {settings.PUBLIC_URL}.\n\n"
            f"If that was you, open {settings.PUBLIC_URL}/new-password#{secret}\n"
            "within two hours. If not, there is nothing to do: your password stays as it is.",
        )  # fmt: skip


@transaction.atomic
def set_password(secret: str, password: str) -> User:
    """Every session of the person's ends. Raises NotPossible, or ValidationError for a password that is too weak."""
    number, _, token = secret.partition(".")
    try:
        pk = int(urlsafe_base64_decode(number))
        user = User.objects.select_for_update().filter(pk=pk, is_active=True).first()
    except (ValueError, OverflowError):
        user = None
    if user is None or not default_token_generator.check_token(user, token):
        raise NotPossible("this link is over or was used: ask for another one")
    validate_password(password, user)
    user.set_password(password)
    user.save(update_fields=["password"])
    audit.note("password.reset", user.username, by=user)
    return user
