"""One-time codes as a second factor of signing in (TOTP, RFC 6238), with codes for when the phone is lost."""

from __future__ import annotations

import secrets
from datetime import timedelta
from time import time

import pyotp
import segno
from django.db import transaction
from django.utils import timezone

from backend.accounts import audit
from backend.accounts.actions import digest_of
from backend.accounts.models import SecondFactor, User

ISSUER = "Masklet"
RECOVERY_CODES = 10
_MOST_FAILURES, _LOCKED = 5, timedelta(minutes=5)
_STEP_S = 30
_NEAR = (0, -1, 1)  # steps that a phone's clock may be off


class WrongCode(ValueError):
    """The message is for the person."""


def is_on(user: User) -> bool:
    return SecondFactor.objects.filter(user=user, is_on=True).exists()


@transaction.atomic
def begin(user: User) -> SecondFactor:
    """A new secret, which counts once a code of it has been shown. Raises WrongCode where it is on already."""
    row, _ = SecondFactor.objects.select_for_update().get_or_create(user=user)
    if row.is_on:
        raise WrongCode("one-time codes are on already: switch them off first")
    row.secret = pyotp.random_base32()
    row.save(update_fields=["secret"])
    return row


def address_of(row: SecondFactor) -> str:
    """What apps for codes read, as a text or as the picture below."""
    return pyotp.TOTP(row.secret).provisioning_uri(name=row.user.username, issuer_name=ISSUER)


def picture_of(row: SecondFactor) -> str:
    """A QR code of the address as a data URI of an SVG, dark on light."""
    picture = segno.make(address_of(row), error="m")
    return str(picture.svg_data_uri(scale=4, border=2, dark="#000", light="#fff"))


def switch_on(user: User, code: str) -> list[str]:
    """The code shows that the app has the secret. Returns recovery codes, which nobody is told again.

    Raises WrongCode.
    """
    if is_on(user):
        raise WrongCode("one-time codes are on already")
    check(user, code, unconfirmed=True)
    codes = [f"{secrets.token_hex(3)}-{secrets.token_hex(3)}" for _ in range(RECOVERY_CODES)]
    with transaction.atomic():
        SecondFactor.objects.filter(user=user).update(
            is_on=True, recovery=[digest_of(each) for each in codes]
        )
        audit.note("second_factor.on", user.username, by=user)
    return codes


def switch_off(user: User, code: str) -> None:
    """Raises WrongCode."""
    check(user, code)
    with transaction.atomic():
        SecondFactor.objects.filter(user=user).delete()
        audit.note("second_factor.off", user.username, by=user)


@transaction.atomic
def forget(user: User, *, by: User) -> None:
    """For somebody who has lost the phone and the recovery codes; an admin does it."""
    if SecondFactor.objects.filter(user=user).delete()[0]:
        audit.note("second_factor.forgotten", user.username, by=by)


def check(user: User, code: str, *, unconfirmed: bool = False) -> None:
    """A code of the app, or one of the recovery codes, which is then used up. Raises WrongCode.

    Failures count whoever asks from wherever: six digits would be guessed otherwise.  What is wrong is noted, though it is
    raised: the error leaves after the transaction.
    """
    with transaction.atomic():
        row = SecondFactor.objects.select_for_update().filter(user=user).first()
        if row is None or not (row.is_on or unconfirmed) or not row.secret:
            raise WrongCode("one-time codes are not on")
        now = timezone.now()
        if row.locked_until is not None and row.locked_until > now:
            minutes = (row.locked_until - now).seconds // 60 + 1
            raise WrongCode(f"too many wrong codes: try again in {minutes} min")
        is_right = _is_right(row, "".join(code.split()).lower())
        row.failures = 0 if is_right else row.failures + 1
        row.locked_until = None
        if row.failures >= _MOST_FAILURES:
            row.failures, row.locked_until = 0, now + _LOCKED
        row.save()
    if not is_right:
        raise WrongCode("this code is wrong, was used already, or is over: wait for the next one")


def _is_right(row: SecondFactor, code: str) -> bool:
    """Uses the code up."""
    if digest_of(code) in row.recovery:
        row.recovery = [each for each in row.recovery if each != digest_of(code)]
        return True
    totp, step = pyotp.TOTP(row.secret), int(time()) // _STEP_S
    for near in _NEAR:
        expected = totp.at((step + near) * _STEP_S)
        if step + near > row.last_step and secrets.compare_digest(expected.encode(), code.encode()):
            row.last_step = step + near
            return True
    return False
