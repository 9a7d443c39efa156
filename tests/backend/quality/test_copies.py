"""Blind copies: who sees them, who is given them, and what comparing them says."""

from __future__ import annotations

import pytest

from backend.annotations.models import Document, Mask, Track
from backend.jobs import actions as jobs
from backend.jobs.models import Job, Kind, State
from backend.jobs.tasks import run_claimed
from backend.protocol import messages
from backend.quality import copies
from backend.quality.models import Comparison
from backend.quality.tasks import EXPECTED, compare_family
from backend.scenes.queries import visible_scenes
from backend.tasks import actions as tasks
from backend.tasks.models import Task
from backend.tasks.queue import next_task
from backend.workspace.access import access
from tests.backend.exports.labelling import edit
from tests.backend.quality.labels import FRAMES, label
from tests.builders import (
    build_stored_scene,
    build_user,
    client_of,
)

pytestmark = pytest.mark.django_db


def accepted(scene, by, reviewer):
    task = scene.tasks.get()
    tasks.start(task, by=by)
    tasks.submit(task, by=by)
    return tasks.accept(task, by=reviewer)


def compare():
    """Does what a worker would."""
    done = []
    for job in Job.objects.filter(kind=Kind.COMPARE, state=State.WAITING):
        claimed = jobs.claim(job.pk, worker="test")
        run_claimed(claimed, compare_family, expected=EXPECTED)
        job.refresh_from_db()
        done.append(job)
    return done


@pytest.fixture
def gold(scene, ann, rita):
    label(scene, ann)
    return accepted(scene, ann, rita)


def test_a_copy_has_the_readings_and_none_of_the_labels(gold, scene, mia, ben):
    (task,) = copies.label_again(gold, [ben], by=mia)

    copy = task.scene
    assert (copy.name, copy.original, copy.frames.count()) == (scene.name, scene, FRAMES)
    assert not Track.objects.filter(document=copy.pk).exists()
    mine, theirs = (
        list(
            s.frames.order_by("index", "readings__sensor__number").values_list(
                "readings__source_key", "world_from_ego"
            )
        )
        for s in (scene, copy)
    )
    assert mine == theirs
    assert [s.name for s in copy.sensors.all()] == [s.name for s in scene.sensors.all()]
    assert (task.assignee, task.state) == (ben, Task.State.OPEN)


def test_a_copy_of_a_part_begins_where_the_part_does(project, mia, ben):
    scene = build_stored_scene(project, frames=6)
    _, second = tasks.split(scene, frames=3)

    (task,) = copies.label_again(second, [ben], by=mia)

    frames = list(task.scene.frames.order_by("index"))
    assert (task.scene.copied_from, [frame.index for frame in frames]) == (3, [0, 1, 2])
    assert frames[0].timestamp_us == scene.frames.get(index=3).timestamp_us


def test_labellers_see_neither_what_was_copied_nor_others_copies(gold, scene, mia, rita, ann, ben):
    cai = build_user("cai", project=scene.project)
    (task,) = copies.label_again(gold, [ben], by=mia)
    copy = task.scene

    def seen(user):
        by_query = {s for s in (scene, copy) if visible_scenes(user).filter(pk=s.pk).exists()}
        assert by_query == {s for s in (scene, copy) if access(user.pk, s.pk) is not None}
        answers = client_of(user).get(f"/api/projects/{scene.project_id}/tasks").json()
        assert {each["scene"] for each in answers} == {s.pk for s in by_query}
        return by_query

    assert seen(cai) == set()
    assert seen(ann) == {scene}  # it is her work
    assert seen(ben) == {copy}
    assert seen(rita) == seen(mia) == {scene, copy}
    assert [s["id"] for s in _scenes(ben, scene)] == [copy.pk]
    assert [s["id"] for s in _scenes(mia, scene)] == [scene.pk]


def _scenes(user, scene):
    return client_of(user).get(f"/api/projects/{scene.project_id}/scenes").json()


def test_only_reviewers_are_told_that_it_is_a_copy(gold, scene, mia, ben):
    (task,) = copies.label_again(gold, [ben], by=mia)

    assert client_of(ben).get(f"/api/tasks/{task.pk}").json()["copy_of"] is None
    assert client_of(mia).get(f"/api/tasks/{task.pk}").json()["copy_of"] == scene.pk


