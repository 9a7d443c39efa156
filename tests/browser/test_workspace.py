"""People in real windows on the whole platform: what one does, the other sees, and it lasts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.imports.actions import DEMO_SEED
from inference.world.drive import make_drive
from tests.browser.platform import Platform, chromium, platform, sign_in, until

pytestmark = pytest.mark.browser

FRAMES = 8
CAMERA = "FRONT"
REACH_PX = 6  # of the patch of screen that is compared


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform(tmp_path_factory.mktemp("platform") / "data", frames=FRAMES) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@dataclass(frozen=True)
class Gold:
    """Where the cars of frame 0 are in the camera: (u, v) well inside each, the largest first."""

    cars: list[tuple[int, int]]
    size_px: tuple[int, int]


@pytest.fixture(scope="module")
def gold() -> Gold:
    frames: Any = make_drive(seed=DEMO_SEED, length=FRAMES).frames
    ids = frames.gold_ids(0)[CAMERA]
    height, width = ids.shape
    areas = {
        number: int((ids == number).sum())
        for number, track in frames.gold.items()
        if track.label_class == "car"
    }
    largest = sorted((number for number in areas if areas[number]), key=lambda n: -areas[n])
    return Gold([_inside(ids == number) for number in largest[:5]], (width, height))


def _inside(mask: np.ndarray) -> tuple[int, int]:
    """The pixel of the mask that is nearest to its middle."""
    rows, columns = np.nonzero(mask)
    away = np.hypot(rows - rows.mean(), columns - columns.mean())
    nearest = int(away.argmin())
    return int(columns[nearest]), int(rows[nearest])


class Window:
    """One person's view of the demo scene."""

    def __init__(self, browser: Any, running: Platform, username: str, gold: Gold) -> None:
        self.page = sign_in(browser, running, username)
        self._gold = gold
        self.page.goto(f"{running.url}/scenes/1")
        self.wait_for_pictures()

    def wait_for_pictures(self) -> None:
        self.page.get_by_label("Objects", exact=True).wait_for()
        # An empty pane is one dark grey.
        until(lambda: self._pane_pixels().std() > 10, "the picture is drawn")

    def pane(self) -> Any:
        return self.page.locator(f'section[aria-label="Camera {CAMERA}"] .pane-view')

    def click_car(self, number: int, button: str = "left") -> None:
        x, y = self._place(number)
        self.pane().click(position={"x": x, "y": y}, button=button)

    def new_car(self, number: int) -> None:
        """A click on a car that has no track yet."""
        classes = self.page.get_by_label("Class of new objects").get_by_role("button")
        classes.filter(has=self.page.get_by_text("car", exact=True)).click()
        self.click_car(number)

    def tracks(self) -> list[str]:
        names: list[str] = self.page.locator(".track-name span").all_inner_texts()
        return names

    def save_note(self) -> str:
        return str(self.page.locator(".save-note").inner_text())

    def patch(self, number: int) -> np.ndarray:
        """Mean colour of the screen at a car's middle, as painted with its mask."""
        x, y = (round(value) for value in self._place(number))
        pixels = self._pane_pixels()
        return pixels[y - REACH_PX : y + REACH_PX, x - REACH_PX : x + REACH_PX].mean(axis=(0, 1))

    def labelled_frames(self) -> float:
        """Frames in which the selected object has masks, as the timeline shows them."""
        widths = self.page.locator(".selected-row i").evaluate_all(
            "bars => bars.map(bar => parseFloat(bar.style.width))"
        )
        return sum(widths) / 100 * FRAMES

    def _place(self, number: int) -> tuple[float, float]:
        """CSS pixels from the pane's top left; the picture is fitted into it."""
        box = self.pane().bounding_box()
        (width, height), (u, v) = self._gold.size_px, self._gold.cars[number]
        scale = min(box["width"] / width, box["height"] / height)
        left = (box["width"] - width * scale) / 2
        top = (box["height"] - height * scale) / 2
        return left + (u + 0.5) * scale, top + (v + 0.5) * scale

    def _pane_pixels(self) -> np.ndarray:
        png = self.pane().locator("canvas").screenshot()
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(float)


@pytest.fixture
def ann(browser: Any, running: Platform, gold: Gold) -> Iterator[Window]:
    yield from _opened(browser, running, "annotator", gold)


@pytest.fixture
def rita(browser: Any, running: Platform, gold: Gold) -> Iterator[Window]:
    yield from _opened(browser, running, "reviewer", gold)


def _opened(browser: Any, running: Platform, username: str, gold: Gold) -> Iterator[Window]:
    window = Window(browser, running, username, gold)
    yield window
    window.page.context.close()


