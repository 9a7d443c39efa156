"""Where lessons come from: made in the learning process itself, or by others beside it.

Drawing, asking and cutting out cost a processor ten times what learning costs a GPU. Beside a GPU
other processes prepare the lessons, each with a copy of the model that is some seconds old; their
order, and what they draw, follow from the seed and the step alone.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from inference.nano.model import Nano
from inference.sam4d.model import Sam4d
from inference.sam4d.runtime import Runtime
from inference.training.crops import Crops
from inference.training.frames_stage import Lesson, prepared
from inference.training.sam4d_stage import TrackClip, draw_track_clip
from inference.training.settings import Training
from inference.training.shots import Shots

Model = Nano | Sam4d
Learnt = Sequence[Lesson] | TrackClip  # by one step


class Snapshot:
    """A model's numbers in memory that processes share: written by one, read by the others.

    A reader may see some layers a step younger than others, which does no harm to a prompt.
    """

    def __init__(self, model: Model) -> None:
        self._flat = torch.cat([x.detach().float().flatten().cpu() for x in _numbers(model)])
        self._flat.share_memory_()

    def write(self, model: Model) -> None:
        self._flat.copy_(torch.cat([x.detach().float().flatten() for x in _numbers(model)]))

    def read(self, model: Model) -> None:
        flat = self._flat.to(next(model.parameters()).device)
        numbers = _numbers(model)
        parts = flat.split([x.numel() for x in numbers])
        with torch.no_grad():
            for x, part in zip(numbers, parts, strict=True):
                x.copy_(part.view_as(x))


def _numbers(model: Model) -> list[Tensor]:
    return [x for x in model.state_dict().values() if x.is_floating_point()]


@dataclass
class Lessons(Dataset[Learnt]):
    """Step by step what is learnt.  rank: of the process that learns.  shots, crops: None where no stage
    needs them.
    """

    training: Training
    shots: Shots | None
    rank: int
    runtime: Runtime
    snapshot: Snapshot | None = None
    crops: Crops | None = None
    _model: Nano | None = field(default=None, repr=False)

    def __getitem__(self, step: int, /) -> Learnt:
        """By another process, with the model as it was lately."""
        if self.training.sam4d is not None:  # it asks nothing before it learns
            return self._clip(step)
        assert self.snapshot is not None
        if self._model is None:
            self._model = Nano(self.training.model).to(self.runtime.device)
        self.snapshot.read(self._model)
        return [lesson.packed() for lesson in self._lessons(step, self._model)]

    def of(self, step: int, model: Model) -> Learnt:
        return self._lessons(step, model) if isinstance(model, Nano) else self._clip(step)

    def _clip(self, step: int) -> TrackClip:
        found = self.training.stage_at(step)
        assert found is not None
        assert found[0].clips is not None
        assert self.training.sam4d is not None
        assert self.shots is not None
        return draw_track_clip(self.shots, self.training.sam4d, found[0].clips, self._random(step))

    def _random(self, step: int) -> np.random.Generator:
        return np.random.default_rng([self.training.seed, self.rank, step])

    def _lessons(self, step: int, model: Nano) -> list[Lesson]:
        found = self.training.stage_at(step)
        assert found is not None
        random = self._random(step)
        if found[0].crops is not None:
            assert self.crops is not None
            return [self.crops.lesson(found[0].crops, random)]
        assert self.shots is not None
        return prepared(model, self.shots, found[0].frames, random, self.runtime)


def fed(lessons: Lessons, model: Model, first: int, workers: int) -> Iterator[Learnt]:
    """What the steps from `first` to the last one learn.  workers: processes that prepare; 0: this one."""
    steps = range(first, lessons.training.steps)
    if not workers:
        for step in steps:
            yield lessons.of(step, model)
        return
    on_gpu = lessons.runtime.device.type == "cuda"
    yield from DataLoader(
        lessons, batch_size=None, sampler=list(steps), num_workers=workers, collate_fn=_as_it_is,
        pin_memory=on_gpu, multiprocessing_context="spawn", worker_init_fn=_set_up,
    )  # fmt: skip


def _as_it_is(lessons: Learnt) -> Learnt:
    return lessons


def _set_up(worker: int) -> None:
    # A signal to the whole group is for the process that learns, which saves before it ends.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    # Not file by file: a lesson has more tensors than a process may have files open.
    torch.multiprocessing.set_sharing_strategy("file_system")