def test_the_queue_gives_nobody_the_same_frames_twice(gold, scene, mia, ann, ben):
    first, second = copies.label_again(gold, [None, None], by=mia)

    assert next_task(scene.project, ann) is None  # the gold is hers
    assert next_task(scene.project, ben) in (first, second)
    tasks.submit(Task.objects.get(assignee=ben), by=ben)
    assert next_task(scene.project, ben) is None  # he has labelled these frames


def test_who_has_labelled_it_is_not_asked_again(gold, mia, ann, ben):
    with pytest.raises(copies.NotCopied, match="ann has a task of a short street already"):
        copies.label_again(gold, [ann], by=mia)
    with pytest.raises(copies.NotCopied, match="once"):
        copies.label_again(gold, [ben, ben], by=mia)
    (task,) = copies.label_again(gold, [ben], by=mia)
    with pytest.raises(copies.NotCopied, match="copy itself"):
        copies.label_again(task, [None], by=mia)


def test_what_is_handed_in_is_compared_with_gold(gold, scene, mia, ben):
    (task,) = copies.label_again(gold, [ben], by=mia)
    label(task.scene, ben, off=2)
    label(task.scene, ben, off=12, frames=[1], name="truck")  # one object too many
    tasks.submit(task, by=ben)

    (job,) = compare()

    assert job.state == State.DONE, job.error
    found = Comparison.objects.get()
    assert (found.judged, found.reference, found.is_gold) == (task.scene, scene, True)
    assert (found.person, found.other) == (ben, None)
    report = found.report
    assert (report["found"], report["missing"], len(report["extra"])) == (1, [], 1)
    # Points: 38 of 42 in three frames; in frame 1 the truck lies over 28 of the car's and 2 more.
    assert found.iou_points == pytest.approx((3 * 38 + 10) / (3 * 42 + 52))
    assert report["figures"]["pixels"]["boundary"] > 0.5

    compare()
    assert Job.objects.filter(kind=Kind.COMPARE).count() == 1  # nothing new, nobody asked again


def test_it_is_shown_to_managers_alone(gold, scene, mia, rita, ben):
    (task,) = copies.label_again(gold, [ben], by=mia)
    label(task.scene, ben)
    tasks.submit(task, by=ben)
    compare()

    address = f"/api/projects/{scene.project_id}/quality"
    answer = client_of(mia).get(address).json()
    (person,) = answer["people"]
    assert (person["person"]["name"], person["trials"]) == ("ben", 1)
    assert person["pixels"]["iou"] == person["points"]["lstq"] == 1
    assert person["agreement"] is None
    (comparison,) = answer["comparisons"]
    assert comparison["frames"] == [0, FRAMES - 1]
    detail = client_of(mia).get(f"/api/comparisons/{comparison['id']}").json()
    assert detail["classes"] == [{"name": "car", "pixels": 1.0, "points": 1.0, "objects": 1}]
    assert detail["ranges"] == [{"name": "0-20 m", "points": 1.0}]
    assert [each["id"] for each in answer["copies"]] == [task.pk]
    for person in (ben, rita):
        assert client_of(person).get(address).status_code == 403
        assert client_of(person).get(f"/api/comparisons/{comparison['id']}").status_code in (
            403,
            404,
        )
    job = Job.objects.get(kind=Kind.COMPARE)
    assert client_of(ben).get(f"/api/jobs/{job.pk}").status_code == 404
    assert client_of(mia).get(f"/api/jobs/{job.pk}").status_code == 200


def test_without_gold_people_are_compared_with_each_other(scene, mia, ann, ben):
    original = scene.tasks.get()
    tasks.plan([original], by=mia, assignees=[ann])
    (task,) = copies.label_again(original, [ben], by=mia)
    label(scene, ann)
    label(task.scene, ben, off=4)
    tasks.submit(original, by=ann)
    assert [job.report["summary"] for job in compare()] == ["0 comparisons"]
    tasks.submit(task, by=ben)
    compare()

    found = Comparison.objects.get()
    assert (found.is_gold, {found.person, found.other}) == (False, {ann, ben})
    assert found.iou_points == pytest.approx(36 / 44)
    people = client_of(mia).get(f"/api/projects/{scene.project_id}/quality").json()["people"]
    assert [each["trials"] for each in people] == [0, 0]
    assert (
        people[0]["agreement"] == people[1]["agreement"] == pytest.approx((36 / 44 + 16 / 24) / 2)
    )


