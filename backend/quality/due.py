"""Which scenes of a recording are to be compared, and with which."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

from backend.annotations.models import Document
from backend.quality.models import Comparison
from backend.scenes.models import Scene
from backend.tasks.actions import last_frame
from backend.tasks.models import Task

S = Task.State
HANDED_IN = (S.SUBMITTED, S.ACCEPTED)


class Pair(NamedTuple):
    """frames: in which both are handed in, as the original counts them."""

    judged: Task
    reference: Task
    is_gold: bool
    frames: range


def pairs_of(original: Scene) -> list[Pair]:
    """Copies against the original where it is accepted there; else all that is handed in, two by two."""
    tasks = Task.objects.filter(scene=original) | Task.objects.filter(scene__original=original)
    handed_in = [
        (task, _frames(task))
        for task in tasks.filter(state__in=HANDED_IN).select_related("scene", "assignee")
        .order_by("scene", "first_frame")
    ]  # fmt: skip
    found: dict[tuple[int, int], Pair] = {}
    for (one, its), (other, others) in combinations(handed_in, 2):
        both = range(max(its.start, others.start), min(its.stop, others.stop))
        if one.scene_id == other.scene_id or not both:
            continue
        judged, reference = (other, one) if one.scene_id == original.pk else (one, other)
        is_gold = reference.scene_id == original.pk and reference.state == S.ACCEPTED
        key = judged.scene_id, reference.scene_id
        # Parts of a drive may overlap: of two that meet the copy the one counts that it was made of.
        is_longer = key not in found or len(found[key].frames) < len(both)
        if is_longer and (is_gold or not _has_gold(handed_in, original, both)):
            found[key] = Pair(judged, reference, is_gold, both)
    return list(found.values())


def new_pairs_of(original: Scene) -> list[Pair]:
    """Those whose labels have changed since they were compared, or that never were."""
    known = {
        (each.judged_id, each.reference_id):
        (each.judged_revision, each.reference_revision, each.is_gold)
        for each in Comparison.objects.filter(judged__original=original)
    }  # fmt: skip
    return [
        pair for pair in pairs_of(original)
        if known.get((pair.judged.scene_id, pair.reference.scene_id))
        != (revision(pair.judged), revision(pair.reference), pair.is_gold)
    ]  # fmt: skip


def revision(task: Task) -> int:
    return int(Document.objects.values_list("revision", flat=True).get(pk=task.scene_id))


def _frames(task: Task) -> range:
    start = task.scene.copied_from + task.first_frame
    return range(start, task.scene.copied_from + last_frame(task) + 1)


def _has_gold(handed_in: list[tuple[Task, range]], original: Scene, frames: range) -> bool:
    return any(
        task.scene_id == original.pk and task.state == S.ACCEPTED
        and its.start <= frames.start and frames.stop <= its.stop
        for task, its in handed_in
    )  # fmt: skip
