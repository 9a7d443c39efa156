"""Who may do what over HTTP: a table over every address, method and kind of person.

An address that is not in the table fails the first test. A method that the table does not list for
an address must be refused to everybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from backend.accounts.actions import create_token
from backend.accounts.models import User
from backend.exports.models import Archive
from backend.imports.models import Upload
from backend.jobs.models import Job, Kind, State
from backend.projects.invitations import invite
from backend.projects.models import Role
from backend.quality.models import Comparison
from backend.tasks.issues import raise_issue
from backend.webhooks import actions as webhooks
from tests.builders import build_project, build_stored_scene, build_user

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# not signed in, signed in but no member, the members' roles, and an admin who is no member
STRANGER, OUTSIDER, VIEWER, ANNOTATOR, REVIEWER, MANAGER, ADMIN = PEOPLE = (
    "stranger", "outsider", "viewer", "annotator", "reviewer", "manager", "admin",
)  # fmt: skip
ANYBODY = set(PEOPLE)
SIGNED_IN = ANYBODY - {STRANGER}
MEMBERS = SIGNED_IN - {OUTSIDER}
LABELLERS = MEMBERS - {VIEWER}
REVIEWERS = LABELLERS - {ANNOTATOR}
MANAGERS = {MANAGER, ADMIN}

TABLE: dict[str, dict[str, set[str]]] = {
    "healthz": {"GET": ANYBODY},
    "readyz": {"GET": ANYBODY},
    "api/session": {"GET": ANYBODY, "POST": ANYBODY, "DELETE": ANYBODY},
    "api/account/email": {"GET": SIGNED_IN, "PATCH": SIGNED_IN, "DELETE": SIGNED_IN},
    "api/account/email/confirm": {"POST": ANYBODY},
    "api/password/forgotten": {"POST": ANYBODY},
    "api/password/set": {"POST": ANYBODY},
    "api/second-factor": {
        "GET": SIGNED_IN,
        "POST": SIGNED_IN,
        "PUT": SIGNED_IN,
        "DELETE": SIGNED_IN,
    },
    "api/tokens": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "api/tokens/<int:token_id>": {"DELETE": {MANAGER}},  # its owner
    "api/audit": {"GET": {ADMIN}},
    "api/projects/<int:project_id>/audit": {"GET": MANAGERS},
    "api/notifications": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "api/projects": {"GET": SIGNED_IN, "POST": {ADMIN}},
    "api/projects/<int:project_id>": {"GET": MEMBERS, "PATCH": MANAGERS},
    "api/projects/<int:project_id>/members": {"GET": MEMBERS, "POST": MANAGERS},
    "api/projects/<int:project_id>/members/<int:user_id>": {"PATCH": MANAGERS, "DELETE": MANAGERS},
    "api/projects/<int:project_id>/classes": {"GET": MEMBERS, "POST": MANAGERS, "PUT": MANAGERS},
    "api/projects/<int:project_id>/classes/<int:class_id>": {
        "PATCH": MANAGERS,
        "DELETE": MANAGERS,
    },
    "api/projects/<int:project_id>/ontologies": {"GET": MEMBERS},
    "api/projects/<int:project_id>/invitations": {"GET": MANAGERS, "POST": MANAGERS},
    "api/projects/<int:project_id>/invitations/<int:invitation_id>": {"DELETE": MANAGERS},
    "api/invitations/look": {"POST": ANYBODY},
    "api/invitations/accept": {"POST": ANYBODY},
    "api/projects/<int:project_id>/predictor": {"GET": MEMBERS, "PUT": MANAGERS},
    "api/projects/<int:project_id>/scenes": {"GET": MEMBERS},
    "api/scenes/<int:scene_id>": {"GET": MEMBERS, "DELETE": MANAGERS},
    "api/scenes/<int:scene_id>/preview": {"GET": MEMBERS},
    "api/scenes/<int:scene_id>/prelabels": {"POST": MANAGERS},
    "api/projects/<int:project_id>/jobs": {"GET": MEMBERS},
    "api/jobs/<int:job_id>": {"GET": MEMBERS},
    "api/jobs/<int:job_id>/cancel": {"POST": MANAGERS},
    "api/jobs/<int:job_id>/resume": {"POST": MANAGERS},
    "api/import-formats": {"GET": SIGNED_IN},
    "api/projects/<int:project_id>/imports": {"POST": MANAGERS},
    "api/projects/<int:project_id>/import-folders": {"GET": {ADMIN}},
    "api/projects/<int:project_id>/uploads": {"POST": MANAGERS},
    # An upload is its beginner's own, here the manager's.
    "api/uploads/<int:upload_id>": {"GET": {MANAGER}, "PATCH": {MANAGER}},
    "api/projects/<int:project_id>/tasks": {"GET": MEMBERS, "PATCH": MANAGERS},
    "api/projects/<int:project_id>/figures": {"GET": MANAGERS},
    "api/projects/<int:project_id>/figures.csv": {"GET": MANAGERS},
    "api/projects/<int:project_id>/next/label": {"POST": LABELLERS},
    "api/projects/<int:project_id>/next/review": {"POST": REVIEWERS},
    "api/scenes/<int:scene_id>/split": {"POST": MANAGERS},
    "api/scenes/<int:scene_id>/issues": {
        "GET": MEMBERS,
        "POST": LABELLERS,
        "PATCH": LABELLERS,
    },
    "api/issues/<int:issue_id>": {"PATCH": LABELLERS},
    "api/issues/<int:issue_id>/comments": {"POST": LABELLERS},
    "api/issues/<int:issue_id>/suggestion": {"POST": LABELLERS},
    "api/tasks/<int:task_id>/steps": {"GET": MEMBERS},
    "api/tasks/<int:task_id>/copies": {"POST": MANAGERS},
    "api/tasks/<int:task_id>/checks": {"POST": LABELLERS},
    "api/scenes/<int:scene_id>/adopt": {"POST": MANAGERS},
    "api/projects/<int:project_id>/quality": {"GET": MANAGERS},
    "api/comparisons/<int:comparison_id>": {"GET": MANAGERS},
    "api/tasks/<int:task_id>/start": {"POST": LABELLERS},
    "api/tasks/<int:task_id>/skip": {"POST": LABELLERS},
    "api/tasks/<int:task_id>/give_up": {"POST": LABELLERS},
    "api/tasks/<int:task_id>/reopen": {"POST": MANAGERS},
    "api/tasks/<int:task_id>": {"GET": MEMBERS, "PATCH": MANAGERS},
    "api/tasks/<int:task_id>/submit": {"POST": LABELLERS},
    "api/tasks/<int:task_id>/accept": {"POST": REVIEWERS},
    "api/tasks/<int:task_id>/send_back": {"POST": REVIEWERS},
    "api/projects/<int:project_id>/webhooks": {"GET": MANAGERS, "POST": MANAGERS},
    "api/webhooks/<int:webhook_id>": {"PATCH": MANAGERS, "DELETE": MANAGERS},
    "api/webhooks/<int:webhook_id>/ping": {"POST": MANAGERS},
    "api/webhooks/<int:webhook_id>/deliveries": {"GET": MANAGERS},
    "api/deliveries/<int:delivery_id>/resend": {"POST": MANAGERS},
    "api/export-formats": {"GET": SIGNED_IN},
    "api/projects/<int:project_id>/exports": {"POST": MANAGERS},
    "api/exports/<int:job_id>/download": {"GET": MANAGERS},
    "api/schema/": {"GET": SIGNED_IN},
    "api/docs/": {"GET": SIGNED_IN},
    "^api/": {},
    "^(?!api/|admin/|static/|ws/)": {"GET": ANYBODY},
}
PATHS = {"^api/": "api/nothing", "^(?!api/|admin/|static/|ws/)": "projects/1"}


@dataclass(frozen=True)
class World:
    people: dict[str, User]
    numbers: dict[str, int]

    def path(self, pattern: str) -> str:
        if pattern in PATHS:
            return f"/{PATHS[pattern]}"
        kind = "export_job" if pattern.startswith("api/exports/") else "job"
        numbers = {**self.numbers, "job_id": self.numbers[f"{kind}_id"]}
        return "/" + re.sub(r"<int:(\w+)>", lambda found: str(numbers[found[1]]), pattern)

    def client(self, person: str, *, enforce_csrf_checks: bool = False) -> Client:
        client = Client(enforce_csrf_checks=enforce_csrf_checks)
        if person != STRANGER:
            client.force_login(self.people[person])
        return client


@pytest.fixture(scope="module")
def cells(request) -> Iterator[list[str]]:
    """What was asked for; how much that was is said at the end, also where output is kept back."""
    asked_for: list[str] = []
    yield asked_for
    with request.config.pluginmanager.get_plugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{len(asked_for)} cells of address x method x role checked")


@pytest.fixture
def world(db: None, settings, tmp_path: Path) -> World:
    settings.FRONTEND = tmp_path
    (tmp_path / "index.html").write_text("the page")
    project = build_project()
    scene = build_stored_scene(project, frames=1)
    people = {
        OUTSIDER: build_user("oscar", project=build_project("elsewhere"), role=Role.MANAGER),
        VIEWER: build_user("vera", project=project, role=Role.VIEWER),
        ANNOTATOR: build_user("ann", project=project),
        REVIEWER: build_user("rita", project=project, role=Role.REVIEWER),
        MANAGER: build_user("mia", project=project, role=Role.MANAGER),
        ADMIN: User.objects.create_superuser("ada", password="a long password 4 tests"),
    }
    job = Job.objects.create(kind=Kind.IMPORT, project=project, requested_by=people[MANAGER])
    export = Job.objects.create(kind=Kind.EXPORT, project=project, state=State.DONE)
    default_storage.save("exports/1.zip", ContentFile(b"labels"))
    Archive.objects.create(job=export, key="exports/1.zip", file_name="labels.zip", size=6)
    upload = Upload.objects.create(project=project, by=people[MANAGER], name="a.zip", size=1000)
    token, _ = create_token(people[MANAGER], name="for tests", scope="write", days=1)
    issue = raise_issue(scene, "whose wheel is this?", by=people[REVIEWER], frame=0)
    report = {"frames": [0, 0], "figures": {}, "found": 0, "worst": []}
    comparison = Comparison.objects.create(
        judged=scene, reference=scene, is_gold=False, judged_revision=0, reference_revision=0,
        report={**report, "missing": [], "extra": [], "other_class": []},
    )  # fmt: skip
    webhook = webhooks.make(project, "https://example.org/hook", ["task.moved"], by=people[MANAGER])
    numbers = {
        "webhook_id": webhook.pk,
        "delivery_id": webhooks.ping(webhook).pk,
        "comparison_id": comparison.pk,
        "project_id": project.pk,
        "scene_id": scene.pk,
        "class_id": project.label_classes.get(name="animal").pk,
        "invitation_id": invite(project, "annotator", by=people[MANAGER])[0].pk,
        "task_id": scene.tasks.get().pk,
        "issue_id": issue.pk,
        "job_id": job.pk,
        "export_job_id": export.pk,
        "upload_id": upload.pk,
        "token_id": token.pk,
        "user_id": people[ANNOTATOR].pk,
    }
    return World(people, numbers)


def patterns() -> Iterator[str]:
    """Every address of the server, those of Django's admin as one."""
    for entry in get_resolver().url_patterns:
        assert isinstance(entry, URLPattern | URLResolver)
        yield str(entry.pattern)


