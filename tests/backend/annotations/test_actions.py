"""Every change of labels is one revision, harmless twice, taken back by undo."""

from __future__ import annotations

import base64
import random
from uuid import UUID, uuid4

import numpy as np
import pytest
from django.db import transaction
from django.db.utils import Error

from backend.annotations import actions, queries
from backend.annotations.actions import PredictedMask
from backend.annotations.errors import Frozen, InvalidEdit
from backend.annotations.models import Document, Edit, Mask, Track
from backend.protocol import messages, records
from inference.masks import encode_runs
from tests.builders import POINTS, build_project, build_stored_scene, build_user

pytestmark = pytest.mark.django_db
CAMERA, LIDAR = 0, 1


@pytest.fixture
def scene():
    return build_stored_scene(build_project(), frames=4)


@pytest.fixture
def ann(scene):
    return build_user("ann", project=scene.project)


def runs_of(*points: int) -> bytes:
    mask = np.zeros(POINTS, dtype=bool)
    mask[list(points)] = True
    return encode_runs(mask)


def edit(change: messages.Change, operation_id: str = "") -> messages.Edit:
    return messages.Edit(operation_id=operation_id or str(uuid4()), change=change)


def create(scene, by, name: str = "", class_name: str = "car") -> int:
    label_class = scene.project.label_classes.get(name=class_name)
    change = messages.CreateTrack(label_class=label_class.pk, name=name)
    actions.apply_edit(scene.pk, edit(change), by=by)
    return Track.objects.order_by("-changed_revision").first().number


def put(scene, by, track: int, frame: int, *points: int) -> int:
    runs = base64.b64encode(runs_of(*points)).decode()
    change = messages.PutMask(track=track, frame=frame, sensor=LIDAR, runs=runs)
    return actions.apply_edit(scene.pk, edit(change), by=by).revision


def undo(scene, by) -> int:
    return actions.apply_edit(scene.pk, edit(messages.UndoLast()), by=by).revision


def state(scene) -> dict[tuple[int, int, int], str]:
    masks = queries.mask_records(queries.current_masks(scene.pk))
    return {(mask.track, mask.frame, mask.sensor): mask.runs for mask in masks}


def test_an_edit_takes_the_next_revision_and_is_kept_with_its_author(scene, ann):
    first = create(scene, ann)

    revision = put(scene, ann, first, 0, 1, 2, 3)

    kept = Edit.objects.get(document=scene.pk, revision=revision)
    assert revision == 2
    assert kept.by == ann
    assert kept.change["kind"] == "put_mask"
    assert Mask.objects.get().area == 3


def test_an_operation_sent_twice_happens_once(scene, ann):
    track = create(scene, ann)
    runs = base64.b64encode(runs_of(5)).decode()
    change = edit(messages.PutMask(track=track, frame=0, sensor=LIDAR, runs=runs))

    first = actions.apply_edit(scene.pk, change, by=ann)
    second = actions.apply_edit(scene.pk, change, by=ann)

    assert first.revision == second.revision == Document.objects.get(pk=scene.pk).revision
    assert (first.before, second.before) == (False, True)
    assert Mask.objects.count() == 1


def test_a_mask_that_does_not_fit_its_reading_is_refused_and_changes_nothing(scene, ann):
    track = create(scene, ann)
    too_long = base64.b64encode(encode_runs(np.ones(POINTS + 1, dtype=bool))).decode()
    change = messages.PutMask(track=track, frame=0, sensor=LIDAR, runs=too_long)

    with pytest.raises(InvalidEdit, match="301 elements, the reading has 300"):
        actions.apply_edit(scene.pk, edit(change), by=ann)

    assert Document.objects.get(pk=scene.pk).revision == 1


def test_the_history_cannot_be_rewritten(scene, ann):
    create(scene, ann)

    with pytest.raises(Error), transaction.atomic():
        Edit.objects.update(tool="another")
    with pytest.raises(Error), transaction.atomic():
        Edit.objects.all().delete()


def test_a_frozen_document_refuses_every_edit(scene, ann):
    track = create(scene, ann)
    actions.freeze(scene.pk, [], whole="accepted by Rita")

    with pytest.raises(Frozen, match="accepted by Rita"):
        put(scene, ann, track, 0, 1)

    actions.freeze(scene.pk, [], whole="")
    assert put(scene, ann, track, 0, 1) == 2


