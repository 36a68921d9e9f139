"""What taking services off the list, or putting them on it, would do. Reads only; prices are those of repricing."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from providers.exchange import exchange_rates
from providers.models import Service
from providers.overview import OPEN
from providers.rates import RuleBook
from providers.repricing import supplies_of
from providers.service_types import TYPES
from providers.simulating import Effect, Simulation, compared, profit_change, summed, units_sold

ZERO = Decimal(0)


@dataclass(frozen=True)
class SaleEffect:
    """`simulation`: the services that go off the list or on it. `open_orders`: theirs, which go on."""

    simulation: Simulation
    open_orders: int

    @property
    def refused(self) -> int:
        """How many of those to be put on the list have no price, or nobody to deliver them."""
        return sum(1 for row in self.simulation.rows if row.off_sale)


def effect_of_unpublishing(service_ids: Collection[int]) -> SaleEffect:
    """The effect of publishing.unpublish: the profit is what the last 30 days' orders of these brought."""
    services = Service.objects.filter(pk__in=service_ids, published=True)
    sold, rows = units_sold(), []
    for service in services.order_by("pk"):
        units, orders = sold.get(service.pk, (0, 0))
        rows.append(
            Effect(
                service_id=service.pk,
                name=service.name,
                cost=service.cost_rate,
                price_now=service.rate,
                new_price=service.rate,
                below_cost=service.rate < service.cost_rate,
                off_sale="",
                profit_change=profit_change(
                    service.service_type, service.rate - service.cost_rate, ZERO, (units, orders)
                ),
                cost_before=service.cost_rate,
                units=orders if TYPES[service.service_type].per_order else units,
            )
        )
    return SaleEffect(summed(rows), _open_orders(service_ids))


def effect_of_publishing_again(service_ids: Collection[int]) -> SaleEffect:
    """The effect of service_editing.publish_services on those that are not on the list: each with the price that it
    gets, or (`off_sale`) why it stays off."""
    services = Service.objects.filter(pk__in=service_ids, published=False)
    pairs = [(supply, supply) for supply in supplies_of(services)]
    simulation = compared(pairs, book=RuleBook(), exchange=exchange_rates())
    return SaleEffect(simulation, _open_orders(service_ids))


def _open_orders(service_ids: Collection[int]) -> int:
    return Service.objects.filter(pk__in=service_ids, orders__status__in=OPEN).count()
