"""Personal API tokens: told once, kept as a hash, gone when they should be."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from backend.accounts import actions
from backend.accounts.models import ApiToken, User
from backend.projects.models import Role
from tests.builders import build_project, build_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def mia():
    return build_user("mia", project=build_project(), role=Role.MANAGER)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def asked(secret, method="get", path="/api/projects", **more):
    client = Client(enforce_csrf_checks=True)
    return getattr(client, method)(path, headers={"Authorization": f"Bearer {secret}"}, **more)


def test_a_token_is_told_once_and_kept_as_a_hash(mia):
    made = signed_in(mia).post(
        "/api/tokens", {"name": "nightly export"}, content_type="application/json"
    )

    assert made.status_code == 201
    told = made.json()
    assert told["token"].startswith("masklet_")
    assert (told["scope"], told["hint"]) == ("read", told["token"][-4:])
    row = ApiToken.objects.get()
    assert told["token"] not in str(vars(row))
    left = row.expires_at - timezone.now()
    assert timedelta(days=89) < left <= timedelta(days=90)
    (listed,) = signed_in(mia).get("/api/tokens").json()
    assert "token" not in listed
    assert listed["name"] == "nightly export"


def test_what_uses_a_token_needs_no_cookie_and_no_csrf_token(mia):
    project = mia.memberships.get().project_id
    _, secret = actions.create_token(mia, name="w", scope="write", days=1)

    answer = asked(
        secret, "put", f"/api/projects/{project}/predictor", data='{"predictor": ""}',
        content_type="application/json",
    )  # fmt: skip

    assert answer.status_code == 200


def test_a_cookie_beside_a_token_still_needs_the_csrf_token(mia):
    project = mia.memberships.get().project_id
    _, secret = actions.create_token(mia, name="w", scope="write", days=1)
    client = Client(enforce_csrf_checks=True)
    client.force_login(mia)

    answer = client.put(
        f"/api/projects/{project}/predictor", {"predictor": ""}, content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )  # fmt: skip

    assert answer.status_code == 403


def test_a_token_for_reading_may_not_write(mia):
    project = mia.memberships.get().project_id
    _, secret = actions.create_token(mia, name="the reader", scope="read", days=1)

    assert asked(secret).status_code == 200
    answer = asked(secret, "put", f"/api/projects/{project}/predictor")
    assert answer.status_code == 403
    assert answer.json()["detail"] == "the token 'the reader' may only read"


@pytest.mark.parametrize("what", ["expired", "taken back", "account closed", "account deleted"])
def test_a_token_ends_at_once(mia, what):
    row, secret = actions.create_token(mia, name="old", scope="read", days=1)
    assert asked(secret).status_code == 200
    match what:
        case "expired":
            ApiToken.objects.update(expires_at=timezone.now())
        case "taken back":
            assert signed_in(mia).delete(f"/api/tokens/{row.pk}").status_code == 204
        case "account closed":
            User.objects.update(is_active=False)
        case "account deleted":
            mia.delete()

    answer = asked(secret)

    assert answer.status_code == 401
    assert ("expired on" in answer.json()["detail"]) is (what == "expired")


@pytest.mark.parametrize(
    "header", [b"Bearer \xff\xfe", b"Bearer", b"Bearer a b", b"Bearer masklet_", b"Basic x"]
)
def test_headers_that_are_no_token_are_refused(mia, header):
    answer = Client().get("/api/projects", headers={"Authorization": header.decode("latin-1")})

    assert answer.status_code == 401


def test_tokens_are_their_owners(mia):
    row, _ = actions.create_token(mia, name="mine", scope="read", days=1)
    other = signed_in(build_user("oscar"))

    assert other.get("/api/tokens").json() == []
    assert other.delete(f"/api/tokens/{row.pk}").status_code == 404
    assert ApiToken.objects.exists()


def test_when_it_was_used_is_noted_once_a_minute(mia):
    row, secret = actions.create_token(mia, name="r", scope="read", days=1)

    asked(secret)
    row.refresh_from_db()
    first = row.last_used_at
    asked(secret)
    row.refresh_from_db()

    assert timezone.now() - first < timedelta(seconds=10)
    assert row.last_used_at == first


def test_wishes_that_cannot_be_met_say_why(mia, monkeypatch):
    client = signed_in(mia)

    def wish(**what):
        return client.post("/api/tokens", what, content_type="application/json")

    assert "days" in wish(name="long", days=4000).json()
    assert "scope" in wish(name="all", scope="everything").json()
    assert "name" in wish().json()
    monkeypatch.setattr(actions, "MOST", 0)
    assert "you have 0 tokens" in wish(name="more").json()["name"][0]
    assert not ApiToken.objects.exists()
