"""A customer's own prices: set for one service, copied from another customer, taken back. Open orders keep theirs.

What a customer pays is providers.rates; a special rate below cost counts as the cost unless the service allows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection, transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from customers.audit import record
from customers.models import User
from providers.comparing import LARGEST_RATE
from providers.models import Service, SpecialRate
from providers.pricing import RATE
from providers.rates import CustomerRates
from providers.repricing import supplies_of


class InvalidRate(ValueError):
    """Nothing was saved. `errors`: a sentence by field (rate, discount_percent, customer)."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = dict(errors)


@dataclass(frozen=True)
class Price:
    """One special rate as a page shows it; panel currency per 1000 (or per order). `pays`: what he pays in the end."""

    special: SpecialRate
    service: Service
    list_rate: Decimal
    pays: Decimal

    @property
    def below_cost(self) -> bool:
        """What was set is less than the cost, so that the cost is charged (or more: an admin allowed it)."""
        return self.special.rate is not None and self.special.rate < self.service.cost_rate


def prices_of(customer: User) -> list[Price]:
    """All special rates of a customer, by service number, each as an order would charge it. Six statements at most."""
    rates = CustomerRates(customer)
    rows = list(SpecialRate.objects.filter(user=customer).select_related("service").order_by("service_id"))
    supplies = supplies_of(Service.objects.filter(pk__in=[row.service_id for row in rows]))
    by = {supply.service_id: supply.provider_id for supply in supplies}
    return [
        Price(row, row.service, row.service.rate, rates.rate(row.service, by.get(row.service_id)))
        for row in rows
    ]


def set_special_rate(
    customer: User,
    service: Service,
    *,
    rate: Decimal | None = None,
    discount_percent: Decimal | None = None,
    note: str = "",
    by: User | None = None,
    request: HttpRequest | None = None,
) -> SpecialRate:
    """Set one price: a rate per 1000 (or per order), or a percentage off what he would pay; replaces an earlier one.

    Raises InvalidRate where it is neither, both, or no price.
    """
    check_terms(rate, discount_percent)
    values = {"rate": rate, "discount_percent": discount_percent, "note": " ".join(note.split())[:200]}
    with transaction.atomic():
        earlier = SpecialRate.objects.select_for_update().filter(user=customer, service=service).first()
        saved, _made = SpecialRate.objects.update_or_create(user=customer, service=service, defaults=values)
        details = {
            "service": service.pk,
            "before": _told(earlier) if earlier else "",
            "after": _told(saved),
            "note": saved.note,
        }
        summary = f"Special rate of {customer.email} for service {service.pk}: {_told(saved)}"
        record(by, "special_rate.set", customer, summary, details, request)
    return saved


def check_terms(rate: Decimal | None, discount_percent: Decimal | None) -> None:
    """Raises InvalidRate where it is neither a price nor a discount, both, or no possible one."""
    if (rate is None) == (discount_percent is None):
        raise InvalidRate({"rate": _("Enter either a price or a discount.")})
    if rate is not None and not (0 < rate <= LARGEST_RATE and rate == rate.quantize(RATE)):
        raise InvalidRate({"rate": _("A price is more than zero and has at most 8 decimals.")})
    if discount_percent is not None and not (
        0 <= discount_percent < 100 and discount_percent == discount_percent.quantize(Decimal("0.0001"))
    ):
        raise InvalidRate(
            {
                "discount_percent": _(
                    "A discount is a percentage from 0 to less than 100, with at most 4 decimals."
                )
            }
        )


def copy_special_rates(
    source: User, customer: User, *, by: User | None = None, request: HttpRequest | None = None
) -> int:
    """Give `customer` all special rates of `source`; his own for the same services are replaced, others stay.

    Returns how many were copied. One statement for the rates. Raises InvalidRate for the same customer twice.
    """
    if source.pk == customer.pk:
        raise InvalidRate({"customer": _("A customer's prices cannot be copied to himself.")})
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO providers_specialrate (user_id, service_id, rate, discount_percent, note)
                SELECT %s, service_id, rate, discount_percent, note FROM providers_specialrate WHERE user_id = %s
                ON CONFLICT (user_id, service_id) DO UPDATE SET rate = excluded.rate,
                    discount_percent = excluded.discount_percent, note = excluded.note
                """,
                [customer.pk, source.pk],
            )
            copied = cursor.rowcount
        if copied:
            summary = f"{copied} special rates of {source.email} copied to {customer.email}"
            record(by, "special_rate.copy", customer, summary, {"from": source.pk, "rates": copied}, request)
    return copied


def reset_special_rates(
    customer: User,
    service: Service | None = None,
    *,
    by: User | None = None,
    request: HttpRequest | None = None,
) -> int:
    """Back to his price group or the list: for one service, or (None) for all. Returns how many ended."""
    with transaction.atomic():
        rows = SpecialRate.objects.filter(user=customer)
        if service is not None:
            rows = rows.filter(service=service)
        ended = {row.service_id: _told(row) for row in rows.select_for_update()}
        rows.delete()
        if ended:
            summary = f"{len(ended)} special rates of {customer.email} ended"
            details = {"before": dict(list(ended.items())[:500])}
            record(by, "special_rate.reset", customer, summary, details, request)
    return len(ended)


def _told(row: SpecialRate) -> str:
    if row.rate is not None:
        return f"{row.rate.normalize():f}"
    return f"{(row.discount_percent or Decimal(0)).normalize():f} % off"
