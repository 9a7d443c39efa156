"""The resident model process: one per GPU, or one on a machine without.

It is a Celery worker (solo pool) for what lasts, and beside it a thread waits for clicks on a
Valkey list. The predictor is used by one of them at a time; a click that waits goes first, so that
during a propagation it is answered within one frame step.

Started as `celery -A backend.celery worker -I backend.predictions.worker -Q model -P solo`.
The only file that may import the model.
"""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid5

import redis
from celery import shared_task
from celery.signals import worker_ready, worker_shutdown
from django.conf import settings
from django.db import close_old_connections, connection
from django.utils import timezone

from backend.annotations import actions as label_actions
from backend.annotations import queries as labels
from backend.annotations.actions import PredictedMask
from backend.annotations.errors import InvalidEdit
from backend.annotations.models import Source
from backend.jobs import actions as jobs
from backend.jobs.models import Job, Kind, State
from backend.jobs.tasks import ending
from backend.predictions import actions
from backend.predictions.models import ModelWorker, SceneHold
from backend.predictions.queries import choice_of, clicks_list, queue_of, request_of, scene_of
from backend.scenes.models import Scene, Sensor
from backend.scenes.queries import places, read_scene
from inference import masks as run_lengths
from inference import prompts
from inference.predictor import CHECKPOINT, Card, Predictor, load_predictor, offered
from inference.prompts import MaskPrediction

logger = logging.getLogger(__name__)

HEARTBEAT_S = 2.0
MAX_OPEN_SCENES = 4


class Turns:
    """One user of the predictor at a time; clicks before background work."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._busy = False
        self._clicks_waiting = 0

    @contextmanager
    def click(self) -> Iterator[None]:
        with self._free:
            self._clicks_waiting += 1
            self._free.wait_for(lambda: not self._busy)
            self._clicks_waiting -= 1
            self._busy = True
        try:
            yield
        finally:
            self._release()

    @contextmanager
    def step(self) -> Iterator[None]:
        """One step of long work: waits until no click waits."""
        with self._free:
            self._free.wait_for(lambda: not self._busy and not self._clicks_waiting)
            self._busy = True
        try:
            yield
        finally:
            self._release()

    def _release(self) -> None:
        with self._free:
            self._busy = False
            self._free.notify_all()


@dataclass(frozen=True)
class Opened:
    """A scene that is kept open: by which predictor, and that one's state of it."""

    predictor: Predictor
    state: Any

    def close(self) -> None:
        self.predictor.close(self.state)


