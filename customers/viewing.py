"""An admin looks at the panel as one customer sees it: read-only, for half an hour at most, in the audit log.

What may be done meanwhile (nothing) is kept in one place, panel/viewing.py. Here is only who looks at whom, and
until when; both are kept in the admin's own session, so that signing out ends it too.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.audit import record
from customers.models import User
from customers.wallet import wallet_of

LONGEST = timedelta(minutes=30)
_KEY = "viewing"


class CannotView(ValueError):
    """Nothing was opened; the sentence says why."""


@dataclass(frozen=True)
class Viewing:
    customer_id: int
    until: datetime

    @property
    def over(self) -> bool:
        return timezone.now() >= self.until


def begin(request: HttpRequest, customer: User, *, by: User) -> Viewing:
    """Open the customer's view in this session. Raises CannotView for staff, and for accounts that are closed."""
    if not _may_be_viewed(customer):
        raise CannotView(_("Only the accounts of customers who can sign in are opened."))
    wallet_of(customer)  # made on first use; while looking nothing can be made
    until = timezone.now() + LONGEST
    summary = f"Panel opened as {customer.email} sees it, read-only, until {until:%H:%M} UTC at the latest"
    record(by, "viewing.begin", customer, summary, {"until": until}, request)
    request.session[_KEY] = {"customer": customer.pk, "until": until.timestamp()}
    return Viewing(customer.pk, until)


def read(request: HttpRequest) -> Viewing | None:
    """What this session looks at, over or not. Asks the database nothing beyond the session."""
    kept = request.session.get(_KEY)
    if not kept:
        return None
    return Viewing(kept["customer"], datetime.fromtimestamp(kept["until"], UTC))


def customer_of(viewing: Viewing) -> User | None:
    """Whom to show, as he is now; None if he may not be shown any more."""
    customer = User.objects.filter(pk=viewing.customer_id).first()
    return customer if customer and _may_be_viewed(customer) else None


def end(request: HttpRequest, *, by: User, how: str) -> Viewing | None:
    """Back to the admin's own pages; what was looked at, None if nothing. `how`: by hand, time over, not allowed."""
    viewing = read(request)
    if viewing is None:
        return None
    del request.session[_KEY]
    customer = User.objects.filter(pk=viewing.customer_id).first()
    who = customer.email if customer else f"customer {viewing.customer_id}"
    record(
        by,
        "viewing.end",
        f"user:{viewing.customer_id}",
        f"View of {who} closed: {how}",
        {"how": how},
        request,
    )
    return viewing


def _may_be_viewed(customer: User) -> bool:
    return (
        customer.role == User.Role.CUSTOMER
        and customer.is_active
        and not (customer.is_superuser or customer.is_staff)
        and customer.erased_at is None
    )
