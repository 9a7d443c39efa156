"""Every administrative act leaves an entry, in its own transaction, which nobody can change."""

from __future__ import annotations

import pytest
from django.db import Error, transaction

from backend.accounts.models import AuditEntry, User
from backend.projects.models import Role
from tests.builders import build_project, build_scene, build_stored_scene, build_user, client_of


@pytest.fixture
def mia(db):
    return build_user("mia", project=build_project(), role=Role.MANAGER)


@pytest.fixture
def ada(db):
    return User.objects.create_superuser("ada", password="a long password 4 tests")


def test_what_a_manager_does_is_noted(mia, ada, django_capture_on_commit_callbacks):
    project = mia.memberships.get().project
    scene = build_stored_scene(project, build_scene(4))
    build_user("ann")
    base, client = f"/api/projects/{project.pk}", client_of(mia)
    before = AuditEntry.objects.count()

    assert (
        client.post(
            f"{base}/members", {"username": "ann", "role": "annotator"}, format="json"
        ).status_code
        == 201
    )
    ann = User.objects.get(username="ann")
    client.patch(f"{base}/members/{ann.pk}", {"role": "reviewer"}, format="json")
    client.patch(base, {"attribution": "mine"}, format="json")
    client.post(f"{base}/classes", {"name": "tram"}, format="json")
    client.post(f"/api/scenes/{scene.pk}/split", {"frames": 2}, format="json")
    tasks = [task["id"] for task in client.get(f"{base}/tasks").json()]
    client.patch(f"{base}/tasks", {"tasks": tasks, "assignees": [ann.pk]}, format="json")
    wish = {"scenes": [scene.pk], "format": "native", "include_unreviewed": True}
    assert client.post(f"{base}/exports", wish, format="json").status_code == 201
    client.post("/api/tokens", {"name": "nightly", "scope": "read"}, format="json")
    client.delete(f"/api/scenes/{scene.pk}")
    client.delete(f"{base}/members/{ann.pk}")

    entries = AuditEntry.objects.order_by("id")[before:]
    assert [(e.act, e.about) for e in entries] == [
        ("member.added", "ann as annotator"),
        ("member.role", "ann: annotator → reviewer"),
        ("project.configured", "attribution"),
        ("classes.changed", "tram added"),
        ("scene.split", "a short street: 2 tasks"),
        ("tasks.planned", "2 tasks; to ann"),
        ("export.requested", "a short street as Masklet (JSON + Parquet), unreviewed included"),
        ("token.made", "nightly, read, for 90 days"),
        ("scene.deleted", f"a short street ({scene.pk})"),
        ("member.removed", "ann"),
    ]
    assert {e.by for e in entries} == {mia}
    told = client.get(f"{base}/audit").json()
    assert told[0]["act"] == "member.removed"
    assert "token.made" not in {entry["act"] for entry in told}  # that is no project's
    everything = client_of(ada).get("/api/audit").json()
    assert {entry["act"] for entry in everything} >= {"token.made", "member.removed"}
    older = client.get(f"{base}/audit", {"before": told[0]["id"]}).json()
    assert older[0] == told[1]


def test_what_is_refused_is_not_noted(mia):
    project = mia.memberships.get().project
    before = AuditEntry.objects.count()

    client = client_of(mia)
    client.post(f"/api/projects/{project.pk}/classes", {"name": "car"}, format="json")
    client.patch(
        f"/api/projects/{project.pk}/members/{mia.pk}", {"role": "annotator"}, format="json"
    )

    assert AuditEntry.objects.count() == before


def test_nobody_changes_or_removes_an_entry(mia):
    client_of(mia).post("/api/tokens", {"name": "t", "scope": "read"}, format="json")
    entry = AuditEntry.objects.latest("id")

    with pytest.raises(Error), transaction.atomic():
        AuditEntry.objects.filter(pk=entry.pk).update(about="nothing")
    with pytest.raises(Error), transaction.atomic():
        entry.delete()
    mia.memberships.all().delete()
    mia.delete()  # an account goes, what it did stays
    entry.refresh_from_db()
    assert entry.by is None
