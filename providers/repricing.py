"""What a service costs us and what it is sold for now. The only writer of Service.rate, cost_rate and off_sale.

    order   that of an admin, or cheapest first, which is written into the routes (Standing.arranged)
    route   the first of its type that is usable now (Standing.selling; the same choice as orders.placing.find_service)
    cost    the rate of that route's offer, in panel currency by the latest exchange rate
    price   the pinned rate, else the first matching markup rule; never below cost unless an admin gave a reason
    off sale  a plain reason where there is no way to deliver it, no price, or a price below cost

Prices that cannot be computed stay as they were: the service is off sale, and old orders keep their own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from providers.applying import refresh_these, type_followed
from providers.comparing import LARGEST_RATE, limits_fit, sellable_type
from providers.exchange import exchange_rates
from providers.locking import lock_prices
from providers.models import MarkupRule, Service
from providers.pricing import converted, sell_rate
from providers.rates import RuleBook, terms_of
from providers.stopping import WHY

ZERO = Decimal(0)
NO_RULE = "No markup rule applies to it."


@dataclass(frozen=True)
class Supply:
    """A service with the route that would deliver it now; without a usable one, the first that is not."""

    service_id: int
    category_id: int
    service_type: str
    rate: Decimal
    cost_rate: Decimal
    pinned_rate: Decimal | None
    below_cost_reason: str
    off_sale: str
    provider_id: int | None
    currency: str
    offer_rate: Decimal | None
    offer_type: str
    minimum: int
    maximum: int
    on_hold: str
    gone: bool
    archived: bool
    offer_id: int | None = None
    by_hand: bool = False  # staff deliver it: it may cost nothing
    stopped: str = ""  # Provider.Stop


@dataclass(frozen=True)
class Way:
    """One route of a service: the offer that it goes by. `rate`: of the provider, in `currency`."""

    offer_id: int
    provider_id: int
    currency: str
    rate: Decimal
    service_type: str
    minimum: int
    maximum: int
    on_hold: str
    gone: bool
    archived: bool
    by_hand: bool
    stopped: str = ""  # Provider.Stop

    @property
    def usable(self) -> bool:
        return not (self.gone or self.on_hold or self.archived or self.stopped)


def by_cost(rate: Decimal, minimum: int, maximum: int, factor: Decimal | None) -> tuple[bool, Decimal]:
    """Compared, the cheapest is the least. Last comes what no price can be made of: without an exchange rate, without a
    quantity that fits, or at no cost (delivered by hand, or a provider's slip): it would set the price of all."""
    nothing = factor is None or minimum > maximum or rate <= 0
    return nothing, rate * (factor or ZERO)


@dataclass(frozen=True)
class Standing:
    """A service as it stands, with the routes that are used, first to last."""

    service_id: int
    category_id: int
    service_type: str
    rate: Decimal
    cost_rate: Decimal
    pinned_rate: Decimal | None
    below_cost_reason: str
    off_sale: str
    ways: tuple[Way, ...] = ()
    route_order: str = Service.RouteOrder.HAND

    @property
    def selling(self) -> Way | None:
        """The way by which it is sold now: the first usable one of its type; without one, the first."""
        ways = (way for way in self.ways if way.usable and way.service_type == self.service_type)
        return next(ways, self.ways[0] if self.ways else None)

    @property
    def followed(self) -> "Standing":
        """The same, sold as the type of its first way, as applying.refresh_services leaves it."""
        if not self.ways:
            return self
        first = self.ways[0]
        sold_as = type_followed(self.service_type, first.service_type, first.minimum, first.maximum)
        return replace(self, service_type=sold_as)

    def arranged(self, exchange: Mapping[str, Decimal]) -> "Standing":
        """The same with its ways in the order that a repricing leaves them in: as they are, or cheapest first.

        Those of its type come before others, so that it stays what it is sold as.
        """
        fits = [way.service_type == self.service_type for way in self.ways]
        if self.route_order != Service.RouteOrder.CHEAPEST or not any(fits):
            return self

        def cost(way: Way) -> tuple[bool, bool, Decimal]:
            last, amount = by_cost(way.rate, way.minimum, way.maximum, exchange.get(way.currency))
            return way.service_type != self.service_type, last, amount

        return replace(self, ways=tuple(sorted(self.ways, key=cost)))

    @property
    def supply(self) -> Supply:
        way = self.selling
        return Supply(
            service_id=self.service_id,
            category_id=self.category_id,
            service_type=self.service_type,
            rate=self.rate,
            cost_rate=self.cost_rate,
            pinned_rate=self.pinned_rate,
            below_cost_reason=self.below_cost_reason,
            off_sale=self.off_sale,
            provider_id=way.provider_id if way else None,
            currency=way.currency if way else "",
            offer_rate=way.rate if way else None,
            offer_type=way.service_type if way else "",
            minimum=way.minimum if way else 0,
            maximum=way.maximum if way else 0,
            on_hold=way.on_hold if way else "",
            gone=way.gone if way else False,
            archived=way.archived if way else False,
            offer_id=way.offer_id if way else None,
            by_hand=way.by_hand if way else False,
            stopped=way.stopped if way else "",
        )


@dataclass(frozen=True)
class Priced:
    rate: Decimal
    cost_rate: Decimal
    off_sale: str = ""


def reprice(services: QuerySet[Service] | None = None) -> int:
    """Bring cost, price and off-sale reason of the services (None: all) up to date; returns how many changed.

    A constant number of statements, however many services. Waits for another repricing to commit.
    """
    with transaction.atomic():
        lock_prices()
        standings = standings_of(services)
        book, exchange = RuleBook(), exchange_rates()
        arranged = [standing.arranged(exchange) for standing in standings]
        _keep_order(
            after for before, after in zip(standings, arranged, strict=True) if before.ways != after.ways
        )
        changed = []
        for supply in (standing.supply for standing in arranged):
            priced = price(supply, book, exchange)
            if (priced.rate, priced.cost_rate, priced.off_sale) != (
                supply.rate,
                supply.cost_rate,
                supply.off_sale,
            ):
                changed.append((supply.service_id, priced))
        if changed:
            _write(changed)
    return len(changed)


def reprice_provider(provider_id: int) -> int:
    """Reprice every service that this provider may deliver."""
    return reprice(Service.objects.filter(routes__offer__provider_id=provider_id).distinct())


def price(supply: Supply, book: RuleBook, exchange: Mapping[str, Decimal]) -> Priced:
    """What the service would be sold for under these rules and exchange rates (panel currency for one unit)."""
    return priced_by(
        supply, book.rule_for(supply.service_id, supply.category_id, supply.provider_id), exchange
    )


def priced_by(supply: Supply, rule: MarkupRule | None, exchange: Mapping[str, Decimal]) -> Priced:
    """As price, where it is known which rule counts."""
    stays = Priced(supply.rate, supply.cost_rate)
    if reason := undeliverable(supply):
        return Priced(stays.rate, stays.cost_rate, reason)
    if supply.currency not in exchange:
        return Priced(stays.rate, stays.cost_rate, f"There is no exchange rate for {supply.currency}.")
    cost = converted(supply.offer_rate or ZERO, exchange[supply.currency])
    if cost > LARGEST_RATE:
        return Priced(stays.rate, stays.cost_rate, "The cost is too large.")
    if supply.pinned_rate is not None:
        below = supply.pinned_rate < cost and not supply.below_cost_reason
        why = f"The pinned price {supply.pinned_rate:f} is below the cost {cost:f}." if below else ""
        return Priced(supply.pinned_rate, cost, why)
    if rule is None:
        return Priced(stays.rate, cost, NO_RULE)
    rate = sell_rate(cost, terms_of(rule), below_cost=bool(supply.below_cost_reason))
    if not 0 < rate <= LARGEST_RATE:
        return Priced(stays.rate, cost, "Its price would be zero or too large.")
    return Priced(rate, cost)


def undeliverable(supply: Supply) -> str:
    """Why nobody can deliver the service now, or ""."""
    if supply.provider_id is None or supply.offer_rate is None:
        return "No provider delivers it."
    if supply.archived:
        return "Its provider is archived."
    if supply.stopped:
        return WHY[supply.stopped]
    if supply.gone:
        return "The provider no longer lists it."
    if supply.on_hold:
        return supply.on_hold
    offered, sold = sellable_type(supply.offer_type), sellable_type(supply.service_type)
    if offered is None or sold is None:
        return "The provider's type of it cannot be sold."
    if offered.per_order != sold.per_order:
        return "The provider sells it by another unit."
    if offered.code != sold.code:
        return "The provider's type of it is another one."
    if supply.offer_rate <= 0 and not supply.by_hand:
        return "The provider's rate is zero."
    if not limits_fit(supply.offer_type, supply.minimum, supply.maximum):
        return "The provider's limits make no sense."
    return ""


def supplies_of(services: QuerySet[Service] | None = None) -> list[Supply]:
    """The services (None: all) with their present route; two statements at most."""
    return [standing.supply for standing in standings_of(services)]


def standings_of(services: QuerySet[Service] | None = None) -> list[Standing]:
    """The services (None: all) with all routes that are used; two statements at most.

    OFFSET 0 has routes looked up service by service, and offers route by route: right after a first import, when the
    tables have no statistics yet, 8,000 services took 6 s and more joined freely, and take 0.2 s so.
    """
    ids = None if services is None else list(services.order_by().values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.id, s.category_id, s.service_type, s.rate, s.cost_rate, s.pinned_rate, s.below_cost_reason,
                   s.off_sale, r.*, s.route_order
            FROM providers_service s LEFT JOIN LATERAL (
                SELECT o.id AS offer_id, o.provider_id, p.currency, o.rate, o.service_type, o.minimum, o.maximum,
                       o.on_hold, o.gone_at IS NOT NULL AS gone, p.archived_at IS NOT NULL AS archived,
                       p.adapter = 'manual' AS by_hand, p.stopped, t.position, t.id
                FROM providers_route t
                     CROSS JOIN LATERAL (SELECT * FROM providers_offer WHERE id = t.offer_id OFFSET 0) o
                     JOIN providers_provider p ON p.id = o.provider_id
                WHERE t.service_id = s.id AND t.enabled OFFSET 0
            ) r ON true
            WHERE %(ids)s::bigint[] IS NULL OR s.id = ANY(%(ids)s::bigint[])
            ORDER BY s.id, r.position, r.id
            """,
            {"ids": ids},
        )
        found = []
        for _service, rows in groupby(cursor.fetchall(), key=itemgetter(0)):
            routes = list(rows)
            values: list[Any] = [
                *routes[0][:8],
                tuple(Way(*row[8:20]) for row in routes if row[8] is not None),
                routes[0][-1],
            ]
            found.append(Standing(*values))
        return found


def _keep_order(arranged: Iterable[Standing]) -> None:
    """Write the places of routes that changed, and what the services say, which follows their first routes."""
    places = [
        (standing.service_id, way.offer_id, place)
        for standing in arranged
        for place, way in enumerate(standing.ways)
    ]
    if not places:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE providers_route route SET position = place.position
            FROM unnest(%s::bigint[], %s::bigint[], %s::int[]) AS place(service_id, offer_id, position)
            WHERE (route.service_id, route.offer_id) = (place.service_id, place.offer_id)
            """,
            [list(column) for column in zip(*places, strict=True)],
        )
    refresh_these({service_id for service_id, _offer, _place in places})


def _write(changed: Iterable[tuple[int, Priced]]) -> None:
    columns: list[list[Any]] = [[], [], [], []]
    for service_id, priced in changed:
        for column, value in zip(
            columns, (service_id, priced.rate, priced.cost_rate, priced.off_sale[:200]), strict=True
        ):
            column.append(value)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE providers_service service
            SET rate = row.rate, cost_rate = row.cost_rate, off_sale = row.off_sale, changed_at = now()
            FROM unnest(%s::bigint[], %s::numeric[], %s::numeric[], %s::text[])
                 AS row(id, rate, cost_rate, off_sale) WHERE service.id = row.id
            """,
            columns,
        )
