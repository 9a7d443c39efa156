"""replays/: snapshot, news, snapshot, as our server tells it. The browser's tests apply them.

`MASKLET_WRITE_REPLAYS=1 pytest tests/protocol/test_replays.py` records them anew; then
`tests/frontend/store/replays.test.ts` says whether the browser still follows.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from backend import events
from backend.annotations import queries
from backend.annotations.models import Document
from backend.projects.queries import label_class_record
from backend.protocol import records
from backend.scenes.models import Scene
from tests.builders import build_project, build_stored_scene, build_user
from tests.protocol.stories import STORIES, Teller

pytestmark = pytest.mark.django_db
REPLAYS = Path(__file__).parent / "replays"


@pytest.mark.parametrize("name", STORIES)
def test_the_committed_replays_are_what_the_server_says(
    name, monkeypatch, django_capture_on_commit_callbacks
):
    replay = record(name, monkeypatch, django_capture_on_commit_callbacks)

    path = REPLAYS / f"{name}.json"
    if os.environ.get("MASKLET_WRITE_REPLAYS"):
        path.write_text(json.dumps(replay, separators=(",", ":")) + "\n")
    assert replay == json.loads(path.read_text()), (
        f"{path.name} is out of date; record it anew (see this file's head) and look at what "
        "the change means for browsers"
    )


def test_every_replay_has_a_story():
    assert {path.stem for path in REPLAYS.iterdir()} == set(STORIES)


def record(name: str, monkeypatch: Any, capture: Any) -> dict[str, Any]:
    scene = build_stored_scene(build_project(), frames=4)
    teller = Teller(scene, build_user(project=scene.project), name)
    sent: list[str] = []
    monkeypatch.setattr(events, "_send", lambda _, data: sent.append(data))
    before = state(scene)
    with capture(execute=True):
        STORIES[name](teller)
    document = Document.objects.get(pk=scene.pk)
    # What a browser that was away gets, from every revision on.
    missed = [queries.labels_changed(document, since) for since in range(document.revision)]
    replay: dict[str, Any] = {
        "before": before,
        "news": [json.loads(data) for data in sent],
        "missed": [news.model_dump(mode="json") for news in missed],
        "after": state(scene),
    }
    assert replay["after"]["revision"] == len(sent), "each edit is one revision and one news"
    small: dict[str, Any] = with_small_ids(replay, scene)
    return small


def state(scene: Scene) -> dict[str, Any]:
    """What a browser holds that has just come in and has seen every frame."""
    masks = queries.mask_records(
        queries.current_masks(scene.pk).order_by(
            "reading__frame__index", "reading__sensor__number", "track__number"
        )
    )
    return {
        "revision": Document.objects.get(pk=scene.pk).revision,
        "label_classes": [
            label_class_record(row).model_dump(mode="json")
            for row in scene.project.label_classes.all()
        ],
        "tracks": _dumped(queries.tracks_now(scene.pk)),
        "cuboids": _dumped(queries.cuboids_now(scene.pk)),
        "masks": _dumped(masks),
    }


def _dumped(rows: list[Any]) -> list[dict[str, Any]]:
    return [row.model_dump(mode="json") for row in rows]


def with_small_ids(replay: Any, scene: Scene) -> Any:
    """The database's numbers differ from run to run: classes count from 1, the person is 1."""
    classes = scene.project.label_classes.order_by("position").values_list("pk", flat=True)
    small = {pk: number for number, pk in enumerate(classes, start=1)}

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            walked = [walk(item) for item in value]
            return sorted(walked, key=_place) if walked and _is_mask_key(walked[0]) else walked
        if not isinstance(value, dict):
            return value
        fields = {name: walk(item) for name, item in value.items()}
        if "label_class" in fields:
            fields["label_class"] = small[fields["label_class"]]
        if set(fields) == set(records.LabelClass.model_fields):
            fields["id"] = small[fields["id"]]
        if set(fields) == set(records.Person.model_fields):
            fields["id"] = 1
        return fields

    return walk(replay)


def _is_mask_key(value: Any) -> bool:
    return isinstance(value, dict) and "track" in value and "frame" in value


def _place(value: dict[str, int]) -> tuple[int, int, int]:
    """News lists masks in no order that means anything."""
    return value["frame"], value.get("sensor", -1), value["track"]
