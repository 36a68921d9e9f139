"""Placing an order: price it, take the money, write the intent to send it. One transaction, no HTTP.

    1. repeat?  an order with this request id is returned as it is (other content: RequestIdReused)
    2. the service, its first usable route, the customer's rate
    3. what was asked, checked against the service's type and limits
    4. the operator's rules: refused, or held until a person has looked (screening.py)
    5. Order, Submission (queued or held), OrderEvent: one statement
    6. last: the wallet (its row lock is held only until the commit)
    7. after commit: a hint to the workers, which may be lost

Used by the browser form, mass order, /api/v2 and the command line alike.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.compiled import CompiledQuery
from customers.inserting import insert_together
from customers.models import User
from customers.wallet import charge_order
from orders.hints import hint_submit
from orders.models import Order, OrderEvent, Submission
from orders.screening import Asked, held_event, rules_in_force, screen
from providers.models import Route, Service
from providers.pricing import charge_for, converted
from providers.rates import rate_for
from providers.service_types import InvalidOrder, Ordered, read_order

# What an order needs to know, without the long texts and the provider's key (which would be decrypted).
FOR_PLACING = [
    "position",
    "offer__dripfeed",
    "offer__provider__name",
    "offer__provider__adapter",
    *(
        f"service__{name}"
        for name in (
            "name category_id service_type minimum maximum refill cancel dripfeed rate cost_rate pinned_rate "
            "below_cost_reason published off_sale hold_for_review"
        ).split()
    ),
]
LARGEST_CHARGE = Decimal("9999999999999")  # of numeric(20,6), with room for sums


class CannotPlace(Exception):
    """Nothing was charged. `code` is for programs, the text for people."""

    code = "refused"


class NotOnSale(CannotPlace):
    code = "service"


class Suspended(CannotPlace):
    code = "suspended"


class RequestIdReused(CannotPlace):
    """The same request id came with another order's content."""

    code = "request_id"


class PriceChanged(CannotPlace):
    """The charge is not the one the customer was shown; he is asked once with the new one."""

    code = "price"

    def __init__(self, shown: Decimal, now: Decimal) -> None:
        super().__init__(_("The price of this service changed while you were ordering."))
        self.shown, self.now = shown, now


@dataclass(frozen=True)
class Quote:
    """What an order would cost now. Amounts have 6 decimals, rates 8, panel currency."""

    service: Service
    route: Route
    ordered: Ordered
    rate: Decimal
    charge: Decimal
    cost: Decimal


def find_service(service_id: int) -> tuple[Service, Route]:
    """The service and the route it would be sent by. Raises NotOnSale, also for a service that does not exist."""
    route = _first_route.first(service=service_id)
    if route is None or not route.service.on_sale:
        raise NotOnSale(_("This service is not on sale now. Nothing was charged."))
    return route.service, route


def usable_routes() -> QuerySet[Route]:
    """The routes that orders may be sent by, the preferred one of a service first."""
    return (
        Route.objects.filter(
            enabled=True,
            offer__gone_at=None,
            offer__on_hold="",
            offer__provider__archived_at=None,
            offer__service_type=F("service__service_type"),
            offer__provider__stopped="",
        )
        .select_related("service", "offer__provider")
        .only(*FOR_PLACING)
        .annotate(**rules_in_force())
        .order_by("position", "id")
    )


_first_route = CompiledQuery(lambda service: usable_routes().filter(service_id=service)[:1], service=-(2**31))


def quote(user: User, service_id: int, raw: Mapping[str, str]) -> Quote:
    """Price an order without placing it. Raises NotOnSale or InvalidOrder."""
    service, route = find_service(service_id)
    return priced(route, rate_for(user, service, route.offer.provider_id), raw)


def priced(route: Route, rate: Decimal, raw: Mapping[str, str]) -> Quote:
    """What was asked, checked and priced at the customer's rate; no query. Raises InvalidOrder."""
    service = route.service
    ordered = read_order(service.type, raw, service.minimum, service.maximum)
    if ordered.runs and not _delivered_in_runs(route):
        raise InvalidOrder({"runs": _("This service cannot be delivered in several runs.")}, {"runs": "bad"})
    charge = charge_for(rate, ordered.total, per_order=service.per_order)
    if charge > LARGEST_CHARGE:
        raise InvalidOrder({"quantity": _("This quantity is too large.")}, {"quantity": "max"})
    cost = charge_for(service.cost_rate, ordered.total, per_order=service.per_order)
    return Quote(service, route, ordered, rate, charge, cost)


def _delivered_in_runs(route: Route) -> bool:
    """Whether the service is sold in several runs, and the way it would be sent by takes them: what a service says
    follows its offer a moment later, and a provider that does not know `runs` delivers the quantity once."""
    offer = route.offer
    return route.service.dripfeed and (offer.dripfeed or not offer.provider.sends_by_itself)


