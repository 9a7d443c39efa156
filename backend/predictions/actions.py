"""Asking the model for something: the job row is stored, then the scene's worker is rung.

Clicks take a direct road (a Valkey list that the resident process waits on), propagations go by
Celery; the measurement behind it: docs/decisions.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from backend import events
from backend.accounts.models import User
from backend.annotations.errors import Frozen, InvalidEdit
from backend.annotations.models import Document
from backend.jobs import actions as jobs
from backend.jobs import bell
from backend.jobs.models import Job, Kind, State
from backend.predictions.models import SceneHold
from backend.predictions.queries import clicks_list, holder_of, least_busy, queue_of, scene_of
from backend.protocol import messages
from backend.scenes.models import Reading, Scene

logger = logging.getLogger(__name__)

PROPAGATE_TASK = "backend.predictions.worker.propagate"
# A click is worth nothing later: when nobody has taken it in this time its asker is told.
CLICK_PATIENCE_S = 10


class NoWorker(RuntimeError):
    """No model process is alive."""

    def __init__(self) -> None:
        super().__init__(
            "no model worker is running: the click was not answered; try again in a moment, and "
            "ask whoever runs the server when it stays so"
        )


def request_mask(scene: Scene, message: messages.AddPrompt, *, by: User) -> Job:
    """Store a click and ring the worker that holds the scene. Raises InvalidEdit or NoWorker."""
    _check_prompts(scene, message)
    _check_open(scene)
    parameters = message.model_dump(mode="json", exclude={"type", "request_id"})
    with transaction.atomic():
        jobs.commit_without_waiting()
        _supersede_older_clicks(scene, message, by)
        job = _job_once(Kind.CLICK, scene, message.request_id, parameters, by)
        if job.is_ended:
            return job
        worker = _hold(scene.pk)
        transaction.on_commit(lambda: _ring_click(job, worker))
    return job


def request_propagation(scene: Scene, message: messages.Propagate, *, by: User) -> Job:
    """Store a propagation and ring the scene's worker through Celery."""
    _check_open(scene)
    if message.to_frame == message.from_frame:
        raise InvalidEdit("there is no frame to follow the track to")
    last = scene.frames.count() - 1
    if not 0 <= message.to_frame <= last or message.from_frame > last:
        raise InvalidEdit(f"the scene has frames 0 to {last}")
    parameters = message.model_dump(mode="json", exclude={"type", "request_id"})
    with transaction.atomic():
        job = _job_once(Kind.PROPAGATE, scene, message.request_id, parameters, by)
        if job.is_ended:
            return job
        worker = _hold(scene.pk)
        transaction.on_commit(lambda: ring_propagation(job, worker))
    jobs.announce(job)
    return job


def cancel_request(scene: Scene, request_id: str) -> None:
    """Ask the job behind a request to stop; unknown and ended ones are left alone."""
    job = Job.objects.filter(scene_id=scene.pk, request_id=UUID(request_id)).first()
    if job and not job.is_ended:
        jobs.request_cancel(job)


def ring_propagation(job: Job, worker: str) -> None:
    Job.objects.filter(pk=job.pk).update(rung_at=timezone.now())
    bell.ring(PROPAGATE_TASK, job.pk, queue=queue_of(worker))


def settle_lost_jobs() -> None:
    """Clicks whose worker died fail, so that their asker is told; propagations find a new worker.

    Called by Celery beat, and by a model worker that starts.
    """
    now = timezone.now()
    dead = Q(state=State.RUNNING, lease_until__lt=now)
    late = Q(state=State.WAITING, created_at__lt=now - timedelta(seconds=CLICK_PATIENCE_S))
    for job in Job.objects.filter(dead | late, kind=Kind.CLICK):
        jobs.fail(job, "the model worker stopped before it answered; please click again")
    unheard = Q(state=State.WAITING, rung_at__lt=now - timedelta(seconds=20))
    for job in Job.objects.filter(dead | unheard, kind=Kind.PROPAGATE):
        if job.attempts >= jobs.MAX_ATTEMPTS:
            jobs.fail(job, f"the model worker died {job.attempts} times at this; see its log")
            continue
        try:
            with transaction.atomic():
                worker = _hold(scene_of(job))
        except NoWorker:
            continue  # rung again when one is there
        ring_propagation(job, worker)


def _job_once(
    kind: str, scene: Scene, request_id: str, parameters: dict[str, object], by: User
) -> Job:
    """A request that is sent twice is one job."""
    existing = Job.objects.filter(scene_id=scene.pk, request_id=UUID(request_id)).first()
    return existing or jobs.request_job(
        kind,
        scene.project,
        by=by,
        scene_id=scene.pk,
        request_id=UUID(request_id),
        parameters=parameters,
    )


def _hold(scene_id: int) -> str:
    """The name of the scene's worker; a scene whose worker died moves to a live one."""
    if holder := holder_of(scene_id):
        return holder.name
    worker = least_busy()
    if worker is None:
        raise NoWorker
    SceneHold.objects.update_or_create(scene_id=scene_id, defaults={"worker": worker})
    return worker.name


def _ring_click(job: Job, worker: str) -> None:
    events.valkey().lpush(clicks_list(worker), job.pk)


def _supersede_older_clicks(scene: Scene, message: messages.AddPrompt, by: User) -> None:
    """Latest click wins: mine on the same track and frame that still wait need no answer."""
    if message.track is None:
        return  # each makes a track of its own
    older = Job.objects.filter(
        scene_id=scene.pk,
        kind=Kind.CLICK,
        state=State.WAITING,
        requested_by=by,
        parameters__track=message.track,
        parameters__frame=message.frame,
    ).exclude(request_id=UUID(message.request_id))
    for job in older:
        jobs.supersede(job)


def _check_open(scene: Scene) -> None:
    why = Document.objects.values_list("why_frozen", flat=True).get(pk=scene.pk)
    if why:
        raise Frozen(why)


def _check_prompts(scene: Scene, message: messages.AddPrompt) -> None:
    if message.track is None and message.label_class is None:
        raise InvalidEdit("choose a class for the new track first")
    kinds = dict(
        Reading.objects.filter(frame__scene=scene, frame__index=message.frame).values_list(
            "sensor__number", "sensor__kind"
        )
    )
    for prompt in message.prompts:
        if prompt.sensor not in kinds:
            raise InvalidEdit(f"sensor {prompt.sensor} has no reading in frame {message.frame}")
        expected = 2 if kinds[prompt.sensor] == "camera" else 3
        if prompt.kind == "point" and len(prompt.position) != expected:
            raise InvalidEdit(
                f"a point in a {kinds[prompt.sensor]} has {expected} coordinates, "
                f"not {len(prompt.position)}"
            )
