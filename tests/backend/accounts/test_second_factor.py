"""One-time codes: switched on with a code, asked for at each sign-in, used once, locked when guessed at."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from datetime import timedelta
from time import time

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from backend.accounts import second_factor
from backend.accounts.models import SecondFactor, User

PASSWORD = "a long password 4 tests"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forgotten_attempts() -> None:
    cache.clear()


@pytest.fixture
def ann(db) -> User:
    return User.objects.create_user("ann", password=PASSWORD)


def code_at(secret: str, seconds: float) -> str:
    """RFC 6238 with RFC 4226's truncation, by the text of the standards."""
    key = base64.b32decode(secret)
    digest = hmac.new(key, struct.pack(">Q", int(seconds) // 30), hashlib.sha1).digest()
    at = digest[-1] & 0xF
    return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 10**6:06d}"


def sign_in(client: Client, **more: str):
    body = {"username": "ann", "password": PASSWORD, **more}
    return client.post("/api/session", body, content_type="application/json")


@pytest.fixture
def app(ann) -> tuple[str, list[str]]:
    """The secret that an app has, and the recovery codes, of an account where codes are on."""
    client = Client()
    client.force_login(ann)
    begun = client.post("/api/second-factor").json()
    assert f"secret={begun['secret']}" in begun["address"]
    assert begun["picture"].startswith("data:image/svg+xml")
    answer = client.put(
        "/api/second-factor", {"code": code_at(begun["secret"], time() - 30)},
        content_type="application/json",
    )  # fmt: skip
    assert answer.headers["Cache-Control"] == "no-store"
    return begun["secret"], answer.json()["recovery"]


def test_a_sign_in_asks_for_a_code_and_takes_it_once(client, app):
    secret, _ = app
    asked = sign_in(client)
    assert (asked.status_code, asked.json()["needs_code"]) == (400, True)
    assert client.get("/api/session").json() == {"user": None}

    code = code_at(secret, time())
    assert sign_in(client, code=f"{code[:3]} {code[3:]}").status_code == 200
    again = sign_in(Client(), code=code)
    assert (again.status_code, again.json()["needs_code"]) == (400, True)


def test_without_the_password_nobody_learns_that_there_is_a_code(client, app):
    answer = sign_in(client, password="wrong")
    assert "needs_code" not in answer.json()


def test_it_does_not_count_before_a_code_was_shown(client, ann):
    client.force_login(ann)
    client.post("/api/second-factor")
    wrong = client.put("/api/second-factor", {"code": "000000x"}, content_type="application/json")
    assert wrong.status_code == 400
    assert client.get("/api/second-factor").json() == {"is_on": False, "recovery_left": 0}
    assert sign_in(Client()).status_code == 200


def test_a_recovery_code_lets_in_once(app, ann):
    _, recovery = app
    assert sign_in(Client(), code=recovery[3].upper()).status_code == 200
    assert sign_in(Client(), code=recovery[3]).status_code == 400
    client = Client()
    client.force_login(ann)
    assert client.get("/api/second-factor").json() == {"is_on": True, "recovery_left": 9}
    assert recovery[0] not in str(SecondFactor.objects.values().get())


def test_who_guesses_is_shut_out_for_a_while_the_right_code_too(app, ann):
    secret, _ = app
    for guess in range(5):
        sign_in(Client(), code=f"guess{guess}")
    right = sign_in(Client(), code=code_at(secret, time()))
    assert "too many wrong codes" in right.json()["detail"]
    SecondFactor.objects.update(locked_until=timezone.now() - timedelta(seconds=1))
    assert sign_in(Client(), code=code_at(secret, time())).status_code == 200


def test_old_codes_are_over(app):
    secret, _ = app
    assert sign_in(Client(), code=code_at(secret, time() - 120)).status_code == 400
    assert sign_in(Client(), code=code_at(secret, time() + 120)).status_code == 400


def test_it_is_switched_off_with_a_code_and_not_begun_anew_while_it_is_on(app, ann):
    _, recovery = app
    client = Client()
    client.force_login(ann)
    assert client.post("/api/second-factor").status_code == 400
    assert client.delete("/api/second-factor?code=nonsense").status_code == 400
    assert client.delete("/api/second-factor").status_code == 400
    assert client.delete(f"/api/second-factor?code={recovery[0]}").status_code == 204
    assert sign_in(Client()).status_code == 200


def test_an_admin_helps_who_has_lost_everything(app, ann):
    ada = User.objects.create_superuser("ada", password=PASSWORD)
    client = Client()
    client.force_login(ada)
    answer = client.post(
        "/admin/accounts/user/",
        {"action": "forget_second_factor", "_selected_action": [ann.pk]},
    )
    assert answer.status_code == 302
    assert not second_factor.is_on(ann)
    assert sign_in(Client()).status_code == 200
