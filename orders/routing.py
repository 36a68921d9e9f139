"""Fail-over: another route for an order that was provably not accepted by the first.

Allowed only while no attempt of the order was ever unknown, to a route of the same type that fits the
quantity and keeps what the order was sold with (refill, cancel), at a present cost within the charge. A route that staff deliver
by hand makes the order wait for them as held.
"""

from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from orders.models import Order, OrderEvent, Submission, SubmissionAttempt
from orders.placing import present_cost
from providers.connecting import MANUAL
from providers.exchange import exchange_to_panel
from providers.models import Provider, Route

# After these refusals another provider may well accept the same order (a bad link is bad everywhere).
WORTH_ANOTHER_ROUTE = frozenset({"service", "quantity", "provider_funds", "auth", "not_sent", "breaker"})


def fitting_routes(service: Any, service_type: Any, quantity: Any) -> QuerySet[Route]:
    """The routes of a service by which this quantity could be sent now. Values, or OuterRefs in a subquery."""
    return Route.objects.filter(
        service=service,
        enabled=True,
        offer__gone_at=None,
        offer__on_hold="",
        offer__service_type=service_type,
        offer__minimum__lte=quantity,
        offer__maximum__gte=quantity,
        offer__provider__archived_at=None,
        offer__provider__stopped="",
        offer__provider__paused_at=None,
        offer__provider__breaker=Provider.Breaker.CLOSED,
    )


def takes_runs() -> Q:
    """Of routes: those an order of several runs may be sent by. A provider that does not know `runs` would deliver the
    quantity once and call it completed; staff who deliver by hand see how many runs were paid for."""
    return Q(offer__dripfeed=True) | Q(offer__provider__adapter=MANUAL)


def other_route(order: Order, submission: Submission) -> Route | None:
    """The next route in order that may take this order, or None."""
    tried = SubmissionAttempt.objects.filter(submission=submission)
    if tried.exclude(state=SubmissionAttempt.State.NOT_ACCEPTED).exists():
        return None
    refused_by = set(tried.values_list("offer_id", flat=True)) | {submission.offer_id}
    service = order.service
    routes = fitting_routes(service, service.service_type, order.quantity).exclude(offer_id__in=refused_by)
    if order.runs:
        routes = routes.filter(takes_runs())
    for route in routes.select_related("offer__provider", "service").order_by("position", "id"):
        keeps_promises = (route.offer.refill or not order.refill_sold) and (
            route.offer.cancel or not order.cancel_sold
        )
        exchange = exchange_to_panel(route.offer.provider.currency)
        if (
            keeps_promises
            and exchange is not None
            and present_cost(route, order.total, exchange) <= order.charge
        ):
            return route
    return None


def take_route(order: Order, submission: Submission, route: Route, why: str) -> bool:
    """Point a queued submission at another route; it is sent from there next. The caller holds the order's lock.

    False, and nothing changed, where the submission is not queued where it was any more.
    """
    exchange = exchange_to_panel(route.offer.provider.currency)
    if exchange is None:
        raise ValueError(
            f"{route.offer.provider} has no exchange rate"
        )  # other_route() never offers such a route
    now = timezone.now()
    by_hand = {} if route.offer.provider.sends_by_itself else {"state": Submission.State.HELD}
    there = Submission.objects.filter(
        pk=submission.pk, state=Submission.State.QUEUED, offer_id=submission.offer_id
    )
    moved = there.update(
        provider_id=route.offer.provider_id,
        offer=route.offer,
        route=route,
        next_at=now,
        waits_for="",
        state_at=now,
        **by_hand,
    )
    if not moved:
        return False
    order.cost = present_cost(route, order.total, exchange)
    order.save(update_fields=["cost"])
    OrderEvent.objects.create(
        order=order,
        kind=OrderEvent.Kind.SUBMISSION,
        actor="system",
        before=submission.provider.name[:40],
        after=route.offer.provider.name[:40],
        why=f"Sent to another provider: {why}"[:500],
        staff_only=True,
    )
    return True