class Resident:
    """The predictors and the scenes that they keep open, for as long as the process lives."""

    def __init__(
        self,
        predictor: Predictor,
        name: str,
        *,
        offers: Sequence[Card] = (),
        load: Callable[[str], Predictor] = load_predictor,
    ) -> None:
        """predictor: what projects get that chose nothing.  offers: its card first, then others'.
        load: of the others; the same one every time.
        """
        self.predictor = predictor
        self.name = name
        self.offers = offers
        self.turns = Turns()
        self._load = load
        self._opened: OrderedDict[int, Opened] = OrderedDict()
        self._sensors: dict[int, dict[str, int]] = {}

    def open(self, scene: int) -> Opened:
        """The scene as its project's predictor has it. Call it inside a turn.

        Raises InvalidEdit where the project asks for a predictor that is not offered.
        """
        predictor = self._chosen(choice_of(scene))
        there = self._opened.get(scene)
        if there is not None and there.predictor is predictor:
            self._opened.move_to_end(scene)
            return there
        if there is not None:
            self._opened.pop(scene).close()
        while len(self._opened) >= MAX_OPEN_SCENES:
            scene_id, oldest = self._opened.popitem(last=False)
            oldest.close()
            SceneHold.objects.filter(scene=scene_id, worker=self.name).delete()
        row = Scene.objects.select_related("project").get(pk=scene)
        self._opened[scene] = Opened(predictor, predictor.open(read_scene(row)))
        return self._opened[scene]

    def _chosen(self, choice: str) -> Predictor:
        keys = [card.key for card in self.offers]
        if not choice or choice in keys[:1]:
            return self.predictor
        if choice not in keys:
            raise InvalidEdit(
                f"this project asks for the predictor {choice!r}, which is not installed here any more; "
                "a project manager can choose another on the project's page"
            )
        try:
            return self._load(choice)
        except (ValueError, OSError) as error:
            raise InvalidEdit(f"the predictor {choice!r} cannot be loaded: {error}") from error

    def sensors(self, scene_id: int) -> dict[str, int]:
        """Sensor name to its number; they never change once a scene is there."""
        if scene_id not in self._sensors:
            rows = Sensor.objects.filter(scene=scene_id)
            self._sensors[scene_id] = dict(rows.values_list("name", "number"))
        return self._sensors[scene_id]

    # --- clicks ---------------------------------------------------------------------------------

    def run_click(self, job_id: int) -> None:
        job = jobs.claim(job_id, worker=self.name)
        if job is None:
            return
        with ending(job, expected=(InvalidEdit,), broke="the model failed on this click"):
            with self.turns.click():
                opened, predicted = self._predict(job)
            if not any(prediction.mask.any() for prediction in predicted):
                raise InvalidEdit("nothing was found there: try a point nearer the object's middle")
            self._answer(job, opened.predictor, predicted)

    def _predict(self, job: Job) -> tuple[Opened, list[MaskPrediction]]:
        scene, asked = scene_of(job), job.parameters
        try:
            opened = self.open(scene)
            return opened, opened.predictor.add_prompt(
                opened.state,
                frame=asked["frame"],
                prompts=_prompts(scene, asked["frame"], asked["prompts"], self.sensors(scene)),
                track=asked["track"],
            )
        except ValueError as error:  # a prompt that does not fit its reading, or a broken reading
            raise InvalidEdit(str(error)) from error

    def _answer(self, job: Job, predictor: Predictor, predicted: Sequence[MaskPrediction]) -> None:
        scene, asked = scene_of(job), job.parameters
        label_actions.save_predicted_masks(
            scene,
            _stored(predicted, self.sensors(scene)),
            frame=asked["frame"],
            track=asked["track"],
            label_class=asked["label_class"],
            operation_id=request_of(job),
            group=request_of(job),
            by=job.requested_by,
            tool="click",
            model=predictor.name,
            model_version=predictor.version,
            prompts=_for_history(asked["prompts"]),
            ends=job,
        )

    # --- propagation ----------------------------------------------------------------------------

    def run_propagation(self, job_id: int) -> None:
        job = jobs.claim(job_id, worker=self.name)
        if job is None:
            return
        with ending(job, expected=(InvalidEdit,), broke="following the track failed"):
            self._follow(job)
            jobs.finish(job, message=f"{job.done} frames")

    def _follow(self, job: Job) -> None:
        """Step by step: predict under a turn, store, tell, look whether to go on."""
        scene, asked = scene_of(job), job.parameters
        numbers = self.sensors(scene)
        start = job.checkpoint.get("frame", asked["from_frame"])
        direction = 1 if asked["to_frame"] > asked["from_frame"] else -1
        frames = list(range(start + direction, asked["to_frame"] + direction, direction))
        total = abs(asked["to_frame"] - asked["from_frame"])
        known = labels.known_masks(
            scene, asked["track"], sources=Source.values, first=start, last=start
        ) | labels.known_masks(scene, asked["track"], sources=[Source.PERSON])
        if start not in known:
            raise InvalidEdit(
                f"track {asked['track']} has no mask in frame {start} to start from: click it there"
            )
        jobs.progress(job, done=total - len(frames), total=total)
        with self.turns.step():
            opened = self.open(scene)
            steps = opened.predictor.propagate(
                opened.state, known={asked["track"]: known}, frames=frames
            )
        for done in range(total - len(frames) + 1, total + 1):
            with self.turns.step():
                predicted = next(steps)
            label_actions.save_predicted_masks(
                scene,
                _stored(predicted.masks[asked["track"]], numbers),
                frame=predicted.frame,
                track=asked["track"],
                label_class=None,
                operation_id=uuid5(request_of(job), str(predicted.frame)),
                group=request_of(job),
                by=job.requested_by,
                tool="propagate",
                model=opened.predictor.name,
                model_version=opened.predictor.version,
                keep_human=True,
            )
            jobs.progress(job, done=done, total=total, checkpoint={"frame": predicted.frame})

    # --- the process ----------------------------------------------------------------------------

    def register(self) -> None:
        """Say that this worker is here, and settle what an earlier one of its name left."""
        now = timezone.now()
        ModelWorker.objects.update_or_create(
            name=self.name,
            defaults={
                "predictor": self.predictor.name,
                "predictor_version": self.predictor.version,
                "offers": [asdict(card) for card in self.offers],
                "started_at": now,
                "heartbeat_at": now,
            },
        )
        Job.objects.filter(worker=self.name, state=State.RUNNING).update(lease_until=now)
        actions.settle_lost_jobs()

    def beat(self) -> None:
        """Renew the heartbeat, and the leases of the jobs that are being worked on."""
        now = timezone.now()
        ModelWorker.objects.filter(pk=self.name).update(heartbeat_at=now)
        Job.objects.filter(
            worker=self.name, state=State.RUNNING, kind__in=[Kind.CLICK, Kind.PROPAGATE]
        ).update(lease_until=now + 4 * timedelta(seconds=HEARTBEAT_S))

    def leave(self) -> None:
        ModelWorker.objects.filter(pk=self.name).delete()

    def beat_for_ever(self, stop: threading.Event) -> None:
        while not stop.wait(HEARTBEAT_S):
            try:
                self.beat()
            except Exception as error:
                logger.warning("no heartbeat of %s: %s", self.name, error)
                close_old_connections()

    def listen_for_clicks(self, stop: threading.Event) -> None:
        valkey = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=10)
        while not stop.is_set():
            try:
                rung = valkey.brpop([clicks_list(self.name)], timeout=2)
                if rung:
                    self.run_click(int(rung[1]))
            except redis.RedisError as error:
                logger.warning("cannot hear clicks: %s", error)
                time.sleep(1)
            except Exception:
                logger.exception("the click thread stumbled")
                close_old_connections()


