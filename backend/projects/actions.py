from __future__ import annotations

from typing import Any

from django.db import transaction

from backend.accounts import audit
from backend.accounts.models import User
from backend.projects.models import LabelClass, Member, Project, Role

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
# How long they are at most, trailers included; what is longer is asked about (`quality`).
LONGEST_M = {
    "vehicle": 25.0, "pedestrian": 2.5, "cyclist": 3.5, "car": 7.0, "truck": 25.0, "bus": 20.0,
    "motorcycle": 3.5, "bicycle": 3.0, "sign": 6.0, "pole": 4.0, "traffic light": 4.0, "cone": 1.5,
    "animal": 4.0,
}  # fmt: skip


class LastManager(ValueError):
    """A project would be left without anybody who may hand out its work."""


@transaction.atomic
def create_project(name: str, *, by: User | None = None, **wish: Any) -> Project:
    """A project with the standard classes of driving scenes. by: None: the command line.  wish: see `configure`."""
    project = Project.objects.create(name=name, **wish)
    for class_name, is_stuff in STANDARD_CLASSES:
        label_class(project, class_name, is_stuff=is_stuff)
    audit.note("project.made", name, by=by, project=project.pk)
    return project


@transaction.atomic
def configure(project: Project, *, by: User, **wish: Any) -> Project:
    """wish: any of name, attribution, guidelines, review_policy and review_share."""
    for name, value in wish.items():
        setattr(project, name, value)
    project.save(update_fields=list(wish))
    audit.note("project.configured", ", ".join(sorted(wish)), by=by, project=project.pk)
    return project


@transaction.atomic
def set_member(project: Project, user: User, role: str, *, by: User | None = None) -> Member:
    """by: None: the command line."""
    audit.note("member.added", f"{user.username} as {role}", by=by, project=project.pk)
    member, _ = Member.objects.update_or_create(project=project, user=user, defaults={"role": role})
    return member


@transaction.atomic
def change_role(member: Member, role: str, *, by: User) -> Member:
    """Raises LastManager."""
    if role != Role.MANAGER:
        _keep_a_manager(member, by)
    audit.note(
        "member.role", f"{member.user.username}: {member.role} → {role}",
        by=by, project=member.project_id,
    )  # fmt: skip
    member.role = role
    member.save(update_fields=["role"])
    return member


@transaction.atomic
def remove_member(member: Member, *, by: User) -> None:
    """What the person has labelled stays, and stays theirs. Raises LastManager."""
    _keep_a_manager(member, by)
    audit.note("member.removed", member.user.username, by=by, project=member.project_id)
    member.delete()


def _keep_a_manager(member: Member, by: User) -> None:
    """Of two managers who leave at once one stays: the project's row is held."""
    Project.objects.select_for_update().get(pk=member.project_id)
    managers = Member.objects.filter(project=member.project_id, role=Role.MANAGER)
    is_last = member.role == Role.MANAGER and not managers.exclude(pk=member.pk).exists()
    if is_last and not by.is_superuser:
        raise LastManager(
            f"{member.user.display_name} is the only manager of {member.project.name}: make somebody else one first"
        )


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
            "longest_m": LONGEST_M.get(name),
        },
    )
    return found
