"""Which model worker answers for a scene."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet
from django.utils import timezone

from backend.jobs.models import Job
from backend.predictions.models import ModelWorker
from backend.scenes.models import Scene

# A worker renews its heartbeat every 2 s; three missed ones and it counts as dead.
ALIVE = timedelta(seconds=7)


def live_workers() -> QuerySet[ModelWorker]:
    return ModelWorker.objects.filter(heartbeat_at__gt=timezone.now() - ALIVE)


def holder_of(scene_id: int) -> ModelWorker | None:
    """The live worker that holds the scene, if there is one."""
    return live_workers().filter(holds__scene=scene_id).first()


def worker_for(scene_id: int) -> ModelWorker | None:
    """The live worker that holds the scene, else the one with the fewest scenes, else None."""
    return holder_of(scene_id) or least_busy()


def least_busy() -> ModelWorker | None:
    return live_workers().annotate(scenes=Count("holds")).order_by("scenes", "name").first()


def choice_of(scene_id: int) -> str:
    """The predictor that a scene's project asks for; empty: the installation's own."""
    return str(Scene.objects.values_list("project__predictor", flat=True).get(pk=scene_id))


def offers() -> list[dict[str, Any]]:
    """Cards of all predictors that live workers offer, the default first."""
    found: dict[str, dict[str, Any]] = {}
    for worker in live_workers().order_by("name"):
        for card in worker.offers:
            found.setdefault(card["key"], card)
    return list(found.values())


def clicks_list(worker: str) -> str:
    """The Valkey list on which a worker waits for clicks."""
    return f"masklet:clicks:{worker}"


def queue_of(worker: str) -> str:
    """The Celery queue of one worker, for long work in scenes that it holds."""
    return f"model.{worker}"


def scene_of(job: Job) -> int:
    """The scene of a click or propagation; such a job always has one."""
    assert job.scene_id is not None, f"job {job.pk} has no scene"
    return job.scene_id


def request_of(job: Job) -> UUID:
    """The browser's request behind a click or propagation."""
    assert job.request_id is not None, f"job {job.pk} has no request"
    return job.request_id
