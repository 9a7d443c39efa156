"""Bench area `geometric`: the predictor without weights on procedural drives with gold masks.

Objects seen by both a camera (at least 500 pixels of 960x640, which is 80 at 384x256) and the LiDAR
(at least 12 points) get one click at the middle, then corrections at the middle of the larger error,
in the sensor that was clicked. Four routes: where the click is, and where the mask is looked at
("C>L": click in a camera, mask in the LiDAR). Propagation starts from one LiDAR click.

The targets are a prototype's, measured on its own street: pictures of 384x256 against 960x640 here,
the LiDAR's mask within one camera's sector against the whole turn here, 235 objects with buildings
among them (stuff here, not asked for). So our figures are higher for a different test, too.
More clicks must not make the mean worse: that is the target of the later ones.

    python -m tests.bench.geometric [--full]

The default is a fixed part of the full set: 160 s of one core, and 50 s more where the kernels of
the procedural world are not compiled yet.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import process_time
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from inference.masks import intersection_over_union
from inference.predictor import Predictor, load_predictor
from inference.prompts import MaskPrediction, PointPrompt
from inference.scene import FrameLabels, Scene
from tests.bench.report import Report

BoolArray = npt.NDArray[np.bool_]
Ids = Mapping[str, npt.NDArray[np.int32]]  # sensor -> gold id of each pixel [H, W] or point [N]

LEAST_PIXELS, LEAST_POINTS = 500, 12
CLICKS, SHOWN_CLICKS = 5, (1, 3, 5)
STEPS = (1, 3, 7)
# Seeds not looked at while the predictor was made: that was done on 20 to 23 and 100 to 117.
CLICKED, CLICKED_FULL = range(300, 310), range(300, 348)
FOLLOWED, FOLLOWED_FULL = range(400, 403), range(400, 416)
# One click, as the prototype did it.
TARGETS = {"L>L": 0.746, "C>L": 0.498, "L>C": 0.511, "C>C": 0.426}


@dataclass(frozen=True)
class Clip:
    """Frames of one drive, rendered, and their gold. classes: gold id to its class, things only."""

    scene: Scene
    ids: Sequence[Ids]
    classes: Mapping[int, str]
    moving: frozenset[int]


@dataclass(frozen=True)
class Case:
    """An object to click: in which frame of which clip, and the camera that looks at it."""

    clip: Clip
    frame: int
    camera: str
    gold: int

    @property
    def label_class(self) -> str:
        return self.clip.classes[self.gold]

    def truth(self, sensor: str, frame: int | None = None) -> BoolArray:
        ids = self.clip.ids[self.frame if frame is None else frame]
        return np.asarray(ids[sensor] == self.gold)


@dataclass
class Scores:
    """IoU by (route, click number or step), each with the object's class; confidences beside."""

    iou: dict[tuple[str, int], list[tuple[float, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    confidence: list[tuple[float, float]] = field(default_factory=list)
    first_click_ms: list[float] = field(default_factory=list)
    next_click_ms: list[float] = field(default_factory=list)
    frame_ms: list[float] = field(default_factory=list)

    def mean(self, route: str, number: int, label_class: str | None = None) -> float:
        values = [
            iou for iou, its in self.iou[route, number] if label_class in (None, its)
        ]  # fmt: skip
        return float(np.mean(values)) if values else float("nan")


def render(seed: int, frames: Sequence[int]) -> Clip:
    """The frames of a procedural drive, in memory, renumbered from 0."""
    from inference.world.drive import make_drive

    drive: Any = make_drive(seed, length=max(frames) + 1)
    shown = [
        replace(drive.frames[index], labels=FrameLabels(), index=at)
        for at, index in enumerate(frames)
    ]
    ids = [drive.frames.gold_ids(index) for index in frames]
    gold = drive.frames.gold
    return Clip(
        replace(drive, frames=shown),
        ids,
        {number: track.label_class for number, track in gold.items() if not track.is_stuff},
        frozenset(number for number, track in gold.items() if track.is_moving),
    )


def cases_of(clip: Clip, frame: int, *, most: int, seed: int = 0) -> list[Case]:
    """At most `most` objects per camera that both it and the LiDAR see well enough."""
    random = np.random.default_rng([seed, frame])
    ids = clip.ids[frame]
    lidar = clip.scene.lidars[0].name
    points = np.bincount(ids[lidar], minlength=1 + max(clip.classes))
    found = []
    for camera in (sensor.name for sensor in clip.scene.cameras):
        pixels = np.bincount(ids[camera].ravel(), minlength=len(points))
        seen = [
            number
            for number in clip.classes
            if pixels[number] >= LEAST_PIXELS and points[number] >= LEAST_POINTS
        ]
        random.shuffle(seen)
        found += [Case(clip, frame, camera, number) for number in seen[:most]]
    return found


def middle_pixel(region: BoolArray) -> tuple[float, float]:
    """(u, v) of the pixel of a region that is farthest from its border."""
    padded = np.pad(region.astype(np.uint8), 1)
    inner = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    v, u = np.unravel_index(int(inner.argmax()), inner.shape)
    return float(u) + 0.5, float(v) + 0.5


def middle_point(region: BoolArray, points: npt.NDArray[np.float32]) -> tuple[float, ...]:
    """The point of a region that is nearest to its median."""
    inside = points[region]
    away = np.linalg.norm(inside - np.median(inside, axis=0), axis=1)
    return tuple(float(x) for x in inside[away.argmin()])


def click(case: Case, sensor: str, mask: BoolArray | None) -> PointPrompt | None:
    """The next click in `sensor`, given its present mask (None: no click yet); None: no error."""
    truth = case.truth(sensor)
    mask = np.zeros(truth.shape, bool) if mask is None else mask.reshape(truth.shape)
    missed, spilled = truth & ~mask, mask & ~truth
    if not missed.any() and not spilled.any():
        return None
    positive = bool(missed.sum() > spilled.sum())
    error = missed if positive else spilled
    if truth.ndim == 2:
        return PointPrompt(sensor, middle_pixel(error), positive)
    points = case.clip.scene.frames[case.frame].sweeps[sensor].points_ego
    return PointPrompt(sensor, middle_point(error, points), positive)


def score_clicks(predictor: Predictor, opened: Any, case: Case, scores: Scores) -> None:
    lidar = case.clip.scene.lidars[0].name
    for letter, sensor in (("C", case.camera), ("L", lidar)):
        prompts: list[PointPrompt] = []
        masks: dict[str, MaskPrediction] = {}
        for number in range(1, CLICKS + 1):
            prompt = click(case, sensor, masks[sensor].mask if sensor in masks else None)
            if prompt is not None:
                prompts.append(prompt)
                began = process_time()
                answers = predictor.add_prompt(opened, frame=case.frame, prompts=prompts)
                scores.next_click_ms.append(1e3 * (process_time() - began))
                masks = {answer.sensor: answer for answer in answers}
            for letter_to, seen in (("C", case.camera), ("L", lidar)):
                iou = _iou(masks.get(seen), case.truth(seen))
                scores.iou[f"{letter}>{letter_to}", number].append((iou, case.label_class))
                if seen in masks:
                    scores.confidence.append((masks[seen].confidence, iou))


def _iou(answer: MaskPrediction | None, truth: BoolArray) -> float:
    mask = np.zeros(truth.size, bool) if answer is None else answer.mask
    return intersection_over_union(mask, truth.ravel())


def score_propagation(predictor: Predictor, opened: Any, case: Case, scores: Scores) -> None:
    """From one LiDAR click in the case's frame to the frames after it, while gold is seen."""
    lidar = case.clip.scene.lidars[0].name
    prompt = click(case, lidar, None)
    assert prompt is not None
    answers = predictor.add_prompt(opened, frame=case.frame, prompts=[prompt])
    known = {case.frame: {answer.sensor: answer.mask for answer in answers}}
    kind = "moving" if case.gold in case.clip.moving else "still"
    _score_step(case, case.frame, answers, scores, kind)
    frames = range(case.frame + 1, len(case.clip.ids))
    steps: Iterator[Any] = predictor.propagate(opened, known={0: known}, frames=list(frames))
    for frame in frames:
        began = process_time()
        answer = next(steps)
        scores.frame_ms.append(1e3 * (process_time() - began))
        _score_step(case, frame, answer.masks[0], scores, kind)


def _score_step(
    case: Case, frame: int, answers: Sequence[MaskPrediction], scores: Scores, kind: str
) -> None:
    lidar = case.clip.scene.lidars[0].name
    masks = {answer.sensor: answer for answer in answers}
    step = frame - case.frame
    for letter, sensor, least in (("C", case.camera, LEAST_PIXELS), ("L", lidar, 6)):
        truth = case.truth(sensor, frame)
        if truth.sum() >= least:
            scores.iou[f"propagate {letter}", step].append((_iou(masks.get(sensor), truth), kind))


def evaluate(
    clicked: Iterable[Clip], followed: Iterable[Clip], *, most: int = 3, most_followed: int = 2
) -> Scores:
    """Clicks in the first frame of the `clicked` drives; propagation through the `followed` ones.

    One drive is held at a time where the arguments are generators. most: objects per camera.
    """
    predictor, scores = load_predictor(), Scores()
    for clip in clicked:
        opened = predictor.open(clip.scene)
        cases = cases_of(clip, 0, most=most)
        for case in cases:
            score_clicks(predictor, opened, case, scores)
        predictor.close(opened)
        scores.first_click_ms += first_clicks_ms(predictor, cases)
    for clip in followed:
        opened = predictor.open(clip.scene)
        for case in cases_of(clip, 0, most=most_followed, seed=1):
            score_propagation(predictor, opened, case, scores)
        predictor.close(opened)
    return scores


def first_clicks_ms(predictor: Predictor, cases: Sequence[Case]) -> list[float]:
    """A click in a frame that was not prepared: reading, clusters, pictures included."""
    prompt = click(cases[0], cases[0].camera, None) if cases else None
    if prompt is None:
        return []
    opened = predictor.open(cases[0].clip.scene)
    began = process_time()
    predictor.add_prompt(opened, frame=cases[0].frame, prompts=[prompt])
    taken = process_time() - began
    predictor.close(opened)
    return [1e3 * taken]


def run(report: Report, full: bool) -> None:
    clicked, followed = (CLICKED_FULL, FOLLOWED_FULL) if full else (CLICKED, FOLLOWED)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        scores = evaluate(
            (render(seed, [30]) for seed in clicked),
            (render(seed, range(30, 38)) for seed in followed),
        )
    finally:
        cv2.setNumThreads(threads)
    fill(report, scores)


def fill(report: Report, scores: Scores) -> None:
    area = "geometric"
    for route, target in TARGETS.items():
        count = len(scores.iou[route, 1])
        least = target
        for clicks in SHOWN_CLICKS:
            mean = scores.mean(route, clicks)
            name = f"{route} {clicks} click{'s' * (clicks > 1)}, {count} objects"
            report.row(area, name, mean, "IoU", target=f">={least:.3f}")
            least = mean - 0.0005  # the target is shown rounded
    classes = sorted({label for _, label in scores.iou["L>L", 1]})
    for label in classes:
        count = sum(its == label for _, its in scores.iou["L>L", 1])
        each = "  ".join(f"{route} {scores.mean(route, 1, label):.2f}" for route in TARGETS)
        report.row(area, f"{label} ({count}), 1 click", each)
    for letter in "LC":
        for step in (0, *STEPS):
            name = f"propagate {letter}"
            count = len(scores.iou[name, step])
            moving = scores.mean(name, step, "moving")
            report.row(area, f"{name} +{step}, {count} objects", scores.mean(name, step), "IoU")
            report.row(area, f"{name} +{step}, those that move", moving, "IoU")
    predicted, actual = np.array(scores.confidence).T
    report.row(area, "confidence less IoU", float((predicted - actual).mean()), "IoU")
    report.row(
        area, "confidence to IoU, correlation", float(np.corrcoef(predicted, actual)[0, 1])
    )  # fmt: skip
    report.row(area, "click in a new frame", float(np.median(scores.first_click_ms)), "ms")
    for share in (50, 95):
        taken = float(np.percentile(scores.next_click_ms, share))
        report.row(area, f"click, p{share} of process time", taken, "ms")
    if scores.frame_ms:
        for share in (50, 95):
            taken = float(np.percentile(scores.frame_ms, share))
            report.row(area, f"propagated frame, p{share} of process time", taken, "ms")


def main() -> None:
    report = Report()
    run(report, "--full" in sys.argv[1:])
    print(report.table())


if __name__ == "__main__":
    main()
