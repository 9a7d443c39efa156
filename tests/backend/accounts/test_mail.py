"""Mail: whose an address is, new passwords by mail, digests of what was not read; and nothing without a server."""

from __future__ import annotations

import re
import smtplib
from datetime import timedelta

import pytest
from django.core import mail as outbox
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from backend.accounts import mail
from backend.accounts.models import Mail, Notification, User
from backend.accounts.notifications import mark_read, notify

PASSWORD = "a long password 4 tests"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def a_mail_server(settings) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    settings.PUBLIC_URL = "https://label.example.org"
    cache.clear()


@pytest.fixture
def ann(db) -> User:
    return User.objects.create_user("ann", password=PASSWORD)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def post(path: str, **body: str):
    return Client().post(path, body, content_type="application/json")


def secret_in(text: str) -> str:
    return re.search(r"#(\S+)", text)[1]


def sent() -> list[outbox.EmailMessage]:
    mail.send_due()
    found, outbox.outbox[:] = list(outbox.outbox), []
    return found


def give_address(ann: User, email: str = "ann@example.org") -> str:
    answer = signed_in(ann).patch(
        "/api/account/email", {"email": email}, content_type="application/json"
    )
    assert answer.status_code == 200, answer.json()
    (message,) = sent()
    assert message.to == [email]
    return secret_in(message.body)


def test_an_address_counts_when_its_link_was_opened(ann):
    secret = give_address(ann)
    assert signed_in(ann).get("/api/account/email").json()["email"] == ""

    assert post("/api/account/email/confirm", secret=secret).status_code == 204

    assert signed_in(ann).get("/api/account/email").json() == {
        "email": "ann@example.org", "wants_digest": True, "is_possible": True,
    }  # fmt: skip
    assert signed_in(ann).delete("/api/account/email").status_code == 204
    ann.refresh_from_db()
    assert ann.email == ""


@pytest.mark.parametrize("broken", ["", "nonsense", "a:b:c"])
def test_a_link_that_is_none_says_so(ann, broken):
    give_address(ann)
    assert post("/api/account/email/confirm", secret=broken).status_code == 400
    ann.refresh_from_db()
    assert ann.email == ""


def test_a_new_password_by_mail_works_once_and_ends_every_session(ann):
    ann.email = "ann@example.org"
    ann.save()
    elsewhere = signed_in(ann)

    assert post("/api/password/forgotten", email=" Ann@Example.org ").status_code == 204
    (message,) = sent()
    assert "https://label.example.org/new-password#" in message.body
    secret = secret_in(message.body)
    weak = post("/api/password/set", secret=secret, password="short")
    assert (weak.status_code, "password" in weak.json()) == (400, True)
    assert post("/api/password/set", secret=secret, password="another long one").status_code == 204

    assert elsewhere.get("/api/session").json() == {"user": None}
    again = post("/api/password/set", secret=secret, password="yet another one")
    assert "was used" in again.json()["detail"]
    signed = post("/api/session", username="ann", password="another long one")
    assert signed.status_code == 200


def test_a_link_dies_with_a_sign_in_and_with_time(ann, settings):
    ann.email = "ann@example.org"
    ann.save()
    post("/api/password/forgotten", email=ann.email)
    secret = secret_in(sent()[0].body)
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert post("/api/password/set", secret=secret, password="a long one 4 me").status_code == 400
    settings.PASSWORD_RESET_TIMEOUT = 3600
    assert post("/api/session", username="ann", password=PASSWORD).status_code == 200
    assert post("/api/password/set", secret=secret, password="a long one 4 me").status_code == 400


def test_nobody_learns_whether_somebody_has_an_address(ann):
    ann.email = "ann@example.org"
    ann.save()
    known = post("/api/password/forgotten", email="ann@example.org")
    unknown = post("/api/password/forgotten", email="zoe@example.org")
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert len(sent()) == 1


