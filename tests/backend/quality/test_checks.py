"""Rules as issues, their fixes, and which tasks are exceptions."""

from __future__ import annotations

import numpy as np
import pytest

from backend.annotations.models import Mask, Track
from backend.jobs import actions as jobs
from backend.jobs.models import Job, Kind, State
from backend.jobs.tasks import run_claimed
from backend.protocol import messages
from backend.quality.tasks import EXPECTED, check_task
from backend.tasks import actions as tasks
from backend.tasks import issues
from backend.tasks.models import Issue, Task
from inference.masks import decode_runs
from tests.backend.exports.labelling import edit, put
from tests.backend.quality.labels import LIDAR, label
from tests.builders import (
    CAR_POINTS,
    POINTS,
    build_project,
    build_stored_scene,
    client_of,
)

pytestmark = pytest.mark.django_db


def check():
    """Does what a worker would with the checks that wait."""
    for job in Job.objects.filter(kind=Kind.CHECK, state=State.WAITING):
        run_claimed(jobs.claim(job.pk, worker="test"), check_task, expected=EXPECTED)
        job.refresh_from_db()
        assert job.state == State.DONE, job.error


def stray(scene, by):
    """The car of frame 1 has a point of the ground far behind, too."""
    points = np.zeros(POINTS, bool)
    points[CAR_POINTS] = True
    points[100:103] = True
    put(scene, 1, 1, LIDAR, points, by=by)


def test_good_labels_raise_nothing(scene, ann):
    label(scene, ann)
    tasks.submit(scene.tasks.get(), by=ann)
    check()

    assert not Issue.objects.exists()


def test_what_a_rule_finds_is_an_issue_with_a_fix_that_works(scene, ann):
    label(scene, ann)
    stray(scene, ann)
    answer = client_of(ann).post(f"/api/tasks/{scene.tasks.get().pk}/checks")
    assert answer.status_code == 201
    check()

    found = {each.rule: each for each in Issue.objects.all()}
    assert set(found) == {"floating", "size"}  # the same three points make it too long, too
    floating = found["floating"]
    assert (floating.frame, floating.track, floating.sensor, floating.by) == (1, 1, LIDAR, None)
    assert "3 of its 43 points lie" in floating.comments.get().text

    taken = client_of(ann).post(
        f"/api/issues/{floating.pk}/suggestion", {"take": True}, format="json"
    )
    assert taken.json()["verdict"] == "taken"
    mask = Mask.objects.get(
        track__number=1, reading__frame__index=1, reading__sensor__number=LIDAR,
        until_revision=None,
    )  # fmt: skip
    kept = decode_runs(bytes(mask.runs), POINTS)
    assert (kept.sum(), kept[CAR_POINTS].all()) == (40, True)

    client_of(ann).post(f"/api/tasks/{scene.tasks.get().pk}/checks")
    check()
    assert not Issue.objects.filter(is_open=True).exists()  # the size is right again, too


def test_what_comes_back_is_opened_again_but_not_what_somebody_has_resolved(scene, ann):
    label(scene, ann)
    stray(scene, ann)
    task = scene.tasks.get()
    client_of(ann).post(f"/api/tasks/{task.pk}/checks")
    check()
    issues.set_open(Issue.objects.get(rule="size"), False)  # it is a long car
    edit(scene, messages.UndoLast(), by=ann)
    client_of(ann).post(f"/api/tasks/{task.pk}/checks")
    check()
    assert not Issue.objects.filter(is_open=True).exists()
    stray(scene, ann)
    client_of(ann).post(f"/api/tasks/{task.pk}/checks")
    check()

    assert Issue.objects.get(rule="floating").is_open


def test_one_check_waits_at_a_time(scene, ann):
    address = f"/api/tasks/{scene.tasks.get().pk}/checks"
    one, other = (client_of(ann).post(address).json()["id"] for _ in range(2))
    assert one == other


def test_a_track_that_is_there_twice_can_be_deleted(scene, ann):
    label(scene, ann)
    label(scene, ann, name="truck")
    tasks.submit(scene.tasks.get(), by=ann)
    check()

    (issue,) = Issue.objects.filter(rule="double")
    issues.take_over(issue, by=ann)

    assert Track.objects.filter(deleted_revision=None).count() == 1


