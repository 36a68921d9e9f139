"""The loss lock: a provider that charges more for an order than it was sold for is told to an admin.

The cost was frozen when the order was placed. What a provider reports as charge is evidence only, never booked:
some report the rate per 1000 there, and that raises no alert.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from orders.models import Order
from providers.alerts import raise_alert
from providers.exchange import exchange_rates
from providers.models import Alert

ZERO = Decimal(0)
LIKE_THE_RATE = Decimal("0.01")  # a charge this near to the rate (as a share of it) is the rate
SMALLEST = Decimal("0.01")  # panel currency: less is rounding, and not worth anybody's time


@dataclass(frozen=True)
class Sold:
    """An order as it was sold. `cost`, `charge`: panel currency. `rate`: of the provider, per 1000 units (per order
    for package types), its own `currency`."""

    cost: Decimal
    charge: Decimal
    total: int
    per_order: bool
    rate: Decimal
    currency: str


def loss_on(sold: Sold, reported: Decimal, currency: str, exchange: Mapping[str, Decimal]) -> Decimal | None:
    """What is lost on the order if the provider really takes `reported`, in panel currency; None: nothing, or not known.

    A loss is what goes beyond the frozen cost and the margin on it, that is beyond what the customer paid; where an
    admin let it be sold or sent below cost, beyond that cost.
    `currency` is that of the report, "" for the provider's own.
    """
    factor = exchange.get(currency or sold.currency)
    if factor is None or reported <= 0 or _is_the_rate(sold, reported, exchange):
        return None
    loss = reported * factor - max(sold.charge, sold.cost)
    return loss.quantize(Decimal("0.000001")) if loss >= SMALLEST else None


def _is_the_rate(sold: Sold, reported: Decimal, exchange: Mapping[str, Decimal]) -> bool:
    if sold.per_order:
        return False
    rates = [sold.rate]
    factor = exchange.get(sold.currency)
    if factor and sold.total > 0:
        rates.append(sold.cost * 1000 / sold.total / factor)  # the rate at which it was sold
    return any(abs(reported - rate) <= rate * LIKE_THE_RATE for rate in rates)


def alert_losses(charges: Mapping[int, tuple[Decimal, str]]) -> int:
    """Raise an alert for each service sold at a loss; `charges`: (charge, currency) newly reported, by order id.

    Two statements and one for each service with a loss, told by its largest; none where nothing new was reported.
    Returns how many losses there are.
    """
    if not charges:
        return 0
    exchange = exchange_rates()
    worst: dict[tuple[int, int], tuple[Decimal, int, str]] = {}
    times: Counter[tuple[int, int]] = Counter()
    for pk, service, provider_id, name, sold in _sold(list(charges)):
        reported, currency = charges[pk]
        loss = loss_on(sold, reported, currency, exchange)
        if loss is None:
            continue
        service_id, service_name = service
        times[provider_id, service_id] += 1
        known = worst.get((provider_id, service_id))
        if known is None or loss > known[0]:
            text = (
                f"{name} reports {reported.normalize():f} {currency or sold.currency} as charge of"
                f" order {pk}, which was sold for {sold.charge.normalize():f}. Check the price of"
                f" “{service_name[:120]}” (service {service_id})."
            )
            worst[provider_id, service_id] = (loss, pk, text)
    for (provider_id, service_id), (loss, pk, text) in worst.items():
        raise_alert(
            f"loss:{provider_id}:{service_id}",
            text,
            level=Alert.Level.CRITICAL,
            provider_id=provider_id,
            order_number=pk,
            at_risk=loss,
            times=times[provider_id, service_id],
        )
    return times.total()


def _sold(ids: list[int]) -> Iterator[tuple[int, tuple[int, str], int, str, Sold]]:
    """(order, service with its name, provider, the provider's name, as it was sold): values, because a batch asks for hundreds."""
    rows = Order.objects.filter(pk__in=ids).values_list(
        "pk", "service_id", "service__name", "submission__provider_id", "submission__provider__name",
        "cost", "charge", "total", "per_order", "submission__offer__rate", "submission__provider__currency",
    )  # fmt: skip
    for (
        pk,
        service_id,
        service_name,
        provider_id,
        name,
        cost,
        charge,
        total,
        per_order,
        rate,
        currency,
    ) in rows:
        yield (
            pk,
            (service_id, service_name),
            provider_id,
            name,
            Sold(cost, charge, total, per_order, rate, currency),
        )
