"""Both sockets of a scene: who may come in, what they say, and that news reaches everybody."""

from __future__ import annotations

import asyncio
import json
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client

from backend.annotations.models import Track
from backend.asgi import application
from backend.projects.models import Member, Role
from backend.protocol import binary
from backend.protocol.messages import PROTOCOL_VERSION
from backend.scenes import sweep_codec
from backend.scenes.models import Reading
from tests.builders import build_project, build_stored_scene, build_user

pytestmark = pytest.mark.django_db(transaction=True)
ORIGIN = settings.PUBLIC_URL


@pytest.fixture
def scene():
    return build_stored_scene(build_project())


def cookie_of(user) -> str:
    client = Client()
    client.force_login(user)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def socket(scene, name: str = "control", *, user=None, origin: str = ORIGIN):
    headers = [(b"origin", origin.encode())]
    if user is not None:
        headers.append((b"cookie", cookie_of(user).encode()))
    return WebsocketCommunicator(application, f"/ws/scenes/{scene.pk}/{name}", headers=headers)


async def joined(scene, user):
    """A control socket that has its snapshot."""
    control = await sync_to_async(socket)(scene, user=user)
    connected, _ = await control.connect(timeout=5)
    assert connected
    await say(control, type="join", protocol_version=PROTOCOL_VERSION)
    return control, await heard(control, "snapshot")


async def say(control, **message) -> None:
    await control.send_to(text_data=json.dumps(message))


async def heard(control, kind: str) -> dict:
    """The next message of a kind; presence and heartbeats in between are passed over."""
    while True:
        message = json.loads(await control.receive_from(timeout=5))
        if message["type"] == kind:
            return message


def edit(kind: str, **change) -> dict:
    return {"type": "edit", "operation_id": str(uuid4()), "change": {"kind": kind, **change}}


@pytest.mark.parametrize("name", ["control", "bulk"])
async def test_somebody_who_is_not_signed_in_is_refused(scene, name):
    connected, _ = await socket(scene, name).connect(timeout=5)

    assert not connected


@pytest.mark.parametrize("name", ["control", "bulk"])
async def test_a_stranger_to_the_project_is_refused(scene, name):
    stranger = await sync_to_async(build_user)("stranger")

    connection = await sync_to_async(socket)(scene, name, user=stranger)

    assert not (await connection.connect(timeout=5))[0]