def place_order(
    user: User,
    service_id: int,
    raw: Mapping[str, str],
    *,
    source: str,
    request_id: str | None = None,
    reference: str = "",
    shown_charge: Decimal | None = None,
) -> Order:
    """Place one order and charge it. Repeating a request_id with the same content returns the first order.

    Raises InvalidOrder (by field), NotOnSale, Suspended, PriceChanged, RequestIdReused,
    customers.wallet.InsufficientFunds. Whatever is raised, nothing was charged.
    """
    if user.orders_suspended or not user.is_active:
        raise Suspended(_("Ordering is suspended for this account. Nothing was charged."))
    asked = hash_of(service_id, raw)
    if request_id and (first := _placed_before(user, request_id, asked)):
        return first
    try:
        with transaction.atomic():
            offered = quote(user, service_id, raw)
            if shown_charge is not None and shown_charge != offered.charge:
                raise PriceChanged(shown_charge, offered.charge)
            verdict = screen(user, [Asked(offered.route, offered.ordered, offered.charge)])[0]
            if verdict.refused:
                raise verdict.refused
            return _write(
                user, offered, source=source, request_id=request_id, asked=asked, reference=reference,
                waits_for=verdict.waits_for,
            )  # fmt: skip
    except IntegrityError:
        # Two requests with one id at the same moment: the other one won, and is the answer to both.
        if request_id and (first := _placed_before(user, request_id, asked)):
            return first
        raise


def _write(
    user: User,
    asked_for: Quote,
    *,
    source: str,
    request_id: str | None,
    asked: str,
    reference: str,
    waits_for: str,
) -> Order:
    now = timezone.now()
    order = order_of(user, asked_for, now, source, request_id, asked, reference)
    insert_together(order, submission_of(order, asked_for.route, waits_for), placed_event(order))
    if waits_for:
        held_event(order, waits_for).save(force_insert=True)
    charge_order(user, order.charge, order.pk, actor="customer")
    if not (waits_for or waits_for_staff(asked_for.route)):
        hint_submit(asked_for.route.offer.provider_id)
    return order


def order_of(
    user: User,
    asked_for: Quote,
    now: datetime,
    source: str,
    request_id: str | None,
    asked: str,
    reference: str,
) -> Order:
    """The row of an order, not saved yet. Price, cost and what it is sold with are frozen in it."""
    ordered = asked_for.ordered
    return Order(
        user=user,
        service=asked_for.service,
        created_at=now,
        source=source,
        link=ordered.link,
        quantity=ordered.quantity,
        runs=ordered.runs,
        interval=ordered.interval,
        total=ordered.total,
        fields=dict(ordered.fields),
        reference=reference.strip()[:120],
        rate=asked_for.rate,
        per_order=asked_for.service.per_order,
        charge=asked_for.charge,
        cost=asked_for.cost,
        with_refill=asked_for.service.refill,
        with_cancel=asked_for.service.cancel,
        status_at=now,
        request_id=request_id,
        request_hash=asked,
    )


def submission_of(order: Order, route: Route, waits_for: str = "") -> Submission:
    """The intent to send an order by this route, not saved yet; held where it `waits_for` a person."""
    held = bool(waits_for) or waits_for_staff(route)
    return Submission(
        order=order,
        state=Submission.State.HELD if held else Submission.State.QUEUED,
        waits_for=waits_for,
        state_at=order.created_at,
        next_at=order.created_at,
        queued_since=order.created_at,
        provider_id=route.offer.provider_id,
        offer=route.offer,
        route=route,
    )


def placed_event(order: Order) -> OrderEvent:
    """The first line of an order's story, not saved yet."""
    return OrderEvent(
        order=order,
        at=order.created_at,
        kind=OrderEvent.Kind.STATUS,
        actor="customer",
        after=Order.Status.PENDING,
        why="Placed and paid",
        amount=order.charge,
    )


def waits_for_staff(route: Route) -> bool:
    """Whether an order by this route is held until somebody lets it go, or worked by hand."""
    return route.service.hold_for_review or not route.offer.provider.sends_by_itself


def _placed_before(user: User, request_id: str, asked: str) -> Order | None:
    first = Order.objects.filter(user=user, request_id=request_id).first()
    if first is not None and first.request_hash != asked:
        raise RequestIdReused(_("This request id was already used for another order. Nothing was charged."))
    return first


def hash_of(service_id: int, raw: Mapping[str, str]) -> str:
    """A fingerprint of what was asked, blind to the order of fields and to absent ones."""
    asked = {key: str(value) for key, value in raw.items() if str(value).strip()}
    return hashlib.sha256(json.dumps([service_id, asked], sort_keys=True).encode()).hexdigest()


def present_cost(route: Route, total: int, exchange: Decimal) -> Decimal:
    """What `total` units would cost by this route now, panel currency, 6 places."""
    return charge_for(converted(route.offer.rate, exchange), total, per_order=route.service.per_order)
