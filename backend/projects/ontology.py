"""Changes of a project's classes. None of them breaks work that is under way: objects keep the class they have.

Each leaves a version, with all classes as they are from then on, and every open scene hears of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models import Max, ProtectedError

from backend import events
from backend.accounts import audit
from backend.accounts.models import User
from backend.projects.actions import PALETTE
from backend.projects.models import LabelClass, OntologyVersion, Project
from backend.projects.queries import label_class_record
from backend.protocol import messages


class BadOntology(ValueError):
    """The change would make labels mean something else, or nothing; the message says why."""


def add_class(
    project: Project, name: str, *, by: User, colour: str = "", is_stuff: bool = False,
    parent: int | None = None, hint: str = "", longest_m: float | None = None,
) -> LabelClass:  # fmt: skip
    """A new class, the last in lists. Raises BadOntology."""
    with _changing(project, by, f"{name} added") as classes:
        _refuse_name(name, classes)
        return LabelClass.objects.create(
            project=project, name=name, is_stuff=is_stuff, hint=hint, longest_m=longest_m,
            colour=colour or _unlike({each.colour for each in classes}),
            parent=_parent(parent, classes),
            position=1 + max((each.position for each in classes), default=-1),
        )  # fmt: skip


def change_class(label_class: LabelClass, *, by: User, **wish: Any) -> LabelClass:
    """wish: any of name, colour, is_stuff, parent (its id or None), hint, longest_m, is_archived. Raises BadOntology.

    Whether it is stuff stays as it is while there are objects of it: of stuff there is one track a scene.
    """
    about = f"{label_class.name}: {', '.join(sorted(wish))}"
    with _changing(label_class.project, by, about) as classes:
        label_class.refresh_from_db()
        others = [each for each in classes if each.pk != label_class.pk]
        if "name" in wish:
            _refuse_name(wish["name"], others)
        if wish.get("is_stuff", label_class.is_stuff) != label_class.is_stuff and _is_used(
            label_class
        ):
            raise BadOntology(
                f"there are objects of {label_class.name}: make another class, and change theirs first"
            )
        if "parent" in wish:
            if wish["parent"] is not None and any(c.parent_id == label_class.pk for c in others):
                raise BadOntology(
                    f"{label_class.name} has kinds of its own: classes are two levels deep"
                )
            wish["parent"] = _parent(wish["parent"], others)
        for name, value in wish.items():
            setattr(label_class, name, value)
        label_class.save(update_fields=list(wish))
        return label_class


def remove_class(label_class: LabelClass, *, by: User) -> None:
    """A class that no object has, nor ever had. Raises BadOntology."""
    with _changing(label_class.project, by, f"{label_class.name} deleted"):
        try:
            with transaction.atomic():
                label_class.delete()
        except ProtectedError:
            raise BadOntology(
                f"there are, or were, objects of {label_class.name}: archive it instead"
            ) from None


def order_classes(project: Project, ids: Sequence[int], *, by: User) -> None:
    """All of the project's classes, in the order of lists and of the keys 1 to 9. Raises BadOntology."""
    with _changing(project, by, "order") as classes:
        if sorted(ids) != sorted(each.pk for each in classes):
            raise BadOntology(
                "name every class of the project once: somebody may have changed them"
            )
        for position, number in enumerate(ids):
            LabelClass.objects.filter(pk=number).update(position=position)


@contextmanager
def _changing(project: Project, by: User, about: str) -> Iterator[list[LabelClass]]:
    """One change at a time; when the body is done, a version is kept and every open scene told."""
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        yield list(project.label_classes.all())
        now = [label_class_record(each) for each in LabelClass.objects.filter(project=project)]
        last = project.ontologies.aggregate(last=Max("number"))["last"] or 0
        OntologyVersion.objects.create(
            project=project, number=last + 1, by=by, classes=[each.model_dump() for each in now]
        )
        audit.note("classes.changed", about, by=by, project=project.pk)
        scenes = project.scenes.values_list("pk", flat=True)
        events.publish_to(scenes, messages.ClassesChanged(label_classes=now))


def _is_used(label_class: LabelClass) -> bool:
    return bool(label_class.track_set.exists())


def _refuse_name(name: str, others: Sequence[LabelClass]) -> None:
    if any(each.name.lower() == name.lower() for each in others):
        raise BadOntology(f"there is a class {name!r} already")


def _parent(wanted: int | None, classes: Sequence[LabelClass]) -> LabelClass | None:
    if wanted is None:
        return None
    found = next((each for each in classes if each.pk == wanted), None)
    if found is None:
        raise BadOntology(f"class {wanted} is not another one of this project")
    if found.parent_id is not None:
        raise BadOntology(f"{found.name} is a kind of another class: classes are two levels deep")
    return found


def _unlike(taken: set[str]) -> str:
    """A colour that no class has yet, while there are some."""
    free = [colour for colour in PALETTE if colour not in taken]
    return free[0] if free else PALETTE[len(taken) % len(PALETTE)]
