"""A manager chooses who works in a project, and admins make projects."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from backend.accounts.models import User
from backend.projects.models import LabelClass, Member, Project, Role
from tests.builders import build_project, build_user, client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return build_project("Streets")


@pytest.fixture
def mia(project):
    return build_user("mia", project=project, role=Role.MANAGER)


def members(project):
    return dict(Member.objects.filter(project=project).values_list("user__username", "role"))


def test_an_admin_makes_a_project_with_the_standard_classes():
    ada = User.objects.create_superuser("ada", password="a long password 4 tests")

    made = client_of(ada).post(
        "/api/projects", {"name": "Highway", "attribution": "CC BY 4.0"}, format="json"
    )

    assert made.status_code == 201
    assert (made.json()["name"], made.json()["role"]) == ("Highway", "admin")
    assert LabelClass.objects.filter(project=made.json()["id"], name="pedestrian").exists()
    twice = client_of(ada).post("/api/projects", {"name": "Highway"}, format="json")
    assert twice.status_code == 400
    assert "already exists" in twice.json()["name"][0]


def test_a_manager_renames_a_project(project, mia):
    answer = client_of(mia).patch(f"/api/projects/{project.pk}", {"name": "Lanes"}, format="json")

    assert answer.json()["name"] == "Lanes"
    assert Project.objects.get().name == "Lanes"


def test_people_with_an_account_are_taken_in_by_name(project, mia):
    build_user("ann")
    client, path = client_of(mia), f"/api/projects/{project.pk}/members"

    taken = client.post(path, {"username": "ann", "role": "reviewer"}, format="json")

    assert taken.status_code == 201
    assert members(project) == {"mia": "manager", "ann": "reviewer"}
    listed = [(m["user"]["username"], m["role"]) for m in client.get(path).json()]
    assert listed == [("ann", "reviewer"), ("mia", "manager")]
    assert "in the project already" in str(
        client.post(path, {"username": "ann", "role": "manager"}, format="json").json()
    )
    assert "no account 'nobody'" in str(
        client.post(path, {"username": "nobody", "role": "manager"}, format="json").json()
    )
    assert "role" in client.post(path, {"username": "ann", "role": "admin"}, format="json").json()
    User.objects.filter(username="ann").update(is_active=False)
    Member.objects.filter(user__username="ann").delete()
    assert (
        client.post(path, {"username": "ann", "role": "annotator"}, format="json").status_code
        == 400
    )


def test_a_role_is_changed_and_a_member_taken_out(project, mia):
    ann = build_user("ann", project=project)
    client, path = client_of(mia), f"/api/projects/{project.pk}/members/{ann.pk}"

    assert client.patch(path, {"role": "reviewer"}, format="json").json()["role"] == "reviewer"
    assert client.delete(path).status_code == 204
    assert members(project) == {"mia": "manager"}
    assert client.delete(path).status_code == 404
    assert client_of(ann).get(f"/api/projects/{project.pk}").status_code == 404


def test_the_last_manager_stays_but_for_an_admin(project, mia):
    path = f"/api/projects/{project.pk}/members/{mia.pk}"

    for answer in (
        client_of(mia).delete(path),
        client_of(mia).patch(path, {"role": "annotator"}, format="json"),
    ):
        assert answer.status_code == 400
        assert "mia is the only manager of Streets" in answer.json()["role"][0]
    assert client_of(mia).patch(path, {"role": "manager"}, format="json").status_code == 200
    ada = User.objects.create_superuser("ada", password="a long password 4 tests")
    assert client_of(ada).delete(path).status_code == 204


@pytest.mark.django_db(transaction=True)
def test_of_two_managers_who_leave_at_once_one_stays(project, mia):
    max_ = build_user("max", project=project, role=Role.MANAGER)

    def leave(user):
        try:
            return (
                client_of(user).delete(f"/api/projects/{project.pk}/members/{user.pk}").status_code
            )
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        statuses = sorted(pool.map(leave, (mia, max_)))

    assert statuses == [204, 400]
    assert len(members(project)) == 1
