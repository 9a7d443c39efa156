"""Who may enter a scene's room, looked up on connecting and again before each change."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser

from backend import statements
from backend.accounts.models import User
from backend.projects.permissions import ABILITIES, role_in
from backend.scenes.models import Scene


@dataclass(frozen=True)
class Access:
    scene: Scene
    user: User
    role: str

    @property
    def may_label(self) -> bool:
        return "label" in ABILITIES[self.role]


def access(user_id: int | None, scene_id: int) -> Access | None:
    """What a user may do in a scene now; None for strangers and for scenes that are not there."""
    users = statements.select(User, "id = %s AND is_active", [user_id])
    # Without what it carries from its recording, which may be long.
    scenes = statements.select(Scene, "id = %s", [scene_id], only=("id", "project_id", "name"))
    if not users or not scenes:
        return None
    role = role_in(users[0], scenes[0].project_id)
    return Access(scenes[0], users[0], role) if role else None


def user_id_of(scope_user: User | AnonymousUser | None) -> int | None:
    return scope_user.pk if scope_user is not None and scope_user.is_authenticated else None
