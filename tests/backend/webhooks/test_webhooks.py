"""Webhooks: what is told to whom, how it is signed, where it never goes, and what becomes of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from django.utils import timezone

from backend.jobs import actions as jobs
from backend.jobs.models import Kind
from backend.projects.models import Role
from backend.tasks import actions as tasks
from backend.tasks.issues import raise_issue
from backend.webhooks import actions, sending
from backend.webhooks.models import Delivery, Webhook
from tests.builders import build_project, build_stored_scene, build_user, client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def project(db):
    return build_project()


@pytest.fixture
def mia(project):
    return build_user("mia", project=project, role=Role.MANAGER)


@pytest.fixture
def receiver(settings):
    """A server of somebody's own, which keeps what it is sent and answers what it is told to."""
    settings.WEBHOOKS_ANYWHERE = True

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.got.append((self.path, dict(self.headers.items()), body))
            self.send_response(self.server.status)
            for name, value in self.server.extra.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"a secret of the inside")

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.status, server.extra = [], 200, {}
    server.url = f"http://127.0.0.1:{server.server_port}/hook?x=1"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def make(project, mia, url, *events):
    return actions.make(project, url, events or ["task.moved"], by=mia)


def test_the_signature_is_the_one_of_the_standard():
    # The example of the Standard Webhooks libraries.
    assert (
        sending.signature(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
            b'{"test": 2432232314}',
        ) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )  # fmt: skip


def test_a_task_that_moves_is_told_once_and_signed(project, mia, receiver):
    webhook = make(project, mia, receiver.url)
    task = build_stored_scene(project).tasks.get()
    tasks.start(task, by=mia)

    assert actions.deliver_due() == 1
    assert actions.deliver_due() == 0

    ((path, headers, body),) = receiver.got
    assert path == "/hook?x=1"
    told = json.loads(body)
    assert told["type"] == "task.moved"
    assert (told["data"]["task"], told["data"]["after"]) == (task.pk, "in_progress")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(webhook.secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.error, delivery.next_at) == (200, "", None)
    assert delivery.delivered_at is not None


def test_only_what_is_wanted_is_told_and_only_of_the_own_project(project, mia, receiver):
    make(project, mia, receiver.url, "issue.raised")
    scene = build_stored_scene(project)
    tasks.start(scene.tasks.get(), by=mia)
    other = build_stored_scene(build_project("elsewhere"))
    raise_issue(other, "what is this?", by=mia, frame=0)
    issue = raise_issue(scene, "and this?", by=mia, frame=0)

    (delivery,) = Delivery.objects.all()
    assert (delivery.event, delivery.body["issue"]) == ("issue.raised", issue.pk)


def test_a_job_that_ends_is_told_of_and_a_click_is_not(project, mia, receiver):
    make(project, mia, receiver.url, "job.ended")
    for kind in (Kind.IMPORT, Kind.CLICK):
        job = jobs.store_job(kind, project.pk, by=mia)
        jobs.finish(jobs.claim(job.pk, worker="test"), report={"scene_ids": [7]})
    waiting = jobs.store_job(Kind.EXPORT, project.pk, by=mia)
    jobs.request_cancel(waiting)

    told = [(each.body["kind"], each.body["state"], each.body["scenes"])
            for each in Delivery.objects.order_by("id")]  # fmt: skip
    assert told == [("import", "done", [7]), ("export", "cancelled", [])]


def test_what_is_not_taken_is_tried_again_later_and_given_up_at_last(project, mia, receiver):
    receiver.status = 503
    actions.ping(make(project, mia, receiver.url))
    pauses = []
    for _ in range(10):
        if not actions.deliver_due():
            break
        delivery = Delivery.objects.get()
        if delivery.next_at is not None:
            pauses.append(round((delivery.next_at - timezone.now()).total_seconds(), -1))
            assert actions.deliver_due() == 0  # not yet
        Delivery.objects.filter(next_at__isnull=False).update(next_at=timezone.now())

    assert pauses == [pause.total_seconds() for pause in actions.PAUSES]
    assert (delivery.attempts, delivery.next_at, delivery.delivered_at) == (7, None, None)
    assert delivery.error == "answered 503"
    receiver.status = 204
    actions.send_again(delivery)
    actions.deliver_due()
    assert Delivery.objects.get().delivered_at is not None
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1