def _prompts(
    scene: int, frame: int, asked: Sequence[dict[str, Any]], numbers: dict[str, int]
) -> list[prompts.Prompt]:
    names = {number: name for name, number in numbers.items()}
    return [_prompt(scene, frame, names[prompt["sensor"]], prompt) for prompt in asked]


def _prompt(scene: int, frame: int, sensor: str, asked: dict[str, Any]) -> prompts.Prompt:
    match asked["kind"]:
        case "point":
            return prompts.PointPrompt(sensor, tuple(asked["position"]), asked["positive"])
        case "box":
            return prompts.BoxPrompt(sensor, tuple(asked["low"]), tuple(asked["high"]))
        case _:
            size = places(scene, frame)[asked["sensor"]].size
            try:
                mask = run_lengths.decode_runs(base64.b64decode(asked["runs"]), size)
            except ValueError as error:
                raise InvalidEdit(f"the mask prompt cannot be read: {error}") from error
            return prompts.MaskPrompt(sensor, mask)


def _for_history(asked: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: prompt[name] for name in prompt if name != "runs"} for prompt in asked]


def _stored(predicted: Sequence[MaskPrediction], numbers: dict[str, int]) -> list[PredictedMask]:
    return [
        PredictedMask(
            numbers[prediction.sensor],
            run_lengths.encode_runs(prediction.mask),
            float(prediction.confidence),
        )
        for prediction in predicted
    ]


_resident: Resident | None = None
_stop = threading.Event()


@shared_task(name=actions.PROPAGATE_TASK, acks_late=True)  # type: ignore[untyped-decorator]
def propagate(job_id: int) -> None:
    assert _resident, "the worker is not ready"
    _resident.run_propagation(job_id)


def _load(key: str) -> Predictor:
    return load_predictor(settings.PREDICTOR if key == CHECKPOINT else key)


@worker_ready.connect  # type: ignore[untyped-decorator]
def start(sender: Any, **_: Any) -> None:
    """Load the predictor, listen on this worker's own queue, and begin to hear clicks."""
    global _resident
    name = str(sender.hostname).replace("@", ".")
    try:
        predictor = load_predictor(settings.PREDICTOR)
        offers = offered(settings.PREDICTOR)
    except (ValueError, OSError) as error:
        # Celery would go on without what this process is for.
        logger.critical("there is no predictor: %s", error)
        raise SystemExit(1) from error
    _resident = Resident(predictor, name, offers=offers, load=_load)
    _resident.register()
    sender.add_task_queue(queue_of(name))
    for work in (_resident.beat_for_ever, _resident.listen_for_clicks):
        threading.Thread(target=work, args=[_stop], name=work.__name__, daemon=True).start()
    connection.close()
    logger.info("model worker %s is ready with %s", name, _resident.predictor.name)


@worker_shutdown.connect  # type: ignore[untyped-decorator]
def end(**_: Any) -> None:
    _stop.set()
    if _resident:
        _resident.leave()