def test_undo_puts_back_what_a_mask_was(scene, ann):
    track = create(scene, ann)
    put(scene, ann, track, 0, 1, 2)
    before = state(scene)
    put(scene, ann, track, 0, 7, 8, 9)

    undo(scene, ann)

    assert state(scene) == before


def test_undo_goes_back_step_by_step_to_the_empty_document(scene, ann):
    track = create(scene, ann)
    put(scene, ann, track, 0, 1)
    put(scene, ann, track, 1, 2)
    actions.apply_edit(scene.pk, edit(messages.DeleteTrack(track=track)), by=ann)
    assert state(scene) == {}

    undo(scene, ann)
    assert set(state(scene)) == {(track, 0, LIDAR), (track, 1, LIDAR)}
    undo(scene, ann)
    undo(scene, ann)
    undo(scene, ann)

    assert queries.tracks_now(scene.pk) == []
    with pytest.raises(InvalidEdit, match="nothing of yours left to undo"):
        undo(scene, ann)


def test_undo_of_a_propagation_takes_back_all_its_frames(scene, ann):
    track = create(scene, ann)
    put(scene, ann, track, 0, 1)
    group = uuid4()
    for frame in (1, 2, 3):
        save_predicted(scene, ann, track, frame, group)
    assert len(state(scene)) == 4

    undo(scene, ann)

    assert set(state(scene)) == {(track, 0, LIDAR)}


def test_undo_is_refused_when_somebody_has_changed_the_same_mask_since(scene, ann):
    bob = build_user("bob", project=scene.project)
    track = create(scene, ann)
    put(scene, ann, track, 0, 1)
    put(scene, bob, track, 0, 2)
    before = state(scene)

    with pytest.raises(InvalidEdit, match="bob has changed track"):
        undo(scene, ann)

    assert state(scene) == before


def test_undo_takes_back_my_edit_and_leaves_others_alone(scene, ann):
    bob = build_user("bob", project=scene.project)
    mine, theirs = create(scene, ann), create(scene, bob)
    put(scene, ann, mine, 0, 1)
    put(scene, bob, theirs, 0, 2)

    undo(scene, ann)

    assert set(state(scene)) == {(theirs, 0, LIDAR)}


def test_undo_of_a_change_of_class_brings_the_old_class_back(scene, ann):
    track = create(scene, ann)
    truck = scene.project.label_classes.get(name="truck")
    change = messages.UpdateTrack(track=track, label_class=truck.pk, name="the blue one")
    actions.apply_edit(scene.pk, edit(change), by=ann)

    undo(scene, ann)

    row = Track.objects.get(number=track)
    assert (row.label_class.name, row.name) == ("car", "")


def test_stuff_is_one_track_per_class_and_scene(scene, ann):
    first = create(scene, ann, class_name="road")

    again = create(scene, ann, class_name="road")

    assert first == again
    assert Track.objects.filter(is_stuff=True).count() == 1


def test_changing_a_track_to_stuff_and_back_keeps_the_rule(scene, ann):
    create(scene, ann, class_name="road")
    car = create(scene, ann)
    road = scene.project.label_classes.get(name="road")

    with pytest.raises(InvalidEdit, match="there is a track for road already"):
        actions.apply_edit(
            scene.pk, edit(messages.UpdateTrack(track=car, label_class=road.pk)), by=ann
        )


def test_a_class_of_another_project_is_refused(scene, ann):
    foreign = build_project("another").label_classes.first()

    with pytest.raises(InvalidEdit, match="not one of this project"):
        actions.apply_edit(scene.pk, edit(messages.CreateTrack(label_class=foreign.pk)), by=ann)


def test_masks_of_different_tracks_may_overlap(scene, ann):
    first, second = create(scene, ann), create(scene, ann)

    put(scene, ann, first, 0, 1, 2)
    put(scene, ann, second, 0, 2, 3)

    assert len(state(scene)) == 2


def test_a_propagation_leaves_a_persons_masks_alone(scene, ann):
    track = create(scene, ann)
    put(scene, ann, track, 1, 42)
    drawn = state(scene)[track, 1, LIDAR]

    save_predicted(scene, ann, track, 1, uuid4())

    assert state(scene)[track, 1, LIDAR] == drawn


