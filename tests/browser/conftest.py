"""A platform and a browser for each file of tests that drives the whole. FRAMES: of its demo drive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.platform import Platform, chromium, platform
from tests.browser.window import Places, demo_places


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    data = tmp_path_factory.mktemp("platform") / "data"
    with platform(data, frames=request.module.FRAMES) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def places(request: pytest.FixtureRequest) -> Places:
    return demo_places(request.module.FRAMES)
