"""How far a project is, how fast it goes, and what the work costs: counted from what is kept anyway.

Times are read off the log of edits. Two edits of a person in a scene that lie at most QUICK apart are tools at work;
at most PAUSE apart, somebody looks and thinks in between; at most AWAY apart, they are idle; and what lies further apart is
two sittings, of which each counts LEAD of thinking for what came before its first edit. Waiting is the time that
the person's own clicks and propagations took; it is part of the others.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import ceil
from typing import NamedTuple

from django.db.models import F, Q

from backend.annotations.models import Edit, Source, Track
from backend.jobs.models import Job, Kind
from backend.projects.models import Project
from backend.tasks.actions import frame_count
from backend.tasks.models import Review, Step, Task

QUICK, PAUSE, AWAY = timedelta(seconds=10), timedelta(minutes=2), timedelta(minutes=20)
LEAD = timedelta(seconds=10)
FORECAST_DAYS = 14  # whose pace is taken for the days to come
BY_MACHINES = ("engine", "import")  # tools of edits that nobody's hand has made
S = Task.State


@dataclass
class Person:
    """What somebody did in the days that are asked for.

    first_time: of the tasks of theirs that were judged, those accepted without having been sent back.
    objects: tracks that they made or changed.  tool_s, thinking_s, idle_s, waiting_s: see the module; at_work_s is
    the first two.
    """

    name: str
    submitted: int = 0
    judged: int = 0
    first_time: int = 0
    frames: int = 0
    objects: int = 0
    clicks: int = 0
    edits: int = 0
    at_work_s: float = 0.0
    tool_s: float = 0.0
    thinking_s: float = 0.0
    idle_s: float = 0.0
    waiting_s: float = 0.0


@dataclass
class Figures:
    """frames: by the state of their task; a frame in two tasks counts in both.  days: accepted frames by day.

    prelabels, corrected: objects that the data engine found in accepted scenes, and those of them that
    somebody has changed or deleted.  ready_on: when all frames are accepted, at the pace of the last days; None:
    nothing was accepted lately.  faults: of reviews, by kind.
    """

    tasks: dict[str, int]
    frames: dict[str, int]
    days: dict[date, int]
    people: list[Person]
    prelabels: int
    corrected: int
    faults: dict[str, int]
    ready_on: date | None
    since: date
    until: date


def figures_of(project: Project, *, now: datetime, days: int = 30) -> Figures:
    """Of the last `days` days, today included; days are those of the server's time zone."""
    since = now.date() - timedelta(days=days - 1)
    tasks = list(Task.objects.filter(scene__project=project).select_related("scene"))
    by_id = {task.pk: task for task in tasks}
    states, frames = Counter[str](), Counter[str]()
    # Blind copies are work of their people, but no progress.
    counted = {task.pk: task for task in tasks if task.scene.original_id is None}
    for task in counted.values():
        states[task.state] += 1
        frames[task.state] += frame_count(task)
    accepted = _accepted_by_day(counted, now, days)
    prelabels, corrected = _corrections(project)
    return Figures(
        tasks=dict(states),
        frames=dict(frames),
        days={since + timedelta(days=k): accepted[since + timedelta(days=k)] for k in range(days)},
        people=_people(project, by_id, since),
        prelabels=prelabels,
        corrected=corrected,
        faults=_faults(by_id, since),
        ready_on=_forecast(frames, _accepted_by_day(counted, now, FORECAST_DAYS), now.date()),
        since=since,
        until=now.date(),
    )


def _accepted_by_day(tasks: dict[int, Task], now: datetime, days: int) -> Counter[date]:
    """Frames by the day of their acceptance; what was sent back since does not count."""
    found: Counter[date] = Counter()
    for task in tasks.values():
        age = (now.date() - task.state_at.date()).days
        if task.state == S.ACCEPTED and 0 <= age < days:
            found[task.state_at.date()] += frame_count(task)
    return found


def _forecast(frames: Counter[str], accepted: Counter[date], today: date) -> date | None:
    left = sum(frames.values()) - frames[S.ACCEPTED] - frames[S.SKIPPED]
    if left == 0:
        return today
    pace = sum(accepted.values()) / FORECAST_DAYS
    return today + timedelta(days=ceil(left / pace)) if pace else None


