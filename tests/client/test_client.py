"""The client and the command line against the real server, in one process: a manager's way from nothing to labels."""

from __future__ import annotations

import ast
import json
import stat
import sys
from pathlib import Path

import httpx
import pytest
from django.core.wsgi import get_wsgi_application

import masklet.client
from backend.accounts.actions import create_token
from backend.accounts.models import ApiToken, User
from backend.exports.tasks import run_export
from backend.imports.tasks import run_import
from backend.jobs.models import Job, Kind, State
from backend.tasks import actions
from inference.datasets import READERS
from inference.datasets.native_writer import write_scene
from masklet import Client, JobFailed, Refused, Unreachable
from masklet.cli import main
from masklet.client import login
from tests.builders import build_project, build_scene, build_stored_scene, build_user

URL = "http://testserver"
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("one_connection"),
    # Downloads are asynchronous in the server; here they are not.
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning"),
]


@pytest.fixture
def server():
    return httpx.WSGITransport(app=get_wsgi_application())


@pytest.fixture
def ada(db):
    return User.objects.create_superuser("ada", password="a long password 4 tests")


@pytest.fixture
def client(server, ada):
    _, secret = create_token(ada, name="for tests", scope="write", days=1)
    with Client(URL, secret, transport=server) as made:
        yield made


@pytest.fixture(autouse=True)
def workers(monkeypatch):
    """Whoever waits lets the jobs be done meanwhile."""

    def work(seconds: float) -> None:
        does = {Kind.IMPORT: run_import, Kind.EXPORT: run_export}
        for job in Job.objects.filter(state=State.WAITING, kind__in=does):
            does[Kind(job.kind)](job.pk)

    monkeypatch.setattr(masklet.client.time, "sleep", work)


@pytest.fixture
def recording(tmp_path) -> Path:
    folder = tmp_path / "street"
    for _ in write_scene(build_scene(4), folder):
        pass
    return folder


def test_a_drive_goes_in_is_handed_out_and_comes_out_as_labels(client, recording, tmp_path):
    project = client.create_project("Streets of May")
    for name in ("ann", "bob"):
        User.objects.create_user(name, password="a long password 4 tests")
        assert client.add_member(project, name, "annotator").user.username == name

    told = []
    job = client.import_drive(
        project, recording, format="native", told=lambda what, done, total: told.append(what)
    )
    job = client.wait(job)
    assert {"packing", "sending"} <= set(told)
    (scene,) = client.scenes(project)
    assert (scene.id, scene.frame_count) == (*job.scene_ids, 4)

    parts = client.split(scene, frames=2)
    planned = client.plan(
        project, parts, assignees=["ann", "bob"], priority="high", due="2026-12-24"
    )
    assert {task.assignee.name for task in planned} == {"ann", "bob"}
    assert [(task.first_frame, task.last_frame) for task in planned] == [(0, 1), (2, 3)]
    assert {(task.priority, task.due) for task in planned} == {(2, "2026-12-24")}
    assert client.tasks(project, state=["accepted"]) == []

    with pytest.raises(Refused, match="not accepted yet"):
        client.export(project, out=tmp_path / "labels.zip")
    out = client.export(project, out=tmp_path / "labels.zip", include_unreviewed=True)
    assert len(READERS["native"](out).frames) == 4
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def test_refusals_come_in_the_server_s_words(client, tmp_path):
    project = client.create_project("one")
    client.create_project("two")

    with pytest.raises(Refused, match=r"no project 'three'; there are: 'one', 'two'"):
        client.project("three")
    with pytest.raises(Refused, match="name"):
        client.create_project("one")
    with pytest.raises(Refused, match="'zoe' is not in one"):
        client.plan(project, [], assignees=["zoe"])
    with pytest.raises(ValueError, match="priority 'soon'"):
        client.plan(project, [], priority="soon")
    with pytest.raises(FileNotFoundError):
        client.import_drive(project, tmp_path / "nothing", format="native")
    with pytest.raises(Refused, match="no scenes to export"):
        client.export(project, out=tmp_path / "x.zip")
    with (
        Client(URL, "wrong", transport=httpx.WSGITransport(app=get_wsgi_application())) as nobody,
        pytest.raises(Refused) as refused,
    ):
        nobody.projects()
    assert refused.value.status == 401


def test_a_job_that_fails_says_why(client, tmp_path):
    project = client.create_project("one")
    (tmp_path / "junk.zip").write_bytes(b"this is no archive")

    job = client.import_drive(project, tmp_path / "junk.zip", format="native")

    with pytest.raises(JobFailed, match="the import is failed"):
        client.wait(job)


def test_an_upload_goes_on_where_the_connection_was_lost(ada, recording, monkeypatch):
    _, secret = create_token(ada, name="for tests", scope="write", days=1)
    monkeypatch.setattr(masklet.client, "PIECE_BYTES", 20_000)
    server = httpx.WSGITransport(app=get_wsgi_application())
    pieces, losses = [], [3, 2]

    def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "PATCH":
            pieces.append(request.headers["Upload-Offset"])
            if losses and len(pieces) >= losses[-1]:
                losses.pop()
                answer = server.handle_request(request) if losses else None  # it got there, or not
                assert answer is None or answer.status_code == 200
                raise httpx.ReadError("the line is dead")
        answer = server.handle_request(request)
        answer.read()
        return answer

    with Client(URL, secret, transport=httpx.MockTransport(handle)) as client:
        job = client.import_drive(client.create_project("one"), recording, format="native")
        assert client.wait(job).state == "done"

    assert not losses
    assert len(pieces) > 4


