"""Drives are split, tasks shared out; what one part's acceptance freezes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.annotations.errors import Frozen
from backend.annotations.models import Document, Mask
from backend.projects.models import Role
from backend.protocol import messages
from backend.tasks import actions
from backend.tasks.queries import accepted_revision, unaccepted
from tests.backend.exports.labelling import edit, points, put
from tests.builders import (
    CAR_POINTS,
    build_project,
    build_scene,
    build_stored_scene,
    build_user,
    client_of,
)


@given(count=st.integers(1, 400), frames=st.integers(1, 100), data=st.data())
def test_parts_cover_a_drive_with_the_overlap_that_was_asked_for(count, frames, data):
    overlap = data.draw(st.integers(0, frames - 1))

    parts = actions.parts_of(count, frames, overlap)

    if parts == [(0, None)]:
        assert count <= frames
        return
    assert parts[0][0] == 0
    assert parts[-1][1] == count - 1
    for (_, last), (first, _) in pairwise(parts):
        assert first == last + 1 - overlap
    sizes = [last - first + 1 for first, last in parts]
    assert all(size == frames for size in sizes[:-1])
    assert sizes[-1] < 2 * frames


@pytest.fixture
def mia(db):
    return build_user("mia", project=build_project(), role=Role.MANAGER)


@pytest.fixture
def scene(mia):
    return build_stored_scene(mia.memberships.get().project, build_scene(12))


def test_a_drive_is_split_and_put_together_again(scene, mia):
    client, path = client_of(mia), f"/api/scenes/{scene.pk}/split"

    parts = client.post(path, {"frames": 5, "overlap": 1}, format="json").json()

    assert [(p["first_frame"], p["last_frame"], p["is_part"]) for p in parts] == [
        (0, 4, True), (4, 8, True), (8, 11, True),
    ]  # fmt: skip
    (whole,) = client.post(path, {"frames": 100}, format="json").json()
    assert (whole["first_frame"], whole["last_frame"], whole["is_part"]) == (0, 11, False)
    assert client.post(path, {"frames": 3, "overlap": 3}, format="json").status_code == 409
    assert client.post(path, {"frames": 0}, format="json").status_code == 400


def test_what_somebody_has_begun_is_not_split(scene, mia):
    actions.start(scene.tasks.get(), by=mia)

    answer = client_of(mia).post(f"/api/scenes/{scene.pk}/split", {"frames": 4}, format="json")

    assert answer.status_code == 409
    assert "in progress" in answer.json()["detail"]
    assert scene.tasks.count() == 1


def test_tasks_are_shared_out_evenly_by_frames(scene, mia):
    project = scene.project
    build_stored_scene(project, replace(build_scene(2), name="another street"))
    people = [build_user(name, project=project) for name in ("ann", "bob")]
    actions.split(scene, frames=4)
    client, path = client_of(mia), f"/api/projects/{project.pk}/tasks"
    tasks = [task["id"] for task in client.get(path).json()]

    answer = client.patch(
        path, {"tasks": tasks, "assignees": [p.pk for p in people], "priority": 2, "due": "2026-12-24"},
        format="json",
    ).json()  # fmt: skip

    frames = {"ann": 0, "bob": 0}
    for task in answer:
        frames[task["assignee"]["name"]] += task["last_frame"] - task["first_frame"] + 1
        assert (task["priority"], task["due"]) == (2, "2026-12-24")
    assert sorted(frames.values()) == [6, 8]
    (mine,) = client.get(path, {"assignee": people[0].pk, "scene": scene.pk}).json()[:1]
    assert mine["assignee"]["name"] == "ann"
    assert client.get(path, {"state": "accepted"}).json() == []
    assert client.get(path, {"assignee": "x"}).status_code == 400


def test_many_change_together_or_not_at_all(scene, mia):
    other = build_stored_scene(build_project("elsewhere"), frames=1).tasks.get()
    client, path = client_of(mia), f"/api/projects/{scene.project_id}/tasks"

    wish = {"tasks": [scene.tasks.get().pk, other.pk], "priority": 3}
    assert client.patch(path, wish, format="json").status_code == 400
    assert scene.tasks.get().priority == 1


def test_an_accepted_part_is_frozen_and_the_other_is_not(scene, mia):
    first, second = actions.split(scene, frames=6)
    car = scene.project.label_classes.get(name="car").pk
    bus = scene.project.label_classes.get(name="bus").pk
    frames = scene.frames.order_by("index")
    number = scene.sensors.get(name="TOP").number
    car_points = points(CAR_POINTS)
    assert frames.count() == 12
    for _ in range(2):
        edit(scene, messages.CreateTrack(label_class=car), by=mia)
    put(scene, 1, 2, number, car_points, by=mia)
    put(scene, 2, 8, number, car_points, by=mia)
    actions.submit(first, by=mia)
    actions.accept(first, by=mia)

    refused = (
        messages.DeleteMasks(track=1, first_frame=2, last_frame=2),
        messages.DeleteTrack(track=1),
        messages.UpdateTrack(track=1, label_class=bus),
        messages.UpdateTrack(track=1, draw_order=9),
    )
    before = Document.objects.get(pk=scene.pk).revision
    for change in refused:
        with pytest.raises(Frozen, match="frames 0 to 5 are accepted by mia"):
            edit(scene, change, by=mia)
    with pytest.raises(Frozen, match="frames 0 to 5 are accepted by mia"):
        put(scene, 1, 2, number, car_points, by=mia)
    assert Document.objects.get(pk=scene.pk).revision == before
    assert Mask.objects.filter(track__number=1, until_revision=None).count() == 1
    put(scene, 1, 7, number, car_points, by=mia)
    edit(scene, messages.UpdateTrack(track=2, label_class=bus), by=mia)
    assert accepted_revision(scene.pk) is None
    assert unaccepted([scene]) == [scene]

    actions.submit(second, by=mia)
    actions.accept(second, by=mia)
    with pytest.raises(Frozen, match="accepted by mia"):
        edit(scene, messages.CreateTrack(label_class=car), by=mia)
    assert accepted_revision(scene.pk) == Document.objects.get(pk=scene.pk).revision
    assert unaccepted([scene]) == []

    actions.send_back(first, by=mia, reason="look again")
    put(scene, 1, 3, number, car_points, by=mia)
    with pytest.raises(Frozen, match="frames 6 to 11"):
        put(scene, 1, 8, number, car_points, by=mia)


def test_an_undo_does_not_reach_into_what_was_accepted(scene, mia):
    first, _ = actions.split(scene, frames=6)
    car = scene.project.label_classes.get(name="car").pk
    edit(scene, messages.CreateTrack(label_class=car), by=mia)
    actions.submit(first, by=mia)
    actions.accept(first, by=mia)

    edit(scene, messages.UndoLast(), by=mia)  # a track without masks is in no frame yet

    assert Document.objects.get(pk=scene.pk).tracks.get().deleted_revision is not None
