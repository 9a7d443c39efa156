from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from backend.accounts.admin import site
from backend.projects.models import LabelClass, Member, Project


class Members(admin.TabularInline):  # type: ignore[type-arg]
    model = Member
    extra = 0
    autocomplete_fields = ["user"]


class LabelClasses(admin.TabularInline):  # type: ignore[type-arg]
    model = LabelClass
    extra = 0
    fields = ["name", "colour", "is_stuff", "position"]


class Projects(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "created_at"]
    search_fields = ["name"]
    inlines = [Members, LabelClasses]

    def has_delete_permission(self, request: HttpRequest, obj: Project | None = None) -> bool:
        """A project goes with all its scenes and labels: not by a click in a list."""
        return False


site.register(Project, Projects)
