"""Projects over HTTP: what a person sees of them."""

from __future__ import annotations

from django.test import Client

from backend.projects.models import Role
from backend.tasks.actions import accept, submit
from tests.builders import build_project, build_scene, build_stored_scene, build_user


def test_a_person_sees_its_projects_with_role_and_counts(client: Client, db: None):
    build_project("somebody else's")
    project = build_project("mine")
    project.attribution = "made by others"
    project.save()
    rita = build_user("rita", project=project, role=Role.REVIEWER)
    for name in ("one", "two", "three"):
        build_stored_scene(project, build_scene(1, name=name))
    done, handed_in, _ = [scene.tasks.get() for scene in project.scenes.order_by("id")]
    accept(submit(done, by=rita), by=rita)
    submit(handed_in, by=rita)
    client.force_login(rita)

    assert client.get("/api/projects").json() == [
        {
            "id": project.pk,
            "name": "mine",
            "role": "reviewer",
            "scene_count": 3,
            "open_task_count": 1,
            "attribution": "made by others",
        }
    ]


def test_the_detail_has_the_label_classes_in_order(client: Client, db: None):
    project = build_project()
    client.force_login(build_user(project=project))

    answer = client.get(f"/api/projects/{project.pk}").json()

    assert answer["scene_count"] == 0
    names = [row["name"] for row in answer["label_classes"]]
    assert names[:4] == ["vehicle", "pedestrian", "cyclist", "car"]
    assert [row["position"] for row in answer["label_classes"]] == list(range(len(names)))
    road = next(row for row in answer["label_classes"] if row["name"] == "road")
    assert road["is_stuff"]
    assert {"id", "name", "colour", "is_stuff", "position"} < set(road)


def test_text_of_people_stays_text(client: Client, db: None):
    project = build_project("<script>alert(1)</script>")
    client.force_login(build_user(project=project))

    answer = client.get("/api/projects")

    assert answer["Content-Type"] == "application/json"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "script-src 'self'" in answer["Content-Security-Policy"]
