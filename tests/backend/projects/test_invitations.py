"""The only way to an account without an admin: a manager's link, used once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from backend.accounts.models import AuditEntry, User
from backend.projects.models import Invitation, Role
from tests.builders import build_project, build_user, client_of

PASSWORD = "a long password 4 tests"


@pytest.fixture
def mia(db):
    return build_user("mia", project=build_project("Streets"), role=Role.MANAGER)


@pytest.fixture
def path(mia):
    return f"/api/projects/{mia.memberships.get().project_id}/invitations"


@pytest.fixture
def secret(mia, path):
    answer = client_of(mia).post(path, {"role": "reviewer", "note": "rita@x.org"}, format="json")
    assert answer.status_code == 201
    return answer.json()["secret"]


def accept(secret, client=None, **fields):
    wish = {"secret": secret, "username": "rita", "name": "Rita Rossi", "password": PASSWORD}
    return (client or Client()).post(
        "/api/invitations/accept", {**wish, **fields}, content_type="application/json"
    )


def test_a_link_makes_an_account_a_member_and_signs_in(mia, path, secret):
    client = Client()
    offer = client.post(
        "/api/invitations/look", {"secret": secret}, content_type="application/json"
    )
    assert offer.json() == {"project": "Streets", "role": "reviewer", "by": "mia"}

    answer = accept(secret, client)

    assert answer.status_code == 201
    rita = User.objects.get(username="rita")
    assert rita.display_name == "Rita Rossi"
    assert not rita.is_staff
    assert not rita.is_superuser
    assert rita.check_password(PASSWORD)
    assert rita.memberships.get().role == "reviewer"
    assert client.get(f"/api/projects/{answer.json()['project']}").json()["role"] == "reviewer"
    assert client_of(mia).get(path).json() == []
    acts = list(AuditEntry.objects.order_by("id").values_list("act", "about"))[-2:]
    assert acts == [
        ("member.invited", "somebody as reviewer: rita@x.org"), ("member.added", "rita as reviewer"),
    ]  # fmt: skip


def test_a_link_is_used_once(secret):
    assert accept(secret).status_code == 201

    again = accept(secret, username="zoe")

    assert again.status_code == 400
    assert "used already" in again.json()["detail"]
    assert not User.objects.filter(username="zoe").exists()


def test_links_end_and_are_taken_back(mia, path, secret):
    (row,) = client_of(mia).get(path).json()
    Invitation.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    assert "expired" in accept(secret).json()["detail"]

    Invitation.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    assert client_of(mia).delete(f"{path}/{row['id']}").status_code == 204
    assert "leads nowhere" in accept(secret).json()["detail"]
    assert not User.objects.filter(username="rita").exists()


def test_only_the_hash_of_a_link_is_kept(secret):
    assert secret not in str(Invitation.objects.values().get())


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"username": "MIA"}, "username", "already"),
        ({"username": "no spaces"}, "username", "valid username"),
        ({"username": ""}, "username", "blank"),
        ({"password": "short"}, "password", "too short"),
        ({"username": "ritarossi", "password": "ritarossi1"}, "password", "similar"),
        ({"password": "password123"}, "password", "common"),
    ],
)
def test_an_account_that_does_not_do_is_refused_and_the_link_stays(secret, fields, field, words):
    answer = accept(secret, **fields)

    assert answer.status_code == 400
    assert words in " ".join(answer.json()[field])
    assert Invitation.objects.get().accepted_at is None
    assert accept(secret).status_code == 201


def test_nobody_is_made_an_admin_by_a_link(mia, path):
    assert client_of(mia).post(path, {"role": "admin"}, format="json").status_code == 400


def test_the_form_of_another_site_cannot_use_a_link(secret):
    assert accept(secret, Client(enforce_csrf_checks=True)).status_code == 403
