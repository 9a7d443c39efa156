"""The resident worker: clicks before frame steps, cancel, and what a death leaves behind."""

from __future__ import annotations

import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from backend.annotations.models import Edit, Mask, Track
from backend.jobs import actions as jobs
from backend.jobs.models import Job, State
from backend.predictions import actions
from backend.predictions.models import ModelWorker, SceneHold
from backend.predictions.queries import worker_for
from backend.predictions.worker import Resident
from backend.protocol import messages, records
from tests.builders import build_project, build_stored_scene, build_user
from tests.stub_predictor import StubPredictor

CAMERA, LIDAR = 0, 1
ON_THE_CAR = [12.0, 0.0, 0.9]


@pytest.fixture
def scene():
    return build_stored_scene(build_project(), frames=6)


@pytest.fixture
def ann(scene):
    return build_user("ann", project=scene.project)


@pytest.fixture
def resident():
    """A worker that takes what is rung, in this process."""
    resident = Resident(StubPredictor(), "test-worker")
    resident.register()
    return resident


def click(scene, by, *, track=None, frame=0, position=ON_THE_CAR, request_id=""):
    car = scene.project.label_classes.get(name="car")
    return actions.request_mask(
        scene,
        messages.AddPrompt(
            request_id=request_id or str(uuid4()),
            frame=frame,
            prompts=[records.PointPrompt(sensor=LIDAR, position=position)],
            track=track,
            label_class=car.pk,
        ),
        by=by,
    )


def propagate(scene, by, track, *, start=0, end=5):
    return actions.request_propagation(
        scene,
        messages.Propagate(request_id=str(uuid4()), track=track, from_frame=start, to_frame=end),
        by=by,
    )


@pytest.mark.django_db(transaction=True)
def test_a_click_becomes_a_track_with_its_mask(scene, ann, resident):
    job = click(scene, ann)

    resident.run_click(job.pk)

    job.refresh_from_db()
    edit = Edit.objects.get()
    assert job.state == State.DONE
    assert Mask.objects.get().area == 40  # the points of the car (builders.py)
    assert (edit.by, edit.model, edit.model_version, edit.tool) == (ann, "stub", "1", "click")
    assert edit.change["prompts"][0]["position"] == ON_THE_CAR


@pytest.mark.django_db(transaction=True)
def test_a_request_sent_twice_is_one_job_and_one_mask(scene, ann, resident):
    request_id = str(uuid4())
    first, second = (click(scene, ann, request_id=request_id) for _ in range(2))

    resident.run_click(first.pk)
    resident.run_click(second.pk)

    assert first.pk == second.pk
    assert Track.objects.count() == Mask.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_latest_click_on_a_track_wins(scene, ann, resident):
    resident.run_click(click(scene, ann).pk)
    track = Track.objects.get().number

    older, newer = click(scene, ann, track=track), click(scene, ann, track=track)

    older.refresh_from_db()
    newer.refresh_from_db()
    assert (older.state, newer.state) == (State.SUPERSEDED, State.WAITING)


@pytest.mark.django_db(transaction=True)
def test_a_click_on_nothing_fails_with_words_and_leaves_no_track(scene, ann, resident):
    job = click(scene, ann, position=[900.0, 0.0, 0.0])

    resident.run_click(job.pk)

    job.refresh_from_db()
    assert job.state == State.FAILED
    assert "nothing was found there" in job.error
    assert not Track.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_click_that_does_not_fit_its_reading_fails_with_the_predictors_words(
    scene, ann, resident
):
    def refuse():
        raise ValueError("the click lies outside the picture of 'FRONT'")

    resident.predictor.before_click = refuse
    job = click(scene, ann)

    resident.run_click(job.pk)

    job.refresh_from_db()
    assert job.state == State.FAILED
    assert "outside the picture of 'FRONT'" in job.error


@pytest.mark.django_db(transaction=True)
def test_a_click_that_is_cancelled_meanwhile_ends_as_cancelled_and_leaves_nothing(
    scene, ann, resident
):
    job = click(scene, ann)
    resident.predictor.before_click = lambda: actions.cancel_request(scene, str(job.request_id))

    resident.run_click(job.pk)

    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert not Track.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_propagation_follows_the_track_through_the_frames(scene, ann, resident):
    resident.run_click(click(scene, ann).pk)
    job = propagate(scene, ann, Track.objects.get().number)

    resident.run_propagation(job.pk)

    job.refresh_from_db()
    assert (job.state, job.done, job.total) == (State.DONE, 5, 5)
    assert Mask.objects.filter(until_revision=None).count() == 6


