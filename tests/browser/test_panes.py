"""The panes in a real Chromium, on a frame of the procedural drive: what is drawn and picked."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.scenes.sweep_codec import decode_view
from tests.frontend.harness.make_scene import write_scene
from tests.frontend.harness.page import build, harness_page, wait_until

pytestmark = pytest.mark.browser

CAMERA, LIDAR = 0, 3
READY = "'cache' in window && cache.isReady(0)"
PANE = "document.querySelectorAll('.camera')[0].getBoundingClientRect()"


@pytest.fixture(scope="module")
def scene_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scene")
    write_scene(folder, frame_count=2)
    return folder


@pytest.fixture(scope="module")
def page(scene_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    built = tmp_path_factory.mktemp("page")
    build(built)
    with harness_page(scene_folder, built, "index.html", READY) as opened:
        settle(opened)
        yield opened


def settle(page: Any) -> None:
    """Until what was asked for has been drawn."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.evaluate("cloud.screenshotReady")


def picture_pixels(page: Any) -> np.ndarray:
    """[height, width, 3] of the first camera's canvas as it is on the screen."""
    png = page.locator(".camera canvas").first.screenshot()
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def set_hidden(page: Any, *, hidden: bool) -> None:
    page.evaluate(
        "(hidden) => { for (const track of labels.tracks.keys())"
        " appearance.setHidden(track, hidden); }",
        hidden,
    )
    settle(page)


def test_a_picture_has_the_colours_of_its_file(page, scene_folder):
    set_hidden(page, hidden=True)
    shown = picture_pixels(page)
    box = page.evaluate(f"({{w: {PANE}.width, h: {PANE}.height}})")
    with Image.open(scene_folder / f"image_0_{CAMERA}") as image:
        scale = min(box["w"] / image.width, box["h"] / image.height)
        size = (round(image.width * scale), round(image.height * scale))
        expected = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BOX)).astype(int)

    top, left = (shown.shape[0] - size[1]) // 2, (shown.shape[1] - size[0]) // 2
    inside = shown[top : top + size[1], left : left + size[0]]
    set_hidden(page, hidden=False)

    assert np.abs(inside - expected).mean() < 8
    # No tint: the mean of each channel agrees much closer than single pixels can.
    assert np.abs((inside - expected).mean(axis=(0, 1))).max() < 2


def test_a_point_is_picked_where_it_is_and_has_its_owner(page, scene_folder):
    points_ego, _ = decode_view((scene_folder / f"sweep_0_{LIDAR}").read_bytes())

    picks = page.evaluate(
        "[...Array(40).keys()].map(k => cloud.pick(350 + (k % 8) * 80, 150 + (k >> 3) * 90))"
    )

    hits = [pick for pick in picks if pick]
    assert len(hits) > 10
    for hit in hits:
        assert np.abs(points_ego[hit["point"]] - hit["position"]).max() < 1e-3
        mask = page.evaluate(
            "([sensor, point]) => { const at = labels.masksAt(0).get(sensor) ?? [];"
            " return at.filter(mask => { let end = 0, inside = false, value = 0, shift = 0;"
            "  for (const byte of mask.runs) { value |= (byte & 127) << shift;"
            "   if (byte & 128) { shift += 7; continue; }"
            "   if (point >= end && point < end + value) return inside;"
            "   end += value; inside = !inside; value = shift = 0; } return false; })"
            " .map(mask => mask.track); }",
            [hit["sensor"], hit["point"]],
        )
        assert hit["track"] == (mask[-1] if mask else None)


def test_hiding_a_track_changes_its_pixels_only_and_showing_brings_them_back(page):
    track = page.evaluate(
        "[...labels.masksAt(0).get(0)].filter(m => m.area > 3000).sort((a, b) => a.area - b.area)"
        "[0].track"
    )
    before = picture_pixels(page)

    page.evaluate("(track) => appearance.setHidden(track, true)", track)
    settle(page)
    without = picture_pixels(page)
    set_hidden(page, hidden=False)
    after = picture_pixels(page)

    share = (np.abs(without - before).max(axis=2) > 8).mean()
    assert 0.0005 < share < 0.2
    assert np.abs(after - before).max() <= 2


def test_a_click_in_a_picture_reports_the_pixel_under_the_pointer(page):
    box = page.evaluate(f"{PANE}.toJSON()")

    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    click = page.evaluate("clicks.at(-1)")

    lens = page.evaluate(f"scene.sensors.get({CAMERA})")
    assert (click["view"], click["sensor"], click["button"]) == ("image", CAMERA, 0)
    assert click["pick"]["position"] == pytest.approx(
        [lens["width_px"] / 2, lens["height_px"] / 2], abs=2
    )


def test_a_right_click_is_a_click_and_a_right_drag_is_not(page):
    count = page.evaluate("clicks.length")
    page.mouse.click(400, 300, button="right")
    assert page.evaluate("clicks.at(-1).button") == 2

    page.mouse.move(400, 300)
    page.mouse.down(button="right")
    page.mouse.move(460, 330, steps=3)
    page.mouse.up(button="right")
    settle(page)

    assert page.evaluate("clicks.length") == count + 1
    page.evaluate("cloud.resetView()")
    settle(page)


def test_nothing_is_drawn_when_nothing_changes(page):
    page.mouse.move(5, 845)
    settle(page)

    frames = page.evaluate(
        "new Promise(done => { let frames = 0; const real = window.requestAnimationFrame;"
        " window.requestAnimationFrame = (f) => { frames++; return real(f); };"
        " setTimeout(() => { window.requestAnimationFrame = real; done(frames); }, 500); })"
    )

    assert frames == 0


def test_a_seek_shows_the_other_frame_in_all_panes(page):
    before = picture_pixels(page)

    page.evaluate("timeline.seek(1)")
    wait_until(page, "cache.isReady(1)")
    settle(page)
    after = picture_pixels(page)
    page.evaluate("timeline.seek(0)")
    wait_until(page, "cache.isReady(0)")
    settle(page)

    assert (np.abs(after - before).max(axis=2) > 8).mean() > 0.02
    assert np.abs(picture_pixels(page) - before).max() <= 2
