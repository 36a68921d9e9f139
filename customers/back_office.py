"""The raw back office at /admin/: superusers look at rows there; work is done on the panel's own pages."""

from collections.abc import Iterable
from typing import Any

from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import models
from django.http import HttpRequest

from customers.models import User
from customers.permissions import may


class ReadOnly(admin.ModelAdmin):
    """Rows to look at. No adding, changing or deleting, whatever permissions an account has.

    `hidden` names fields that hold secrets; they are not even fetched for the page.
    """

    hidden: tuple[str, ...] = ()
    list_per_page = 50
    show_full_result_count = False
    actions = None

    def has_module_permission(self, request: HttpRequest) -> bool:
        return opens(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return opens(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.hidden

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).defer(*self.hidden)


def opens(request: HttpRequest) -> bool:
    """Looking at raw rows is for superusers, whatever is_staff says."""
    return isinstance(request.user, User) and may(request.user, "back_office.see")


def register(
    model: type[models.Model],
    show: Iterable[str],
    *,
    find: Iterable[str] = (),
    by: Iterable[str] = (),
    hidden: Iterable[str] = (),
    with_rows: Iterable[str] = (),
) -> None:
    """Register a model read-only: columns, what the search looks at, filters, secrets, related rows to fetch."""
    attributes = {
        "list_display": tuple(show),
        "search_fields": tuple(find),
        "list_filter": tuple(by),
        "hidden": tuple(hidden),
        "list_select_related": tuple(with_rows) or False,
        "ordering": ("-pk",),
    }
    admin.site.register(model, type(f"{model.__name__}Rows", (ReadOnly,), attributes))


def close_others() -> None:
    """Take away what other apps registered with forms that change who gets in, or that show secrets."""
    for model in (Group, EmailAddress, EmailConfirmation, Authenticator, UserSession):
        if admin.site.is_registered(model):
            admin.site.unregister(model)
    register(EmailAddress, ["id", "email", "user", "verified", "primary"], find=["email"], with_rows=["user"])
    register(
        Authenticator,
        ["id", "user", "type", "created_at", "last_used_at"],
        hidden=["data"],
        with_rows=["user"],
    )
