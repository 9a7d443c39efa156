"""Issues pinned to places: raised, talked about, resolved; what one suggests, taken over."""

from __future__ import annotations

import json

import pytest

from backend import events
from backend.annotations.models import Document, Edit, Track
from backend.projects.models import Role
from backend.protocol import messages
from backend.tasks import actions, issues
from backend.tasks.models import Comment, Issue
from tests.backend.exports.labelling import edit
from tests.builders import build_project, build_scene, build_stored_scene, build_user, client_of


@pytest.fixture
def project(db):
    return build_project()


@pytest.fixture
def scene(project):
    return build_stored_scene(project, build_scene(4))


@pytest.fixture
def ann(project):
    return build_user("ann", project=project)


@pytest.fixture
def rita(project):
    return build_user("rita", project=project, role=Role.REVIEWER)


@pytest.fixture
def sent(monkeypatch):
    """What the browsers in the room were told."""
    told = []
    monkeypatch.setattr(events, "_send", lambda scene, text: told.append(json.loads(text)))
    return told


def numbers(scene):
    return {sensor.name: sensor.number for sensor in scene.sensors.all()}


def raised(scene, who, **wish):
    wish = {"text": "look here", "frame": 2, **wish}
    return client_of(who).post(f"/api/scenes/{scene.pk}/issues", wish, format="json")


def test_an_issue_is_pinned_talked_about_and_resolved(
    scene, ann, rita, sent, django_capture_on_commit_callbacks
):
    edit(
        scene,
        messages.CreateTrack(label_class=scene.project.label_classes.get(name="car").pk),
        by=ann,
    )
    top = numbers(scene)["TOP"]
    with django_capture_on_commit_callbacks(execute=True):
        answer = raised(
            scene, rita, text="@ann whose wheel is this? ask @nobody", sensor=top,
            position=[12.0, 0.5, 0.4], track=1, fault="points",
        )  # fmt: skip
    assert answer.status_code == 201
    number = answer.json()["id"]
    assert [each["issue"]["position"] for each in sent] == [[12.0, 0.5, 0.4]]
    assert [user.username for user in Comment.objects.get().mentioned.all()] == ["ann"]

    path = f"/api/issues/{number}"
    said = client_of(ann).post(f"{path}/comments", {"text": " mended "}, format="json").json()
    assert [(c["by"]["name"], c["text"]) for c in said["comments"]] == [
        ("rita", "@ann whose wheel is this? ask @nobody"), ("ann", "mended"),
    ]  # fmt: skip
    done = client_of(rita).patch(path, {"is_open": False}, format="json").json()
    assert (done["is_open"], done["fault"], done["track"]) == (False, "points", 1)
    (listed,) = client_of(ann).get(f"/api/scenes/{scene.pk}/issues").json()
    assert listed == done


@pytest.mark.parametrize(
    ("wish", "status", "words"),
    [
        ({"frame": 4}, 409, "no frame 4"),
        ({"sensor": 9, "position": [1.0, 2.0]}, 409, "no sensor 9"),
        ({"position": [1.0, 2.0]}, 409, "which sensor"),
        ({"sensor": 0, "position": [1.0, 2.0, 3.0]}, 409, "numbers, not 3"),
        ({"track": 7}, 409, "track 7 does not exist"),
        ({"text": " "}, 400, "blank"),
        ({"suggestion": {"kind": "put_mask"}}, 400, "put_mask"),
        ({"suggestion": {"kind": "delete_track"}}, 400, "track"),
        ({"suggestion": {"kind": "delete_track", "track": 3}}, 409, "track 3 does not exist"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(scene, rita, wish, status, words):
    answer = raised(scene, rita, **wish)

    assert answer.status_code == status
    assert words in answer.content.decode()
    assert not Issue.objects.exists()


def suggested(scene, ann, rita, **suggestion):
    classes = scene.project.label_classes
    edit(scene, messages.CreateTrack(label_class=classes.get(name="car").pk), by=ann)
    wish = {
        "kind": "update_track", "track": 1, "label_class": classes.get(name="bus").pk, **suggestion,
    }  # fmt: skip
    answer = raised(scene, rita, track=1, fault="class", suggestion=wish)
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_suggestion_is_taken_over_as_the_labeller_s_own_edit_once(scene, ann, rita):
    issue = suggested(scene, ann, rita)
    assert issue["suggests"] == "make it bus"
    path = f"/api/issues/{issue['id']}/suggestion"

    taken = client_of(ann).post(path, {"take": True}, format="json").json()

    assert (taken["verdict"], taken["is_open"]) == ("taken", False)
    assert Track.objects.get().label_class.name == "bus"
    last = Edit.objects.order_by("-revision").first()
    assert (last.by, last.tool) == (ann, "suggestion")
    again = client_of(ann).post(path, {"take": True}, format="json")
    assert again.status_code == 409
    assert "taken already" in again.json()["detail"]
    edit(scene, messages.UndoLast(), by=ann)  # it is an edit like any other
    assert Track.objects.get().label_class.name == "car"


def test_a_suggestion_is_declined_or_has_become_impossible(scene, ann, rita):
    issue = suggested(scene, ann, rita)
    path = f"/api/issues/{issue['id']}/suggestion"
    declined = client_of(ann).post(path, {"take": False}, format="json").json()
    assert (declined["verdict"], declined["is_open"]) == ("declined", True)

    second = raised(
        scene, rita, track=1, suggestion={"kind": "delete_track", "track": 1}
    ).json()  # fmt: skip
    edit(scene, messages.DeleteTrack(track=1), by=ann)
    answer = client_of(ann).post(
        f"/api/issues/{second['id']}/suggestion", {"take": True}, format="json"
    )
    assert answer.status_code == 409
    assert "track 1 does not exist" in answer.json()["detail"]
    assert Issue.objects.get(pk=second["id"]).verdict == ""


def test_what_has_open_issues_in_its_frames_is_not_accepted(scene, ann, rita):
    first, second = actions.split(scene, frames=2)
    issue = issues.raise_issue(scene, "the wheel", by=rita, frame=1)
    for task in (first, second):
        actions.submit(task, by=ann)

    actions.accept(second, by=rita)
    with pytest.raises(actions.WrongState, match="1 issue is open in these frames"):
        actions.accept(first, by=rita)
    issues.set_open(issue, is_open=False)
    actions.accept(first, by=rita)

    assert Document.objects.get(pk=scene.pk).why_frozen


def test_the_issues_of_another_project_do_not_exist(scene, rita):
    issue = issues.raise_issue(scene, "the wheel", by=rita, frame=1)
    stranger = client_of(build_user("oscar", project=build_project("elsewhere")))

    assert stranger.get(f"/api/scenes/{scene.pk}/issues").status_code == 404
    for path in ("", "/comments", "/suggestion"):
        for method in ("post", "patch"):
            status = getattr(stranger, method)(f"/api/issues/{issue.pk}{path}").status_code
            assert status in {404, 405}