def test_the_table_lists_every_address_and_no_other():
    assert set(patterns()) == {*TABLE, "admin/"}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pattern", TABLE)
def test_exactly_those_may_who_should(world: World, cells: list[str], pattern: str, method: str):
    allowed = TABLE[pattern].get(method, set())

    for person in PEOPLE:
        status = asked(world, person, method, pattern)
        cells.append(f"{method} {pattern} {person}")
        if person in allowed:
            assert status not in {401, 403, 404, 405}, f"{person} is refused: {status}"
            assert status < 500, f"{person} meets an error: {status}"
        else:
            refusals = {401, 405} if person == STRANGER else {403, 404, 405}
            if pattern in PATHS or pattern in {"healthz", "readyz"}:
                refusals |= {404}  # plain views, which do not ask who it is
            assert status in refusals, f"{person} gets {status}"


def asked(world: World, person: str, method: str, pattern: str, *, token: str = "") -> int:
    """The status of one request; whatever it changed is taken back, how often it was asked for included."""
    cache.clear()
    with transaction.atomic():
        client = world.client(person)
        status = client.generic(
            method, world.path(pattern), b"{}", content_type="application/json",
            headers={"Authorization": f"Bearer {token}"} if token else None,
        ).status_code  # fmt: skip
        transaction.set_rollback(True)
    return status


