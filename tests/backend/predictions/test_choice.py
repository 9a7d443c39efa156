"""Which predictor answers in a project: offered by workers, chosen by managers, heeded at once."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from backend.annotations.models import Edit
from backend.jobs.models import State
from backend.predictions import actions
from backend.predictions.models import ModelWorker
from backend.predictions.worker import Resident
from backend.projects.models import Role
from backend.protocol import messages, records
from inference.predictor import Card
from tests.builders import build_project, build_stored_scene, build_user
from tests.stub_predictor import StubPredictor

OWN = Card("geometric", "Geometric", "By shape.", [("Good at", "cars")])
OTHER = Card("nano", "Nano", "A small network.")
LIDAR, ON_THE_CAR = 1, [12.0, 0.0, 0.9]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene():
    return build_stored_scene(build_project(), frames=3)


@pytest.fixture
def manager(scene):
    return build_user("mia", project=scene.project, role=Role.MANAGER)


def worker(*offers, load=None):
    resident = Resident(
        StubPredictor(), "test-worker", offers=offers,
        load=load or (lambda key: replace(StubPredictor(), name=key)),
    )  # fmt: skip
    resident.register()
    return resident


def clicked(resident, scene, by):
    car = scene.project.label_classes.get(name="car")
    job = actions.request_mask(
        scene,
        messages.AddPrompt(
            request_id=str(uuid4()), frame=0, track=None, label_class=car.pk,
            prompts=[records.PointPrompt(sensor=LIDAR, position=ON_THE_CAR)],
        ),
        by=by,
    )  # fmt: skip
    resident.run_click(job.pk)
    job.refresh_from_db()
    return job


def put(client, scene, key):
    return client.put(
        f"/api/projects/{scene.project_id}/predictor", {"predictor": key},
        content_type="application/json",
    )  # fmt: skip


def test_what_the_workers_offer_is_shown_the_installation_s_own_first(client, scene, manager):
    worker(OWN, OTHER)
    client.force_login(manager)

    answer = client.get(f"/api/projects/{scene.project_id}/predictor").json()

    assert answer["chosen"] == ""
    assert [card["key"] for card in answer["offered"]] == ["geometric", "nano"]
    assert answer["offered"][0]["facts"] == [["Good at", "cars"]]


def test_a_choice_counts_from_the_next_click_on(client, scene, manager):
    resident = worker(OWN, OTHER)
    client.force_login(manager)
    assert clicked(resident, scene, manager).state == State.DONE

    assert put(client, scene, "nano").json()["chosen"] == "nano"
    assert clicked(resident, scene, manager).state == State.DONE
    assert put(client, scene, "").status_code == 200
    assert clicked(resident, scene, manager).state == State.DONE

    assert [edit.model for edit in Edit.objects.order_by("id")] == ["stub", "nano", "stub"]


def test_the_own_one_chosen_by_name_is_not_loaded_twice(client, scene, manager):
    def refuse(key):
        raise AssertionError(key)

    resident = worker(OWN, load=refuse)
    client.force_login(manager)
    put(client, scene, "geometric")

    assert clicked(resident, scene, manager).state == State.DONE


def test_what_is_not_offered_cannot_be_chosen_and_the_words_say_what_can(client, scene, manager):
    client.force_login(manager)
    nobody = put(client, scene, "nano")
    worker(OWN)

    refused = put(client, scene, "/etc/passwd")

    assert nobody.status_code == refused.status_code == 400
    assert "no model worker is running" in nobody.json()["predictor"][0]
    assert refused.json()["predictor"] == [
        "there is no predictor '/etc/passwd' here; choose geometric"
    ]
    scene.project.refresh_from_db()
    assert scene.project.predictor == ""


def test_a_choice_that_is_gone_or_broken_is_told_to_who_clicks(scene, manager):
    scene.project.predictor = "nano"
    scene.project.save()

    gone = clicked(worker(OWN), scene, manager)
    ModelWorker.objects.all().delete()

    def broken(key):
        raise ValueError("it is no safetensors file")

    unreadable = clicked(worker(OWN, OTHER, load=broken), scene, manager)

    assert (gone.state, unreadable.state) == (State.FAILED, State.FAILED)
    assert "'nano', which is not installed here any more" in gone.error
    assert "cannot be loaded: it is no safetensors file" in unreadable.error