def test_a_closed_account_gets_no_link(ann):
    User.objects.filter(pk=ann.pk).update(email="ann@example.org", is_active=False)
    post("/api/password/forgotten", email="ann@example.org")
    assert sent() == []


@pytest.mark.parametrize("secret", ["", ".", "x.y", "MQ.token", "9999999999999999999.a", "é.ü"])
def test_a_secret_that_is_none_changes_nothing(ann, secret):
    answer = post("/api/password/set", secret=secret, password="another long one")
    assert answer.status_code == 400
    ann.refresh_from_db()
    assert ann.check_password(PASSWORD)


def test_without_a_mail_server_it_is_said_and_nothing_is_written(ann, settings):
    settings.EMAIL_HOST = ""
    asked = signed_in(ann).patch(
        "/api/account/email", {"email": "ann@example.org"}, content_type="application/json"
    )
    assert "no mail server" in asked.json()["detail"]
    assert "no mail server" in post("/api/password/forgotten", email="a@b.org").json()["email"][0]
    tell(ann, "a task for you")
    assert mail.write_digests() == 0
    assert not Mail.objects.exists()


def test_so_many_mails_and_no_more(ann):
    for _ in range(10):
        post("/api/password/forgotten", email="zoe@example.org")
    assert post("/api/password/forgotten", email="zoe@example.org").status_code == 429


def test_what_the_server_does_not_take_is_tried_again_and_given_up_at_last(ann, monkeypatch):
    def refuse(self):
        raise smtplib.SMTPServerDisconnected("not now")

    monkeypatch.setattr(mail.EmailMessage, "send", refuse)
    mail.write("ann@example.org", "a subject\nBcc: everybody@example.org", "text")
    for attempt in range(1, 6):
        assert mail.send_due() == 1
        row = Mail.objects.get()
        assert row.attempts == attempt
        Mail.objects.filter(next_at__isnull=False).update(next_at=timezone.now())
    assert row.next_at is None
    assert "\n" not in row.subject


# --- digests -------------------------------------------------------------------------------------


def tell(user: User, text: str, *, hours_ago: float = 2) -> None:
    notify([user], Notification.Kind.ASSIGNED, text, "/projects/1/tasks", by=None)
    latest = Notification.objects.filter(user=user).latest("id")
    Notification.objects.filter(pk=latest.pk).update(at=timezone.now() - timedelta(hours=hours_ago))


@pytest.fixture
def reachable(ann) -> User:
    ann.email = "ann@example.org"
    ann.save()
    return ann


def test_what_was_not_read_is_mailed_once_a_day(reachable):
    tell(reachable, "a task in Streets for you")
    tell(reachable, "the other one is sent back", hours_ago=0.1)  # may still be read

    assert mail.write_digests() == 1
    (message,) = sent()
    assert message.subject == "Masklet: 1 piece of news for you"
    assert "a task in Streets for you" in message.body
    assert "https://label.example.org/projects/1/tasks" in message.body
    assert "sent back" not in message.body
    assert mail.write_digests() == 0

    User.objects.update(digest_at=timezone.now() - timedelta(hours=25))
    Notification.objects.filter(text__contains="sent back").update(
        at=timezone.now() - timedelta(hours=20)
    )
    Notification.objects.filter(text__contains="Streets").update(
        at=timezone.now() - timedelta(hours=27)
    )
    assert mail.write_digests() == 1
    (second,) = sent()
    assert "sent back" in second.body
    assert "Streets" not in second.body


def test_who_has_read_it_or_wants_none_or_has_no_address_gets_none(reachable):
    tell(reachable, "a task for you")
    mark_read(reachable)
    assert mail.write_digests() == 0
    tell(reachable, "another")
    signed_in(reachable).patch(
        "/api/account/email", {"wants_digest": False}, content_type="application/json"
    )
    ben = User.objects.create_user("ben", password=PASSWORD)
    tell(ben, "for ben")
    assert mail.write_digests() == 0
