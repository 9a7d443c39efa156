"""What holds for the whole API: pages of lists, requests that come twice, changes meant for what was seen."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from backend.accounts.actions import create_token
from backend.accounts.models import ApiToken, Repeat
from backend.accounts.repeats import KEPT
from backend.projects.models import Project, Role
from backend.tasks import actions as tasks
from tests.builders import build_project, build_scene, build_stored_scene, build_user, client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def project(db):
    return build_project()


@pytest.fixture
def mia(project):
    return build_user("mia", project=project, role=Role.MANAGER)


@pytest.fixture
def ada(db):
    user = build_user("ada")
    user.is_superuser = True
    user.save()
    return user


# --- pages ---------------------------------------------------------------------------------------


def test_a_list_comes_in_pages_with_links_and_a_total(project, mia):
    scene = build_stored_scene(project, build_scene(10))
    tasks.split(scene, frames=2)
    client, address = client_of(mia), f"/api/projects/{project.pk}/tasks?state=open&limit=2"
    everything = client.get(f"/api/projects/{project.pk}/tasks")
    assert (everything.headers["X-Total-Count"], "Link" in everything.headers) == ("5", False)

    seen, answers = [], 0
    while address:
        answer = client.get(address)
        assert answer.headers["X-Total-Count"] == "5"
        seen += [each["id"] for each in answer.json()]
        links = answer.headers.get("Link", "")
        address = links.split(">")[0][1:] if 'rel="next"' in links else ""
        answers += 1

    assert (seen, answers) == ([each["id"] for each in everything.json()], 3)
    assert 'offset=2>; rel="prev"' in links  # and where the last one came from


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "offset=-1", "limit=²"])
def test_a_page_that_is_none_is_refused_with_what_may_be_given(project, mia, query):
    answer = client_of(mia).get(f"/api/projects/{project.pk}/tasks?{query}")
    assert answer.status_code == 400
    assert "use a number from" in next(iter(answer.json().values()))[0]


# --- requests that come twice --------------------------------------------------------------------


def make(client, name, key):
    return client.post(
        "/api/projects", {"name": name}, headers={"Idempotency-Key": key}, format="json"
    )


def test_what_comes_twice_happens_once(ada):
    client, key = client_of(ada), str(uuid4())

    first, again = make(client, "streets", key), make(client, "streets", key)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Project.objects.count() == 1


def test_a_key_is_for_one_thing_and_one_person(ada, db):
    key = str(uuid4())
    make(client_of(ada), "streets", key)
    other = make(client_of(ada), "roads", key)  # another session, so another caller
    assert other.status_code == 201
    client = client_of(ada)
    make(client, "lanes", key)
    assert make(client, "alleys", key).status_code == 422


def test_what_was_refused_may_be_asked_anew(ada):
    client, key = client_of(ada), str(uuid4())
    assert make(client, "", key).status_code == 400
    assert make(client, "streets", key).status_code == 201


def test_while_it_is_under_way_the_same_is_not_begun_again(ada):
    client, key = client_of(ada), str(uuid4())
    make(client, "streets", key)
    Repeat.objects.update(status=None)
    assert make(client, "streets", key).status_code == 409
    Repeat.objects.update(at=timezone.now() - timedelta(minutes=3))  # its process died
    assert make(client, "streets", key).status_code == 400  # the name is taken: it was done
    assert Project.objects.count() == 1


def test_an_answer_with_a_secret_is_not_kept(mia):
    client = client_of(mia)
    for _ in range(2):
        answer = client.post(
            "/api/tokens", {"name": "ci"}, headers={"Idempotency-Key": "k"}, format="json"
        )
        assert answer.headers["Cache-Control"] == "no-store"
    assert not Repeat.objects.exists()
    assert ApiToken.objects.count() == 2


def test_keys_are_forgotten_after_a_day(ada):
    make(client_of(ada), "streets", "k")
    Repeat.objects.update(at=timezone.now() - KEPT - timedelta(minutes=1))
    make(client_of(ada), "roads", "l")
    assert Repeat.objects.count() == 1


def test_a_token_s_key_works_as_a_session_s(ada, client):
    _, secret = create_token(ada, name="ci", scope="write", days=1)
    headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": "k"}
    for _ in range(2):
        answer = client.post(
            "/api/projects", {"name": "streets"}, headers=headers, content_type="application/json"
        )
        assert answer.status_code == 201
    assert Project.objects.count() == 1


def test_a_key_of_nobody_means_nothing(client):
    answer = client.post("/api/projects", headers={"Idempotency-Key": "k"})
    assert answer.status_code == 401
    assert not Repeat.objects.exists()


# --- ETags ---------------------------------------------------------------------------------------


def test_what_has_not_changed_is_not_sent_again(project, mia):
    client, address = client_of(mia), f"/api/projects/{project.pk}"
    etag = client.get(address).headers["ETag"]
    assert client.get(address, headers={"If-None-Match": etag}).status_code == 304
    client.patch(address, {"name": "other"}, format="json")
    assert client.get(address, headers={"If-None-Match": etag}).status_code == 200


def test_a_change_is_refused_when_somebody_was_quicker(project, mia):
    client, address = client_of(mia), f"/api/projects/{project.pk}"
    etag = client.get(address).headers["ETag"]
    headers = {"If-Match": etag}

    first = client.patch(address, {"name": "mine"}, headers=headers, format="json")
    second = client.patch(address, {"name": "theirs"}, headers=headers, format="json")

    assert (first.status_code, second.status_code) == (200, 412)
    assert "has changed" in second.json()["detail"]
    project.refresh_from_db()
    assert project.name == "mine"


def test_a_stranger_learns_nothing_by_if_match(project, mia):
    oscar = client_of(build_user("oscar"))
    answer = oscar.patch(
        f"/api/projects/{project.pk}", {"name": "x"}, headers={"If-Match": "*"}, format="json"
    )
    assert answer.status_code == 404


def test_an_address_without_an_etag_says_so(project, mia):
    answer = client_of(mia).delete(
        f"/api/projects/{project.pk}/members/{mia.pk}", headers={"If-Match": "*"}
    )
    assert answer.status_code == 400
