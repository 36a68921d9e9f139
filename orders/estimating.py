"""What an order would cost while it is still being typed, and what a balance allows."""

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from customers.models import User
from orders.placing import Quote, quote
from providers.pricing import charge_for
from providers.service_types import Field, ServiceType


def estimate(user: User, service_id: int, service_type: ServiceType, raw: Mapping[str, str]) -> Quote:
    """Price a half-filled form: what does not count (the link, a user name) may still be missing.

    Raises NotOnSale, or InvalidOrder for what does count: quantity, lines, runs, interval.
    """
    given = {name: value for name, value in raw.items() if value.strip()}
    fillers = {"link": "-"} | {
        field.name: _filler(field) for field in service_type.fields if field.name != service_type.lines_field
    }
    return quote(user, service_id, fillers | given)


def _filler(field: Field) -> str:
    if field.kind == "choice":
        return field.choices[-1][0]  # the last one asks for no further field
    return "1" if field.kind == "integer" else "-"


def affordable(priced: Quote, balance: Decimal) -> int | None:
    """The largest quantity per run (or number of lines) that `balance` pays; None below the minimum or per order."""
    if priced.service.per_order or priced.rate <= 0:
        return None
    runs = priced.ordered.runs or 1
    most = int((balance * 1000 / priced.rate / runs).to_integral_value(ROUND_FLOOR))
    while most > 0 and charge_for(priced.rate, most * runs, per_order=False) > balance:
        most -= 1
    return most if most >= max(priced.service.minimum, 1) else None


def to_add(missing: Decimal) -> Decimal:
    """The amount to add so that the order can be paid, rounded up to whole cents: never a cent too little."""
    return missing.quantize(Decimal("0.01"), ROUND_CEILING)
