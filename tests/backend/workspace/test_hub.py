"""The hub of one process: news goes to everybody who takes it."""

from __future__ import annotations

import asyncio

from backend.workspace import hub as module
from backend.workspace.hub import Hub


class Browser:
    def __init__(self, *, reads: bool = True) -> None:
        self.news: list[str] = []
        self.is_cut_off = False
        self._reads = reads

    async def deliver(self, text: str) -> None:
        if not self._reads:
            await asyncio.Event().wait()
        self.news.append(text)

    def cut_off(self) -> None:
        self.is_cut_off = True


async def test_a_browser_that_does_not_read_is_cut_off_and_the_others_get_their_news(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    hub, stalled = Hub(), Browser(reads=False)
    others = [Browser() for _ in range(5)]
    hub._rooms[1] = {stalled, *others}

    await hub._fan_out(1, "first")
    await hub._fan_out(1, "second")

    assert stalled.is_cut_off
    assert [other.news for other in others] == [["first", "second"]] * 5
    assert not any(other.is_cut_off for other in others)