@pytest.mark.django_db(transaction=True)
def test_a_click_during_a_propagation_is_answered_within_one_frame_step(scene, ann, resident):
    resident.run_click(click(scene, ann).pk)
    track = Track.objects.get().number
    asked: list[Job] = []
    threads: list[threading.Thread] = []

    def click_in_the_second_step(frame: int) -> None:
        if frame == 2:
            asked.append(click(scene, ann))
            threads.append(threading.Thread(target=in_a_thread, args=[asked[0].pk]))
            threads[0].start()
            while not resident.turns._clicks_waiting:
                pass

    def in_a_thread(job_id: int) -> None:
        resident.run_click(job_id)
        connection.close()

    turns: list[str] = []

    def before_step(frame: int) -> None:
        turns.append(f"frame {frame}")
        click_in_the_second_step(frame)

    resident.predictor.before_step = before_step
    resident.predictor.before_click = lambda: turns.append("click")
    resident.run_propagation(propagate(scene, ann, track).pk)
    threads[0].join()

    # The turns decide, not the commits: on a busy machine those may overtake each other.
    assert turns == ["frame 1", "frame 2", "click", "frame 3", "frame 4", "frame 5"]
    order = [
        (edit.tool, edit.change["frame"])
        for edit in Edit.objects.filter(revision__gt=1).order_by("revision")
    ]
    assert ("click", 0) in order
    assert [frame for tool, frame in order if tool == "propagate"] == [1, 2, 3, 4, 5]


@pytest.mark.django_db(transaction=True)
def test_cancel_stops_a_propagation_at_the_next_frame_and_keeps_what_is_done(scene, ann, resident):
    resident.run_click(click(scene, ann).pk)
    job = propagate(scene, ann, Track.objects.get().number)

    def cancel_at_two(frame: int) -> None:
        if frame == 2:
            actions.cancel_request(scene, str(job.request_id))

    resident.predictor.before_step = cancel_at_two
    resident.run_propagation(job.pk)

    job.refresh_from_db()
    frames = set(
        Mask.objects.filter(until_revision=None).values_list("reading__frame__index", flat=True)
    )
    assert job.state == State.CANCELLED
    assert frames == {0, 1, 2}


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_dies_at_a_click_leaves_an_error_and_the_next_click_works(
    scene, ann, resident
):
    job = click(scene, ann)
    assert jobs.claim(job.pk, worker="test-worker")  # and then it dies

    Resident(StubPredictor(), "test-worker").register()  # the launcher starts it again
    second = click(scene, ann)
    resident.run_click(second.pk)

    job.refresh_from_db()
    second.refresh_from_db()
    assert job.state == State.FAILED
    assert "please click again" in job.error
    assert second.state == State.DONE
    assert Track.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_propagation_goes_on_where_the_dead_worker_stopped(scene, ann, resident):
    resident.run_click(click(scene, ann).pk)
    job = propagate(scene, ann, Track.objects.get().number)

    def die(frame: int) -> None:
        if frame == 3:
            raise SystemExit

    resident.predictor.before_step = die
    with pytest.raises(SystemExit):
        resident.run_propagation(job.pk)
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    steps: list[int] = []
    resident.predictor.before_step = steps.append
    resident.run_propagation(job.pk)

    job.refresh_from_db()
    assert job.state == State.DONE
    assert steps == [3, 4, 5]


@pytest.mark.django_db(transaction=True)
def test_a_scene_whose_worker_died_moves_to_a_live_one(scene, ann, resident):
    click(scene, ann)
    assert SceneHold.objects.get(scene=scene).worker_id == "test-worker"
    ModelWorker.objects.filter(pk="test-worker").update(
        heartbeat_at=timezone.now() - timedelta(minutes=1)
    )
    Resident(StubPredictor(), "another").register()

    worker = worker_for(scene.pk)

    assert worker is not None
    assert worker.name == "another"


@pytest.mark.django_db(transaction=True)
def test_without_a_worker_the_asker_is_told(scene, ann):
    with pytest.raises(actions.NoWorker, match="no model worker is running"):
        click(scene, ann)

    assert not Job.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_model_itself_answers_a_click_and_follows_it(scene, ann, tmp_path):
    """SAM4D with random weights: what the masks show means nothing, what becomes of them does."""
    rig = pytest.importorskip("tests.inference.sam4d.test_predictor")
    predictor = rig.Sam4dPredictor(
        rig.random_model(), version="random", runtime=rig.EXACT, cache_folder=tmp_path
    )
    resident = Resident(predictor, "model-worker")
    resident.register()
    resident.run_click(click(scene, ann).pk)
    track = Track.objects.get().number
    resident.beat()
    again = click(scene, ann, track=track, position=[11.0, 0.5, 0.9])
    resident.run_click(again.pk)

    resident.beat()
    job = propagate(scene, ann, track, end=3)
    resident.run_propagation(job.pk)

    job.refresh_from_db()
    again.refresh_from_db()
    assert (again.state, job.state) == (State.DONE, State.DONE)
    assert set(Mask.objects.values_list("reading__frame__index", flat=True)) == {0, 1, 2, 3}
    assert {edit.model for edit in Edit.objects.all()} == {"sam4d"}
