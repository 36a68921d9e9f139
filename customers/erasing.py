"""Erasing a person from the panel: what names him goes, what the books and the audit trail need stays under his number.

Goes     e-mail (replaced), name, password, second factor, sessions with their addresses, API keys, mails, staff note,
         choices; in the audit trail his e-mail becomes his number, and the addresses he came from are dropped
Stays    every transfer, payment and order, each entry of the audit trail, the number of the account
Once     a second call changes nothing

Orders and prices are rooms that this one does not know; orders/erasing.py adds what they hold.
"""

import re
from decimal import Decimal

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.db import connection, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.adjusting import CannotAdjust, adjust_balance
from customers.audit import record
from customers.figures import money
from customers.models import AuditEntry, DepositRequest, User
from customers.wallet import balance_of

NOBODY = "erased.invalid"  # a domain that can never receive mail (RFC 2606)


class CannotErase(ValueError):
    """Nothing was erased; the sentence says why."""


def ask_for_deletion(user: User, wanted: bool, request: HttpRequest | None = None) -> None:
    """The customer's own wish, or that he takes it back. Staff read it and decide; nothing is deleted by it."""
    with transaction.atomic():
        locked = User.objects.select_for_update(of=("self",)).get(pk=user.pk)
        if (locked.deletion_asked_at is not None) == wanted:
            return
        locked.deletion_asked_at = timezone.now() if wanted else None
        locked.save(update_fields=["deletion_asked_at"])
        verb = "customer.deletion_asked" if wanted else "customer.deletion_taken_back"
        word = "asked for" if wanted else "taken back"
        record(locked, verb, locked, f"Deletion of {locked.email} {word} by the customer", {}, request)


def why_not(user: User) -> str:
    """A sentence where the account cannot be erased now, whatever is typed; "" where it can."""
    if user.role != User.Role.CUSTOMER or user.is_superuser or user.is_staff:
        return _("Only customers are erased here.")
    if user.erased_at:
        return _("This account was erased already.")
    waiting = DepositRequest.objects.filter(user=user, state=DepositRequest.State.PENDING).count()
    if waiting:
        return (
            ngettext(
                "%d payment waits to be checked. Credit or refuse it first.",
                "%d payments wait to be checked. Credit or refuse them first.",
                waiting,
            )
            % waiting
        )
    return ""


def erase(
    user: User, *, typed: str, write_off: str, by: User | None, request: HttpRequest | None = None
) -> str:
    """Erase; `typed` must be his e-mail, `write_off` the reason where a balance is left. Returns the name that is left.

    The balance is taken to zero by a transfer, within the limit of whoever does it. Raises CannotErase.
    """
    with transaction.atomic():
        user = User.objects.select_for_update(of=("self",)).get(pk=user.pk)
        if reason := why_not(user):
            raise CannotErase(reason)
        if typed.strip().lower() != user.email:
            raise CannotErase(_("Type the customer's e-mail address to confirm. Nothing was erased."))
        _empty(user, balance_of(user), write_off, by, request)
        addresses = _addresses(user)
        record(by, "customer.erase", user, f"Personal data of customer {user.pk} erased", {}, request)
        _forget_sign_in(user, addresses)
        _number_for_name(user, addresses)
        return _rename(user)


def _empty(user: User, balance: Decimal, reason: str, by: User | None, request: HttpRequest | None) -> None:
    if balance == 0:
        return
    if not reason.strip():
        text = _("%s is left in the wallet. Pay it out and book that, or write it off with a reason.")
        raise CannotErase(text % money(balance))
    try:
        adjust_balance(user, -balance, f"Written off, account closed: {reason}", by=by, request=request)
    except CannotAdjust as error:
        raise CannotErase(str(error)) from None


def _addresses(user: User) -> set[str]:
    """Every e-mail that names him: present and unconfirmed ones, and those under which he acted before."""
    asked = EmailAddress.objects.filter(user=user).values_list("email", flat=True)
    others = User.objects.exclude(pk=user.pk).values("email")
    acted = AuditEntry.objects.filter(actor=user, actor_label__contains="@").exclude(actor_label__in=others)
    return {user.email, *asked, *acted.values_list("actor_label", flat=True).distinct()}


def _forget_sign_in(user: User, addresses: set[str]) -> None:
    for session in UserSession.objects.filter(user=user):
        session.end()
    for address in addresses:
        for log in (AccessAttempt, AccessFailureLog, AccessLog):
            log.objects.filter(username__iexact=address).delete()
    Authenticator.objects.filter(user=user).delete()
    EmailAddress.objects.filter(user=user).delete()
    user.api_keys.all().delete()
    user.mailed_notices.all().delete()


def _number_for_name(user: User, addresses: set[str]) -> None:
    """In the audit trail, by the one door its trigger leaves (migration 0005): words only, and where he came from."""
    table, who = AuditEntry._meta.db_table, f"customer {user.pk}"
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL headwater.erasing = 'on'")
        for address in addresses:
            cursor.execute(
                f"""
                UPDATE {table} SET actor_label = regexp_replace(actor_label, %(email)s, %(who)s, 'gi'),
                    summary = regexp_replace(summary, %(email)s, %(who)s, 'gi'),
                    details = regexp_replace(details::text, %(email)s, %(who)s, 'gi')::jsonb
                WHERE summary ~* %(email)s OR actor_label ~* %(email)s OR details::text ~* %(email)s
                """,
                {"email": _by_itself(address), "who": who},
            )
        # What staff wrote about him is kept there too, from before each change of the note.
        cursor.execute(
            f"UPDATE {table} SET details = '{{}}' WHERE subject = %(subject)s AND verb = 'customer.note'",
            {"subject": f"user:{user.pk}"},
        )
        cursor.execute(f"UPDATE {table} SET address = NULL WHERE actor_id = %s", [user.pk])
        # Failed sign-ins name no actor, but come from where he was.
        cursor.execute(
            f"UPDATE {table} SET address = NULL WHERE subject = %s AND verb LIKE 'sign\\_in.%%'",
            [f"user:{user.pk}"],
        )
        cursor.execute("SET LOCAL headwater.erasing = 'off'")


def _by_itself(address: str) -> str:
    """A pattern for PostgreSQL: the address, and not the one of somebody else that it is a part of.

    After an escape in JSON (a line break is written as \\n) it stands by itself too.
    """
    return rf"(?:(?<![\w.%+-])|(?<=\\[nrtbf])){re.escape(address)}(?![\w-]|\.\w)"


def _rename(user: User) -> str:
    user.email = f"customer-{user.pk}@{NOBODY}"
    user.name = user.staff_note = user.suspended_reason = user.suspended_note = ""
    user.time_zone, user.theme, user.language = "UTC", "", ""
    user.notices, user.deletion_asked_at = {}, None
    user.is_active = False
    user.last_login = None
    user.set_unusable_password()
    user.erased_at = timezone.now()
    user.save()
    return user.email
