from __future__ import annotations

from celery import shared_task

from backend.accounts import mail


@shared_task(name="backend.accounts.tasks.send_mail")  # type: ignore[untyped-decorator]
def send_mail() -> None:
    """Celery beat."""
    while mail.send_due():
        pass


@shared_task(name="backend.accounts.tasks.write_digests")  # type: ignore[untyped-decorator]
def write_digests() -> None:
    """Celery beat."""
    mail.write_digests()
