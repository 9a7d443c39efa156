"""Webhooks are made, changed, and sent what happened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
from django.db import transaction
from django.utils import timezone

from backend.accounts import audit
from backend.accounts.models import User
from backend.projects.models import Project
from backend.webhooks import sending
from backend.webhooks.models import Delivery, Event, Webhook

MOST = 20  # webhooks of a project
# How long to wait after the first, second, ... attempt; after the last one it is given up.
PAUSES = (
    timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1),
    timedelta(hours=6), timedelta(hours=24),
)  # fmt: skip
AT_ONCE = 5
KEPT = timedelta(days=30)
_LEASE = timedelta(minutes=2)  # longer than so many attempts take


class TooMany(ValueError):
    pass


@transaction.atomic
def make(project: Project, url: str, events: Sequence[str], *, by: User) -> Webhook:
    """The row's secret is to be told now, and never again. Raises Unsendable and TooMany."""
    sending.check_address(url)
    if project.webhooks.count() >= MOST:
        raise TooMany(f"{project.name} has {MOST} webhooks: delete one that is not needed")
    audit.note("webhook.made", url, by=by, project=project.pk)
    return Webhook.objects.create(
        project=project, url=url, events=sorted(set(events)), secret=sending.new_secret(), by=by
    )


@transaction.atomic
def change(webhook: Webhook, *, by: User, **wish: Any) -> Webhook:
    """wish: any of url, events and is_active. Raises Unsendable."""
    if "url" in wish:
        sending.check_address(wish["url"])
    for name, value in wish.items():
        setattr(webhook, name, sorted(set(value)) if name == "events" else value)
    webhook.save(update_fields=list(wish))
    about = f"{webhook.url}: {', '.join(sorted(wish))}"
    audit.note("webhook.changed", about, by=by, project=webhook.project_id)
    return webhook


@transaction.atomic
def remove(webhook: Webhook, *, by: User) -> None:
    audit.note("webhook.deleted", webhook.url, by=by, project=webhook.project_id)
    webhook.delete()


def tell(project_id: int, event: str, body: dict[str, Any]) -> None:
    """Put a message into the mail of every webhook that wants it, in the transaction of what happened."""
    wanted = Webhook.objects.filter(project=project_id, is_active=True, events__contains=[event])
    Delivery.objects.bulk_create(
        Delivery(webhook=webhook, event=event, body=body) for webhook in wanted
    )


def ping(webhook: Webhook) -> Delivery:
    return Delivery.objects.create(
        webhook=webhook, event=Event.PING, body={"project": webhook.project_id}
    )


def send_again(delivery: Delivery) -> Delivery:
    delivery.attempts, delivery.next_at, delivery.error = 0, timezone.now(), ""
    delivery.save(update_fields=["attempts", "next_at", "error"])
    return delivery


def deliver_due() -> int:
    """Send what is due; returns how many attempts were made. Several workers may do so at once."""
    now = timezone.now()
    Delivery.objects.filter(next_at=None, created_at__lt=now - KEPT).delete()
    with transaction.atomic():
        due = list(
            Delivery.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("webhook").filter(next_at__lte=now).order_by("next_at")[:AT_ONCE]
        )  # fmt: skip
        # Should this process die, they are due again.
        Delivery.objects.filter(pk__in=[each.pk for each in due]).update(next_at=now + _LEASE)
    for delivery in due:
        _attempt(delivery)
    return len(due)


def _attempt(delivery: Delivery) -> None:
    if not delivery.webhook.is_active:
        delivery.next_at, delivery.error = None, "the webhook is switched off"
        delivery.save(update_fields=["next_at", "error"])
        return
    message_id, now = f"msg_{delivery.pk}", timezone.now()
    try:
        delivery.status = sending.send(
            delivery.webhook.url, delivery.webhook.secret, message_id, int(now.timestamp()),
            message(delivery),
        )  # fmt: skip
        delivery.error = "" if delivery.status < 300 else f"answered {delivery.status}"
    except sending.Unsendable as error:
        delivery.status, delivery.error = None, str(error)[:200]
    except httpx.HTTPError as error:
        # The kind alone: what came back is nobody's business here.
        delivery.status, delivery.error = None, f"no answer ({type(error).__name__})"
    delivery.attempts += 1
    if not delivery.error:
        delivery.delivered_at, delivery.next_at = now, None
    else:
        delivery.next_at = _next(delivery.attempts, now)
    delivery.save(update_fields=["status", "error", "attempts", "delivered_at", "next_at"])


def _next(attempts: int, now: datetime) -> datetime | None:
    return now + PAUSES[attempts - 1] if attempts <= len(PAUSES) else None


def message(delivery: Delivery) -> bytes:
    """What is sent: type, timestamp and data, as Standard Webhooks has it; the same bytes each time."""
    shown = {
        "type": delivery.event,
        "timestamp": delivery.created_at.isoformat(),
        "data": delivery.body,
    }
    return json.dumps(shown, sort_keys=True).encode()
