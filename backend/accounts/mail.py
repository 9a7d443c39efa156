"""Mails: written with what they tell of, sent by a worker. Without a mail server (`MASKLET_EMAIL_URL`) none are written."""

from __future__ import annotations

import logging
import smtplib
from datetime import timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from backend.accounts.models import Mail, Notification, User

logger = logging.getLogger(__name__)

PAUSES = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))
KEPT = timedelta(days=7)
DIGEST_EVERY = timedelta(hours=24)
# Whoever is at work reads the bell; what they have not read for so long is mailed.
UNREAD_FOR = timedelta(hours=1)
MOST_TOLD = 30
_AT_ONCE, _LEASE = 5, timedelta(minutes=5)


def is_possible() -> bool:
    return bool(settings.EMAIL_HOST)


def write(to: str, subject: str, text: str) -> None:
    """In the transaction of what it tells of. A subject is one line, whatever names are in it."""
    if is_possible():
        Mail.objects.create(to=to, subject=" ".join(subject.split())[:200], text=text)


def send_due() -> int:
    """Returns how many were tried. Several workers may do so at once."""
    now = timezone.now()
    Mail.objects.filter(next_at=None, created_at__lt=now - KEPT).delete()
    with transaction.atomic():
        due = list(
            Mail.objects.select_for_update(skip_locked=True).filter(next_at__lte=now)
            .order_by("next_at")[:_AT_ONCE]
        )  # fmt: skip
        Mail.objects.filter(pk__in=[each.pk for each in due]).update(next_at=now + _LEASE)
    for mail in due:
        _send(mail)
    return len(due)


def _send(mail: Mail) -> None:
    try:
        EmailMessage(mail.subject, mail.text, settings.DEFAULT_FROM_EMAIL, [mail.to]).send()
        mail.next_at = None
    except (OSError, smtplib.SMTPException) as error:
        logger.warning("mail %s was not taken: %s", mail.pk, type(error).__name__)
        pause = PAUSES[mail.attempts] if mail.attempts < len(PAUSES) else None
        mail.next_at = timezone.now() + pause if pause else None
    mail.attempts += 1
    mail.save(update_fields=["attempts", "next_at"])


def write_digests() -> int:
    """What people have not read, to those who want it; returns how many."""
    if not is_possible():
        return 0
    now = timezone.now()
    waiting = Notification.objects.filter(read_at=None, at__lt=now - UNREAD_FOR)
    people = User.objects.filter(
        Q(digest_at=None) | Q(digest_at__lt=now - DIGEST_EVERY),
        is_active=True, wants_digest=True, notifications__in=waiting,
    ).exclude(email="").distinct()  # fmt: skip
    count = 0
    for user in people:
        # What an earlier digest has told is not told again.
        since = user.digest_at or now - timedelta(days=30)
        news = waiting.filter(user=user, at__gt=since - UNREAD_FOR).order_by("-id")
        lines = [
            f"- {each.text}\n  {settings.PUBLIC_URL}{each.address}" for each in news[:MOST_TOLD]
        ]
        if not lines:
            continue
        with transaction.atomic():
            total = news.count()
            if total > len(lines):
                lines.append(f"- and {total - len(lines)} more")
            write(user.email, f"Masklet: {_count(total)} for you", _digest(user, lines))
            User.objects.filter(pk=user.pk).update(digest_at=now)
        count += 1
    return count


def _count(number: int) -> str:
    return "1 piece of news" if number == 1 else f"{number} pieces of news"


def _digest(user: User, lines: list[str]) -> str:
    return "\n".join([
        f"Hello {user.display_name},", "", "what happened to your work since you last looked:", "",
        *lines, "",
        f"You get this once a day at most. To switch it off: {settings.PUBLIC_URL}/account",
    ])  # fmt: skip
