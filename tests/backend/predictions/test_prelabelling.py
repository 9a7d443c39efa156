"""The data engine as a job: what it writes, what it leaves alone, and what a second run does."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import numpy as np
import pgtrigger
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db.models import Sum
from django.test import Client

from backend.annotations import actions as label_actions
from backend.annotations.imported import ImportedFrame, write_imported_labels
from backend.annotations.models import Document, Edit, Mask, Source, Track
from backend.jobs import actions as jobs
from backend.jobs.models import Job, Kind, State
from backend.jobs.tasks import run_claimed
from backend.predictions import actions, prelabelling
from backend.projects.models import LabelClass, Role
from backend.protocol import messages
from inference.engine.carrying import FlowCarrier
from inference.engine.proposals import Proposal
from inference.masks import decode_runs
from inference.scene import CuboidLabel
from inference.world.drive import make_drive
from tests.builders import build_project, build_stored_scene, build_user

FRAMES = 5


def drive():
    made = make_drive(101, "tiny", FRAMES)
    return replace(made, frames=[made.frames[index] for index in range(FRAMES)])


class Clusters:
    """Every cluster's pixels, widened a little: what a model would draw, at no cost."""

    name, version = "clusters", "7"

    def propose(self, prepared, camera):
        view, found = prepared.view(camera), []
        shown = prepared.cloud.cluster[view.point]
        for number in np.unique(shown[shown >= 0]).tolist():
            mask = np.zeros((view.height_px, view.width_px), bool)
            u, v = view.pixels[shown == number].astype(int).T
            mask[v.min() : v.max() + 1, u.min() : u.max() + 1] = True
            found.append(Proposal(mask, 0.9, number))
        return found

    def carrier(self):
        return FlowCarrier()


@pytest.fixture
def scene():
    return build_stored_scene(build_project(), drive())


@pytest.fixture
def mia(scene):
    return build_user("mia", project=scene.project, role=Role.MANAGER)


def prelabelled(scene, by):
    job = actions.request_prelabels(scene, by=by)
    claimed = jobs.claim(job.pk, worker="test")
    run_claimed(
        claimed, lambda job: prelabelling.prelabel(job, provider=Clusters()),
        expected=prelabelling.EXPECTED,
    )  # fmt: skip
    job.refresh_from_db()
    return job


def mine(scene):
    return Track.objects.filter(document=scene.pk, source=Source.ENGINE, deleted_revision=None)


@pytest.mark.django_db(transaction=True)
def test_a_run_leaves_tracks_with_scores_and_masks_with_confidences(scene, mia):
    job = prelabelled(scene, mia)

    assert job.state == State.DONE, job.error
    tracks = mine(scene)
    assert job.report["tracks"] == tracks.count() > 5
    assert str(tracks.count()) in job.message
    masks = Mask.objects.filter(track__in=tracks, until_revision=None)
    assert job.report["masks"] == masks.count()
    assert {mask.source for mask in masks} == {Source.ENGINE}
    assert all(0 < mask.confidence <= 1 for mask in masks)
    assert all(0 < track.score <= 1 for track in tracks)
    frames = set(masks.values_list("reading__frame__index", flat=True))
    assert frames == set(range(FRAMES))
    edits = Edit.objects.filter(document=scene.pk)
    assert {(e.tool, e.model, e.model_version) for e in edits} == {
        ("engine", "engine, clusters", "7")
    }
    assert edits.values("group").distinct().count() == 1  # one undo takes all of it back
    assert job.done == job.total


@pytest.mark.django_db(transaction=True)
def test_one_undo_takes_all_of_it_back(scene, mia):
    prelabelled(scene, mia)

    label_actions.apply_edit(
        scene.pk,
        messages.Edit(operation_id=str(uuid4()), tool="undo", change=messages.UndoLast()),
        by=mia,
    )

    assert not mine(scene).exists()
    assert not Mask.objects.filter(until_revision=None).exists()


