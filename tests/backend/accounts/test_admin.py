"""The admin pages: people are made there, and only by admins."""

from __future__ import annotations

import pytest
from django.test import Client

from backend.accounts.models import User


@pytest.fixture
def ada(db: None, client: Client) -> User:
    user = User.objects.create_superuser("ada", password="a long password 4 tests")
    client.force_login(user)
    return user


def test_an_admin_makes_an_account(ada: User, client: Client):
    fields = {
        "username": "new",
        "usable_password": "true",
        "password1": "another long one 7",
        "password2": "another long one 7",
    }

    answer = client.post("/admin/accounts/user/add/", fields)

    assert answer.status_code == 302
    new = User.objects.get(username="new")
    assert new.check_password("another long one 7")
    assert not new.is_superuser


def test_the_form_of_a_person_opens(ada: User, client: Client):
    assert client.get(f"/admin/accounts/user/{ada.pk}/change/").status_code == 200


def test_somebody_not_signed_in_is_sent_to_the_one_door(client: Client, db: None):
    answer = client.get("/admin/")

    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")
    assert client.get(answer["Location"])["Location"] == "/sign-in?next=%2Fadmin%2F"


def test_there_is_no_second_door_for_passwords(client: Client, ada: User):
    client.logout()
    credentials = {"username": "ada", "password": "a long password 4 tests"}

    client.post("/admin/login/", credentials)

    assert client.get("/api/session").json() == {"user": None}