def test_a_server_that_is_not_there_is_said_so():
    def nobody(request):
        raise httpx.ConnectError("refused")

    with (
        Client("http://nowhere", "x", transport=httpx.MockTransport(nobody)) as client,
        pytest.raises(Unreachable, match="http://nowhere does not answer"),
    ):
        client.projects()


PROJECT = {"id": 1, "name": "streets", "role": "admin", "scene_count": 0, "open_task_count": 0}


def test_an_answer_that_got_lost_is_asked_for_with_the_same_key(monkeypatch):
    monkeypatch.setattr(masklet.client.time, "sleep", lambda _: None)
    keys = []

    def flaky(request):
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) == 1:
            raise httpx.ReadError("lost")
        return httpx.Response(201, json=PROJECT)

    with Client("http://here", "x", transport=httpx.MockTransport(flaky)) as client:
        assert client.create_project("streets").id == 1
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_a_list_is_read_page_by_page():
    def pages(request):
        first = "offset" not in str(request.url)
        headers = {"Link": '</api/projects?offset=1>; rel="next"'} if first else {}
        project = {**PROJECT, "id": 1 if first else 2}
        return httpx.Response(200, json=[project], headers=headers)

    with Client("http://here", "x", transport=httpx.MockTransport(pages)) as client:
        assert [project.id for project in client.projects()] == [1, 2]


# --- the command line ----------------------------------------------------------------------------


@pytest.fixture
def shell(server, monkeypatch, tmp_path, capsys):
    """Runs commands; returns their exit status, what they said and what they complained of."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("MASKLET_URL", "MASKLET_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("masklet.cli.getpass.getpass", lambda _: "a long password 4 tests")
    plain = httpx.Client

    def through(*args, **options):
        return plain(*args, **{**options, "transport": server})

    monkeypatch.setattr(masklet.client.httpx, "Client", through)

    def run(*words):
        status = main(list(words))
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_who_has_not_signed_in_is_told_how(shell):
    status, _, complaint = shell("projects")

    assert status == 1
    assert "masklet login URL" in complaint


def test_signing_in_keeps_a_token_for_its_owner_alone_and_no_password(shell, ada, tmp_path):
    status, said, _ = shell("login", URL, "--name", "ada")

    assert status == 0
    assert "signed in as ada" in said
    path = tmp_path / "config/masklet/config.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    held = json.loads(path.read_text())
    assert set(held) == {"url", "token"}
    assert ApiToken.objects.get().scope == "write"

    User.objects.filter(pk=ada.pk).update(is_active=False)
    status, _, complaint = shell("projects")
    assert (status, "unknown" in complaint) == (1, True)


def test_a_wrong_password_is_said(shell, ada, monkeypatch):
    monkeypatch.setattr("masklet.cli.getpass.getpass", lambda _: "something else")

    status, _, complaint = shell("login", URL, "--name", "ada")

    assert status == 1
    assert "do not match an account" in complaint


def test_the_whole_way_from_a_shell(shell, ada, recording, tmp_path):
    shell("login", URL, "--name", "ada")
    assert shell("projects", "--new", "Streets")[0] == 0
    status, said, _ = shell("import", "Streets", str(recording), "--wait")
    assert (status, "imported as scene" in said) == (0, True)
    project = ada_project("Streets")
    build_user("ann", project=project)

    status, said, _ = shell(
        "assign", "Streets", "--split", "2", "--to", "ann", "--priority", "urgent"
    )
    assert status == 0, said
    assert "a short street 2-3: ann" in said
    status, said, _ = shell("status", "Streets")
    assert "1 scenes, 4 frames, 2 tasks" in said
    assert "urgent" in said
    for task in project.scenes.get().tasks.all():
        actions.submit(task, by=ada)
        actions.accept(task, by=ada)
    status, said, _ = shell("export", "Streets", "--out", str(tmp_path / "labels.zip"))
    assert (status, "1 scenes" in said) == (0, True)
    assert (tmp_path / "labels.zip").read_bytes()[:2] == b"PK"
    status, said, _ = shell("projects", "--json")
    assert [each["name"] for each in json.loads(said)] == ["Streets"]


def ada_project(name):
    from backend.projects.models import Project

    return Project.objects.get(name=name)


def test_what_is_not_there_is_named(shell, ada):
    shell("login", URL, "--name", "ada")
    build_stored_scene(build_project("Streets"), frames=1)

    for words, complaint in (
        (("status", "Nowhere"), "no project 'Nowhere'"),
        (("assign", "Streets"), "say what to change"),
        (("assign", "Streets", "--to", "zoe"), "'zoe' is not in Streets"),
        (("export", "Streets", "--out", "x.zip", "--scene", "lane"), "no scene 'lane'"),
    ):
        status, _, said = shell(*words)
        assert status == 1
        assert complaint in said, words


def test_a_token_for_reading_reads_and_no_more(server, ada, tmp_path):
    token = login(
        URL, "ada", "a long password 4 tests", name="reader", scope="read", transport=server
    )
    with Client(URL, token, transport=server) as client:
        assert client.projects() == []
        with pytest.raises(Refused, match="may only read"):
            client.create_project("one")


def test_the_package_stands_on_httpx_alone():
    known = {*sys.stdlib_module_names, "httpx", "masklet"}
    for path in Path(masklet.client.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert {name.partition(".")[0] for name in names} <= known, path
