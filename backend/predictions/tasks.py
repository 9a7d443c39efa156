"""Celery beat's part of predictions; runs in any worker, without the model."""

from celery import shared_task

from backend.predictions.actions import settle_lost_jobs


@shared_task(name="backend.predictions.tasks.settle")  # type: ignore[untyped-decorator]
def settle() -> None:
    settle_lost_jobs()
