"""Classes change while people label: nothing that is there loses its meaning."""

from __future__ import annotations

import json

import pytest

from backend import events
from backend.annotations.errors import InvalidEdit
from backend.annotations.models import Track
from backend.projects.guidelines import as_html
from backend.projects.models import Role
from backend.protocol import messages
from tests.backend.exports.labelling import edit
from tests.builders import build_project, build_stored_scene, build_user, client_of


@pytest.fixture
def mia(db):
    return build_user("mia", project=build_project(), role=Role.MANAGER)


@pytest.fixture
def project(mia):
    return mia.memberships.get().project


@pytest.fixture
def path(project):
    return f"/api/projects/{project.pk}/classes"


def number(project, name):
    return project.label_classes.get(name=name).pk


def test_a_class_is_added_changed_ordered_and_every_version_is_kept(mia, project, path):
    client = client_of(mia)
    made = client.post(
        path, {"name": "tram", "parent": number(project, "vehicle"), "hint": "on rails"},
        format="json",
    ).json()  # fmt: skip
    assert made["colour"].startswith("#")
    assert made["parent"] == number(project, "vehicle")

    changed = client.patch(
        f"{path}/{made['id']}", {"name": "tramway", "colour": "#123456"}, format="json"
    ).json()
    assert (changed["name"], changed["colour"], changed["hint"]) == (
        "tramway",
        "#123456",
        "on rails",
    )
    ids = [each["id"] for each in client.get(path).json()]
    ordered = client.put(path, {"classes": [made["id"], *ids[:-1]]}, format="json").json()
    assert ordered[0]["name"] == "tramway"

    versions = client.get(f"/api/projects/{project.pk}/ontologies").json()
    assert [(each["number"], each["by"]) for each in versions] == [
        (3, "mia"),
        (2, "mia"),
        (1, "mia"),
    ]
    assert [c["name"] for c in versions[-1]["classes"] if c["id"] == made["id"]] == ["tram"]


def test_what_has_objects_is_archived_not_removed_and_stays_what_it_is(mia, project, path):
    scene = build_stored_scene(project, frames=1)
    car = number(project, "car")
    edit(scene, messages.CreateTrack(label_class=car), by=mia)
    client = client_of(mia)

    refused = client.delete(f"{path}/{car}")
    assert (refused.status_code, "archive it" in refused.json()["detail"]) == (409, True)
    stuff = client.patch(f"{path}/{car}", {"is_stuff": True}, format="json")
    assert (stuff.status_code, "objects of car" in stuff.json()["detail"]) == (409, True)
    assert client.patch(f"{path}/{car}", {"is_archived": True}, format="json").status_code == 200

    assert Track.objects.get().label_class_id == car
    with pytest.raises(InvalidEdit, match="car is archived"):
        edit(scene, messages.CreateTrack(label_class=car), by=mia)
    assert client.delete(f"{path}/{number(project, 'animal')}").status_code == 204
    assert not project.label_classes.filter(name="animal").exists()


def test_every_open_scene_hears_of_it(
    mia, project, path, monkeypatch, django_capture_on_commit_callbacks
):
    scene = build_stored_scene(project, frames=1)
    told = []
    monkeypatch.setattr(
        events, "_send", lambda number, text: told.append((number, json.loads(text)))
    )

    with django_capture_on_commit_callbacks(execute=True):
        client_of(mia).post(path, {"name": "tram"}, format="json")

    ((number_of_scene, news),) = told
    assert number_of_scene == scene.pk
    assert news["type"] == "classes_changed"
    assert news["label_classes"][-1]["name"] == "tram"


@pytest.mark.parametrize(
    ("wish", "status", "words"),
    [
        ({"name": "Car"}, 409, "there is a class 'Car' already"),
        ({"name": "x", "colour": "red"}, 400, "colour"),
        ({"name": "x", "colour": "#FFFFFF\n"}, 400, "colour"),
        ({"name": "x", "parent": 10**6}, 409, "not another one of this project"),
        ({"name": ""}, 400, "name"),
    ],
)
def test_what_does_not_fit_is_refused(mia, project, path, wish, status, words):
    answer = client_of(mia).post(path, wish, format="json")

    assert answer.status_code == status
    assert words in answer.content.decode()
    assert not project.ontologies.exists()


def test_classes_are_two_levels_deep(mia, project, path):
    client, vehicle, car = client_of(mia), number(project, "vehicle"), number(project, "car")
    client.patch(f"{path}/{car}", {"parent": vehicle}, format="json")

    deeper = client.patch(f"{path}/{number(project, 'bus')}", {"parent": car}, format="json")
    above = client.patch(f"{path}/{vehicle}", {"parent": number(project, "sign")}, format="json")
    itself = client.patch(f"{path}/{car}", {"parent": car}, format="json")

    assert [deeper.status_code, above.status_code, itself.status_code] == [409, 409, 409]
    assert "two levels" in deeper.json()["detail"]


def test_an_order_that_misses_a_class_is_refused(mia, project, path):
    ids = list(project.label_classes.values_list("pk", flat=True))

    for wrong in (ids[1:], [*ids, ids[0]], [*ids[:-1], 10**6]):
        assert client_of(mia).put(path, {"classes": wrong}, format="json").status_code == 409


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        "[a](vbscript:x)",
        "![a](javascript:alert(1))",
        '[a](https://x.org "x\\" onmouseover=alert(1) y=\\"")',
        "<https://x.org/'onclick='alert(1)>",
        "`<svg onload=alert(1)>`",
        "[a]: javascript:alert(1)\n\n[a]",
    ],
)
def test_no_script_comes_of_guidelines(text):
    import html.parser

    found: list[str] = []

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            assert tag in {"p", "a", "img", "code", "br"}, tag
            for name, value in attrs:
                assert name in {"href", "src", "alt", "title"}, name
                if name in {"href", "src"}:
                    assert value.startswith("https://"), value
            found.append(tag)

    Reader().feed(as_html(text))

    assert found


def test_guidelines_are_markdown_that_managers_write(mia, project):
    address = f"/api/projects/{project.pk}"
    client = client_of(mia)
    client.patch(
        address, {"guidelines": "# Cars\n\n- all *wheels*\n\n|a|b|\n|-|-|\n|1|2|"}, format="json"
    )

    shown = client_of(build_user("ann", project=project)).get(address).json()

    assert "<h1>Cars</h1>" in shown["guidelines_html"]
    assert "<em>wheels</em>" in shown["guidelines_html"]
    assert "<td>2</td>" in shown["guidelines_html"]
