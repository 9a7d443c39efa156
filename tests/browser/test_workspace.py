"""People in real windows on the whole platform: what one does, the other sees, and it lasts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.datasets import READERS
from tests.browser.platform import Platform, sign_in, until
from tests.browser.window import Places, Window

pytestmark = pytest.mark.browser

FRAMES = 8
DEMO = 1  # the demo drive's scene
PAINTED = 8  # of 255: how much a mask changes the mean colour of a patch, at least


@pytest.fixture
def ann(browser: Any, running: Platform, places: Places) -> Iterator[Window]:
    yield from _opened(browser, running, "annotator", places)


@pytest.fixture
def rita(browser: Any, running: Platform, places: Places) -> Iterator[Window]:
    yield from _opened(browser, running, "reviewer", places)


def _opened(browser: Any, running: Platform, username: str, places: Places) -> Iterator[Window]:
    window = Window.on_scene(browser, running, username, DEMO, places, FRAMES)
    yield window
    window.page.context.close()


def test_a_click_in_one_window_is_a_mask_in_the_other_and_still_there_after_a_reload(ann, rita):
    before, unlabelled = ann.tracks(), rita.patch(0)

    ann.new_car(0)

    name = ann.grown(before)
    assert name == rita.grown(before)
    until(
        lambda: np.abs(rita.patch(0) - unlabelled).max() > PAINTED, "the mask in the other picture"
    )
    assert ann.save_note() == "Saved"

    ann.page.reload()
    ann.wait_for_pictures()

    assert name in ann.tracks()
    until(lambda: np.abs(ann.patch(0) - unlabelled).max() > PAINTED, "the mask after the reload")


def test_an_object_is_followed_through_the_drive_and_others_see_it_come(ann, rita):
    before = ann.tracks()
    ann.new_car(1)
    name = ann.grown(before)
    rita.grown(before)
    rita.page.get_by_role("button", name=name, exact=True).click()
    until(lambda: abs(rita.labelled_frames() - 1) < 0.01, "a row for its one frame")

    ann.page.get_by_role("button", name="to end →").click()

    until(lambda: rita.labelled_frames() > FRAMES - 0.5, "masks in all frames")
    until(lambda: not ann.page.locator(".job-note").count(), "the end of the job")
    ann.told(f"has masks in frames 0 to {FRAMES - 1}.")


def test_following_can_be_cancelled_and_what_is_done_stays(ann):
    before = ann.tracks()
    ann.new_car(2)
    ann.grown(before)

    ann.page.get_by_role("button", name="to end →").click()
    ann.page.locator(".job-note").get_by_role("button", name="Cancel").click()

    until(lambda: not ann.page.locator(".job-note").count(), "the end of the job")
    assert 1 <= round(ann.labelled_frames()) < FRAMES


def test_undo_takes_the_click_back_for_everybody(ann, rita):
    before = ann.tracks()
    ann.new_car(3)
    name = ann.grown(before)
    rita.grown(before)

    ann.page.keyboard.press("Control+z")

    until(lambda: name not in ann.tracks(), "gone in the own window")
    until(lambda: name not in rita.tracks(), "gone in the other window")
    ann.told("Undone: the new object")


def test_space_plays_after_a_button_was_clicked_and_a_reload_comes_back_to_the_frame(ann):
    ann.page.get_by_label("How things look").click()
    ann.page.keyboard.press("Escape")
    ann.page.get_by_role("button", name="Next frame").click()
    ann.page.get_by_role("button", name="Previous frame").click()

    ann.page.keyboard.press("Space")
    until(lambda: ann.page.get_by_label("Stop (Space)").count() > 0, "it plays")
    ann.page.keyboard.press("End")
    until(lambda: ann.page.evaluate("location.search") == f"?frame={FRAMES - 1}", "its address")

    ann.page.reload()
    ann.wait_for_pictures()
    assert ann.page.get_by_role("spinbutton", name="Frame /").input_value() == str(FRAMES - 1)


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
    ann.grown(before)


def test_edits_made_while_the_server_is_away_are_kept_and_sent(running, ann, rita):
    before = ann.tracks()
    ann.new_car(3)
    name = ann.grown(before)
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


def test_pages_stay_inside_the_content_security_policy(browser, running, places):
    violations: list[str] = []
    page = sign_in(browser, running, "annotator")
    page.on("console", lambda message: violations.append(message.text))

    page.goto(f"{running.url}/scenes/1")
    Window(page, places, frames=FRAMES).wait_for_pictures()

    refused = [text for text in violations if "Content Security Policy" in text]
    assert not refused
    page.context.close()


def test_who_is_not_in_the_project_is_told_so_instead_of_waiting(browser, running):
    page = sign_in(browser, running, "annotator")

    page.goto(f"{running.url}/scenes/999")

    page.get_by_role("heading", name="This scene cannot be opened").wait_for()
    assert "not yours" in page.get_by_role("alert").inner_text()
    page.context.close()


def test_a_scene_is_exported_from_the_page_and_its_archive_can_be_read(
    browser, running, ann, tmp_path
):
    before = ann.tracks()
    ann.new_car(5)
    name = ann.grown(before)
    page = sign_in(browser, running, "manager")
    page.goto(f"{running.url}/projects/1/exports")

    page.get_by_label("Also scenes that nobody has accepted").check()
    page.get_by_label("With the pictures and sweeps").check()
    page.get_by_role("button", name="Export 1 scene").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click(timeout=90_000)
    archive = tmp_path / download.value.suggested_filename
    download.value.save_as(archive)
    page.context.close()

    scene = READERS["native"](archive)
    assert archive.name == "Demo_drive_native_UNREVIEWED.zip"
    assert len(scene.frames) == FRAMES
    number = re.sub(r"\D", "", name)
    assert number in {mask.track for mask in scene.frames[0].labels.masks}


def test_a_manager_has_the_drive_pre_labelled_and_open_windows_see_it_come(ann, running, browser):
    before = ann.tracks()
    page = sign_in(browser, running, "manager")
    page.goto(f"{running.url}/projects/1/scenes")

    page.get_by_role("button", name="Pre-label", exact=True).click()

    page.get_by_text("Pre-labelled:").wait_for(timeout=180_000)
    until(lambda: len(ann.tracks()) > len(before) + 30, "what the engine found")
    assert any(name.startswith("unknown") for name in ann.tracks())
    page.get_by_role("button", name="Pre-label again").wait_for()
    page.context.close()


# The back of the white car straight ahead in frame 0 of waymo_shaped, seen in its picture.
WHITE_CAR = Places([(940, 629)], (1920, 1080))


def test_a_waymo_segment_is_sent_up_by_the_page_opened_and_labelled(
    browser, running, shared_data: Path
):
    (segment,) = (shared_data / "waymo_shaped" / "v1").glob("*.tfrecord")
    page = sign_in(browser, running, "admin")
    page.goto(f"{running.url}/projects/1/imports")

    page.locator("input[type=file]").set_input_files(segment)
    page.get_by_role("button", name="Upload and import").click()
    job = page.locator("article.job", has_text=segment.name)
    job.get_by_role("link", name="Open scene").wait_for(timeout=120_000)
    assert "4 frames of 7 sensors, 110 labelled objects" in job.inner_text()
    job.get_by_role("link", name="Open scene").click()

    window = Window(page, WHITE_CAR, frames=4)
    window.wait_for_pictures()
    page.keyboard.press("Shift+Digit3")  # the front camera, large
    before, unlabelled = window.tracks(), window.patch(0)
    window.new_car(0)
    window.grown(before)
    until(lambda: np.abs(window.patch(0) - unlabelled).max() > PAINTED, "the mask in the picture")
    page.get_by_role("button", name="to end →").click()
    window.told("has masks in frames 0 to 3.")
    page.context.close()