def grows(window: Window, before: list[str]) -> str:
    """The name of the object that has come."""
    until(lambda: len(window.tracks()) == len(before) + 1, "an object more in the list")
    return next(name for name in window.tracks() if name not in before)


def test_a_click_in_one_window_is_a_mask_in_the_other_and_still_there_after_a_reload(ann, rita):
    before, unlabelled = ann.tracks(), rita.patch(0)

    ann.new_car(0)

    name = grows(ann, before)
    assert name == grows(rita, before)
    until(lambda: np.abs(rita.patch(0) - unlabelled).max() > 20, "the mask in the other picture")
    assert ann.save_note() == "Saved"

    ann.page.reload()
    ann.wait_for_pictures()

    assert name in ann.tracks()
    until(lambda: np.abs(ann.patch(0) - unlabelled).max() > 20, "the mask after the reload")


def test_an_object_is_followed_through_the_drive_and_others_see_it_come(ann, rita):
    before = ann.tracks()
    ann.new_car(1)
    name = grows(ann, before)
    grows(rita, before)
    rita.page.get_by_role("button", name=name, exact=True).click()
    until(lambda: abs(rita.labelled_frames() - 1) < 0.01, "a row for its one frame")

    ann.page.get_by_role("button", name="to end →").click()

    until(lambda: rita.labelled_frames() > FRAMES - 0.5, "masks in all frames")
    until(lambda: not ann.page.locator(".job-note").count(), "the end of the job")


def test_following_can_be_cancelled_and_what_is_done_stays(ann):
    before = ann.tracks()
    ann.new_car(2)
    grows(ann, before)

    ann.page.get_by_role("button", name="to end →").click()
    ann.page.locator(".job-note").get_by_role("button", name="Cancel").click()

    until(lambda: not ann.page.locator(".job-note").count(), "the end of the job")
    assert 1 <= round(ann.labelled_frames()) < FRAMES


def test_undo_takes_the_click_back_for_everybody(ann, rita):
    before = ann.tracks()
    ann.new_car(3)
    name = grows(ann, before)
    grows(rita, before)

    ann.page.keyboard.press("Control+z")

    until(lambda: name not in ann.tracks(), "gone in the own window")
    until(lambda: name not in rita.tracks(), "gone in the other window")


def test_a_dead_model_worker_is_told_of_loses_nothing_and_comes_back(running, ann):
    before = ann.tracks()
    running.kill("model")

    ann.new_car(4)

    toast = ann.page.locator(".toast.bad")
    until(lambda: toast.count() > 0, "words for the person")
    assert "worker" in toast.first.inner_text()
    assert ann.tracks() == before

    known = running.log("model").count(" ready.")
    running.wait_until(lambda: running.log("model").count(" ready.") > known, "the worker again")
    ann.new_car(4)
    grows(ann, before)


def test_edits_made_while_the_server_is_away_are_kept_and_sent(running, ann, rita):
    before = ann.tracks()
    ann.new_car(3)
    name = grows(ann, before)
    running.kill("web")
    until(lambda: ann.save_note().startswith("Offline"), "the loss is noticed")

    ann.page.get_by_label("Delete in all frames (Shift+Del)").click()
    until(lambda: "1 edit waiting" in ann.save_note(), "the edit is kept")
    # The server comes back while we wait for it.
    running.wait_until(lambda: ann.save_note() == "Saved", "the edit is sent")

    assert name not in ann.tracks()
    running.wait_until(lambda: rita.save_note() == "Saved", "the other window is back")
    until(lambda: name not in rita.tracks(), "gone in the other window")


def test_a_stranger_is_led_to_the_sign_in_page_and_back(browser, running):
    page = browser.new_context().new_page()
    page.goto(f"{running.url}/scenes/1?frame=2")
    page.get_by_label("Name").fill("annotator")
    page.get_by_label("Password").fill(running.passwords["annotator"])
    page.get_by_role("button", name="Sign in").click()

    page.get_by_label("Objects", exact=True).wait_for()
    assert page.url == f"{running.url}/scenes/1?frame=2"
    assert page.get_by_role("spinbutton", name="Frame /").input_value() == "2"
    page.context.close()


def test_pages_stay_inside_the_content_security_policy(browser, running, gold):
    violations: list[str] = []
    window = Window.__new__(Window)
    page = sign_in(browser, running, "annotator")
    page.on("console", lambda message: violations.append(message.text))
    window.page, window._gold = page, gold

    page.goto(f"{running.url}/scenes/1")
    window.wait_for_pictures()

    refused = [text for text in violations if "Content Security Policy" in text]
    assert not refused
    page.context.close()