# What only somebody who has signed in may do.
IN_PERSON = {"api/account/email", "api/second-factor", "api/tokens", "api/tokens/<int:token_id>"}


@pytest.mark.parametrize("pattern", [p for p in TABLE if p.startswith("api/")])
def test_a_token_may_what_its_person_may_and_one_for_reading_no_more_than_read(
    world: World, pattern: str
):
    if pattern == "api/session":
        return
    for person in PEOPLE:
        if person == STRANGER:
            continue
        user = world.people[person]
        secrets = {
            scope: create_token(user, name="t", scope=scope, days=1)[1]
            for scope in ("read", "write")
        }
        for method in METHODS:
            by_session = asked(world, person, method, pattern)
            by_token = {
                scope: asked(world, STRANGER, method, pattern, token=secret)
                for scope, secret in secrets.items()
            }
            if pattern in IN_PERSON:
                assert set(by_token.values()) <= {403, 405}, (person, method)
                continue
            assert by_token["write"] == by_session, (person, method)
            # A view's own refusal of a method may come before the token is looked at.
            expected = {by_session} if method == "GET" else {403, 405}
            assert by_token["read"] in expected, (person, method)


@pytest.mark.parametrize("pattern", [p for p in TABLE if set(TABLE[p]) - {"GET"}])
def test_nothing_is_changed_without_the_csrf_token(world: World, pattern: str):
    for method in set(TABLE[pattern]) - {"GET"}:
        client = world.client(ADMIN, enforce_csrf_checks=True)

        answer = client.generic(method, world.path(pattern), b"{}", content_type="application/json")

        assert answer.status_code == 403
        assert "CSRF" in answer.content.decode()


