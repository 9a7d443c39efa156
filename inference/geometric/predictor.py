"""The `Predictor` face over geometry (see `inference.predictor`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from inference.geometric.confidence import of_picture, of_points
from inference.geometric.frames import OpenScene, PreparedFrame
from inference.geometric.lifting import agreeing, in_drawn, in_rectangle, lifted, rejected
from inference.geometric.outline import outlined
from inference.geometric.propagation import followed
from inference.geometric.selection import Asked, selected, sorted_prompts, with_other_sensors
from inference.prompts import FramePrediction, Known, MaskPrediction, Prompt
from inference.scene import Scene

BoolArray = npt.NDArray[np.bool_]

# Of an object that reaches above the beams, this share of what they see must show in its region.
_SHOWN = 0.3


class GeometricPredictor:
    name = "geometric"
    version = "2"

    def open(self, scene: Scene) -> OpenScene:
        return OpenScene(scene)

    def close(self, opened: OpenScene) -> None:
        opened.forget()

    def add_prompt(
        self, opened: OpenScene, *, frame: int, prompts: Sequence[Prompt], track: int | None = None
    ) -> list[MaskPrediction]:
        prepared = opened.prepared(frame)
        asked = sorted_prompts(prepared, prompts)
        target = target_of(prepared, asked)
        if not target.any():
            target = _shown(prepared, asked)
        return _answers(prepared, asked, target)

    def propagate(
        self, opened: OpenScene, *, known: Mapping[int, Known], frames: Sequence[int]
    ) -> Iterator[FramePrediction]:
        steps = {track: followed(opened, masks, frames) for track, masks in known.items()}
        for frame in frames:
            yield FramePrediction(frame, {track: next(step) for track, step in steps.items()})

    def remove_track(self, opened: OpenScene, track: int) -> None:
        """Nothing is kept of tracks."""


def target_of(prepared: PreparedFrame, asked: Asked) -> BoolArray:
    """[N] the points meant by all prompts together."""
    cloud = prepared.cloud
    target = np.zeros(len(cloud), bool)
    if asked.given is not None:
        target |= with_other_sensors(cloud, asked.given)
    for camera, rectangle in asked.rectangles.items():
        target |= in_rectangle(prepared, camera, rectangle)
    for camera, drawn in asked.drawn.items():
        target |= in_drawn(prepared, camera, drawn)
    meant: list[int] = []
    refused = list(asked.negative)
    for camera, pixels in asked.pixels.items():
        for pixel, is_positive in pixels:
            point = (lifted if is_positive else rejected)(prepared, camera, pixel)
            if point is not None:
                (meant if is_positive else refused).append(point)
    positive = [*asked.positive, *agreeing(cloud, meant, asked.positive)]
    return selected(cloud, positive, refused, start=target)


def _shown(prepared: PreparedFrame, asked: Asked) -> BoolArray:
    """[N] what the picture alone finds where no light came back: a tree by its crown.

    The ground or a far wall that such a region (the sky) happens to cover is not meant.
    """
    cloud = prepared.cloud
    target = np.zeros(len(cloud), bool)
    for camera in asked.pixels:
        region = outline_in(prepared, asked, camera, target)
        if region is not None:
            target |= in_drawn(prepared, camera, region, mostly=_SHOWN) & ~cloud.is_ground
    number = cloud.cluster[target & (cloud.cluster >= 0)]
    sizes = np.bincount(cloud.cluster[cloud.cluster >= 0], minlength=1)
    shares = np.bincount(number, minlength=len(sizes)) / np.maximum(sizes, 1)
    return target & np.isin(cloud.cluster, np.flatnonzero(shares >= _SHOWN))


def outline_in(
    prepared: PreparedFrame, asked: Asked, camera: str, target: BoolArray
) -> BoolArray | None:
    """[H, W] the object in one camera; what was drawn there stands as it was drawn."""
    positive = asked.clicks(camera, positive=True)
    negative = asked.clicks(camera, positive=False)
    drawn = asked.drawn.get(camera)
    if drawn is not None and not positive and not negative:
        return drawn
    rectangle = asked.rectangles.get(camera)
    if rectangle is not None and not positive and not target.any():
        positive = [((rectangle[0] + rectangle[2]) / 2, (rectangle[1] + rectangle[3]) / 2)]
    mask = outlined(prepared, camera, target, positive, negative)
    if mask is None or rectangle is None:
        return mask
    left, top, right, bottom = rectangle
    inside = np.zeros_like(mask)
    inside[_pixels(top, bottom), _pixels(left, right)] = True
    return mask & inside


def _pixels(low: float, high: float) -> slice:
    """The pixels whose centres lie between two coordinates."""
    return slice(max(0, int(np.ceil(low - 0.5))), max(0, int(np.ceil(high - 0.5))))


def _answers(prepared: PreparedFrame, asked: Asked, target: BoolArray) -> list[MaskPrediction]:
    cloud = prepared.cloud
    trust = of_points(cloud, target, lift=_lift(prepared, asked))
    answers = [MaskPrediction(lidar, mask, trust) for lidar, mask in cloud.split(target).items()]
    for camera in prepared.cameras:
        mask = outline_in(prepared, asked, camera, target)
        if mask is not None and mask.any():
            view = prepared.view(camera)
            sure = of_picture(cloud, view, target, mask, of_points=trust)
            answers.append(MaskPrediction(camera, mask.ravel(), sure))
    return answers


def _lift(prepared: PreparedFrame, asked: Asked) -> float:
    """Beams from the first click in a picture to the nearest point; 0 if the cloud was clicked."""
    if asked.is_in_cloud:
        return 0.0
    for camera in asked.pixels:
        for pixel in asked.clicks(camera, positive=True)[:1]:
            return float(prepared.view(camera).gaps_to(pixel).min(initial=np.inf))
    return 0.0