@pytest.mark.parametrize("name", ["control", "bulk"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999"])
async def test_a_page_of_another_origin_is_refused(scene, name, origin):
    ann = await sync_to_async(build_user)("ann", project=scene.project)

    connection = await sync_to_async(socket)(scene, name, user=ann, origin=origin)

    assert not (await connection.connect(timeout=5))[0]


async def test_the_snapshot_describes_the_scene(scene):
    ann = await sync_to_async(build_user)("ann", project=scene.project)

    control, snapshot = await joined(scene, ann)

    assert [sensor["name"] for sensor in snapshot["sensors"]] == ["FRONT", "TOP"]
    assert [frame["index"] for frame in snapshot["frames"]] == [0, 1]
    assert snapshot["frames"][0]["readings"][1]["points"] == 300
    assert snapshot["may_edit"] is True
    assert snapshot["me"]["name"] == "ann"
    await control.disconnect()


async def test_an_edit_reaches_every_browser_in_the_scene(scene):
    ann = await sync_to_async(build_user)("ann", project=scene.project)
    bob = await sync_to_async(build_user)("bob", project=scene.project)
    (first, snapshot), (second, _) = await joined(scene, ann), await joined(scene, bob)
    request = edit("create_track", label_class=snapshot["label_classes"][0]["id"])

    await say(first, **request)

    for control in (first, second):
        news = await heard(control, "labels_changed")
        assert (news["from_revision"], news["revision"]) == (0, 1)
        assert news["operation_id"] == request["operation_id"]
        assert news["by"]["name"] == "ann"
        assert [track["number"] for track in news["tracks"]] == [1]
        await control.disconnect()


async def test_an_edit_sent_twice_is_answered_twice_and_applied_once(scene):
    ann = await sync_to_async(build_user)("ann", project=scene.project)
    control, snapshot = await joined(scene, ann)
    request = edit("create_track", label_class=snapshot["label_classes"][0]["id"])

    await say(control, **request)
    first = await heard(control, "labels_changed")
    await say(control, **request)
    again = await heard(control, "labels_changed")

    assert first["revision"] == again["revision"] == 1
    assert await Track.objects.acount() == 1
    await control.disconnect()


async def test_a_browser_that_was_away_is_told_what_it_missed(scene):
    ann = await sync_to_async(build_user)("ann", project=scene.project)
    control, snapshot = await joined(scene, ann)
    for _ in range(2):
        await say(control, **edit("create_track", label_class=snapshot["label_classes"][0]["id"]))
        await heard(control, "labels_changed")

    await say(control, type="catch_up", known_revision=0)

    missed = await heard(control, "labels_changed")
    assert (missed["from_revision"], missed["revision"]) == (0, 2)
    assert [track["number"] for track in missed["tracks"]] == [1, 2]
    await control.disconnect()


async def test_a_message_that_is_no_message_is_answered_with_what_is_wrong(scene):
    ann = await sync_to_async(build_user)("ann", project=scene.project)
    control, _ = await joined(scene, ann)

    await say(control, type="add_prompt", request_id="x", frame=0, prompts=[])

    failed = await heard(control, "request_failed")
    assert "not understood" in failed["reason"]
    await control.disconnect()


async def test_a_refused_edit_comes_back_to_the_asker_alone(scene):
    ann = await sync_to_async(build_user)("ann", project=scene.project)
    control, _ = await joined(scene, ann)
    request = edit("delete_track", track=77)

    await say(control, **request)

    failed = await heard(control, "request_failed")
    assert failed["request_id"] == request["operation_id"]
    assert "track 77 does not exist" in failed["reason"]
    await control.disconnect()


async def test_somebody_who_leaves_the_project_cannot_go_on_editing(scene):
    ann = await sync_to_async(build_user)("ann", project=scene.project)
    control, snapshot = await joined(scene, ann)
    await Member.objects.filter(user=ann).adelete()

    await say(control, **edit("create_track", label_class=snapshot["label_classes"][0]["id"]))

    refused = await heard(control, "refused")
    assert "no longer have access" in refused["reason"]
    assert await Track.objects.acount() == 0


async def test_who_leaves_the_project_hears_nothing_more_though_they_say_nothing(
    scene, monkeypatch
):
    monkeypatch.setattr("backend.workspace.control.FADE_S", 0.3)
    ann = await sync_to_async(build_user)("ann", project=scene.project)
    control, _ = await joined(scene, ann)
    await Member.objects.filter(user=ann).adelete()

    refused = await heard(control, "refused")

    assert "no longer have access" in refused["reason"]
    assert (await control.receive_output(timeout=5))["type"] == "websocket.close"


async def test_a_viewer_sees_the_scene_and_cannot_change_it(scene):
    vera = await sync_to_async(build_user)("vera", project=scene.project, role=Role.VIEWER)
    control, snapshot = await joined(scene, vera)
    assert (snapshot["role"], snapshot["may_edit"]) == ("viewer", False)
    assert "but not change it" in snapshot["why_read_only"]

    await say(control, **edit("create_track", label_class=snapshot["label_classes"][0]["id"]))

    assert "but not change it" in (await heard(control, "request_failed"))["reason"]
    assert await Track.objects.acount() == 0
    await control.disconnect()


async def test_a_page_of_another_protocol_is_told_to_reload(scene):
    ann = await sync_to_async(build_user)("ann", project=scene.project)
    control = await sync_to_async(socket)(scene, user=ann)
    await control.connect(timeout=5)

    await say(control, type="join", protocol_version=PROTOCOL_VERSION + 1)

    assert "reload the page" in (await heard(control, "refused"))["reason"]


async def test_people_see_who_else_is_there(scene):
    ann = await sync_to_async(build_user)("ann", project=scene.project)
    rita = await sync_to_async(build_user)("rita", project=scene.project, role=Role.REVIEWER)
    first, _ = await joined(scene, ann)
    second, snapshot = await joined(scene, rita)
    await say(second, type="move_presence", frame=1, track=None)

    while True:
        people = (await heard(first, "presence_changed"))["people"]
        if [(p["person"]["name"], p["frame"]) for p in people] == [("ann", None), ("rita", 1)]:
            break

    assert {p["person"]["name"] for p in snapshot["people"]} == {"ann", "rita"}
    for control in (first, second):
        await control.disconnect()


# --- bulk ---------------------------------------------------------------------------------------


async def bulk_of(scene):
    ann = await sync_to_async(build_user)("ann", project=scene.project)
    bulk = await sync_to_async(socket)(scene, "bulk", user=ann)
    assert (await bulk.connect(timeout=5))[0]
    return bulk


async def chunks_of_one_object(bulk) -> tuple[tuple[int, ...], bytes]:
    whole = b""
    while True:
        message = await bulk.receive_from(timeout=5)
        assert len(message) <= binary.MAX_MESSAGE_BYTES
        header = binary.CHUNK_HEADER.unpack_from(message)
        assert header[5] == len(whole)
        whole += message[binary.CHUNK_HEADER.size :]
        if header[1] & binary.FLAG_LAST:
            assert len(whole) == header[6]
            return header, whole


async def test_a_sweep_arrives_as_its_compact_view(scene):
    bulk = await bulk_of(scene)

    await say(bulk, type="credit", bytes=10_000_000)
    wanted = {"request": 5, "frame": 1, "kind": "sweep", "sensor": 1}
    await say(bulk, type="want", requests=[wanted])
    header, data = await chunks_of_one_object(bulk)

    points, _ = sweep_codec.decode_view(data)
    assert (header[0], header[2], header[3], header[4]) == (binary.KIND_SWEEP, 1, 5, 1)
    assert points.shape == (300, 3)
    await bulk.disconnect()


async def test_nothing_is_sent_without_credit(scene):
    bulk = await bulk_of(scene)

    await say(bulk, type="want", requests=[{"request": 1, "frame": 0, "kind": "labels"}])
    assert await bulk.receive_nothing(timeout=0.2)
    await say(bulk, type="credit", bytes=1)

    header, _ = await chunks_of_one_object(bulk)
    assert header[0] == binary.KIND_LABELS
    await bulk.disconnect()


async def test_dropped_requests_are_not_answered(scene):
    bulk = await bulk_of(scene)
    wanted = [{"request": n, "frame": 0, "kind": "proxy", "sensor": 0} for n in range(1, 4)]

    await say(bulk, type="want", requests=wanted)
    await say(bulk, type="drop", requests=[1, 2])
    await asyncio.sleep(0.05)
    await say(bulk, type="credit", bytes=10_000_000)

    # Request 1 may have been taken before the drop, but then it stops before its first byte.
    header, _ = await chunks_of_one_object(bulk)
    assert header[3] == 3
    await bulk.disconnect()


async def test_a_reading_that_is_not_there_is_said_to_be_unavailable(scene):
    bulk = await bulk_of(scene)
    await sync_to_async(Reading.objects.filter(sensor__number=0).delete)()

    await say(bulk, type="credit", bytes=10_000_000)
    wanted = {"request": 9, "frame": 0, "kind": "image", "sensor": 0}
    await say(bulk, type="want", requests=[wanted])

    message = json.loads(await bulk.receive_from(timeout=5))
    assert message["type"] == "bulk_unavailable"
    assert message["request"] == 9
    await bulk.disconnect()
