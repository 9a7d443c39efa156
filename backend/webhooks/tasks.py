from __future__ import annotations

from celery import shared_task

from backend.webhooks.actions import deliver_due


@shared_task(name="backend.webhooks.tasks.deliver")  # type: ignore[untyped-decorator]
def deliver() -> None:
    """Celery beat. As long as there is more, at once."""
    while deliver_due():
        pass
