from __future__ import annotations

from django.db import transaction

from backend.accounts.models import User
from backend.projects.models import LabelClass, Member, Project

# Told apart by eye on dark grey, next to each other and by most colour-blind people.
PALETTE = (
    "#4cc9f0", "#f9c74f", "#f94144", "#90be6d", "#b388eb", "#f8961e", "#43aa8b", "#ff8fab",
    "#577590", "#c9ada7", "#a0c4ff", "#d4a373", "#9ef01a", "#e76f51", "#7b9acc", "#bdb2ff",
)  # fmt: skip
UNKNOWN, NOBODY_KNOWS = "unknown", "#9aa5b1"  # what the data engine cannot name is grey
STANDARD_CLASSES = (
    ("vehicle", False), ("pedestrian", False), ("cyclist", False), ("car", False),
    ("truck", False), ("bus", False), ("motorcycle", False), ("bicycle", False),
    ("sign", False), ("pole", False), ("traffic light", False), ("cone", False),
    ("animal", False), ("road", True), ("sidewalk", True), ("building", True),
    ("vegetation", True), ("other", False),
)  # fmt: skip


@transaction.atomic
def create_project(name: str, *, attribution: str = "") -> Project:
    """A project with the standard classes of driving scenes."""
    project = Project.objects.create(name=name, attribution=attribution)
    for class_name, is_stuff in STANDARD_CLASSES:
        label_class(project, class_name, is_stuff=is_stuff)
    return project


def set_member(project: Project, user: User, role: str) -> Member:
    member, _ = Member.objects.update_or_create(project=project, user=user, defaults={"role": role})
    return member


def label_class(project: Project, name: str, *, is_stuff: bool = False) -> LabelClass:
    """The project's class of that name, made when it is not there."""
    count = project.label_classes.count()
    found, _ = LabelClass.objects.get_or_create(
        project=project,
        name=name[:60],
        defaults={
            "colour": NOBODY_KNOWS if name == UNKNOWN else PALETTE[count % len(PALETTE)],
            "is_stuff": is_stuff,
            "position": count,
        },
    )
    return found
