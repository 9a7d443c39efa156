"""Issues are raised at a place, talked about, resolved; what one suggests is taken over or declined."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from django.db import transaction
from django.db.models import Q, QuerySet

from backend import events
from backend.accounts.models import Notification, User
from backend.accounts.notifications import notify
from backend.annotations import actions as labels
from backend.annotations.models import Track
from backend.projects.models import Member
from backend.protocol import messages
from backend.scenes.models import Frame, Scene, Sensor
from backend.tasks.models import Comment, Issue, Task
from backend.tasks.queries import issue_record, with_comments
from backend.tasks.signals import raised

_MENTION = re.compile(r"(?<!\w)@([\w.+-]+)")
_TAKEN_OVER = UUID("6d0be7e6-5a3c-4b2e-9c1d-2f9f6f0a7c11")  # the namespace of their operations


@dataclass(frozen=True)
class Finding:
    """What a rule has to say of a track; see `Issue`."""

    rule: str
    track: int
    frame: int
    text: str
    fault: str
    sensor: int | None = None
    position: Sequence[float] | None = None
    suggestion: messages.Suggestion | None = None


class BadIssue(ValueError):
    """It does not fit the scene, or what happened meanwhile; the message says why."""


@transaction.atomic
def raise_issue(
    scene: Scene, text: str, *, by: User, frame: int, sensor: int | None = None,
    position: Sequence[float] | None = None, track: int | None = None, fault: str = "",
    suggestion: messages.Suggestion | None = None,
) -> Issue:  # fmt: skip
    """Pin words to a frame, and there to a place of a sensor and to a track. Raises BadIssue."""
    if not Frame.objects.filter(scene=scene, index=frame).exists():
        raise BadIssue(f"{scene.name} has no frame {frame}")
    if position is not None:
        if sensor is None:
            raise BadIssue("say which sensor the place is in")
        found = Sensor.objects.filter(scene=scene, number=sensor).first()
        if found is None:
            raise BadIssue(f"{scene.name} has no sensor {sensor}")
        if len(position) != (2 if found.kind == "camera" else 3):
            raise BadIssue(
                f"a place in {found.name} has {2 if found.kind == 'camera' else 3} numbers, not "
                f"{len(position)}"
            )
    meant = [track, suggestion.track if suggestion else None]
    for number in [number for number in meant if number is not None]:
        if not Track.objects.filter(
            document=scene.pk, number=number, deleted_revision=None
        ).exists():
            raise BadIssue(f"track {number} does not exist (any more)")
    issue = Issue.objects.create(
        scene=scene, frame=frame, sensor=sensor if position is not None else None,
        position=list(position) if position is not None else None, track=track, fault=fault, by=by,
        suggestion=suggestion.model_dump(mode="json") if suggestion else None,
    )  # fmt: skip
    raised.send(Issue, issue=issue)
    return _said(issue, text, by)


@transaction.atomic
def note_findings(task: Task, findings: Sequence[Finding]) -> int:
    """What rules have found in a task's frames, as issues; returns how many are open.

    What is no longer so is resolved. What a person has resolved or declined stays so, though the rule finds it again.
    """
    last = 2**31 if task.last_frame is None else task.last_frame
    here = Issue.objects.filter(scene=task.scene_id, frame__range=(task.first_frame, last))
    known = {(each.rule, each.track): each for each in here.exclude(rule="").select_for_update()}
    for finding in findings:
        issue = known.pop((finding.rule, finding.track), None)
        if issue is None:
            _new_finding(task.scene, finding)
        else:
            _set_holds(issue, True)
    for issue in known.values():
        _set_holds(issue, False)
    return here.exclude(rule="").filter(is_open=True).count()


def _set_holds(issue: Issue, holds: bool) -> None:
    """Whether the rule finds it; only where that changes is it opened or resolved."""
    if issue.holds != holds:
        issue.holds = issue.is_open = holds
        issue.save(update_fields=["holds", "is_open"])
        _tell(issue)


def _new_finding(scene: Scene, finding: Finding) -> None:
    issue, is_new = Issue.objects.get_or_create(
        scene=scene, rule=finding.rule, track=finding.track,
        defaults={
            "frame": finding.frame, "fault": finding.fault, "sensor": finding.sensor,
            "position": list(finding.position) if finding.position is not None else None,
            "suggestion": finding.suggestion.model_dump(mode="json")
            if finding.suggestion else None,
        },
    )  # fmt: skip
    if is_new:
        Comment.objects.create(issue=issue, by=None, text=finding.text)
        _tell(issue)


@transaction.atomic
def comment(issue: Issue, text: str, *, by: User) -> Issue:
    return _said(issue, text, by)


@transaction.atomic
def set_open(issue: Issue, is_open: bool) -> Issue:
    issue.is_open = is_open
    issue.save(update_fields=["is_open"])
    return _tell(issue)


@transaction.atomic
def resolve(issues: QuerySet[Issue]) -> list[Issue]:
    """Those of them that are open, all at once."""
    found = list(issues.filter(is_open=True).select_for_update(of=("self",)))
    Issue.objects.filter(pk__in=[issue.pk for issue in found]).update(is_open=False)
    return [_tell(issue) for issue in found]


@transaction.atomic
def take_over(issue: Issue, *, by: User) -> Issue:
    """Do what was suggested, as an edit of `by`'s own, and resolve the issue.

    Raises BadIssue, or InvalidEdit where the labels have changed so that it cannot be done.
    """
    issue = _to_decide(issue)
    wish = messages.suggestion.validate_python(issue.suggestion)
    operation = uuid5(_TAKEN_OVER, str(issue.pk))
    edit = messages.Edit(operation_id=str(operation), change=wish, tool="suggestion")
    labels.apply_edit(issue.scene_id, edit, by=by)
    issue.verdict, issue.is_open = Issue.Verdict.TAKEN, False
    issue.save(update_fields=["verdict", "is_open"])
    return _tell(issue)


@transaction.atomic
def decline(issue: Issue) -> Issue:
    """The suggestion is not what is wanted; the issue stays open, to be talked about."""
    issue = _to_decide(issue)
    issue.verdict = Issue.Verdict.DECLINED
    issue.save(update_fields=["verdict"])
    return _tell(issue)


def _to_decide(issue: Issue) -> Issue:
    """Locked, so that of two who decide at once the slower one hears so."""
    issue = Issue.objects.select_for_update().get(pk=issue.pk)
    if issue.suggestion is None:
        raise BadIssue("nothing was suggested here")
    if issue.verdict:
        raise BadIssue(f"the suggestion is {issue.get_verdict_display()} already")
    return issue


def _said(issue: Issue, text: str, by: User) -> Issue:
    if not text.strip():
        raise BadIssue("say what it is about")
    said = Comment.objects.create(issue=issue, by=by, text=text.strip())
    names = _MENTION.findall(text)
    team = Member.objects.filter(project=issue.scene.project_id, user__username__in=names)
    said.mentioned.set(team.values_list("user", flat=True))
    _notify(issue, text.strip(), by, list(said.mentioned.all()))
    return _tell(issue)


def _notify(issue: Issue, text: str, by: User, mentioned: Sequence[User]) -> None:
    """Whoever is named; and those whom it concerns: who labels there, and who has said something."""
    where = f"{issue.scene.name}, frame {issue.frame}"
    address = f"/scenes/{issue.scene_id}?frame={issue.frame}&issue={issue.pk}"
    words = f"{by.display_name} in {where}: {text}"
    notify(mentioned, Notification.Kind.MENTION, words, address, by=by)
    tasks = Task.objects.filter(scene=issue.scene_id, first_frame__lte=issue.frame)
    here = tasks.filter(Q(last_frame=None) | Q(last_frame__gte=issue.frame))
    concerned = User.objects.filter(
        Q(tasks__in=here) | Q(pk__in=issue.comments.values_list("by", flat=True))
    ).exclude(pk__in=[person.pk for person in mentioned])
    notify(concerned.distinct(), Notification.Kind.ISSUE, words, address, by=by)


def _tell(issue: Issue) -> Issue:
    fresh = with_comments(Issue.objects.filter(pk=issue.pk)).get()
    events.publish(issue.scene_id, messages.IssueChanged(issue=issue_record(fresh)))
    return fresh