def _corrections(project: Project) -> tuple[int, int]:
    scenes = project.scenes.filter(tasks__state=S.ACCEPTED).distinct()
    found = Track.objects.filter(document__scene__in=scenes, source=Source.ENGINE)
    # What a rerun of the engine has put aside is nobody's correction.
    touched = {
        (document, number)
        for document, number in Edit.objects.filter(document__scene__in=scenes)
        .exclude(tool__in=BY_MACHINES)
        .values_list("document_id", "change__track")
        if number is not None
    }
    counted = [
        (document, number) in touched
        for document, number, is_gone in found.values_list(
            "document_id", "number", "deleted_revision"
        )
        if is_gone is None or (document, number) in touched
    ]
    return len(counted), sum(counted)


def _faults(tasks: dict[int, Task], since: date) -> dict[str, int]:
    reviews = Review.objects.filter(task__in=tasks, at__date__gte=since)
    kinds = reviews.values_list("faults", flat=True)
    return dict(Counter(fault for faults in kinds for fault in faults).most_common())


def _people(project: Project, tasks: dict[int, Task], since: date) -> list[Person]:
    people: dict[int, Person] = {}

    def of(user_id: int, first: str, last: str, username: str) -> Person:
        return people.setdefault(user_id, Person(f"{first} {last}".strip() or username))

    named = ("by_id", "by__first_name", "by__last_name", "by__username")
    steps = Step.objects.filter(task__in=tasks, at__date__gte=since, by__isnull=False)
    for *who, task, after in steps.values_list(*named, "task_id", "after"):
        if after == S.SUBMITTED:
            person = of(*who)
            person.submitted += 1
            person.frames += frame_count(tasks[task])
    edits = Edit.objects.filter(
        document__scene__project=project, at__date__gte=since, by__isnull=False
    ).exclude(tool__in=BY_MACHINES).order_by("at")  # fmt: skip
    sittings: dict[tuple[int, int], list[datetime]] = defaultdict(list)
    objects: dict[int, set[tuple[int, int]]] = defaultdict(set)
    for *who, document, at, tool, track in edits.values_list(
        *named, "document_id", "at", "tool", "change__track"
    ):
        person = of(*who)
        person.edits += 1
        person.clicks += tool == "click"
        sittings[who[0], document].append(at)
        if track is not None:
            objects[who[0]].add((document, track))
    for (user, _), times in sittings.items():
        spent, person = times_of(times), people[user]
        person.tool_s += spent.tool.total_seconds()
        person.thinking_s += spent.thinking.total_seconds()
        person.idle_s += spent.idle.total_seconds()
        person.at_work_s += (spent.tool + spent.thinking).total_seconds()
    for user, touched in objects.items():
        people[user].objects = len(touched)
    _wait(project, people, since)
    _judge(tasks, people, since)
    return sorted(people.values(), key=lambda person: person.name)


class Spent(NamedTuple):
    tool: timedelta = timedelta()
    thinking: timedelta = timedelta()
    idle: timedelta = timedelta()


def times_of(edits: Iterable[datetime]) -> Spent:
    """edits: when they were made, in order."""
    tool, thinking, idle, before = timedelta(), timedelta(), timedelta(), None
    for at in edits:
        gap = None if before is None else at - before
        if gap is None or gap > AWAY:
            thinking += LEAD
        elif gap <= QUICK:
            tool += gap
        elif gap <= PAUSE:
            thinking += gap
        else:
            idle += gap
        before = at
    return Spent(tool, thinking, idle)


def _wait(project: Project, people: dict[int, Person], since: date) -> None:
    jobs = Job.objects.filter(
        project=project, kind__in=(Kind.CLICK, Kind.PROPAGATE), created_at__date__gte=since,
        finished_at__isnull=False, requested_by__in=people,
    )  # fmt: skip
    for user, began, ended in jobs.values_list("requested_by", "created_at", "finished_at"):
        if ended is not None:
            people[user].waiting_s += (ended - began).total_seconds()


def _judge(tasks: dict[int, Task], people: dict[int, Person], since: date) -> None:
    """Whose work was accepted at the first look, by the last verdict of each task."""
    looks = Counter(
        Review.objects.filter(task__in=tasks, accepted=False).values_list("task_id", flat=True)
    )
    last = Review.objects.filter(task__in=tasks, at__date__gte=since).filter(
        Q(accepted=True) | Q(task__state=S.SENT_BACK)
    )
    for task, assignee in last.values_list("task_id", F("task__assignee_id")).distinct():
        if assignee in people:
            people[assignee].judged += 1
            people[assignee].first_time += looks[task] == 0
