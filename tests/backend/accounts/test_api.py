"""Signing in and out."""

from __future__ import annotations

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import cache
from django.test import Client
from django.urls import get_resolver

from backend.accounts.models import User

PASSWORD = "a long password 4 tests"


@pytest.fixture(autouse=True)
def forgotten_attempts() -> None:
    cache.clear()


@pytest.fixture
def ann(db: None) -> User:
    return User.objects.create_user("ann", password=PASSWORD, first_name="Ann", last_name="Lee")


def sign_in(client: Client, username: str = "ann", password: str = PASSWORD, **extra: str):
    body = {"username": username, "password": password}
    return client.post("/api/session", body, content_type="application/json", **extra)


def test_nobody_is_signed_in_at_first_and_the_answer_brings_the_csrf_cookie(
    client: Client, db: None
):
    answer = client.get("/api/session")

    assert answer.json() == {"user": None}
    assert answer.cookies["csrftoken"].value


def test_signing_in_and_out(client: Client, ann: User):
    known = {"user": {"id": ann.pk, "username": "ann", "name": "Ann Lee", "is_admin": False}}

    assert sign_in(client).json() == known
    assert client.get("/api/session").json() == known
    assert client.delete("/api/session").status_code == 204
    assert client.get("/api/session").json() == {"user": None}


def test_a_session_that_was_planted_before_signing_in_is_worth_nothing_after(
    client: Client, ann: User
):
    planted = SessionStore()
    planted.create()
    client.cookies["sessionid"] = planted.session_key

    sign_in(client)

    assert client.cookies["sessionid"].value != planted.session_key
    client.cookies["sessionid"] = planted.session_key
    assert client.get("/api/session").json() == {"user": None}


@pytest.mark.parametrize(("name", "password"), [("ann", "wrong"), ("nobody", PASSWORD)])
def test_a_wrong_name_and_a_wrong_password_sound_the_same(
    client: Client, ann: User, name: str, password: str
):
    answer = sign_in(client, name, password)

    assert answer.status_code == 400
    assert answer.json() == {"detail": "this name and password do not match an account"}


def test_a_closed_account_cannot_sign_in(client: Client, ann: User):
    User.objects.update(is_active=False)

    assert sign_in(client).status_code == 400


def test_signing_in_needs_the_csrf_token(ann: User):
    client = Client(enforce_csrf_checks=True)

    assert sign_in(client).status_code == 403
    token = client.get("/api/session").cookies["csrftoken"].value
    assert sign_in(client, HTTP_X_CSRFTOKEN=token).status_code == 200


def test_after_20_failures_an_address_waits_whatever_it_claims_to_be(client: Client, ann: User):
    for attempt in range(20):
        answer = sign_in(client, password="wrong", HTTP_X_FORWARDED_FOR=f"10.0.0.{attempt}")
        assert answer.status_code == 400

    assert sign_in(client, HTTP_X_FORWARDED_FOR="10.9.9.9").status_code == 429
    assert sign_in(client, REMOTE_ADDR="192.0.2.7").status_code == 200


def test_somebody_who_knows_the_password_is_never_throttled(client: Client, ann: User):
    for _ in range(30):
        assert sign_in(client).status_code == 200


def test_there_is_no_address_for_signing_up(client: Client, db: None):
    addresses = " ".join(str(entry.pattern) for entry in get_resolver().url_patterns)

    assert not any(word in addresses for word in ("sign-up", "signup", "register", "users"))
    assert client.post("/admin/accounts/user/add/", {"username": "eve"}).status_code == 302
    assert not User.objects.exists()


@pytest.mark.parametrize("body", ["[]", '"text"', "{", '{"username": ["a"], "password": {}}'])
def test_senseless_bodies_are_bad_requests(client: Client, db: None, body: str):
    answer = client.post("/api/session", body, content_type="application/json")

    assert answer.status_code == 400
