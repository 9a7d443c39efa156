"""One person's view of a scene in a real browser: where things are, and what is on the screen."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from backend.imports.actions import DEMO_SEED
from inference.world.drive import make_drive
from tests.browser.platform import Platform, sign_in, until

CAMERA = "FRONT"
REACH_PX = 6  # of the patch of screen that is compared


@dataclass(frozen=True)
class Places:
    """Places (u, v) in the camera's picture that a test clicks."""

    cars: list[tuple[int, int]]
    size_px: tuple[int, int]


def demo_places(frames: int) -> Places:
    """Well inside each car of the demo drive's frame 0, by the gold masks; the largest first."""
    drive: Any = make_drive(seed=DEMO_SEED, length=frames).frames
    ids = drive.gold_ids(0)[CAMERA]
    height, width = ids.shape
    areas = {
        number: int((ids == number).sum())
        for number, track in drive.gold.items()
        if track.label_class == "car"
    }
    largest = sorted((number for number in areas if areas[number]), key=lambda n: -areas[n])
    return Places([_inside(ids == number) for number in largest[:6]], (width, height))


def _inside(mask: np.ndarray) -> tuple[int, int]:
    """The pixel of the mask that is nearest to its middle."""
    rows, columns = np.nonzero(mask)
    away = np.hypot(rows - rows.mean(), columns - columns.mean())
    nearest = int(away.argmin())
    return int(columns[nearest]), int(rows[nearest])


class Window:
    """One person's view of a scene."""

    def __init__(self, page: Any, places: Places, *, frames: int) -> None:
        self.page = page
        self._places = places
        self._frames = frames

    @classmethod
    def on_scene(
        cls, browser: Any, running: Platform, username: str, scene: int, places: Places, frames: int
    ) -> Window:
        window = cls(sign_in(browser, running, username), places, frames=frames)
        window.page.goto(f"{running.url}/scenes/{scene}")
        window.wait_for_pictures()
        return window

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

    def grown(self, before: list[str]) -> str:
        """The name of the object that has come."""
        until(lambda: len(self.tracks()) == len(before) + 1, "an object more in the list")
        return next(name for name in self.tracks() if name not in before)

    def save_note(self) -> str:
        return str(self.page.locator(".save-note").inner_text())

    def told(self, words: str) -> None:
        """Until these words have been said to the person."""
        until(lambda: self.page.locator(".toast", has_text=words).count() > 0, words)

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
        return sum(widths) / 100 * self._frames

    def _place(self, number: int) -> tuple[float, float]:
        """CSS pixels from the pane's top left; the picture is fitted into it."""
        box = self.pane().bounding_box()
        (width, height), (u, v) = self._places.size_px, self._places.cars[number]
        scale = min(box["width"] / width, box["height"] / height)
        left = (box["width"] - width * scale) / 2
        top = (box["height"] - height * scale) / 2
        return left + (u + 0.5) * scale, top + (v + 0.5) * scale

    def _pane_pixels(self) -> np.ndarray:
        png = self.pane().locator("canvas").screenshot()
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(float)
