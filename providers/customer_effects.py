"""What a special rate, copying or ending them, or another price list would do to what one customer pays. Reads only.

What he pays is that of providers.rates; the profit is that on his own orders of the last 30 days.
"""

from collections.abc import Iterable
from decimal import Decimal

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from customers.models import PriceGroup, User
from providers.models import Service, SpecialRate
from providers.pricing import RATE
from providers.rates import CustomerRates
from providers.repricing import supplies_of
from providers.service_types import TYPES
from providers.simulating import Effect, Simulation, profit_change, summed, units_bought
from providers.special_rates import InvalidRate, check_terms


def effect_of_special_rate(
    customer: User, service: Service, *, rate: Decimal | None = None, discount_percent: Decimal | None = None
) -> Simulation:
    """The effect of special_rates.set_special_rate. Raises InvalidRate as it does."""
    check_terms(rate, discount_percent)
    rate = rate if rate is None else rate.quantize(RATE)  # as the column keeps it
    one = SpecialRate(user=customer, service=service, rate=rate, discount_percent=discount_percent)
    others = SpecialRate.objects.filter(user=customer).exclude(service=service)
    return _compared(customer, [*others, one], Service.objects.filter(pk=service.pk))


def effect_of_copying(source: User, customer: User) -> Simulation:
    """The effect of special_rates.copy_special_rates. Raises InvalidRate as it does."""
    if source.pk == customer.pk:
        raise InvalidRate({"customer": _("A customer's prices cannot be copied to himself.")})
    copied = list(SpecialRate.objects.filter(user=source))
    ids = [row.service_id for row in copied]
    others = SpecialRate.objects.filter(user=customer).exclude(service__in=ids)
    return _compared(customer, [*others, *copied], Service.objects.filter(pk__in=ids))


def effect_of_ending(customer: User, service: Service | None = None) -> Simulation:
    """The effect of special_rates.reset_special_rates."""
    ended = SpecialRate.objects.filter(user=customer)
    stay: QuerySet[SpecialRate] = ended.none()
    if service is not None:
        ended, stay = ended.filter(service=service), ended.exclude(service=service)
    ids = list(ended.values_list("service_id", flat=True))
    return _compared(customer, stay, Service.objects.filter(pk__in=ids))


def effect_of_price_list(customer: User, group: PriceGroup | None) -> Simulation:
    """The effect of customers.managing.set_price_group: the services on sale that would cost him something else."""
    customer = User.objects.get(pk=customer.pk)
    now, special = CustomerRates(customer), SpecialRate.objects.filter(user=customer)
    then = CustomerRates.of(special, group.pk if group else None)
    rows = _rows(customer, now, then, Service.objects.filter(published=True))
    return summed(row for row in rows if row.new_price != row.price_now)


def _compared(customer: User, special: Iterable[SpecialRate], services: QuerySet[Service]) -> Simulation:
    now, then = CustomerRates(customer), CustomerRates.of(special, customer.price_group_id)
    return summed(_rows(customer, now, then, services))


def _rows(
    customer: User, now: CustomerRates, then: CustomerRates, services: QuerySet[Service]
) -> list[Effect]:
    provider_of = {supply.service_id: supply.provider_id for supply in supplies_of(services)}
    bought, rows = units_bought(customer.pk), []
    for service in services.order_by("pk"):
        provider_id, sold = provider_of.get(service.pk), bought.get(service.pk, (0, 0))
        before, after = now.rate(service, provider_id), then.rate(service, provider_id)
        rows.append(
            Effect(
                service_id=service.pk,
                name=service.name,
                cost=service.cost_rate,
                price_now=before,
                new_price=after,
                below_cost=after < service.cost_rate,
                off_sale=service.off_sale,
                profit_change=profit_change(service.service_type, before, after, sold),
                cost_before=service.cost_rate,
                units=sold[1] if TYPES[service.service_type].per_order else sold[0],
            )
        )
    return rows