def test_an_older_guess_goes_where_the_object_is_no_longer_seen(scene, ann):
    track = create(scene, ann)
    save_predicted(scene, ann, track, 1, uuid4())

    actions.save_predicted_masks(
        scene.pk, [], frame=1, track=track, label_class=None, operation_id=uuid4(), group=uuid4(),
        by=ann, tool="propagate", model="stub", model_version="1", keep_human=True,
    )  # fmt: skip

    assert state(scene) == {}


def save_predicted(scene, by, track: int, frame: int, group: UUID) -> None:
    actions.save_predicted_masks(
        scene.pk, [PredictedMask(LIDAR, runs_of(frame, frame + 1), 0.8)], frame=frame,
        track=track, label_class=None, operation_id=uuid4(), group=group, by=by,
        tool="propagate", model="stub", model_version="1", keep_human=True,
    )  # fmt: skip


def test_undo_of_a_new_name_is_refused_when_somebody_has_given_another(scene, ann):
    bob = build_user("bob", project=scene.project)
    track = create(scene, ann)
    for by, name in ((ann, "the blue one"), (bob, "the red one")):
        actions.apply_edit(scene.pk, edit(messages.UpdateTrack(track=track, name=name)), by=by)

    with pytest.raises(InvalidEdit, match="bob has changed track"):
        undo(scene, ann)


@pytest.mark.parametrize("seed", range(6))
def test_undoing_everything_gives_back_every_earlier_state(scene, ann, seed):
    chance = random.Random(seed)
    states = [(browser_tracks(scene), state(scene))]
    for _ in range(12):
        before = Document.objects.get(pk=scene.pk).revision
        if random_edit(scene, ann, chance, may_undo=False) > before:
            states.append((browser_tracks(scene), state(scene)))

    for earlier in reversed(states[:-1]):
        undo(scene, ann)
        assert (browser_tracks(scene), state(scene)) == earlier


@pytest.mark.parametrize("seed", range(6))
def test_what_changed_since_any_revision_leads_from_that_state_to_now(scene, ann, seed):
    """The rule that a browser lives by: its state plus labels_changed is a fresh load."""
    chance = random.Random(seed)
    history = {0: ({}, {})}
    for _ in range(25):
        revision = random_edit(scene, ann, chance)
        history[revision] = (browser_tracks(scene), state(scene))

    document = Document.objects.get(pk=scene.pk)
    for revision, (tracks, masks) in history.items():
        news = queries.labels_changed(document, revision)
        assert apply_news(tracks, masks, news) == (browser_tracks(scene), state(scene)), revision


def browser_tracks(scene) -> dict[int, records.Track]:
    return {track.number: track for track in queries.tracks_now(scene.pk)}


def random_edit(scene, ann, chance: random.Random, *, may_undo: bool = True) -> int:
    numbers = list(browser_tracks(scene))
    kind = chance.choice(["create", "put", "put", "put", "delete", "masks", "update"])
    kind = "undo" if may_undo and chance.random() < 0.15 else kind
    frame, track = chance.randrange(4), chance.choice(numbers) if numbers else None
    change: messages.Change
    if kind == "create" or track is None:
        change = messages.CreateTrack(label_class=scene.project.label_classes.get(name="car").pk)
    elif kind == "put":
        runs = base64.b64encode(runs_of(*chance.sample(range(POINTS), 5))).decode()
        change = messages.PutMask(track=track, frame=frame, sensor=LIDAR, runs=runs)
    elif kind == "delete":
        change = messages.DeleteTrack(track=track)
    elif kind == "masks":
        change = messages.DeleteMasks(track=track, first_frame=frame, last_frame=3)
    elif kind == "update":
        change = messages.UpdateTrack(track=track, name=str(chance.random()))
    else:
        change = messages.UndoLast()
    try:
        return actions.apply_edit(scene.pk, edit(change), by=ann).revision
    except InvalidEdit:  # nothing there to delete, say: the revision stays
        return Document.objects.get(pk=scene.pk).revision


def apply_news(tracks, masks, news: messages.LabelsChanged):
    """What frontend/src/store/LabelDocument.ts does, in ten lines."""
    tracks = {**tracks, **{track.number: track for track in news.tracks}}
    tracks = {
        number: track for number, track in tracks.items() if number not in news.deleted_tracks
    }
    gone = {(mask.track, mask.frame, mask.sensor) for mask in news.deleted_masks}
    masks = {key: runs for key, runs in masks.items() if key not in gone and key[0] in tracks}
    masks |= {(mask.track, mask.frame, mask.sensor): mask.runs for mask in news.masks}
    return tracks, masks