@pytest.mark.django_db(transaction=True)
def test_a_second_run_replaces_what_nobody_touched_and_keeps_the_rest(scene, mia):
    prelabelled(scene, mia)
    renamed, deleted = mine(scene).annotate(size=Sum("masks__area")).order_by("-size")[:2]
    before = set(mine(scene).values_list("number", flat=True))
    for change in (
        messages.UpdateTrack(track=renamed.number, name="the red one"),
        messages.DeleteTrack(track=deleted.number),
    ):
        label_actions.apply_edit(
            scene.pk, messages.Edit(operation_id=str(uuid4()), tool="list", change=change), by=mia
        )
    kept = Mask.objects.filter(track=renamed, until_revision=None).count()

    job = prelabelled(scene, mia)

    assert job.state == State.DONE, job.error
    after = set(mine(scene).values_list("number", flat=True))
    assert after & before == {renamed.number}
    assert Mask.objects.filter(track=renamed, until_revision=None).count() == kept
    assert job.report["replaced"] == len(before) - 2
    assert job.report["labelled_already"] >= 1  # the renamed one is not labelled twice


@pytest.mark.django_db(transaction=True)
def test_a_job_that_is_taken_over_writes_nothing_twice(scene, mia):
    job = prelabelled(scene, mia)
    count = Mask.objects.filter(until_revision=None).count()
    # Its worker died before the last frame was written, and before it could say so.
    last = Edit.objects.filter(document=scene.pk).order_by("-revision")[0]
    made = Mask.objects.filter(from_revision=last.revision)
    lost = made.count()
    with pgtrigger.ignore():
        made.delete()
        Edit.objects.filter(pk=last.pk).delete()
    Document.objects.filter(pk=scene.pk).update(revision=last.revision - 1)
    assert Mask.objects.filter(until_revision=None).count() == count - lost
    Job.objects.filter(pk=job.pk).update(state=State.WAITING, finished_at=None)

    again = jobs.claim(job.pk, worker="another")
    run_claimed(
        again, lambda job: prelabelling.prelabel(job, provider=Clusters()),
        expected=prelabelling.EXPECTED,
    )  # fmt: skip

    assert Mask.objects.filter(until_revision=None).count() == count


@pytest.mark.django_db(transaction=True)
def test_a_cancelled_job_stops_and_writes_nothing(scene, mia):
    job = actions.request_prelabels(scene, by=mia)
    claimed = jobs.claim(job.pk, worker="test")

    def cancel_in_the_middle(job):
        if job.done == FRAMES + 2:
            jobs.request_cancel(job)

    run_claimed(
        claimed,
        lambda job: prelabelling.prelabel(job, provider=Clusters(), watch=cancel_in_the_middle),
        expected=prelabelling.EXPECTED,
    )

    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert not Track.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_frozen_scene_and_one_that_is_at_it_are_refused(scene, mia):
    actions.request_prelabels(scene, by=mia)
    client = Client()
    client.force_login(mia)

    twice = client.post(f"/api/scenes/{scene.pk}/prelabels")
    Job.objects.update(state=State.DONE)
    Document.objects.filter(pk=scene.pk).update(why_frozen="accepted by rev")
    frozen = client.post(f"/api/scenes/{scene.pk}/prelabels")

    assert twice.status_code == frozen.status_code == 400
    assert "is being pre-labelled already" in twice.json()["scene"][0]
    assert frozen.json()["scene"] == ["accepted by rev"]


@pytest.mark.django_db(transaction=True)
def test_it_is_asked_for_over_http(scene, mia):
    client = Client()
    client.force_login(mia)

    answer = client.post(f"/api/scenes/{scene.pk}/prelabels")

    assert answer.status_code == 201
    job = Job.objects.get(pk=answer.json()["id"])
    assert (job.kind, job.scene_id, job.requested_by) == (Kind.ENGINE, scene.pk, mia)


@pytest.mark.django_db(transaction=True)
def test_the_command_labels_scenes_by_name(scene, monkeypatch, capsys):
    asked = []

    def loaded(name, folder, classes):
        asked.append((name, folder, classes))
        return Clusters()

    monkeypatch.setattr(prelabelling, "load_provider", loaded)
    LabelClass.objects.create(project=scene.project, name="Tram", colour="#123456")

    call_command("run_engine", scene.name, "--provider", "grounded-sam2")

    assert [each[:2] for each in asked] == [("grounded-sam2", settings.ENGINE_MODELS)]
    assert "Tram" in asked[0][2]
    assert f"{scene.name}: {mine(scene).count()} tracks" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no scene 'nowhere'; there are"):
        call_command("run_engine", "nowhere")


