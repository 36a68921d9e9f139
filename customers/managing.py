"""What staff change about a customer: a note, suspensions, the price list. Each with an audit entry.

Balance corrections are customers.adjusting; people are created by customers.enrolling.
"""

from dataclasses import dataclass

from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from customers.audit import record
from customers.models import PriceGroup, User


class CannotChange(ValueError):
    """Nothing changed; the sentence says why."""


@dataclass(frozen=True)
class Suspension:
    """What a customer may not do for now. Orders that were placed go on, and his money stays his."""

    orders: bool
    api: bool
    deposits: bool

    @property
    def words(self) -> str:
        stopped = [
            name
            for name, on in (("orders", self.orders), ("API", self.api), ("deposits", self.deposits))
            if on
        ]
        return ", ".join(stopped) or "nothing"


def write_staff_note(user: User, text: str, *, by: User, request: HttpRequest | None = None) -> None:
    """Replace the staff note; the audit trail keeps the one before."""
    with transaction.atomic():
        user = _locked(user)
        before, user.staff_note = user.staff_note, text.strip()[:2000]
        user.save(update_fields=["staff_note"])
        record(by, "customer.note", user, f"Staff note of {user.email} changed", {"before": before}, request)


def suspend(
    user: User,
    suspension: Suspension,
    reason: str,
    *,
    note: str = "",
    by: User,
    request: HttpRequest | None = None,
) -> None:
    """Set what is suspended; all off lifts it. Both need a reason, for staff; `note` is what the customer reads.

    Raises CannotChange.
    """
    reason = " ".join(reason.split())[:200]
    if not reason:
        raise CannotChange(_("A reason is needed, also for lifting a suspension."))
    with transaction.atomic():
        user = _locked(user)
        before = Suspension(user.orders_suspended, user.api_suspended, user.deposits_suspended)
        user.orders_suspended, user.api_suspended = suspension.orders, suspension.api
        user.deposits_suspended = suspension.deposits
        lifted = suspension.words == "nothing"
        user.suspended_reason = "" if lifted else reason
        user.suspended_note = "" if lifted else " ".join(note.split())[:300]
        user.save(
            update_fields=[
                "orders_suspended",
                "api_suspended",
                "deposits_suspended",
                "suspended_reason",
                "suspended_note",
            ]
        )
        summary = f"Suspended for {user.email}: {suspension.words} (before: {before.words}). {reason}"
        record(
            by,
            "customer.suspend",
            user,
            summary,
            {"now": suspension.words, "before": before.words, "reason": reason, "note": user.suspended_note},
            request,
        )


def set_price_group(
    user: User, group: PriceGroup | None, *, by: User | None, request: HttpRequest | None = None
) -> None:
    """Put the customer on a price list (None: the standard one). Placed orders keep their price."""
    with transaction.atomic():
        user = _locked(user)
        before = user.price_group.name if user.price_group else "Standard"
        user.price_group = group
        user.save(update_fields=["price_group"])
        now = group.name if group else "Standard"
        summary = f"Price list of {user.email}: {now} (before: {before})"
        record(by, "customer.price_group", user, summary, {"now": now, "before": before}, request)


def _locked(user: User) -> User:
    found = User.objects.select_for_update(of=("self",)).filter(pk=user.pk, role=User.Role.CUSTOMER).first()
    if found is None:
        raise CannotChange(_("Only customers are changed here."))
    return found
