"""What one act would do to each of the selected orders, before it is done: who gets what back, which route for what cost.

Computed as each order's own page computes it (orders.staff_actions, orders.correcting.Way), with a number of queries
that does not grow with the orders. The act looks again under its locks and refuses a row that changed since.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from customers.figures import money
from customers.site_settings import SiteSettings
from orders.correcting import Way, ways_of_many
from orders.dispatch import went_back
from orders.models import Order, Submission
from orders.staff_actions import staff_actions_for
from orders.staff_decisions import version_of
from orders.stuck import delay_of, measure

ZERO = Decimal(0)


@dataclass(frozen=True)
class Planned:
    """One order. `why_not` is empty where it can be done; `seen` is what the form sends back, so that nothing else is
    done than what was shown. Amounts in panel currency, 6 places; costs are for those who may see them."""

    order: Order
    why_not: str
    says: str = ""
    seen: str = ""
    comes_back: Decimal = ZERO
    cost_before: Decimal | None = None
    cost: Decimal | None = None


def plan_refunds(order_ids: Sequence[int], site: SiteSettings) -> list[Planned]:
    """Cancel and give everything back that was not: unsent orders, and accepted ones that may be settled by hand."""
    limits, now, restored = measure(site), timezone.now(), went_back()
    planned = []
    for order in _orders(order_ids):
        submission = order.submission
        delay = delay_of(order, submission, now, limits)
        may = staff_actions_for(
            order,
            list(submission.attempts.all()),
            (),
            now,
            late=delay is not None and delay.may_be_settled,
            restored=restored,
        )
        unsent = submission.state in Submission.NOTHING_SENT_YET
        act = may.reject if unsent else may.settle
        why_not = act.why_not if not act.allowed else ""
        if not why_not and order.status == Order.Status.CANCELED:
            why_not = _("The whole charge was returned already.")
        back = order.charge - order.refunded
        words = _("Never sent: canceled, %s back.") if unsent else _("Canceled, %s back.")
        planned.append(
            Planned(order, why_not)
            if why_not
            else Planned(order, "", words % money(back), version_of(order, submission), back)
        )
    return planned


def plan_routes(order_ids: Sequence[int], provider_id: int | None) -> tuple[list[Planned], dict[int, str]]:
    """Another route for each unsent order: by one provider, or the first that fits (None). And the providers that have
    a route of at least one of them, by id. The cost never exceeds the charge: a loss is agreed to order by order."""
    now, restored, orders = timezone.now(), went_back(), _orders(order_ids)
    all_ways = ways_of_many(orders)
    planned, providers = [], dict[int, str]()
    for order in orders:
        ways, submission = all_ways[order.pk], order.submission
        may = staff_actions_for(
            order, list(submission.attempts.all()), ways, now, late=False, restored=restored
        ).change_route
        if not may.allowed:
            planned.append(Planned(order, may.why_not))
            continue
        providers |= {way.route.offer.provider_id: way.route.offer.provider.name for way in ways}
        planned.append(_by_way(order, [way for way in ways if _leads_to(way, provider_id)]))
    return planned, providers


def _leads_to(way: Way, provider_id: int | None) -> bool:
    return provider_id is None or way.route.offer.provider_id == provider_id


def _by_way(order: Order, ways: Sequence[Way]) -> Planned:
    fits = next((way for way in ways if not way.why_not), None)
    if fits is None:
        return Planned(order, ways[0].why_not if ways else _("The service has no route by this provider."))
    offer = fits.route.offer
    words = _("%(from)s → %(to)s") % {
        "from": order.submission.provider.name,
        "to": f"{offer.provider.name} {offer.external_id}",
    }
    return Planned(
        order,
        "",
        words,
        f"{order.submission.offer_id}:{fits.route.pk}",
        cost_before=order.cost,
        cost=fits.cost,
    )


def _orders(order_ids: Sequence[int]) -> list[Any]:
    """As they were picked; a number that is no order is left out."""
    found = (
        Order.objects.filter(pk__in=order_ids)
        .select_related("user", "service", "submission__provider", "submission__offer")
        .prefetch_related("submission__attempts")
        .in_bulk()
    )
    return [found[pk] for pk in dict.fromkeys(order_ids) if pk in found]
