"""Django's admin pages, for admins alone. Every room registers its tables on this `site`."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib.admin import AdminSite, action
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound, HttpResponseRedirect

from backend.accounts import second_factor
from backend.accounts.models import User


class Site(AdminSite):
    site_header = site_title = "Masklet"
    index_title = "People and projects"

    def has_permission(self, request: HttpRequest) -> bool:
        """`is_staff` is not enough: who may edit accounts here could make itself an admin."""
        return bool(request.user.is_active and request.user.is_superuser)

    def login(self, request: HttpRequest, extra_context: object = None) -> HttpResponse:
        """One door only: the sign-in page, whose attempts are counted."""
        if request.user.is_authenticated:
            return HttpResponseNotFound("not found")
        return HttpResponseRedirect(f"/sign-in?{urlencode({'next': '/admin/'})}")


site = Site(name="admin")


class People(UserAdmin):  # type: ignore[type-arg]
    list_display = ["username", "first_name", "last_name", "is_active", "is_superuser"]
    # Groups and permissions of Django have no meaning here: roles are members of projects.
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Access", {"fields": ("is_active", "is_superuser")}),
    )
    list_filter = ["is_active", "is_superuser"]
    actions = ["forget_second_factor"]
    filter_horizontal = []

    @action(description="Switch off the second factor of the chosen people")
    def forget_second_factor(self, request: HttpRequest, people: QuerySet[User]) -> None:
        for user in people:
            second_factor.forget(user, by=request.user)  # type: ignore[arg-type] # admins alone come here


site.register(User, People)
