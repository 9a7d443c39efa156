from __future__ import annotations

from django.contrib import admin

from backend.accounts.admin import site
from backend.tasks.models import Task


class Tasks(admin.ModelAdmin):  # type: ignore[type-arg]
    """Whose task it is. Its state changes in the workspace, where the rules are kept."""

    list_display = ["scene", "state", "assignee"]
    list_filter = ["state"]
    fields = ["scene", "state", "assignee", "accepted_revision"]
    readonly_fields = ["scene", "state", "accepted_revision"]
    autocomplete_fields = ["assignee"]

    def has_add_permission(self, request: object) -> bool:
        return False

    def has_delete_permission(self, request: object, obj: object = None) -> bool:
        return False


site.register(Task, Tasks)
