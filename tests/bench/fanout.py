"""Bench area `fanout`: one piece of news to fifty browsers in the same scene.

News is published as the product publishes it, on the road of events; its web server fans it out to
control sockets in a process of its own. The limit is a raw server that passes the same bytes on.
There is no peer to measure: a layer for Channels' groups is no dependency of ours.

    python3 manage.py bench fanout [--full]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import monotonic, monotonic_ns, sleep

from backend.protocol import messages, records
from tests.bench.crowd import TEXT, Address, Crowd, frame, shake_hands
from tests.bench.report import Report
from tests.bench.serving import Process, raw_server, stored_scene, web_server

BROWSERS = 50
TURNS, BURST = 5, 300
PER_S, PACED_S = 100, 3.0
IDLE_S = 16.0  # every browser renews its presence once in 15 s
STALLED, STALLED_NEWS, STALLED_BYTES = 3, 100, 200_000
Publish = Callable[[bytes], None]


def run(report: Report, full: bool) -> None:
    import django

    django.setup()
    from tests.builders import build_scene

    scene, cookie = stored_scene(build_scene())
    with web_server() as web, raw_server() as limit:
        ours = Address(web.port, f"/ws/scenes/{scene.pk}/control", cookie)
        theirs = Address(limit.port)
        tell_raw, _ = shake_hands(theirs)
        publish = _publisher(scene.pk)
        with Crowd(ours, BROWSERS) as browsers, Crowd(theirs, BROWSERS) as raw:
            browsers.ask("listen", raw=False)
            raw.ask("listen", raw=True)
            roads = (
                Road(web, browsers, publish),
                Road(limit, raw, lambda text: tell_raw.sendall(frame(TEXT, text, masked=False))),
            )
            _measure(report, *roads)
            if full:
                _idle(report, web)
        _stalled(report, ours, publish)


def _publisher(scene_id: int) -> Publish:
    from backend.events import SCENE_CHANNEL, valkey

    channel = SCENE_CHANNEL.format(scene_id)
    return lambda text: valkey().publish(channel, text) and None


@dataclass(frozen=True)
class Road:
    """A server, the browsers that listen to it, and how it is told something."""

    server: Process
    browsers: Crowd
    publish: Publish

    def send(self, count: int, *, per_s: float | None = None, filling: int = 0) -> Sent:
        before_s, began = self.server.cpu_s(), monotonic()
        for number in range(count):
            if per_s:
                sleep(max(0.0, began + number / per_s - monotonic()))
            self.publish(edit_sized(number, filling))
        came = self.browsers.ask("news", count=count)
        used_s = self.server.cpu_s() - before_s
        ways_ms = sorted(came["ms"]) or [float("nan")]
        return Sent(
            1e6 * used_s / max(came["deliveries"], 1),
            came["deliveries"] / (came["last"] - began),
            median(ways_ms),
            ways_ms[len(ways_ms) * 99 // 100],
            came["duplicates"],
            came["lost"],
        )


@dataclass(frozen=True)
class Sent:
    cpu_us: float  # of the server, a delivery
    per_s: float  # deliveries
    p50_ms: float
    p99_ms: float
    duplicates: int
    lost: int


def edit_sized(number: int, filling: int = 0) -> bytes:
    """What a browser hears when somebody renames a track; the mark says which and when."""
    track = records.Track(number=7, label_class=2, name="van" + "." * filling)
    news = messages.LabelsChanged(
        from_revision=number,
        revision=number + 1,
        operation_id=f"{number}-{monotonic_ns()}",
        by=records.Person(id=1, name="ann"),
        tracks=[track],
    )
    return news.model_dump_json().encode()


def _measure(report: Report, ours: Road, limit: Road) -> None:
    bursts = [ours.send(BURST) for _ in range(TURNS)]
    count = int(PER_S * PACED_S)
    # In turn with the limit. At once has none: a raw server packs what comes together into one.
    paced = [(ours.send(count, per_s=PER_S), limit.send(count, per_s=PER_S)) for _ in range(TURNS)]
    what = f"1 to {BROWSERS}, as fast as it goes"
    cpu_us, per_s = (median(getattr(sent, name) for sent in bursts) for name in ("cpu_us", "per_s"))
    report.row("fanout", f"{what} (CPU)", cpu_us, "us/delivery", target="<=25")
    report.row("fanout", what, per_s, "1/s")
    for metric, name, unit, target in (
        (" (CPU)", "cpu_us", "us/delivery", None),
        (", p50", "p50_ms", "ms", None),
        (", p99", "p99_ms", "ms", "<=10"),
    ):
        value, least = (median(getattr(turn[way], name) for turn in paced) for way in range(2))
        what = f"{PER_S} a second to {BROWSERS}{metric}"
        report.row("fanout", what, value, unit, limit=least, target=target)
    everything = [*bursts, *(one for one, _ in paced)]
    report.row("fanout", "duplicates", sum(sent.duplicates for sent in everything), target="<=0")
    report.row("fanout", "lost", sum(sent.lost for sent in everything), target="<=0")


def _idle(report: Report, web: Process) -> None:
    """What fifty people cost who only look: presence and heartbeats."""
    before_s = web.cpu_s()
    sleep(IDLE_S)
    used_ms = 1e3 * (web.cpu_s() - before_s) / IDLE_S
    report.row("fanout", f"{BROWSERS} idle browsers, CPU of a second", used_ms, "ms")


def _stalled(report: Report, address: Address, publish: Publish) -> None:
    """One of three reads no more, like a laptop that went to sleep: the others must not notice."""
    with Crowd(address, STALLED) as browsers:
        browsers.ask("listen", raw=False)
        browsers.ask("stall")
        sent = Road(Process(1, 0), browsers, publish).send(
            STALLED_NEWS, per_s=PER_S, filling=STALLED_BYTES
        )
    report.row("fanout", "lost to two beside one that stalls", sent.lost, target="<=0")


if __name__ == "__main__":
    import sys

    own = Report()
    run(own, "--full" in sys.argv)
    print(own.table())
