"""Prices as arithmetic: pure functions on Decimals, no database.

Rates are per 1000 units (per order for package types), numeric(18,8). Amounts are numeric(20,6).
Everything is computed exactly and quantised once, half up; a positive price never becomes zero.
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, localcontext

RATE = Decimal("0.00000001")
AMOUNT = Decimal("0.000001")
ZERO = Decimal("0")
HUNDRED = Decimal("100")
# Rates have 18 digits and totals up to 19: enough that no intermediate product is ever rounded.
_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)


@dataclass(frozen=True)
class Terms:
    """A markup rule's numbers: percent on cost, fixed and minimum per 1000 in panel currency, rounding."""

    percent: Decimal = ZERO
    fixed: Decimal = ZERO
    minimum: Decimal = ZERO
    rounding: str = "none"  # none | nearest | up | ending
    places: int = 2
    ending: Decimal = ZERO


def converted(rate: Decimal, exchange: Decimal) -> Decimal:
    """A provider's rate in panel currency, 8 places, rounded up: a cost is never understated."""
    with localcontext(_EXACT):
        return (rate * exchange).quantize(RATE, rounding=ROUND_CEILING)


def sell_rate(cost: Decimal, terms: Terms, *, below_cost: bool = False) -> Decimal:
    """The rate per 1000 at which a cost is sold, 8 places; never below cost unless an admin allowed it."""
    with localcontext(_EXACT):
        rate = max(cost * (HUNDRED + terms.percent) / HUNDRED + terms.fixed, terms.minimum)
        rate = _rounded(rate, terms)
        if rate < cost and not below_cost:
            rate = cost
        return max(rate.quantize(RATE, rounding=ROUND_HALF_UP), RATE if rate > 0 else ZERO)


def _rounded(rate: Decimal, terms: Terms) -> Decimal:
    step = Decimal(1).scaleb(-terms.places)
    if terms.rounding == "nearest":
        return rate.quantize(step, rounding=ROUND_HALF_UP) or (step if rate > 0 else ZERO)
    if terms.rounding == "up":
        return rate.quantize(step, rounding=ROUND_CEILING)
    if terms.rounding == "ending":
        whole = rate.to_integral_value(rounding=ROUND_FLOOR)
        below_one = terms.ending % 1
        return whole + below_one if rate <= whole + below_one else whole + 1 + below_one
    return rate


def discounted(rate: Decimal, percent_off: Decimal) -> Decimal:
    """A list rate less a customer's percentage, 8 places."""
    with localcontext(_EXACT):
        return max(
            (rate * (HUNDRED - percent_off) / HUNDRED).quantize(RATE, rounding=ROUND_HALF_UP),
            RATE if rate > 0 else ZERO,
        )


def charge_for(rate: Decimal, total: int, *, per_order: bool) -> Decimal:
    """What `total` units cost at `rate` per 1000 (or one order at `rate`), 6 places half up, at least 0.000001 if positive."""
    with localcontext(_EXACT):
        exact = rate if per_order else rate * total / 1000
        amount = exact.quantize(AMOUNT, rounding=ROUND_HALF_UP)
        return AMOUNT if amount == 0 and exact > 0 else amount


def refund_target(charge: Decimal, remains: int, total: int) -> Decimal:
    """The cumulative refund when `remains` of `total` were not delivered: floor to 6 places, within 0 and the charge."""
    with localcontext(_EXACT):
        within = min(max(remains, 0), total)
        return (charge * within / total).quantize(AMOUNT, rounding=ROUND_FLOOR)


def cost_of_delivered(cost: Decimal, remains: int, total: int) -> Decimal:
    """The expected cost after the end: cost × (total − remains) / total, 6 places half up."""
    with localcontext(_EXACT):
        return (cost * (total - min(max(remains, 0), total)) / total).quantize(AMOUNT, rounding=ROUND_HALF_UP)


def margin_percent(rate: Decimal, cost: Decimal) -> Decimal | None:
    """Share of the price that stays, in percent with one place; None where there is no price."""
    if rate <= 0:
        return None
    with localcontext(_EXACT):
        return ((rate - cost) / rate * HUNDRED).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)
