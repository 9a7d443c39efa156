"""A team at work, each in a window of their own: planned, labelled, sent back with an issue, mended, accepted, exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inference.datasets import READERS
from tests.browser.platform import Platform, sign_in, until
from tests.browser.window import Places, Window

pytestmark = pytest.mark.browser

FRAMES = 6


def on_tasks(browser: Any, running: Platform, username: str) -> Any:
    page = sign_in(browser, running, username)
    page.goto(f"{running.url}/projects/1/tasks")
    page.locator("td.name").first.wait_for()
    return page


def next_one(page: Any, button: str, places: Places) -> Window:
    page.get_by_role("button", name=button).click()
    page.wait_for_url("**/scenes/**")
    window = Window(page, places, frames=FRAMES)
    window.wait_for_pictures()
    return window


def test_a_drive_goes_through_the_hands_of_a_team(browser, running, places, tmp_path: Path):
    # The manager adds a class, writes guidelines, splits the drive and hands it out.
    manager = sign_in(browser, running, "manager")
    manager.goto(f"{running.url}/projects/1/guidelines")
    manager.get_by_role("button", name="Write guidelines").click()
    manager.get_by_label("Guidelines, in Markdown").fill("Label **mirrors** with the car.")
    manager.get_by_role("button", name="Save").click()
    manager.locator(".prose strong").wait_for()
    manager.goto(f"{running.url}/projects/1/classes")
    manager.get_by_label("Name of a new class").fill("tram")
    manager.get_by_role("button", name="Add class").click()
    manager.get_by_label("Name of tram").wait_for()
    manager.goto(f"{running.url}/projects/1/tasks")
    manager.get_by_role("button", name="Split…").click()
    manager.get_by_label("Tasks of").fill("3")
    manager.get_by_label("overlapping by").fill("0")
    manager.get_by_role("button", name="Split", exact=True).click()
    manager.get_by_text("Demo drive, frames 3–5").wait_for()
    manager.get_by_label("Choose Demo drive, frames 0–2").check()
    manager.get_by_label("Give them to").select_option(label="Annotator")
    manager.get_by_label("How urgent they are").select_option("urgent")
    manager.locator(".badge", has_text="urgent").wait_for()

    # The annotator takes what is given, labels a car, and hands it in.
    annotator = on_tasks(browser, running, "annotator")
    ann = next_one(annotator, "Next task", places)
    annotator.get_by_text("0–2").wait_for()
    annotator.get_by_role("button", name="Guidelines").click()
    assert annotator.locator("dialog .prose").inner_text() == "Label mirrors with the car."
    annotator.get_by_role("button", name="Close").click()
    ann.new_car(0)
    name = ann.grown([])
    until(lambda: ann.save_note() == "Saved", "the mask is saved")
    annotator.get_by_role("button", name="Submit").click()
    annotator.get_by_text("in review").wait_for()

    # The reviewer pins an issue to the car, suggests another class, and sends it back.
    reviewer = on_tasks(browser, running, "reviewer")
    rita = next_one(reviewer, "Next review", places)
    until(lambda: name in rita.tracks(), "the car")
    reviewer.keyboard.press("i")
    rita.click_car(0)
    reviewer.get_by_label("What is it?").fill("@annotator this is a tram")
    reviewer.get_by_label("Kind of fault").select_option("class")
    reviewer.get_by_label("What you suggest").select_option(label="suggest: make it tram")
    reviewer.get_by_role("button", name="Pin it").click()
    reviewer.get_by_text("Suggests: make it tram").wait_for()
    reviewer.get_by_role("button", name="Send back…").click()
    reviewer.get_by_role("button", name="wrong class", exact=True).click()
    reviewer.get_by_label("Why it is sent back").fill("see the issue")
    reviewer.get_by_role("button", name="Send back", exact=True).click()
    reviewer.get_by_text("sent back").wait_for()

    # The annotator gets it back before anything new, takes the suggestion over with one key.
    annotator.goto(f"{running.url}/projects/1/tasks")
    annotator.get_by_text("Sent back: see the issue").wait_for()
    ann = next_one(annotator, "Next task", places)
    annotator.get_by_role("tab", name="Issues 1").click()
    annotator.locator(".issue-head").click()
    annotator.keyboard.press("y")
    annotator.get_by_text("(taken)").wait_for()
    annotator.get_by_role("tab", name="Objects").click()
    until(lambda: any(track.startswith("tram") for track in ann.tracks()), "the tram")
    annotator.get_by_role("button", name="Submit").click()
    annotator.get_by_role("button", name="Next task").click()
    annotator.get_by_text("3–5").wait_for()
    annotator.get_by_role("button", name="Submit").click()
    annotator.get_by_text("in review").wait_for()

    # The reviewer gets the same one again, and accepts both parts.
    reviewer.goto(f"{running.url}/projects/1/tasks")
    rita = next_one(reviewer, "Next review", places)
    reviewer.get_by_text("0–2").wait_for()
    reviewer.get_by_role("button", name="Accept").click()
    reviewer.get_by_role("button", name="Next review").click()
    reviewer.get_by_text("3–5").wait_for()
    reviewer.get_by_role("button", name="Accept").click()
    reviewer.get_by_text("accepted", exact=True).wait_for()

    # What is accepted is frozen, and leaves.
    until(
        lambda: annotator.get_by_role("button", name="Submit").count() == 0, "the annotator is told"
    )
    manager.goto(f"{running.url}/projects/1/exports")
    manager.get_by_role("button", name="Export 1 scene").click()
    with manager.expect_download() as download:
        manager.get_by_role("link", name="Download").click(timeout=90_000)
    archive = tmp_path / download.value.suggested_filename
    download.value.save_as(archive)
    classes = {mask.label_class for mask in READERS["native"](archive).frames[0].labels.masks}
    assert classes == {"tram"}
    assert archive.name == "Demo_drive_native.zip"

    # Somebody labels the first part again without knowing it, and misses the tram.
    manager.goto(f"{running.url}/projects/1/tasks")
    manager.get_by_role("button", name="Label again…").first.click()
    manager.locator("form input.tiny").fill("1")
    manager.get_by_role("button", name="Make a blind copy").click()
    manager.get_by_text("blind copy", exact=True).wait_for()
    reviewer.goto(f"{running.url}/projects/1/tasks")
    next_one(reviewer, "Next task", places)
    assert reviewer.get_by_text("Demo drive").count()
    reviewer.get_by_role("button", name="Check").click()
    reviewer.get_by_text("nothing odd was found").wait_for()
    reviewer.get_by_role("button", name="Submit").click()
    reviewer.get_by_text("in review").wait_for()
    manager.goto(f"{running.url}/projects/1/quality")
    until(lambda: bool(reloaded(manager).locator("td", has_text="gold").count()), "the comparison")
    manager.get_by_role("button", name="More").click()
    manager.get_by_text("is missing").wait_for()
    assert manager.get_by_label("By class").inner_text().split()[-4:] == [
        "tram", "1", "0.000", "0.000",
    ]  # fmt: skip
    for page in (manager, annotator, reviewer):
        page.context.close()


def reloaded(page: Any) -> Any:
    page.reload()
    page.get_by_role("group", name="What is reviewed").wait_for()
    return page


def test_an_admin_makes_a_project_and_invites_somebody_who_has_no_account(browser, running):
    admin = sign_in(browser, running, "admin")
    admin.get_by_label("Name of a new project").fill("Night drives")
    admin.get_by_role("button", name="Make project").click()
    form = admin.get_by_role("form", name="Invite by a link")
    form.get_by_label("For whom").fill("zoe@example.org")
    form.get_by_role("button", name="Make a link").click()
    link = form.locator("code.secret").inner_text()

    zoe = browser.new_context().new_page()
    zoe.goto(link)
    zoe.get_by_text("as annotator").wait_for()
    zoe.get_by_label("Account name").fill("zoe")
    zoe.get_by_label("Password").fill("a long password 4 tests")
    zoe.get_by_role("button", name="Make my account").click()
    zoe.get_by_role("heading", name="No tasks yet").wait_for()
    assert zoe.get_by_role("heading", name="Night drives").count()

    # The link works once.
    other = browser.new_context().new_page()
    other.goto(link)
    other.get_by_role("alert").wait_for()
    assert other.get_by_label("Account name").count() == 0
    admin.reload()
    admin.get_by_role("cell", name="zoe").first.wait_for()
    for page in (admin, zoe, other):
        page.context.close()
