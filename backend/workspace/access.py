"""Who may enter a scene's room, looked up on connecting and again before each change."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser

from backend import statements
from backend.accounts.models import User
from backend.projects.permissions import ABILITIES, role_of, roles_that_may
from backend.scenes.models import Scene


@dataclass(frozen=True)
class Access:
    scene: Scene
    user: User
    role: str

    @property
    def may_label(self) -> bool:
        return "label" in ABILITIES[self.role]


# As `visible_scenes` has it, in one statement.  Without what a scene carries from its recording, which may be long.
OF_SCENE = ("id", "project_id", "name")
ACCESS = f"""
    SELECT member.role, {statements.columns(Scene, "scene", only=OF_SCENE)},
        {statements.columns(User, "person")}
    FROM scenes_scene scene
    JOIN accounts_user person ON person.id = %(user)s AND person.is_active
    LEFT JOIN projects_member member
        ON member.project_id = scene.project_id AND member.user_id = person.id
    WHERE scene.id = %(scene)s AND (
        person.is_superuser OR member.role = ANY(%(reviewers)s)
        OR scene.original_id IS NULL
            AND NOT EXISTS (SELECT FROM scenes_scene copy WHERE copy.original_id = scene.id)
        OR EXISTS (
            SELECT FROM tasks_task task
            WHERE task.scene_id = scene.id AND task.assignee_id = person.id
        )
    )
"""


def access(user_id: int | None, scene_id: int) -> Access | None:
    """What a user may do in a scene now; None for strangers and for scenes that are not there."""
    asked = {"user": user_id, "scene": scene_id, "reviewers": roles_that_may("review")}
    found = statements.row(ACCESS, asked)
    if found is None:
        return None
    member_role, of_scene, of_user = (
        found[0],
        found[1 : 1 + len(OF_SCENE)],
        found[1 + len(OF_SCENE) :],
    )
    user = statements.instance(User, of_user)
    role = role_of(user, member_role)
    return Access(statements.instance(Scene, of_scene, only=OF_SCENE), user, role) if role else None


def user_id_of(scope_user: User | AnonymousUser | None) -> int | None:
    return scope_user.pk if scope_user is not None and scope_user.is_authenticated else None
