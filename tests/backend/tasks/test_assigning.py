"""A manager gives a task to somebody."""

from __future__ import annotations

import pytest

from backend.projects.models import Role
from backend.tasks import actions
from tests.builders import build_project, build_stored_scene, build_user, client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def task():
    return build_stored_scene(build_project()).tasks.get()


@pytest.fixture
def mia(task):
    return build_user("mia", project=task.scene.project, role=Role.MANAGER)


def test_a_task_is_given_to_a_member_and_taken_back(task, mia):
    ann = build_user("ann", project=task.scene.project)
    client, path = client_of(mia), f"/api/tasks/{task.pk}"

    given = client.patch(path, {"assignee": ann.pk}, format="json")
    assert given.json()["assignee"] == {"id": ann.pk, "name": "ann"}
    assert client_of(ann).get(path).json()["mine"] is True
    assert client.patch(path, {"assignee": None}, format="json").json()["assignee"] is None
    assert client.patch(path, {}, format="json").status_code == 400


def test_what_is_assigned_is_handed_in_by_nobody_else(task, mia):
    ann = build_user("ann", project=task.scene.project)
    other = build_user("oscar", project=task.scene.project)
    client_of(mia).patch(f"/api/tasks/{task.pk}", {"assignee": ann.pk}, format="json")

    assert client_of(other).post(f"/api/tasks/{task.pk}/submit").status_code == 403
    assert client_of(ann).post(f"/api/tasks/{task.pk}/submit").status_code == 200


def test_strangers_to_the_project_get_no_task(task, mia):
    other = build_user("oscar", project=build_project("elsewhere"))

    answer = client_of(mia).patch(f"/api/tasks/{task.pk}", {"assignee": other.pk}, format="json")

    assert answer.status_code == 400
    assert "nobody in a project has the number" in answer.json()["assignee"][0]


def test_what_is_accepted_is_nobodys_to_do(task, mia):
    actions.submit(task, by=mia)
    actions.accept(task, by=mia)

    answer = client_of(mia).patch(f"/api/tasks/{task.pk}", {"assignee": mia.pk}, format="json")

    assert answer.status_code == 409
    assert "send it back" in answer.json()["detail"]