def test_labels_that_change_are_compared_again(gold, mia, ben, rita):
    (task,) = copies.label_again(gold, [ben], by=mia)
    label(task.scene, ben, off=8)
    tasks.submit(task, by=ben)
    compare()
    before = Comparison.objects.get()
    tasks.send_back(task, by=rita, reason="off")
    edit(task.scene, messages.DeleteTrack(track=1), by=ben)
    label(task.scene, ben)
    tasks.submit(task, by=ben)
    compare()

    after = Comparison.objects.get()
    assert (before.pk, before.iou_points < 1) == (after.pk, True)
    assert after.iou_points == 1


def test_a_copys_labels_can_take_the_place_of_the_originals(scene, mia, ann, ben):
    original = scene.tasks.get()
    tasks.plan([original], by=mia, assignees=[ann])
    (task,) = copies.label_again(original, [ben], by=mia)
    mine = label(scene, ann, off=8)
    label(task.scene, ben)
    before = Document.objects.get(pk=scene.pk).revision

    answer = client_of(mia).post(f"/api/scenes/{task.scene_id}/adopt")

    assert answer.json() == {"revision": before + 1}
    (track,) = Track.objects.filter(document=scene.pk, deleted_revision=None)
    assert track.number != mine
    there = Mask.objects.filter(track=track, until_revision=None)
    theirs = Mask.objects.filter(track__document=task.scene_id, until_revision=None)
    key = ("reading__frame__index", "reading__sensor__number")
    assert [bytes(m.runs) for m in there.order_by(*key)] == [
        bytes(m.runs) for m in theirs.order_by(*key)
    ]
    edit(scene, messages.UndoLast(), by=mia)
    (back,) = Track.objects.filter(document=scene.pk, deleted_revision=None)
    assert (back.number, back.masks.filter(until_revision=None).count()) == (mine, 2 * FRAMES)


def test_what_is_accepted_takes_no_copys_labels(gold, mia, ben):
    (task,) = copies.label_again(gold, [ben], by=mia)

    answer = client_of(mia).post(f"/api/scenes/{task.scene_id}/adopt")

    assert answer.status_code == 409
    assert "accepted by rita" in answer.json()["detail"]


def test_copies_are_no_progress_and_no_export(gold, scene, mia, ben):
    copies.label_again(gold, [ben], by=mia)

    figures = client_of(mia).get(f"/api/projects/{scene.project_id}/figures").json()
    assert figures["frames"] == {"accepted": FRAMES}
    assert client_of(mia).get(f"/api/projects/{scene.project_id}").json()["scene_count"] == 1


def test_people_with_known_errors_are_ranked_rightly(gold, scene, mia):
    people = [build_user(f"p{error}", project=scene.project) for error in (6, 0, 3)]
    for person, error in zip(people, (6, 0, 3), strict=True):
        (task,) = copies.label_again(gold, [person], by=mia)
        label(task.scene, person, off=error)
        tasks.submit(task, by=person)
        compare()

    answer = client_of(mia).get(f"/api/projects/{scene.project_id}/quality").json()

    for kind in ("pixels", "points"):
        ranked = sorted(answer["people"], key=lambda each: -each[kind]["iou"])
        assert [each["person"]["name"] for each in ranked] == ["p0", "p3", "p6"]


def test_the_address_makes_copies_for_members(gold, scene, mia, ann, ben):
    address = f"/api/tasks/{gold.pk}/copies"
    client = client_of(mia)

    made = client.post(address, {"people": [ben.pk, None]}, format="json")
    assert [each["assignee"] and each["assignee"]["name"] for each in made.json()] == ["ben", None]
    again = client.post(address, {"people": [ann.pk]}, format="json")
    assert (again.status_code, "already" in again.json()["detail"]) == (409, True)
    stranger = client.post(address, {"people": [10**6]}, format="json")
    assert stranger.status_code == 400
