"""Who is offered which task, and that nobody is offered another's."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.utils import timezone

from backend.projects.models import Role
from backend.tasks import actions
from backend.tasks.models import Task
from backend.tasks.queue import next_review, next_task
from tests.backend.tasks.test_moves import together
from tests.builders import build_project, build_scene, build_stored_scene, build_user, client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def project(db):
    return build_project()


@pytest.fixture
def tasks(project):
    """Six tasks of two frames each."""
    scene = build_stored_scene(project, build_scene(12))
    return actions.split(scene, frames=2)


@pytest.fixture
def ann(project):
    return build_user("ann", project=project)


@pytest.fixture
def rita(project):
    return build_user("rita", project=project, role=Role.REVIEWER)


def test_own_work_comes_before_what_came_back_before_what_was_given_before_what_is_free(
    project, tasks, ann, rita
):
    begun, back, given, free, *_ = tasks
    Task.objects.filter(pk=free.pk).update(priority=Task.Priority.URGENT)
    actions.plan([begun, back, given], by=ann, assignees=[ann])
    actions.submit(back, by=ann)
    actions.send_back(back, by=rita, reason="no")
    actions.start(begun, by=ann)

    offered = []
    for _ in range(4):
        task = next_task(project, ann)
        offered.append(task.pk)
        assert task.state == "in_progress"
        assert next_task(project, ann) == task  # the same, until it is handed in
        actions.submit(task, by=ann)

    assert offered == [begun.pk, back.pk, given.pk, free.pk]


def test_among_what_is_free_the_urgent_comes_first_then_what_is_due(project, tasks, ann):
    soon, later = date(2026, 12, 1), date(2027, 1, 1)
    actions.plan(tasks[1:2], by=ann, priority=Task.Priority.HIGH, due=later)
    actions.plan(tasks[3:4], by=ann, priority=Task.Priority.HIGH, due=soon)
    actions.plan(tasks[5:6], by=ann, priority=Task.Priority.LOW, due=soon)

    offered = []
    for _ in tasks:
        task = next_task(project, ann)
        offered.append(tasks.index(task))
        actions.submit(task, by=ann)

    assert offered == [3, 1, 0, 2, 4, 5]
    assert next_task(project, ann) is None


def test_what_is_left_alone_goes_to_somebody_else_and_what_was_given_does_not(
    project, tasks, ann, settings
):
    bob = build_user("bob", project=project)
    taken = next_task(project, ann)
    actions.plan(tasks[1:], by=ann, assignees=[ann])
    actions.start(tasks[1], by=ann)
    assert next_task(project, bob) is None

    long_ago = timezone.now() - timedelta(hours=settings.TASK_RECLAIM_HOURS + 1)
    Task.objects.filter(assignee=ann).update(state_at=long_ago)

    assert next_task(project, bob) == taken
    taken.refresh_from_db()
    assert taken.assignee == bob
    assert next_task(project, build_user("cleo", project=project)) is None


def test_reviewers_see_their_own_returns_first_and_never_their_own_work(project, tasks, ann, rita):
    rob = build_user("rob", project=project, role=Role.REVIEWER)
    own, back, fresh, *_ = tasks
    actions.submit(own, by=rita)
    for task in (back, fresh):
        actions.submit(task, by=ann)
    assert next_review(project, rita) == back
    actions.send_back(back, by=rita, reason="no")
    actions.submit(back, by=ann)

    assert next_review(project, rita) == back
    assert next_review(project, rob) == own
    actions.accept(own, by=rob)
    assert next_review(project, rob) == fresh  # what rita sent back is hers
    actions.accept(fresh, by=rob)
    assert next_review(project, rob) is None


@pytest.mark.django_db(transaction=True)
def test_two_people_who_ask_at_once_get_different_tasks():
    project = build_project()
    actions.split(build_stored_scene(project, build_scene(12)), frames=2)
    people = [build_user(f"ann{k}", project=project) for k in range(8)]

    got = together([lambda p=p: next_task(project, p) for p in people])

    assert not [each for each in got if isinstance(each, Exception)]
    numbers = [task.pk for task in got if task is not None]
    assert len(numbers) == len(set(numbers)) == 6


def test_the_next_one_is_asked_for_over_the_api(project, tasks, ann, rita):
    path = f"/api/projects/{project.pk}/next"

    task = client_of(ann).post(f"{path}/label").json()["task"]
    assert (task["state"], task["mine"], task["first_frame"], task["last_frame"]) == (
        "in_progress", True, 0, 1,
    )  # fmt: skip
    assert client_of(rita).post(f"{path}/review").json() == {"task": None}
    assert client_of(ann).post(f"{path}/review").status_code == 403
    client_of(ann).post(f"/api/tasks/{task['id']}/submit")
    assert client_of(rita).post(f"{path}/review").json()["task"]["id"] == task["id"]
