"""The single page, the probes, and the API's description of itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis
from django.test import Client

from backend.workspace import health
from tests.builders import build_user


@pytest.fixture
def built(settings, tmp_path: Path) -> Path:
    settings.FRONTEND = tmp_path
    (tmp_path / "index.html").write_text("<!doctype html>the page")
    return tmp_path


@pytest.mark.parametrize("address", ["/", "/sign-in", "/projects/3", "/scenes/7?task=1&frame=12"])
def test_every_address_of_the_page_gets_it_and_nobody_keeps_it(
    client: Client, built: Path, address: str
):
    answer = client.get(address)

    assert answer.content == b"<!doctype html>the page"
    assert answer["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
    assert answer.cookies["csrftoken"].value


def test_a_new_build_is_served_without_a_restart(client: Client, built: Path):
    client.get("/")
    (built / "index.html").write_text("a newer page")

    assert client.get("/").content == b"a newer page"


def test_without_a_build_the_page_says_what_to_do(client: Client, settings, tmp_path: Path):
    settings.FRONTEND = tmp_path / "nothing"

    answer = client.get("/")

    assert answer.status_code == 503
    assert b"python3 manage.py up" in answer.content


def test_an_unknown_address_of_the_api_is_not_answered_with_the_page(client: Client, built: Path):
    answer = client.get("/api/nothing")

    assert (answer.status_code, answer.json()) == (404, {"detail": "no such address"})


def test_alive_asks_nothing_of_others(client: Client):
    # No database in this test: had it been asked for, pytest-django would have refused.
    assert client.get("/healthz").status_code == 200


def test_ready_names_its_parts(client: Client, db: None):
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"database": True, "valkey": True, "storage": True}


def test_not_ready_says_which_part_and_keeps_the_reason_to_the_log(
    client: Client, db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def refuse() -> None:
        raise redis.ConnectionError("secret-host:6379 refused")

    monkeypatch.setitem(health.PROBES, "valkey", refuse)

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json() == {"database": True, "valkey": False, "storage": True}
    assert "secret-host" not in answer.content.decode()


def test_the_schema_describes_every_address_of_the_api(client: Client, db: None):
    client.force_login(build_user())

    schema = client.get("/api/schema/").json()

    assert schema["info"]["title"] == "Masklet"
    assert {"/api/session", "/api/projects/{project_id}/exports"} <= set(schema["paths"])
    assert set(schema["paths"]["/api/tasks/{task_id}/send_back"]) == {"post"}