@pytest.mark.parametrize("pattern", [p for p in TABLE if p.startswith("api/")])
def test_a_person_whose_account_is_closed_is_a_stranger_at_once(world: World, pattern: str):
    if ANYBODY in TABLE[pattern].values():
        return
    client = world.client(MANAGER)
    User.objects.filter(pk=world.people[MANAGER].pk).update(is_active=False)

    for method in TABLE[pattern]:
        answer = client.generic(method, world.path(pattern), b"{}", content_type="application/json")
        assert answer.status_code == 401


def test_a_person_who_leaves_a_project_loses_it_at_once(world: World):
    client = world.client(MANAGER)
    world.people[MANAGER].memberships.all().delete()

    for pattern in set(TABLE) - IN_PERSON:
        for method, allowed in TABLE[pattern].items():
            if MANAGER in allowed and OUTSIDER not in allowed:
                answer = client.generic(
                    method, world.path(pattern), b"{}", content_type="application/json"
                )
                assert answer.status_code == 404, (method, pattern)


def admin_paths() -> list[str]:
    """Every address of Django's admin, with 1 wherever it wants a number or a name."""
    (admin,) = [entry for entry in get_resolver().url_patterns if str(entry.pattern) == "admin/"]
    found: list[str] = []

    def walk(resolver: URLResolver, prefix: str) -> None:
        for entry in resolver.url_patterns:
            route = prefix + str(entry.pattern)
            if isinstance(entry, URLResolver):
                walk(entry, route)
            else:
                plain = re.sub(r"<[^>]*>", "1", route)
                plain = re.sub(r"\(\?P1[^)]*\)", "accounts", plain)
                found.append("/" + re.sub(r"[\^$]|\.\*\)?|\(\?P.*", "", plain))

    walk(admin, "admin/")
    return found


def test_django_s_admin_is_for_superusers_alone(world: World):
    User.objects.filter(username="mia").update(is_staff=True)  # Django's own test would let her in
    paths = admin_paths()
    assert len(paths) > 20

    for path in paths:
        for person in (STRANGER, MANAGER, OUTSIDER):
            for method in ("GET", "POST"):
                answer = world.client(person).generic(method, path)
                if answer.status_code == 302:
                    assert answer["Location"].startswith(("/sign-in?", "/admin/")), path
                else:
                    assert answer.status_code in {403, 404, 405}, (person, method, path)


def test_the_admin_reaches_django_s_admin(world: World):
    client = world.client(ADMIN)

    for path in ("", "accounts/user/", "projects/project/", "tasks/task/"):
        assert client.get(f"/admin/{path}").status_code == 200
    assert client.get("/admin/projects/project/add/").status_code == 200
