"""Tasks over HTTP: handed in, accepted, sent back with a reason."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from django.test import Client

from backend.accounts.models import User
from backend.annotations.models import Document
from backend.projects.models import Role
from backend.scenes.models import Scene
from backend.tasks.models import Task
from tests.builders import build_project, build_scene, build_stored_scene, build_user


@dataclass(frozen=True)
class Room:
    task: Task
    ann: User
    bob: User
    rita: User
    mia: User


@pytest.fixture
def room(db: None) -> Room:
    project = build_project()
    scene = build_stored_scene(project, build_scene(1))
    return Room(
        scene.tasks.get(),
        ann=build_user("ann", project=project),
        bob=build_user("bob", project=project),
        rita=build_user("rita", project=project, role=Role.REVIEWER),
        mia=build_user("mia", project=project, role=Role.MANAGER),
    )


def move(room: Room, person: User, step: str, **body: str):
    client = Client()
    client.force_login(person)
    return client.post(f"/api/tasks/{room.task.pk}/{step}", body, content_type="application/json")


def test_a_task_goes_through_the_hands_of_labeller_and_reviewer(room: Room, client: Client):
    assert move(room, room.ann, "submit").json()["state"] == "submitted"
    back = move(room, room.rita, "send_back", reason="the bus is missing").json()
    assert (back["state"], back["reason"]) == ("sent_back", "the bus is missing")
    assert move(room, room.ann, "submit").json()["reason"] == ""
    accepted = move(room, room.rita, "accept").json()

    assert accepted.pop("state_at").startswith("20")
    assert accepted == {
        "id": room.task.pk,
        "scene": room.task.scene_id,
        "scene_name": "a short street",
        "first_frame": 0,
        "last_frame": 0,
        "is_part": False,
        "state": "accepted",
        "priority": 1,
        "due": None,
        "assignee": {"id": room.ann.pk, "name": "ann"},
        "reviewer": {"id": room.rita.pk, "name": "rita"},
        "mine": False,
        "reason": "",
        "faults": [],
        "findings": 0,
        "flag": "",
        "copy_of": None,
    }
    assert "accepted by rita" in Document.objects.get(pk=room.task.scene_id).why_frozen
    client.force_login(room.ann)
    (listed,) = client.get(f"/api/projects/{room.task.scene.project_id}/tasks").json()
    assert (listed["state"], listed["mine"]) == ("accepted", True)


def test_what_cannot_be_done_now_is_a_conflict_with_the_reason(room: Room):
    answer = move(room, room.rita, "accept")

    assert answer.status_code == 409
    assert "the task is" in answer.json()["detail"]


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "  "}, {"reason": "x" * 2001}])
def test_sending_back_needs_a_reason(room: Room, body: dict):
    move(room, room.ann, "submit")

    assert move(room, room.rita, "send_back", **body).status_code == 400


def test_somebody_else_s_task_is_handed_in_by_those_who_assign_only(room: Room):
    Task.objects.update(assignee=room.ann)

    assert move(room, room.bob, "submit").status_code == 403
    assert move(room, room.mia, "submit").status_code == 200


def test_a_drive_that_is_still_arriving_cannot_be_handed_in(room):
    room.task.scene.state = Scene.State.ARRIVING
    room.task.scene.save()

    answer = move(room, room.ann, "submit")

    assert answer.status_code == 409
    assert "still arriving" in answer.json()["detail"]
