"""The model can learn: a small one learns one drive by heart, in five minutes of one core."""

from __future__ import annotations

import random

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("numba")

from inference.sam4d.config import (  # noqa: E402
    ImageEncoderConfig,
    LidarEncoderConfig,
    Sam4dConfig,
)
from inference.sam4d.model import Sam4d  # noqa: E402
from inference.sam4d.prompt_encoder import POSITIVE  # noqa: E402
from inference.sam4d.sight import SWEEP  # noqa: E402
from inference.sam4d.tracking import Tracker  # noqa: E402
from inference.scene import Scene  # noqa: E402
from inference.world import rigs  # noqa: E402
from inference.world.drive import DriveFrames  # noqa: E402
from inference.world.street import make_street  # noqa: E402
from tests.inference.sam4d.learning import lesson_of, overlaps, see, train  # noqa: E402

FRAMES = 6
SEED = 15
# A parked car in FRONT and FRONT_RIGHT, a car that drives beside us in FRONT and FRONT_LEFT, and a
# parked car in FRONT_LEFT.
OBJECTS = (161, 253, 196)
# They count as seen from here on: 1.6 % of a picture, 26 of the cells in which masks are drawn.
LEAST = {"FRONT": 2500, "FRONT_LEFT": 2500, "FRONT_RIGHT": 2500, SWEEP: 100}
CONFIG = Sam4dConfig(
    ImageEncoderConfig(24, 1, (1, 1, 2, 1), (8, 4, 8, 4), (3,)),
    160,
    LidarEncoderConfig(0.25, (8, 16, 32, 48, 64), (1, 1, 1, 1), (48, 32), (1, 1)),
    width=64,
    hidden=128,
    heads=4,
    memory_layers=1,
    memory_kernel=3,
)
ENOUGH = 0.8  # IoU


def drive() -> Scene:
    """Between the rigs "tiny", in which a car has ten pixels, and "demo"."""
    rig = rigs._demo(width_px=480, height_px=320, beams=32, columns=1024)
    return Scene(
        "learnt by heart", rig.sensors, DriveFrames(make_street(SEED, FRAMES), rig, FRAMES)
    )


def clips() -> list[list[int]]:
    """What is clicked on is learnt first, in any frame, then what becomes of it."""
    dice = random.Random(1)

    def followed(count: int) -> list[int]:
        return [0, *sorted(dice.sample(range(1, FRAMES), count))]

    return [
        *([dice.randrange(FRAMES)] for _ in range(100)),
        *(followed(1) for _ in range(280)),
        *(followed(2) for _ in range(80)),
        *(followed(FRAMES - 1) for _ in range(20)),
    ]


def iou_of(model, lesson, seen, reading, row, answer):
    """Of one object in one reading: over all points, or in the picture as it was recorded."""
    gold = lesson.masks[reading][row]
    if reading == SWEEP:
        logits = model.high(answer, seen, reading)
    else:
        logits = model.full_size(answer, seen, reading, tuple(gold.shape), prompted=False)
    return round(float(overlaps(logits.flatten()[None, None], gold.flatten()[None, None])), 3)


@torch.no_grad()
def found(model, lessons):
    """(object, camera that was clicked in, frame, reading) -> IoU, in readings that see the object.

    One click in frame 0, in the object's middle, in each camera in turn.
    """
    sights = [see(model, lesson) for lesson in lessons]
    tracker = Tracker(model, sights.__getitem__, FRAMES)
    asked = [(row, camera) for camera, row in lessons[0].inner if camera != SWEEP]
    for track, (row, camera) in enumerate(asked):
        middle = lessons[0].inner[camera, row][:1]
        tracker.prompt(track, 0, {camera: (middle, torch.tensor([POSITIVE]))})
    return {
        (OBJECTS[row], camera, frame, reading): iou_of(
            model, lessons[frame], sights[frame], reading, row, answers[track][reading]
        )
        for frame, answers in tracker.propagate()
        for track, (row, camera) in enumerate(asked)
        for reading in sights[frame].readings
        if (reading, row) in lessons[frame].inner
    }


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_a_small_model_follows_a_drive_it_knows_by_heart_from_one_click(one_thread):
    torch.manual_seed(0)
    model = Sam4d(CONFIG)
    scene = drive()
    lessons = [lesson_of(model, scene, frame, OBJECTS, least=LEAST) for frame in range(FRAMES)]

    train(model, lessons, clips(), rate=1.5e-3, seed=0)

    ious = found(model, lessons)
    judged = {what: iou for what, iou in ious.items() if what[2] in (0, FRAMES - 1)}
    clicked = [number for number, _, frame, reading in judged if (frame, reading) == (0, SWEEP)]
    assert len(clicked) > len(set(clicked)) == len(OBJECTS)  # some are seen by two cameras at once
    assert {what: iou for what, iou in judged.items() if iou < ENOUGH} == {}
