"""Whether a new order may be placed, and whether a person looks at it before it is sent.

Asked by placing.py and mass_placing.py after the price is known and before anything is written, so that form, API,
mass order and command line are judged alike, and a repeated request is answered with its first order whatever was
denied since. Where no rule is in force this costs no query: the routes are read with that answer (`rules_in_force`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from django.db.models import Exists
from django.utils.translation import gettext as _

from customers import site_settings
from customers.figures import count, money
from customers.models import Setting, User
from orders.models import Order, OrderEvent, Submission
from orders.waiting_words import REVIEW
from providers.denying import folded
from providers.denying_orders import OrderDenials, any_entries_for_orders, link_text
from providers.models import Route
from providers.service_types import InvalidOrder, Ordered

BY_SERVICE = f"{REVIEW}every order of this service"
BY_CHARGE = f"{REVIEW}its charge"
BY_CUSTOMER = f"{REVIEW}a new customer"
BY_LINK = f"{REVIEW}its link"
RULES = ("review_above", "review_first_orders", "review_links", "largest_charge")


@dataclass(frozen=True)
class Asked:
    """One order that is about to be placed. `charge`: panel currency, 6 decimals."""

    route: Route
    ordered: Ordered
    charge: Decimal


@dataclass(frozen=True)
class Verdict:
    """`refused`: nothing may be placed. Else `waits_for`: why the order waits for a person; "" sends it at once."""

    waits_for: str = ""
    refused: InvalidOrder | None = None


def rules_in_force() -> dict[str, Any]:
    """Annotations of routes: whether any entry or rule must be asked about an order. Part of the query they are on."""
    return {
        "denials_in_force": Exists(any_entries_for_orders()),
        "rules_in_force": Exists(Setting.objects.filter(key__in=RULES)),
    }


def screen(user: User, orders: Sequence[Asked]) -> list[Verdict]:
    """A verdict for each order, in order. No query without rules, at most three for any number of orders."""
    if not orders:
        return []
    first = orders[0].route
    denials = None
    if getattr(first, "denials_in_force", True):
        denials = OrderDenials(user, [asked.ordered.link for asked in orders])
    site = (
        site_settings.load(RULES) if getattr(first, "rules_in_force", True) else site_settings.SiteSettings()
    )
    before = _orders_of(user, site.review_first_orders)
    verdicts = []
    for asked in orders:
        refused = _refusal(asked, denials, site)
        waits_for = "" if refused else _review(asked, site, before)
        before += refused is None
        verdicts.append(Verdict(waits_for, refused))
    return verdicts


def is_in_review(submission: Submission) -> bool:
    """Whether the customer reads "being reviewed"."""
    return submission.state == Submission.State.HELD and submission.waits_for.startswith(REVIEW)


def held_event(order: Order, waits_for: str) -> OrderEvent:
    """The line in a saved order's story that says why it waits, not saved yet."""
    return OrderEvent(
        order=order,
        at=order.created_at,
        kind=OrderEvent.Kind.SUBMISSION,
        actor="rule",
        after=Submission.State.HELD,
        why=f"Held for review: {waits_for.removeprefix(REVIEW)}",
        staff_only=True,
    )


def _refusal(
    asked: Asked, denials: OrderDenials | None, site: site_settings.SiteSettings
) -> InvalidOrder | None:
    if denials is not None:
        if denials.customer:
            text = _("This account cannot place orders. Ask support about it. Nothing was charged.")
            return InvalidOrder({"customer": text}, {"customer": "denied"})
        texts = {name: str(value) for name, value in asked.ordered.fields.items()}
        if found := denials.objections(asked.ordered.link, texts):
            return InvalidOrder(found, dict.fromkeys(found, "denied"))
    if site.largest_charge is not None and asked.charge > site.largest_charge:
        return _too_dear(asked, site.largest_charge)
    return None


def _too_dear(asked: Asked, largest: Decimal) -> InvalidOrder:
    text = _("One order may cost at most %s.") % money(largest)
    if asked.route.service.per_order:
        return InvalidOrder({"quantity": text}, {"quantity": "denied"})
    # Rounded down: the charge is in proportion to the quantity.
    most = int((largest * asked.ordered.quantity / asked.charge).to_integral_value(ROUND_FLOOR))
    text = _("%(limit)s That is a quantity of %(most)s.") % {"limit": text, "most": count(most)}
    return InvalidOrder({"quantity": text}, {"quantity": "max"}, most)


def _review(asked: Asked, site: site_settings.SiteSettings, before: int) -> str:
    """Why a person looks first, the rule that says most about the order before the others; "" for none."""
    if site.review_above is not None and asked.charge >= site.review_above:
        return BY_CHARGE
    if site.review_links:
        link = link_text(asked.ordered.link)
        if any(folded(part) in link for part in site.review_links):
            return BY_LINK
    if before < site.review_first_orders:
        return BY_CUSTOMER
    return BY_SERVICE if asked.route.service.hold_for_review else ""


def _orders_of(user: User, most: int) -> int:
    """How many orders the customer placed, counted up to `most`; those that gave all back do not count."""
    if not most:
        return 0
    placed = Order.objects.filter(user=user).exclude(status=Order.Status.CANCELED).order_by()
    return placed.values("pk")[:most].count()
