"""The team: inviting staff by e-mail, changing what they may do, letting them go. Nobody changes himself.

`by` None and no request: the command line, which whoever runs the panel has anyway.
"""

import secrets

from allauth.account.forms import default_token_generator
from allauth.account.internal.flows.password_reset import request_password_reset
from allauth.account.utils import user_pk_to_url_str
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from customers import site_settings
from customers.audit import record
from customers.enrolling import CannotEnrol, create_staff
from customers.models import User
from customers.permissions import may

ROLES = (User.Role.REVIEWER, User.Role.ADMIN)


class CannotChange(Exception):
    """Nothing changed; the sentence says why."""


def invite(email: str, name: str, role: str, *, by: User | None, request: HttpRequest | None = None) -> User:
    """A reviewer or an admin who sets his own password by the link that is mailed to him. Raises CannotEnrol.

    Until then nobody knows his password, and without a second factor no staff page opens.
    """
    if role not in ROLES:
        raise CannotEnrol(_("%(role)s is not a role of the team.") % {"role": repr(role)})
    user = create_staff(email, secrets.token_urlsafe(32), role, by=by, name=name)
    send_link(user, by=by, request=request)
    return user


def send_link(user: User, *, by: User | None, request: HttpRequest | None = None) -> None:
    """Mail the link by which a member of the team sets a password; an older link stays good until one is used.

    Raises SMTPException or OSError where the mail server does not take it."""
    record(by, "staff.link", user, f"Link to set a password mailed to {user.email}", {}, request)
    if request is not None:
        request_password_reset(request, user.email, [user], default_token_generator)
        return
    uid, token = user_pk_to_url_str(user), default_token_generator.make_token(user)
    path = reverse("account_reset_password_from_key", kwargs={"uidb36": uid, "key": token})
    site_name = site_settings.load().site_name
    context = {
        "password_reset_url": f"{settings.SITE_URL}{path}",
        "site_name": site_name,
        "current_site": {"name": site_name},  # as allauth gives it where there is a request
    }
    with translation.override(user.language or settings.LANGUAGE_CODE):
        subject = render_to_string("account/email/password_reset_key_subject.txt", context)
        text = render_to_string("account/email/password_reset_key_message.txt", context)
    EmailMessage(f"{site_name}: {' '.join(subject.split())}", f"{text.strip()}\n", None, [user.email]).send()


def change_role(user: User, role: str, *, by: User | None, request: HttpRequest | None = None) -> None:
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


def switch(user: User, active: bool, *, by: User | None, request: HttpRequest | None = None) -> None:
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


def _changeable(user: User, by: User | None) -> User:
    locked = User.objects.select_for_update().get(pk=user.pk)
    if by is None:
        return locked
    if locked.pk == by.pk:
        raise CannotChange(_("You cannot change your own role or account; ask another admin."))
    if locked.is_superuser and not may(by, "superuser.change"):
        raise CannotChange(_("Only a superuser changes a superuser."))
    return locked


def _end_sessions(user: User) -> None:
    """What he may do changed, so he signs in again; the sessions end with the commit."""
    for session in UserSession.objects.filter(user=user):
        session.end()
