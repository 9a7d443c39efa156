"""People hear of what happens to their work, once, and not of what they do themselves."""

from __future__ import annotations

import pytest
from django.utils import timezone

from backend.accounts.models import Notification
from backend.accounts.notifications import KEPT, mark_read, notify
from backend.projects.models import Role
from backend.tasks import actions, issues
from tests.builders import build_project, build_scene, build_stored_scene, build_user, client_of


@pytest.fixture
def project(db):
    return build_project()


@pytest.fixture
def ann(project):
    return build_user("ann", project=project)


@pytest.fixture
def rita(project):
    return build_user("rita", project=project, role=Role.REVIEWER)


@pytest.fixture
def mia(project):
    return build_user("mia", project=project, role=Role.MANAGER)


@pytest.fixture
def scene(project):
    return build_stored_scene(project, build_scene(4))


def told(person):
    return [(n.kind, n.text) for n in person.notifications.order_by("id")]


def test_each_turn_of_a_task_is_told_to_whose_it_is_now(scene, ann, rita, mia):
    tasks = actions.split(scene, frames=2)
    actions.plan(tasks, by=mia, assignees=[ann])
    actions.plan(tasks, by=mia, assignees=[ann], priority=2)  # it was theirs already
    (first, _) = tasks
    first.refresh_from_db()
    actions.submit(first, by=ann)
    actions.send_back(first, by=rita, reason="the bus")
    actions.submit(first, by=ann)
    actions.accept(first, by=rita)

    assert told(ann) == [
        ("assigned", "2 tasks in a project for you"),
        ("sent_back", "a short street, frames 0 to 1, is sent back: the bus"),
        ("accepted", "a short street, frames 0 to 1, is accepted"),
    ]
    assert told(rita) == [("again", "a short street, frames 0 to 1, is submitted again")]
    assert told(mia) == []


def test_who_is_named_and_whom_it_concerns_hear_of_an_issue_once(scene, ann, rita, mia):
    bob = build_user("bob", project=scene.project)
    build_user("zoe", project=build_project("elsewhere"))
    actions.plan([scene.tasks.get()], by=ann, assignees=[ann])

    issue = issues.raise_issue(scene, "@bob @zoe whose wheel?", by=rita, frame=2)
    issues.comment(issue, "mine", by=bob)

    words = "rita in a short street, frame 2: @bob @zoe whose wheel?"
    assert told(bob) == [("mention", words)]
    assert told(ann) == [("issue", words), ("issue", "bob in a short street, frame 2: mine")]
    assert told(rita) == [("issue", "bob in a short street, frame 2: mine")]
    assert told(mia) == []
    assert Notification.objects.count() == 4
    assert ann.notifications.first().address == f"/scenes/{scene.pk}?frame=2&issue={issue.pk}"


def test_what_is_refused_is_told_to_nobody(scene, ann, rita):
    task = scene.tasks.get()
    with pytest.raises(actions.WrongState):
        actions.accept(task, by=rita)

    assert not Notification.objects.exists()


def test_they_are_read_one_by_one_or_all_and_by_their_owner_alone(ann, rita):
    for k in range(3):
        notify([ann, rita, None], "issue", f"number {k}", "/", by=build_user(f"x{k}"))
    client = client_of(ann)
    shown = client.get("/api/notifications").json()
    assert shown["unread"] == 3
    assert [each["text"] for each in shown["notifications"]] == ["number 2", "number 1", "number 0"]
    mine, theirs = shown["notifications"][0]["id"], rita.notifications.first().pk

    after = client.post("/api/notifications", {"ids": [mine, theirs]}, format="json").json()
    assert after["unread"] == 2
    assert rita.notifications.filter(read_at=None).count() == 3
    assert client.post("/api/notifications", {}, format="json").json()["unread"] == 0


def test_what_was_read_long_ago_is_forgotten_what_was_not_read_is_kept(ann):
    other = build_user("bob")
    for text in ("old and read", "old", "new"):
        notify([ann], "issue", text, "/", by=other)
    long_ago = timezone.now() - KEPT * 2
    Notification.objects.filter(text__startswith="old").update(at=long_ago)
    Notification.objects.filter(text="old and read").update(read_at=long_ago)

    mark_read(ann, [])

    assert {text for _, text in told(ann)} == {"old", "new"}
