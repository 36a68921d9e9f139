"""What accepting catalog changes would do to our prices. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db.models import Count

from providers.exchange import exchange_rates
from providers.models import CatalogChange, Route, Service
from providers.overview import OPEN
from providers.pricing import converted, margin_percent
from providers.rates import RuleBook
from providers.repricing import Supply, price, supplies_of

Kind = CatalogChange.Kind


@dataclass(frozen=True)
class ServiceEffect:
    """One service that a change touches; rates per 1000 (or per order) and margins in percent of the price."""

    service: Service
    cost_before: Decimal
    cost_after: Decimal
    price_before: Decimal
    price_after: Decimal
    off_sale: str

    @property
    def margin_before(self) -> Decimal | None:
        return margin_percent(self.price_before, self.cost_before)

    @property
    def margin_after(self) -> Decimal | None:
        return margin_percent(self.price_after, self.cost_after)

    @property
    def below_cost(self) -> bool:
        return self.price_after < self.cost_after


@dataclass(frozen=True)
class Row:
    """A staged change with what it does. `cost_*`: the provider's rate in its own currency, for prices only."""

    change: CatalogChange
    name: str
    cost_before: Decimal | None
    cost_after: Decimal | None
    effect: ServiceEffect | None
    services: int
    open_orders: int

    @property
    def cost_change_percent(self) -> Decimal | None:
        if not self.cost_before or self.cost_after is None:
            return None
        return ((self.cost_after - self.cost_before) / self.cost_before * 100).quantize(Decimal("0.1"))

    @property
    def below_cost(self) -> bool:
        return self.effect is not None and self.effect.below_cost


@dataclass(frozen=True)
class Effects:
    """The averages are over the services on sale that these rows touch and that would stay at or above cost."""

    rows: tuple[Row, ...]
    below_cost: int
    margin_before: Decimal | None
    margin_after: Decimal | None


def effects_of(changes: Sequence[CatalogChange]) -> Effects:
    """The effect of each change by itself. Four queries, however many changes (loaded with offer and provider)."""
    services = _services_by_offer([change.offer_id for change in changes if change.offer_id])
    touched = {service.pk: service for found in services.values() for service in found}
    supplies = {
        supply.service_id: supply for supply in supplies_of(Service.objects.filter(pk__in=list(touched)))
    }
    book, exchange = RuleBook(), exchange_rates()
    rows = []
    for change in changes:
        mine = services.get(change.offer_id or 0, [])
        effect = None
        if change.kind == Kind.PRICE:
            for service in mine:
                supply = supplies[service.pk]
                if supply.offer_id == change.offer_id and effect is None:
                    effect = _effect(service, supply, change, book, exchange)
        rows.append(
            Row(
                change=change,
                name=str(change.after.get("name") or (change.offer.name if change.offer else "")),
                cost_before=_rate(change.before),
                cost_after=_rate(change.after),
                effect=effect,
                services=len(mine),
                open_orders=sum(getattr(service, "open_orders", 0) for service in mine),
            )
        )
    effects = [row.effect for row in rows if row.effect and not row.effect.below_cost]
    return Effects(
        rows=tuple(rows),
        below_cost=sum(1 for row in rows if row.below_cost),
        margin_before=_average([effect.margin_before for effect in effects]),
        margin_after=_average([effect.margin_after for effect in effects]),
    )


def _effect(
    service: Service, supply: Supply, change: CatalogChange, book: RuleBook, exchange: dict[str, Decimal]
) -> ServiceEffect:
    rate = Decimal(change.after["rate"])
    after = price(replace(supply, offer_rate=rate, on_hold=""), book, exchange)
    factor = exchange.get(supply.currency)
    return ServiceEffect(
        service=service,
        cost_before=supply.cost_rate,
        # also where no price can be computed: what it will cost is known
        cost_after=converted(rate, factor) if factor else after.cost_rate,
        price_before=supply.rate,
        price_after=after.rate,
        off_sale=after.off_sale,
    )


def _services_by_offer(offer_ids: Sequence[int]) -> dict[int, list[Service]]:
    """Published services by the offers that may deliver them, each with its number of open orders."""
    routes = Route.objects.filter(offer__in=offer_ids, service__published=True).select_related("service")
    found: dict[int, list[Service]] = {}
    for route in routes:
        found.setdefault(route.offer_id, []).append(route.service)
    ids = {service.pk for services in found.values() for service in services}
    open_orders = _open_orders(list(ids))
    for services in found.values():
        for service in services:
            service.open_orders = open_orders.get(service.pk, 0)  # type: ignore[attr-defined]
    return found


def _open_orders(service_ids: Sequence[int]) -> dict[int, int]:
    rows = Service.objects.filter(pk__in=service_ids, orders__status__in=OPEN)
    return dict(rows.values_list("pk").annotate(n=Count("orders")).order_by())


def _rate(values: dict[str, str]) -> Decimal | None:
    return Decimal(values["rate"]) if "rate" in values else None


def _average(margins: Sequence[Decimal | None]) -> Decimal | None:
    known = [margin for margin in margins if margin is not None]
    return (sum(known, Decimal(0)) / len(known)).quantize(Decimal("0.1")) if known else None
