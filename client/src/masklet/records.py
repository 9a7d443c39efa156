"""What the server answers with. Fields that a newer server adds are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

PRIORITIES = ("low", "normal", "high", "urgent")


@dataclass(frozen=True)
class Record:
    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        return cls(**{each.name: answer[each.name] for each in fields(cls) if each.name in answer})


@dataclass(frozen=True)
class Person(Record):
    id: int
    name: str
    username: str = ""


@dataclass(frozen=True)
class Project(Record):
    """role: the caller's own.  open_task_count: tasks that wait for a labeller."""

    id: int
    name: str
    role: str
    scene_count: int
    open_task_count: int
    attribution: str = ""


@dataclass(frozen=True)
class Member(Record):
    user: Person
    role: str

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        return cls(Person.of(answer["user"]), answer["role"])


@dataclass(frozen=True)
class Scene(Record):
    """state: `arriving` while frames are still being added."""

    id: int
    name: str
    state: str
    frame_count: int
    track_count: int = 0


@dataclass(frozen=True)
class Task(Record):
    """first_frame, last_frame: by index, the last one included.  due: a day as YYYY-MM-DD."""

    id: int
    scene: int
    scene_name: str
    first_frame: int
    last_frame: int
    state: str
    priority: int
    due: str | None
    assignee: Person | None
    reviewer: Person | None
    reason: str
    faults: list[str]
    is_part: bool = False

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        people = {
            name: Person.of(answer[name]) if answer.get(name) else None
            for name in ("assignee", "reviewer")
        }
        return super().of({**answer, **people})


@dataclass(frozen=True)
class Job(Record):
    """Work for a machine.  done of total: frames, mostly.  error: why it failed, in words."""

    id: int
    kind: str
    state: str
    done: int = 0
    total: int = 0
    message: str = ""
    error: str = ""
    scene_ids: tuple[int, ...] = ()
    download: str | None = None

    @property
    def is_over(self) -> bool:
        return self.state not in ("waiting", "running")
