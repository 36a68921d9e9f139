"""Correcting a customer's balance by hand: always a transfer with a reason, never an edit, and within one's limit."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Q, Sum
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from customers import site_settings, wallet
from customers.audit import actor_name, record
from customers.figures import money
from customers.models import AuditEntry, Transfer, User
from customers.permissions import ADMIN, REVIEWER, SUPERUSER, TABLE, role_of
from customers.site_settings import SiteSettings

DAY = timedelta(hours=24)
_OF_LIMITS = ("reviewer_adjust_single", "reviewer_adjust_day", "admin_adjust_single", "admin_adjust_day")


class CannotAdjust(ValueError):
    """Nothing was moved; the sentence says why."""


@dataclass(frozen=True)
class Limits:
    """What one person may move, up or down, in panel currency; None: any amount."""

    single: Decimal | None
    day: Decimal | None

    @property
    def nothing(self) -> bool:
        return self.single == 0 or self.day == 0


def limits_of(person: User, site: SiteSettings) -> Limits:
    """By role, as the settings say. A superuser has none; a customer moves nothing."""
    return limits_of_role(role_of(person), site)


def limits_of_role(role: str, site: SiteSettings) -> Limits:
    """What a role may move: nothing where the table of permissions says so, else what the settings say."""
    if role not in TABLE["balance.adjust"].roles:
        return Limits(Decimal(0), Decimal(0))
    return {
        REVIEWER: Limits(site.reviewer_adjust_single, site.reviewer_adjust_day),
        ADMIN: Limits(site.admin_adjust_single, site.admin_adjust_day),
        SUPERUSER: Limits(None, None),
    }[role]


def moved_today(person: User) -> Decimal:
    """What he moved by hand in the last 24 hours, up and down added together. One query by time.

    Transfers name him by his e-mail at the time; the audit trail knows which ones were his.
    """
    since = timezone.now() - DAY
    names = AuditEntry.objects.filter(actor=person, at__gte=since).values("actor_label")
    mine = Transfer.objects.filter(
        Q(actor=actor_name(person)) | Q(actor__in=names), at__gte=since, cause__startswith="adjust:"
    )
    return mine.aggregate(sum=Sum("amount"))["sum"] or wallet.ZERO


def check_limit(person: User | None, amount: Decimal) -> None:
    """Raise CannotAdjust where `amount` (either sign) is more than he may move; the command line may move any.

    Call inside the transaction that moves it: his row is locked, so that two tabs count one after another.
    """
    if person is None:
        return
    person = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    limits, size = limits_of(person, site_settings.load(only=_OF_LIMITS)), abs(amount)
    if limits.single is not None and size > limits.single:
        words = {"limit": money(limits.single), "amount": money(size)}
        text = _("You may move at most %(limit)s at once; this is %(amount)s. Nothing was moved.") % words
        raise CannotAdjust(text + " " + _("Ask somebody with a higher limit."))
    if limits.day is not None and (before := moved_today(person)) + size > limits.day:
        words = {"limit": money(limits.day), "before": money(before), "amount": money(size)}
        text = _(
            "You may move at most %(limit)s in 24 hours; you moved %(before)s already, and this is %(amount)s."
            " Nothing was moved."
        )
        raise CannotAdjust(text % words + " " + _("Ask somebody with a higher limit."))


def adjust_balance(
    user: User,
    amount: Decimal,
    reason: str,
    *,
    by: User | None = None,
    key: str | None = None,
    request: HttpRequest | None = None,
) -> Transfer:
    """Move `amount` (6 decimals, panel currency; negative takes away) with a reason. Raises CannotAdjust.

    `key` makes a repeated submit of one form a no-op. The audit entry and the transfer commit together.
    """
    reason = " ".join(reason.split())
    if not reason:
        raise CannotAdjust(_("A correction needs a reason."))
    if amount == 0 or amount != amount.quantize(wallet.CENT_OF_CENTS):
        raise CannotAdjust(
            _("%(amount)s cannot be moved: use an amount other than 0 with at most 6 decimals.")
            % {"amount": amount}
        )
    try:
        with transaction.atomic():
            if key is None or not Transfer.objects.filter(cause=f"adjust:{key}").exists():
                check_limit(by, amount)
                summary = f"Balance of {user.email} corrected by {amount:+f}: {reason}"
                record(by, "balance.adjust", user, summary, {"amount": amount, "reason": reason}, request)
            return wallet.adjust(user, amount, reason, actor_name(by), key)
    except wallet.InsufficientFunds as error:
        raise CannotAdjust(
            _("The balance of %(email)s is %(balance)s, so %(amount)s cannot be taken from it.")
            % {"email": user.email, "balance": f"{error.balance:f}", "amount": f"{error.amount:f}"}
        ) from None
    except wallet.CauseConflict:
        raise CannotAdjust(_("This form was already sent with another amount; nothing was moved.")) from None
