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

from backend import events, statements
from backend.accounts import audit
from backend.accounts.models import User
from backend.annotations.errors import Frozen, InvalidEdit
from backend.annotations.models import Document
from backend.jobs import actions as jobs
from backend.jobs import bell
from backend.jobs.models import ENDED, Job, Kind, State
from backend.predictions.models import SceneHold
from backend.predictions.queries import (
    ALIVE,
    clicks_list,
    holder_of,
    least_busy,
    offers,
    queue_of,
    scene_of,
)
from backend.projects.models import Project
from backend.protocol import messages
from backend.scenes.models import Scene
from backend.scenes.queries import places

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


def choose_predictor(project: Project, key: str, *, by: User) -> None:
    """From the next click on.  key: of a card; empty: the installation's own. Raises ValueError."""
    known = [card["key"] for card in offers()]
    if key and key not in known:
        if not known:
            raise ValueError(
                "no model worker is running, so that nothing can be chosen; try again in a moment"
            )
        raise ValueError(f"there is no predictor {key!r} here; choose {' or '.join(known)}")
    project.predictor = key
    with transaction.atomic():
        project.save(update_fields=["predictor"])
        audit.note("predictor.chosen", key or "the installation's own", by=by, project=project.pk)


def check_prelabels(scene: Scene) -> None:
    """Raises InvalidEdit where the data engine cannot label a scene, or is at it already."""
    if scene.state == Scene.State.ARRIVING:
        raise InvalidEdit(f"{scene.name!r} is still arriving; wait until it is complete")
    why_frozen = Document.objects.filter(pk=scene.pk).values_list("why_frozen", flat=True).first()
    if why_frozen:
        raise Frozen(why_frozen)
    at_work = Job.objects.filter(scene_id=scene.pk, kind=Kind.ENGINE).exclude(state__in=ENDED)
    if at_work.exists():
        raise InvalidEdit(f"{scene.name!r} is being pre-labelled already")


def request_prelabels(scene: Scene, *, by: User) -> Job:
    """Let the data engine label a scene. Raises InvalidEdit."""
    check_prelabels(scene)
    return jobs.request_job(
        Kind.ENGINE, scene.project, by=by, label=f"Pre-label {scene.name}", scene_id=scene.pk
    )


def begin_prelabels(scene: Scene, *, worker: str, provider: str = "") -> Job:
    """The same for a process that does it itself. provider: of masks; empty: the installation's own.

    Raises InvalidEdit.
    """
    check_prelabels(scene)
    return jobs.begin_job(
        Kind.ENGINE, scene.project, by=None, worker=worker, label=f"Pre-label {scene.name}",
        scene_id=scene.pk, parameters={"provider": provider},
    )  # fmt: skip


def request_mask(scene: Scene, message: messages.AddPrompt, *, by: User) -> Job:
    """Store a click and ring the worker that holds the scene. Raises InvalidEdit or NoWorker."""
    _check_prompts(scene, message)
    holder, earlier = _holder_and_clicks(scene, UUID(message.request_id), by)
    worker = holder or _hold(scene.pk)
    job = None
    for click in earlier:
        if click.request_id == UUID(message.request_id):
            job = click
        elif _is_outdone(click, message):
            jobs.supersede(click)
    job = job or _store(Kind.CLICK, scene, message, by, durable=False)
    if not job.is_ended:
        transaction.on_commit(lambda: _ring_click(job, worker))
    return job


def request_propagation(scene: Scene, message: messages.Propagate, *, by: User) -> Job:
    """Store a propagation and ring the scene's worker through Celery."""
    _holder_and_clicks(scene)  # not when it is frozen
    if message.to_frame == message.from_frame:
        raise InvalidEdit("there is no frame to follow the track to")
    last = scene.frames.count() - 1
    if not 0 <= message.to_frame <= last or message.from_frame > last:
        raise InvalidEdit(f"the scene has frames 0 to {last}")
    with transaction.atomic():
        job = Job.objects.filter(scene_id=scene.pk, request_id=UUID(message.request_id)).first()
        job = job or _store(Kind.PROPAGATE, scene, message, by)
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


def _store(
    kind: str,
    scene: Scene,
    message: messages.AddPrompt | messages.Propagate,
    by: User,
    *,
    durable: bool = True,
) -> Job:
    return jobs.store_job(
        kind,
        scene.project_id,
        by=by,
        scene_id=scene.pk,
        request_id=UUID(message.request_id),
        parameters=message.model_dump(mode="json", exclude={"type", "request_id"}),
        durable=durable,
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


def _is_outdone(earlier: Job, message: messages.AddPrompt) -> bool:
    """Latest click wins: one on the same track and frame needs no answer any more.

    Clicks without a track make one each, and never outdo another.
    """
    asked = earlier.parameters
    return message.track is not None and (asked["track"], asked["frame"]) == (
        message.track,
        message.frame,
    )


OF_CLICK = ("id", "request_id", "state", "parameters")
HOLDER_AND_CLICKS = f"""
    SELECT document.why_frozen, worker.name, {statements.columns(Job, "job", only=OF_CLICK)}
    FROM annotations_document document
    LEFT JOIN predictions_scenehold hold ON hold.scene_id = document.scene_id
    LEFT JOIN predictions_modelworker worker
        ON worker.name = hold.worker_id AND worker.heartbeat_at > %(alive)s
    LEFT JOIN jobs_job job ON job.scene_id = document.scene_id AND job.kind = 'click' AND (
        job.request_id = %(request)s OR job.state = 'waiting' AND job.requested_by_id = %(by)s
    )
    WHERE document.scene_id = %(scene)s
"""


def _holder_and_clicks(
    scene: Scene, request_id: UUID | None = None, by: User | None = None
) -> tuple[str | None, list[Job]]:
    """The live worker that holds a scene, if one does, and clicks that matter to a new one.

    Those are the request itself, should it come twice, and mine that nobody has begun to answer.
    Raises Frozen when the scene may not be edited.
    """
    asked = {
        "alive": timezone.now() - ALIVE,
        "request": request_id,
        "by": by.pk if by else None,
        "scene": scene.pk,
    }
    found = statements.rows(HOLDER_AND_CLICKS, asked)
    why_frozen, worker, *_ = found[0]
    if why_frozen:
        raise Frozen(why_frozen)
    clicks = [
        statements.instance(Job, of_click, only=OF_CLICK)
        for _, _, *of_click in found
        if of_click[0] is not None
    ]
    return worker, clicks


def _check_prompts(scene: Scene, message: messages.AddPrompt) -> None:
    if message.track is None and message.label_class is None:
        raise InvalidEdit("choose a class for the new track first")
    kinds = {number: place.kind for number, place in places(scene.pk, message.frame).items()}
    for prompt in message.prompts:
        if prompt.sensor not in kinds:
            raise InvalidEdit(f"sensor {prompt.sensor} has no reading in frame {message.frame}")
        expected = 2 if kinds[prompt.sensor] == "camera" else 3
        if prompt.kind == "point" and len(prompt.position) != expected:
            raise InvalidEdit(
                f"a point in a {kinds[prompt.sensor]} has {expected} coordinates, "
                f"not {len(prompt.position)}"
            )
