"""Signing in and what guards it, in the audit trail: customers' and staff's alike, never a password or a code.

    sign_in.done, sign_in.failed, sign_in.wrong_code     sign_out.done     password.changed, password.reset
    second_factor.added, .removed, .codes                session.ended

A flood fills no table: of each of these at most MOST_AN_HOUR entries an hour are written about one account, and
about all accounts that do not exist together; the last of them says that more are not listed. Two workers at once may
write one or two more.

allauth tells of these acts by its own signals and by its adapters; there is no other place to hear of them.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from allauth.account import signals as account_signals
from allauth.core import context
from allauth.mfa import signals as mfa_signals
from allauth.mfa.models import Authenticator
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.http import HttpRequest
from django.utils import timezone

from customers.audit import record
from customers.models import AuditEntry, User

MOST_AN_HOUR = 20
NOT_SIGNED_IN, NO_ACCOUNT = "not signed in", "sign_in:no account"
_BY_MAIL = "by the link that was mailed"


def signed_in(user: User, request: HttpRequest) -> None:
    """After the second step, where there is one."""
    _write(user, "sign_in.done", user, f"{user.email} signed in", request)


def signed_out(user: User, request: HttpRequest) -> None:
    """By himself, in this browser. Other ends of a session: session.ended, password.changed, or what staff did."""
    _write(user, "sign_out.done", user, f"{user.email} signed out", request)


def sign_in_failed(tried: str, request: HttpRequest) -> None:
    """A wrong password for the account `tried`, or no such account. What was typed is not kept: it may be a password."""
    user = User.objects.filter(email=tried).first() if tried else None
    if user is None:
        _write(None, "sign_in.failed", NO_ACCOUNT, "Sign-in tried for an e-mail without an account", request)
    else:
        _write(None, "sign_in.failed", user, f"Wrong password for {user.email}", request)


def connect() -> None:
    """Listen to allauth; once, when the app is ready."""
    mfa_signals.authentication_failed.connect(_wrong_code)
    mfa_signals.authenticator_added.connect(_factor_added)
    mfa_signals.authenticator_removed.connect(_factor_removed)
    mfa_signals.authenticator_reset.connect(_codes_made)
    account_signals.password_changed.connect(_password_changed)
    account_signals.password_set.connect(_password_changed)
    account_signals.password_reset.connect(_password_reset)


class UserSessionsAdapter(DefaultUserSessionsAdapter):
    def end_sessions(self, sessions: Sequence[UserSession]) -> None:
        """The places that a person signs out from his list. Ended by staff or by a new password: see those entries."""
        user = sessions[0].user if sessions else None
        super().end_sessions(sessions)
        if isinstance(user, User):
            count = f"{len(sessions)} session{'' if len(sessions) == 1 else 's'}"
            _write(
                user, "session.ended", user, f"{count} of {user.email} ended from the list", context.request
            )


def _wrong_code(*, request: HttpRequest, user: User, reauthentication: bool = False, **_more: Any) -> None:
    when = "when asked again" if reauthentication else "at sign-in"
    actor = user if reauthentication else None
    _write(actor, "sign_in.wrong_code", user, f"Wrong second-step code for {user.email} {when}", request)


def _factor_added(*, request: HttpRequest, user: User, authenticator: Authenticator, **_more: Any) -> None:
    if authenticator.type == Authenticator.Type.RECOVERY_CODES:
        _codes_made(request=request, user=user)
    else:
        _write(user, "second_factor.added", user, f"Second step of {user.email} set up", request)


def _factor_removed(*, request: HttpRequest, user: User, authenticator: Authenticator, **_more: Any) -> None:
    if authenticator.type != Authenticator.Type.RECOVERY_CODES:  # they go with the second step
        _write(user, "second_factor.removed", user, f"Second step of {user.email} removed", request)


def _codes_made(*, request: HttpRequest, user: User, **_more: Any) -> None:
    _write(user, "second_factor.codes", user, f"Recovery codes of {user.email} made anew", request)


def _password_changed(*, request: HttpRequest, user: User, **_more: Any) -> None:
    summary = f"Password of {user.email} changed; signed out everywhere"
    _write(user, "password.changed", user, summary, request)


def _password_reset(*, request: HttpRequest, user: User, **_more: Any) -> None:
    _write(user, "password.reset", user, f"Password of {user.email} set {_BY_MAIL}", request)


def _write(
    actor: User | None, verb: str, about: User | str, summary: str, request: HttpRequest | None
) -> None:
    """One entry, unless this hour has enough of them. One query on the index of subjects."""
    subject = f"user:{about.pk}" if isinstance(about, User) else about
    since = timezone.now() - timedelta(hours=1)
    before = AuditEntry.objects.filter(subject=subject, verb=verb, at__gt=since)[:MOST_AN_HOUR].count()
    if before >= MOST_AN_HOUR:
        return
    if before == MOST_AN_HOUR - 1:
        summary += f"; the {MOST_AN_HOUR}th within an hour, more of this hour are not listed"
    record(actor, verb, subject, summary, {}, request, "" if actor else NOT_SIGNED_IN)
