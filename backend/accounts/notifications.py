"""Telling people what happened to their work. Nobody is told what they did themselves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.utils import timezone

from backend.accounts.models import Notification, User

KEPT = timedelta(days=90)  # after they were read


def notify(
    to: Iterable[User | None], kind: str, text: str, address: str, *, by: User | None
) -> None:
    """Once each, in the same transaction as what happened. by: None: the house itself."""
    people = {person.pk for person in to if person is not None and person != by}
    Notification.objects.bulk_create(
        Notification(user_id=pk, kind=kind, text=text[:300], address=address)
        for pk in sorted(people)
    )


def mark_read(user: User, ids: Iterable[int] | None = None) -> None:
    """These, or all of the person's; what was read long ago is forgotten on the way."""
    mine = Notification.objects.filter(user=user)
    unread = mine.filter(read_at=None)
    if ids is not None:
        unread = unread.filter(pk__in=list(ids))
    now = timezone.now()
    unread.update(read_at=now)
    mine.filter(read_at__lt=now - KEPT).delete()
