"""Who works here: inviting, changing roles, letting go. Each change asks for the password or second factor again."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from customers import site_settings
from customers.access import allowed, confirm_again, staff_of
from customers.adjusting import Limits, limits_of_role
from customers.enrolling import CannotEnrol
from customers.figures import money
from customers.manage_forms import InviteForm
from customers.models import User
from customers.permissions import GROUPS, STAFF_ROLES, Permission, may
from customers.team import CannotChange, change_role, invite, send_link, switch


@allowed("team.see", changes="team.invite")
@require_http_methods(["GET", "HEAD", "POST"])
def team(request: HttpRequest) -> HttpResponse:
    form = InviteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        confirm_again(request)
        values = form.cleaned_data
        try:
            user = invite(
                values["email"], values["name"], values["role"], by=staff_of(request), request=request
            )
        except CannotEnrol as error:
            form.add_error("email", str(error))
        else:
            messages.success(
                request,
                _(
                    "%s was invited. The mail holds a link to set a password; the second step is set up at the first sign-in."
                )
                % user.email,
            )
            return redirect("manage_team")
    members = User.objects.filter(Q(role__in=[User.Role.REVIEWER, User.Role.ADMIN]) | Q(is_superuser=True))
    second = Authenticator.objects.filter(user=OuterRef("pk"), type=Authenticator.Type.TOTP)
    context = {
        "form": form,
        "members": members.annotate(second_factor=Exists(second)).order_by("-is_active", "role", "email"),
        "roles": User.Role.choices,
        "changes_superusers": may(staff_of(request), "superuser.change"),
        "role_labels": STAFF_ROLES.values(),
        "permissions": _permissions(request),
    }
    return render(request, "manage/team.html", context, status=422 if form.is_bound else 200)


def _permissions(request: HttpRequest) -> list[dict[str, Any]]:
    """The table of permissions with a cell for each role, as the page shows it."""
    site = site_settings.of(request)
    limits = {role: limits_of_role(role, site) for role in STAFF_ROLES}

    def line(verb: str, permission: Permission) -> dict[str, Any]:
        cells = [{"role": label, "may": role in permission.roles} for role, label in STAFF_ROLES.items()]
        if verb == "balance.adjust":
            for cell, role in zip(cells, STAFF_ROLES, strict=True):
                cell |= {"may": not limits[role].nothing, "limit": _limit_words(limits[role])}
        return {"verb": verb, "words": permission.words, "cells": cells}

    return [
        {"label": label, "lines": [line(verb, permission) for verb, permission in lines.items()]}
        for label, lines in GROUPS
    ]


def _limit_words(limits: Limits) -> str:
    parts = []
    if limits.single is not None:
        parts.append(_("%(amount)s at once") % {"amount": money(limits.single)})
    if limits.day is not None:
        parts.append(_("%(amount)s in 24 hours") % {"amount": money(limits.day)})
    return ", ".join(parts) or _("any amount")


@allowed("team.change")
@require_POST
def member(request: HttpRequest, pk: int) -> HttpResponse:
    """One act on a member: role, deactivate, activate, link."""
    user = get_object_or_404(
        User, Q(role__in=[User.Role.REVIEWER, User.Role.ADMIN]) | Q(is_superuser=True), pk=pk
    )
    confirm_again(request)
    act, by = request.POST.get("act", ""), staff_of(request)
    try:
        if act == "role":
            change_role(user, request.POST.get("role", ""), by=by, request=request)
            text = _("%(who)s is %(role)s now and has to sign in again.") % {
                "who": user.email,
                "role": user.get_role_display(),
            }
        elif act in ("activate", "deactivate"):
            switch(user, act == "activate", by=by, request=request)
            text = (
                _("%s may sign in again.")
                if act == "activate"
                else _("%s is signed out everywhere and cannot sign in.")
            ) % user.email
        else:
            send_link(user, by=by, request=request)
            text = _("A link to set a password was mailed to %s.") % user.email
    except CannotChange as error:
        messages.error(request, str(error))
    else:
        messages.success(request, text)
    return redirect("manage_team")