@pytest.mark.django_db(transaction=True)
def test_without_a_model_it_says_what_is_missing(scene, mia, monkeypatch):
    def none(*_):
        raise ValueError("the predictor 'nano' needs PyTorch, which is not installed")

    monkeypatch.setattr(prelabelling, "load_provider", none)
    job = actions.request_prelabels(scene, by=mia)

    prelabelling.run_engine(job.pk)

    job.refresh_from_db()
    assert job.state == State.FAILED
    assert "no model to find masks with: the predictor 'nano' needs PyTorch" in job.error


# --- recordings with boxes --------------------------------------------------------------------------


@pytest.fixture
def boxed(scene, mia):
    """The same drive with the cuboids that came with it."""
    frames = [
        ImportedFrame(frame.index, cuboids=tuple(frame.labels.cuboids)) for frame in drive().frames
    ]
    write_imported_labels(scene, frames, operation_id=uuid4(), by=mia, same_objects={}, class_of={})
    return scene


def lent(scene):
    return Mask.objects.filter(
        track__document=scene.pk, track__source=Source.IMPORT, source=Source.ENGINE,
        until_revision=None, area__gt=0,
    )  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_what_lies_in_boxes_becomes_masks_of_their_tracks(boxed, mia):
    known = Track.objects.filter(document=boxed.pk, source=Source.IMPORT)
    names = set(known.values_list("number", "label_class__name"))

    job = prelabelled(boxed, mia)

    assert job.state == State.DONE, job.error
    assert set(known.values_list("number", "label_class__name")) == names
    with_masks = lent(boxed).values("track").distinct().count()
    assert 0 < with_masks <= job.report["in_boxes"]
    assert mine(boxed).exists()  # what has no box is still found
    assert f"{job.report['in_boxes']} tracks with boxes got masks" in job.message
    # Masks in a sweep lie in their tracks' boxes.
    inside: list[bool] = []
    for mask in lent(boxed).filter(reading__sensor__kind="lidar").select_related("reading__frame"):
        frame = drive().frames[mask.reading.frame.index]
        points = frame.sweeps[mask.reading.sensor.name].points_ego
        row = mask.track.cuboids.get(frame=mask.reading.frame)
        cuboid = CuboidLabel("", "", tuple(row.centre_ego), tuple(row.size), row.heading)
        own = decode_runs(bytes(mask.runs), len(points))
        inside += cuboid.contains(points.astype(float))[own].tolist()
    assert len(inside) > 100
    assert np.mean(inside) > 0.95


@pytest.mark.django_db(transaction=True)
def test_a_second_run_leaves_what_people_did_to_tracks_with_boxes(boxed, mia):
    prelabelled(boxed, mia)
    count = lent(boxed).count()
    touched = lent(boxed).order_by("-area")[0]
    label_actions.apply_edit(
        boxed.pk,
        messages.Edit(
            operation_id=str(uuid4()), tool="list",
            change=messages.UpdateTrack(track=touched.track.number, name="the red one"),
        ),
        by=mia,
    )  # fmt: skip

    prelabelled(boxed, mia)

    assert lent(boxed).count() == count
    kept = set(
        lent(boxed).filter(from_revision=touched.from_revision).values_list("track", flat=True)
    )
    assert kept == {touched.track_id}
    assert Track.objects.get(pk=touched.track_id).name == "the red one"


@pytest.mark.django_db(transaction=True)
def test_one_undo_takes_masks_back_from_tracks_with_boxes(boxed, mia):
    prelabelled(boxed, mia)
    assert lent(boxed).exists()

    label_actions.apply_edit(
        boxed.pk,
        messages.Edit(operation_id=str(uuid4()), tool="undo", change=messages.UndoLast()),
        by=mia,
    )

    assert not lent(boxed).exists()
    assert not mine(boxed).exists()
    assert Track.objects.filter(document=boxed.pk, deleted_revision=None).exists()