def test_a_redirect_is_not_followed_and_its_text_is_not_kept(project, mia, receiver):
    receiver.status, receiver.extra = 302, {"Location": "http://127.0.0.1:1/inside"}
    webhook = make(project, mia, receiver.url)
    actions.ping(webhook)
    actions.deliver_due()

    assert len(receiver.got) == 1
    shown = client_of(mia).get(f"/api/webhooks/{webhook.pk}/deliveries").content.decode()
    assert "answered 302" in shown
    assert "secret of the inside" not in shown


@pytest.mark.parametrize(
    "number", ["127.0.0.1", "10.0.0.7", "192.168.1.1", "169.254.169.254", "::1", "fd00::1", "0.0.0.0", "224.0.0.1", "::ffff:10.0.0.1"]
)  # fmt: skip
def test_nothing_goes_to_machines_of_our_own_network(project, mia, monkeypatch, number):
    family = 10 if ":" in number else 2
    monkeypatch.setattr(
        sending.socket, "getaddrinfo",
        lambda *args, **kwargs: [(family, 1, 6, "", ("93.184.216.34", 443)),
                                 (family, 1, 6, "", (number, 443))],
    )  # fmt: skip
    actions.ping(make(project, mia, "https://rebinding.example.org/"))
    actions.deliver_due()

    assert Delivery.objects.get().error == "rebinding.example.org is not on the open internet"


def test_the_machine_is_asked_that_was_looked_up(monkeypatch):
    monkeypatch.setattr(
        sending.socket,
        "getaddrinfo",
        lambda *args, **kwargs: [(2, 1, 6, "", ("93.184.216.34", 443))],
    )
    place = sending.look_up("https://example.org/a?b=c")
    assert (str(place.url), place.host) == ("https://93.184.216.34/a?b=c", "example.org")


@pytest.mark.parametrize(
    "url",
    ["http://example.org/", "https://example.org:8443/", "https://me:pw@example.org/", "file:///x",
     "https://", "not an address", "https://[::1", "gopher://example.org"],
)  # fmt: skip
def test_what_is_no_good_address_is_refused_with_a_reason(project, mia, url):
    answer = client_of(mia).post(
        f"/api/projects/{project.pk}/webhooks", {"url": url, "events": ["task.moved"]},
        format="json",
    )  # fmt: skip
    assert answer.status_code == 400
    assert answer.json()["url"][0]
    assert not Webhook.objects.exists()


def test_the_secret_is_told_once(project, mia):
    client, address = client_of(mia), f"/api/projects/{project.pk}/webhooks"
    made = client.post(
        address, {"url": "https://example.org/", "events": ["task.moved"]}, format="json"
    ).json()
    assert made["secret"].startswith("whsec_")
    (listed,) = client.get(address).json()
    assert "secret" not in listed
    changed = client.patch(f"/api/webhooks/{made['id']}", {"is_active": False}, format="json")
    assert (changed.json()["is_active"], "secret" in changed.json()) == (False, False)


def test_what_is_switched_off_gets_nothing(project, mia, receiver):
    webhook = make(project, mia, receiver.url)
    actions.ping(webhook)
    actions.change(webhook, by=mia, is_active=False)
    actions.deliver_due()
    tasks.start(build_stored_scene(project).tasks.get(), by=mia)

    assert receiver.got == []
    assert [each.error for each in Delivery.objects.all()] == ["the webhook is switched off"]


def test_old_deliveries_are_forgotten(project, mia, receiver):
    delivery = actions.ping(make(project, mia, receiver.url))
    actions.deliver_due()
    Delivery.objects.filter(pk=delivery.pk).update(
        created_at=timezone.now() - actions.KEPT - timedelta(days=1)
    )
    actions.deliver_due()
    assert not Delivery.objects.exists()
