"""A Chromium that nothing is attached to, on a page that answers what is asked of it.

DevTools would take part in what is measured: see tests/bench/page_server.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from backend.launcher.chromium import find_chromium
from tests.frontend.harness.page import FLAGS, build, serving

UNHINDERED = [
    "--headless",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--no-default-browser-check",
    "--window-size=1300,850",
]
LONGEST_ANSWER_S = 240

Ask = Callable[..., Any]


@contextmanager
def bench_page(objects: dict[str, bytes]) -> Iterator[Ask]:
    """ask(name, *arguments) runs a measurement of tests/frontend/harness/bench in the page.

    objects: what the page can fetch, by name.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        scene, built = Path(folder, "scene"), Path(folder, "page")
        scene.mkdir()
        for name, data in objects.items():
            (scene / name).write_bytes(data)
        build(built)
        with (
            serving(scene, built, "tests.bench.page_server:app") as address,
            _chromium(f"{address}/bench.html", Path(folder, "profile")),
        ):
            yield lambda name, *arguments: _ask(address, name, arguments)


@contextmanager
def _chromium(address: str, profile: Path) -> Iterator[None]:
    found = find_chromium()
    flags = [*FLAGS, *UNHINDERED, f"--user-data-dir={profile}"]
    if os.getuid() == 0:
        flags.append("--no-sandbox")
    browser = subprocess.Popen(
        [found.executable, *flags, address],
        env={**os.environ, **found.variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        browser.terminate()
        browser.wait()


def _ask(address: str, name: str, arguments: tuple[Any, ...]) -> Any:
    """Raises RuntimeError with what the page says went wrong."""
    question = json.dumps({"name": name, "arguments": arguments}).encode()
    urlopen(Request(f"{address}/letters/question", data=question)).close()
    with urlopen(f"{address}/letters/answer", timeout=LONGEST_ANSWER_S) as letter:
        answer = json.load(letter)
    if "error" in answer:
        raise RuntimeError(f"the page could not measure {name}: {answer['error']}")
    return answer["value"]
