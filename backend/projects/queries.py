from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.shortcuts import get_object_or_404

from backend.accounts.models import User
from backend.projects.models import LabelClass, Member, Project
from backend.projects.permissions import may, roles_that_may
from backend.protocol import records


def visible_projects(user: User | AnonymousUser) -> QuerySet[Project]:
    """The projects a user may see; lists and single look-ups both start here."""
    if not user.is_authenticated or not user.is_active:
        return Project.objects.none()
    if user.is_superuser:
        return Project.objects.all()
    return Project.objects.filter(members__user=user)


def projects_where(user: User | AnonymousUser, ability: str) -> QuerySet[Member, int]:
    """Ids of the projects in which the user's role allows this; admins, who may everywhere, are not looked at."""
    mine = Member.objects.filter(user=user.pk, role__in=roles_that_may(ability))
    return mine.values_list("project", flat=True)


def label_class_record(label_class: LabelClass) -> records.LabelClass:
    return records.LabelClass(
        id=label_class.pk,
        name=label_class.name,
        colour=label_class.colour,
        is_stuff=label_class.is_stuff,
        position=label_class.position,
        parent=label_class.parent_id,
        hint=label_class.hint,
        longest_m=label_class.longest_m,
        is_archived=label_class.is_archived,
    )


def project_for(user: User | AnonymousUser, project_id: int, ability: str) -> Project:
    """The project, for a user who may do `ability` in it.

    Raises Http404 for strangers, who need not know that it exists, and PermissionDenied.
    """
    project = get_object_or_404(visible_projects(user), pk=project_id)
    if not may(user, ability, project):
        raise PermissionDenied(f"your role in {project.name} does not allow this")
    return project


def members_of(project: Project) -> QuerySet[Member]:
    return project.members.select_related("user", "project").order_by("user__username")


def with_counts(projects: QuerySet[Project]) -> QuerySet[Project]:
    """`scene_count`, and `open_task_count`: tasks that wait for a labeller."""
    return projects.annotate(
        scene_count=Count("scenes", filter=Q(scenes__original=None), distinct=True),
        open_task_count=Count(
            "scenes__tasks",
            filter=Q(scenes__tasks__state__in=("open", "in_progress", "sent_back")),
            distinct=True,
        ),
    ).order_by("name")
