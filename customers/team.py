"""The team: inviting staff by e-mail, changing what they may do, letting them go. Nobody changes himself."""

import secrets

from allauth.account.forms import default_token_generator
from allauth.account.internal.flows.password_reset import request_password_reset
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from customers.audit import record
from customers.enrolling import CannotEnrol, create_staff
from customers.models import User
from customers.permissions import may

ROLES = (User.Role.REVIEWER, User.Role.ADMIN)


class CannotChange(Exception):
    """Nothing changed; the sentence says why."""


def invite(email: str, name: str, role: str, *, by: User, request: HttpRequest) -> User:
    """A reviewer or an admin who sets his own password by the link that is mailed to him. Raises CannotEnrol.

    Until then nobody knows his password, and without a second factor no staff page opens.
    """
    if role not in ROLES:
        raise CannotEnrol(_("%(role)s is not a role of the team.") % {"role": repr(role)})
    user = create_staff(email, secrets.token_urlsafe(32), role, by=by, name=name)
    send_link(user, by=by, request=request)
    return user


def send_link(user: User, *, by: User, request: HttpRequest) -> None:
    """Mail the link by which a member of the team sets a password; an older link stays good until one is used."""
    record(by, "staff.link", user, f"Link to set a password mailed to {user.email}", {}, request)
    request_password_reset(request, user.email, [user], default_token_generator)


def change_role(user: User, role: str, *, by: User, request: HttpRequest) -> None:
    """customer, reviewer or admin. Raises CannotChange for oneself and for superusers."""
    if role not in User.Role.values:
        raise CannotChange(_("This is not a role."))
    with transaction.atomic():
        locked = _changeable(user, by)
        if locked.role == role:
            return
        before = locked.role
        User.objects.filter(pk=locked.pk).update(role=role)
        summary = f"{locked.email} is {User.Role(role).label} now, was {User.Role(before).label}"
        record(by, "staff.role", locked, summary, {"before": before, "after": role}, request)
        _end_sessions(locked)
    user.refresh_from_db()


def switch(user: User, active: bool, *, by: User, request: HttpRequest) -> None:
    """Deactivate (signed out everywhere at once) or let in again. Raises CannotChange."""
    with transaction.atomic():
        locked = _changeable(user, by)
        if locked.is_active == active:
            return
        User.objects.filter(pk=locked.pk).update(is_active=active)
        verb, word = ("staff.activate", "activated") if active else ("staff.deactivate", "deactivated")
        record(by, verb, locked, f"{locked.email} {word}", {}, request)
        if not active:
            _end_sessions(locked)
    user.refresh_from_db()


def _changeable(user: User, by: User) -> User:
    locked = User.objects.select_for_update().get(pk=user.pk)
    if locked.pk == by.pk:
        raise CannotChange(_("You cannot change your own role or account; ask another admin."))
    if locked.is_superuser and not may(by, "superuser.change"):
        raise CannotChange(_("Only a superuser changes a superuser."))
    return locked


def _end_sessions(user: User) -> None:
    """What he may do changed, so he signs in again; the sessions end with the commit."""
    for session in UserSession.objects.filter(user=user):
        session.end()