def test_findings_are_counted_and_do_not_keep_a_task_from_being_accepted(scene, ann, rita):
    label(scene, ann)
    stray(scene, ann)
    task = scene.tasks.get()
    tasks.submit(task, by=ann)
    check()

    assert client_of(rita).get(f"/api/tasks/{task.pk}").json()["findings"] == 2
    assert tasks.accept(task, by=rita).state == Task.State.ACCEPTED


@pytest.fixture
def by_exception(project, mia):
    answer = client_of(mia).patch(
        f"/api/projects/{project.pk}", {"review_policy": "exceptions", "review_share": 0},
        format="json",
    )  # fmt: skip
    assert answer.status_code == 200
    project.refresh_from_db()
    return project


def test_where_exceptions_are_reviewed_the_others_are_accepted(by_exception, scene, ann, mia):
    label(scene, ann)
    task = scene.tasks.get()
    tasks.submit(task, by=ann)
    check()

    task.refresh_from_db()
    assert (task.state, task.flag, task.reviewer) == (Task.State.ACCEPTED, "", None)
    scene.document.refresh_from_db()
    assert scene.document.why_frozen.startswith("accepted by rule, as nothing flagged it")
    # A manager can still have another look at it.
    tasks.send_back(task, by=mia, reason="look at the bus")
    tasks.submit(task, by=ann)
    check()
    task.refresh_from_db()
    assert (task.state, task.flag) == (Task.State.SUBMITTED, "again")


def test_what_is_flagged_waits_for_a_reviewer_and_says_why(by_exception, scene, ann, rita):
    label(scene, ann)
    stray(scene, ann)
    task = scene.tasks.get()
    tasks.submit(task, by=ann)
    check()

    shown = client_of(rita).get(f"/api/tasks/{task.pk}").json()
    assert (shown["state"], shown["flag"]) == ("submitted", "rules")
    assert client_of(ann).get(f"/api/tasks/{task.pk}").json()["flag"] == ""


def test_doubts_of_the_model_flag_a_task(by_exception, scene, ann):
    label(scene, ann)
    Mask.objects.filter(reading__frame__index=1).delete()
    doubtful = Mask.objects.filter(reading__frame__index=2)
    rows = [
        Mask(track=m.track, reading=m.reading, runs=bytes(m.runs), area=m.area, source="engine",
             confidence=0.3, from_revision=m.from_revision)
        for m in doubtful
    ]  # fmt: skip
    doubtful.delete()
    Mask.objects.bulk_create(rows)
    put(scene, 1, 1, LIDAR, np.arange(POINTS) < 40, by=ann)
    task = scene.tasks.get()
    tasks.submit(task, by=ann)
    check()

    task.refresh_from_db()
    assert (task.state, task.flag) == (Task.State.SUBMITTED, "model")


def test_a_share_is_reviewed_all_the_same(by_exception, scene, ann):
    by_exception.review_share = 100
    by_exception.save()
    label(scene, ann)
    task = scene.tasks.get()
    tasks.submit(task, by=ann)
    check()

    task.refresh_from_db()
    assert (task.state, task.flag) == (Task.State.SUBMITTED, "sample")


def test_a_share_beyond_100_percent_is_refused(project, mia):
    answer = client_of(mia).patch(
        f"/api/projects/{project.pk}", {"review_share": 101}, format="json"
    )
    assert answer.status_code == 400


def test_all_findings_are_resolved_at_once_and_stay_so(scene, ann, mia):
    label(scene, ann)
    stray(scene, ann)
    task = scene.tasks.get()
    client, address = client_of(ann), f"/api/scenes/{scene.pk}/issues"
    client.post(f"/api/tasks/{task.pk}/checks")
    check()
    ids = [each["id"] for each in client.get(address).json()]
    other = issues.raise_issue(
        build_stored_scene(build_project("elsewhere")), "mine", by=mia, frame=0
    )

    answer = client.patch(address, {"resolved": [*ids, other.pk]}, format="json").json()

    assert sorted(each["id"] for each in answer) == sorted(ids)
    other.refresh_from_db()
    assert other.is_open  # of another scene
    client.post(f"/api/tasks/{task.pk}/checks")
    check()
    assert not Issue.objects.filter(scene=scene, is_open=True).exists()
