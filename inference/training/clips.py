"""A view of a frame in which objects are followed: nobody shows them there, earlier frames are remembered.

Where an object is thought to be comes from geometry, as when the model is used: from gold of the frame
that was prompted, over the frames between. What is remembered is gold, too, a little worn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.geometric.frames import PreparedFrame
from inference.geometric.propagation import steps
from inference.geometric.selection import sorted_prompts
from inference.geometry import inverse
from inference.nano.config import NanoConfig
from inference.nano.glance import main_lidar
from inference.nano.hints import Glances, Kind, Meant, guessed
from inference.nano.memory import (
    LATEST,
    SHOWN,
    Reading,
    as_it_stands,
    chosen_in_picture,
    chosen_in_sweep,
)
from inference.training.lessons import (
    Question,
    View,
    Wear,
    draw_glances,
    glances_at,
    object_weight,
)
from inference.training.shots import Shot
from inference.training.simulation import Target, worn

BoolArray = npt.NDArray[np.bool_]
Random = np.random.Generator

_LEAST_POINTS = 8  # of an object in the frame that was prompted


@dataclass(frozen=True)
class Clip:
    """view: of the frame that is asked for.  before: the remembered frames, the prompted one first.

    readings: of each question; a reading's frame counts `before`.
    """

    view: View
    before: list[Glances]
    readings: list[list[Reading]]


@dataclass(frozen=True)
class _Drive:
    """What `propagation.steps` asks for: frames by their index."""

    frames: dict[int, PreparedFrame]

    def prepared(self, frame: int, /) -> PreparedFrame:
        return self.frames[frame]


def draw_clip(
    shots: Sequence[Shot], config: NanoConfig, random: Random, *, objects: int, wear: Wear
) -> Clip | None:
    """shots: two or three frames of one drive, the prompted one first, the one that is asked for last.

    None where nothing can be followed.
    """
    *earlier, now = shots
    prompted = earlier[0]
    glances = draw_glances(now, config, random, wear)
    if glances is None or glances.sweep is None:
        return None
    camera = None if glances.picture is None else glances.picture.sensor.name
    if camera is not None and any(camera not in shot.ids for shot in earlier):
        return None
    before = [glances_at(shot.prepared, camera, config, random) for shot in earlier]
    if any(each.sweep is None for each in before):
        return None
    counts = np.bincount(prompted.point_ids, minlength=1 + max(prompted.gold, default=0))
    numbers = [n for n in prompted.gold if counts[n] >= _LEAST_POINTS and n in now.gold]
    random.shuffle(numbers)
    numbers.sort(key=lambda n: -object_weight(prompted, n) * random.random())
    questions, readings = [], []
    for number in numbers[: 2 * objects]:
        question = _question(shots, glances, number, random, wear)
        if question is None:
            continue
        remembered = _readings(earlier, before, glances.prepared, question, config, random)
        if remembered:
            questions.append(question)
            readings.append(remembered)
        if len(questions) == objects:
            break
    if not questions:
        return None
    return Clip(View(now, glances, questions, False, config), before, readings)


def _question(
    shots: Sequence[Shot], glances: Glances, number: int, random: Random, wear: Wear
) -> Question | None:
    """None where geometry loses the object: then nobody asks the model either."""
    prompted, now = shots[0], shots[-1]
    drive = _Drive({shot.prepared.frame.index: shot.prepared for shot in shots})
    known = {prompted.prepared.frame.index: masks_of(prompted, number)}
    asked_for = [shot.prepared.frame.index for shot in shots[1:]]
    *_, step = steps(drive, known, asked_for)
    if step.target is None or not step.target.any():
        return None
    prepared = glances.prepared
    picture = glances.picture
    camera = None if picture is None else picture.sensor.name
    target = Target(
        None if camera is None else now.ids[camera] == number,
        now.point_ids == number,
        camera,
        main_lidar(prepared),
    )
    hints = guessed(glances, step.target, Kind.GUESS)
    use_prior = bool(random.random() >= wear.no_prior)
    if not use_prior:
        hints.target = None
    meant = Meant(prepared, sorted_prompts(prepared, []), step.target)
    shift = int(random.integers(-32, 33))
    return Question(number, target, False, use_prior, shift, [], meant, hints)


def masks_of(shot: Shot, number: int) -> dict[str, BoolArray]:
    """An object's gold in all readings, flat."""
    inside = shot.point_ids == number
    masks = {name: inside[part] for name, part in shot.prepared.cloud.part_of.items()}
    return masks | {name: (ids == number).ravel() for name, ids in shot.ids.items()}


def _readings(
    earlier: Sequence[Shot], before: Sequence[Glances], prepared: PreparedFrame,
    question: Question, config: NanoConfig, random: Random,
) -> list[Reading]:  # fmt: skip
    shape = config.picture_tokens
    middle_now = question.hints.points[0].place
    found = []
    for k, (shot, glances) in enumerate(zip(earlier, before, strict=True)):
        now_from_then = inverse(prepared.frame.world_from_ego) @ shot.prepared.frame.world_from_ego
        age = SHOWN if k == 0 else LATEST
        is_worn = k > 0 and random.random() < 0.5
        offset = 0
        if glances.picture is not None:
            mask = shot.ids[glances.picture.sensor.name] == question.number
            mask = worn(mask, random, 3, 11) if is_worn else mask
            chosen = chosen_in_picture(glances.picture, mask, shape)
            offset = shape[0] * shape[1]
            if chosen is not None:
                moved = as_it_stands(chosen, now_from_then, middle_now, config)
                found.append(Reading(k, 0, chosen, moved, age))
        assert glances.sweep is not None
        points = shot.point_ids == question.number
        if is_worn:
            points &= random.random(len(points)) > random.uniform(0, 0.3)
        chosen = chosen_in_sweep(glances.sweep, points)
        if chosen is not None:
            moved = as_it_stands(chosen, now_from_then, middle_now, config)
            found.append(Reading(k, offset, chosen, moved, age))
    return found
