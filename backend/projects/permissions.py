"""Who may do what: roles in a project, and the DRF permission classes. Denied unless allowed here."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from backend import statements
from backend.accounts.models import User
from backend.accounts.session import SignedIn as SignedIn  # views ask for it here
from backend.projects.models import Project, Role

# What a role may do in its project: each what the one before may, and more. Admins may do everything
# everywhere.
_VIEWER = frozenset({"view"})
_ANNOTATOR = _VIEWER | {"label", "submit"}
_REVIEWER = _ANNOTATOR | {"review"}
_MANAGER = _REVIEWER | {"assign", "export", "import", "delete_scene", "configure"}
ABILITIES: dict[str, frozenset[str]] = {
    Role.VIEWER: _VIEWER,
    Role.ANNOTATOR: _ANNOTATOR,
    Role.REVIEWER: _REVIEWER,
    Role.MANAGER: _MANAGER,
    Role.ADMIN: _MANAGER | {"browse_server"},
}


# What somebody can be made in a project: admins are so everywhere.
GIVEN_ROLES = [choice for choice in Role.choices if choice[0] != Role.ADMIN]

MEMBER = "SELECT role FROM projects_member WHERE project_id = %s AND user_id = %s"


def role_in(user: User | AnonymousUser, project_id: int) -> str | None:
    """The user's role in a project, or None for a stranger."""
    member = statements.row(MEMBER, [project_id, user.pk]) if user.is_authenticated else None
    return role_of(user, member[0] if member else None)


def role_of(user: User | AnonymousUser, member_role: str | None) -> str | None:
    """The role of a user whose membership in the project says `member_role`."""
    if not user.is_authenticated or not user.is_active:
        return None
    return str(Role.ADMIN) if user.is_superuser else member_role


def roles_that_may(ability: str) -> list[str]:
    return [role for role, abilities in ABILITIES.items() if ability in abilities]


def may(user: User | AnonymousUser, ability: str, project: Project) -> bool:
    role = role_in(user, project.pk)
    return role is not None and ability in ABILITIES[role]


class Denied(BasePermission):
    """The default: a view that names no permission answers nobody."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return False


class Admins(SignedIn):
    def has_permission(self, request: Request, view: Any) -> bool:
        return super().has_permission(request, view) and bool(request.user.is_superuser)


class AdminsMake(SignedIn):
    """Everybody who is signed in may look; what is new is made by admins."""

    def has_permission(self, request: Request, view: Any) -> bool:
        is_asked_for = request.method in SAFE_METHODS or request.user.is_superuser
        return super().has_permission(request, view) and is_asked_for
