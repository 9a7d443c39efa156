from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from backend.accounts.models import User
from backend.projects.models import LabelClass, Project
from backend.protocol import records


def visible_projects(user: User | AnonymousUser) -> QuerySet[Project]:
    """The projects a user may see; lists and single look-ups both start here."""
    if not user.is_authenticated or not user.is_active:
        return Project.objects.none()
    if user.is_superuser:
        return Project.objects.all()
    return Project.objects.filter(members__user=user)


def label_class_record(label_class: LabelClass) -> records.LabelClass:
    return records.LabelClass(
        id=label_class.pk,
        name=label_class.name,
        colour=label_class.colour,
        is_stuff=label_class.is_stuff,
        position=label_class.position,
    )
