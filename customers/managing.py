"""What staff change about a customer: a note, suspensions, the price list. Each with an audit entry.

What is written replaces what was there, so a page sends along what it showed (`seen`): when somebody else changed it in
between, nothing is written. Balance corrections are customers.adjusting; people are created by customers.enrolling.
"""

import hashlib
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


def note_mark(user: User) -> str:
    """What a page that shows the staff note sends back as `seen`."""
    return _mark(user.staff_note)


def suspension_mark(user: User) -> str:
    """What a page that shows the suspension sends back as `seen`: what is suspended, and both texts."""
    flags = (user.orders_suspended, user.api_suspended, user.deposits_suspended)
    return _mark(*map(str, flags), user.suspended_reason, user.suspended_note)


def _mark(*shown: str) -> str:
    return hashlib.sha256("\0".join(shown).encode()).hexdigest()[:16]


def write_staff_note(
    user: User, text: str, *, by: User, seen: str | None = None, request: HttpRequest | None = None
) -> None:
    """Replace the staff note; the audit trail keeps the one before. `seen`: the note_mark of what was shown, None where
    nothing was. Raises CannotChange when it is another one by now."""
    with transaction.atomic():
        user = _locked(user)
        if seen is not None and seen != note_mark(user):
            raise CannotChange(
                _(
                    "Somebody changed this note since you opened the page; nothing was saved. It is now: “%(note)s”. "
                    "Put together what is right and save again."
                )
                % {"note": user.staff_note or "–"}
            )
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
    seen: str | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Set what is suspended; all off lifts it. Both need a reason, for staff; `note` is what the customer reads.

    `seen`: the suspension_mark of what was shown, None where nothing was. Raises CannotChange without a reason, and when
    somebody else changed it since.
    """
    reason = " ".join(reason.split())[:200]
    if not reason:
        raise CannotChange(_("A reason is needed, also for lifting a suspension."))
    with transaction.atomic():
        user = _locked(user)
        before = Suspension(user.orders_suspended, user.api_suspended, user.deposits_suspended)
        if seen is not None and seen != suspension_mark(user):
            why = f" ({user.suspended_reason})" if user.suspended_reason else ""
            raise CannotChange(
                _(
                    "Somebody changed this since you opened the page; nothing was saved. Suspended now: %(now)s. "
                    "Choose again what is to be suspended, and save."
                )
                % {"now": before.words + why}
            )
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
