"""The laws of prices: exact, rounded once, never below cost, a refund never above its charge."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.pricing import (
    AMOUNT,
    RATE,
    Terms,
    charge_for,
    converted,
    cost_of_delivered,
    discounted,
    margin_percent,
    refund_target,
    sell_rate,
)


def decimals(largest: str, places: int, least: str = "0") -> st.SearchStrategy[Decimal]:
    return st.decimals(
        min_value=Decimal(least),
        max_value=Decimal(largest),
        places=places,
        allow_nan=False,
        allow_infinity=False,
    )


rates = decimals("99999999", 8)
positive_rates = decimals("99999999", 8, least="0.00000001")
totals = st.integers(min_value=1, max_value=2**31)
charges = decimals("9999999999", 6, least="0.000001")
exchange = decimals("99999", 8, least="0.00000001")
terms = st.builds(
    Terms,
    percent=decimals("10000", 4, least="-100"),
    fixed=decimals("1000", 8),
    minimum=decimals("1000", 8),
    rounding=st.sampled_from(["none", "nearest", "up", "ending"]),
    places=st.integers(min_value=0, max_value=8),
    ending=decimals("0.999999", 6),
)


def has_places(value: Decimal, step: Decimal) -> bool:
    return value == value.quantize(step)


@given(cost=rates, terms=terms)
def test_a_rule_never_sells_below_cost(cost: Decimal, terms: Terms) -> None:
    rate = sell_rate(cost, terms)
    assert rate >= cost
    assert has_places(rate, RATE)


@given(cost=positive_rates, terms=terms)
def test_a_positive_price_never_becomes_zero_even_where_below_cost_is_allowed(
    cost: Decimal, terms: Terms
) -> None:
    free = terms.percent == -100 and not terms.fixed and not terms.minimum
    rate = sell_rate(cost, terms, below_cost=True)
    assert rate > 0 or free


@given(cost=rates, terms=terms, more=decimals("1000", 8))
def test_a_dearer_cost_never_gives_a_cheaper_price(cost: Decimal, terms: Terms, more: Decimal) -> None:
    assert sell_rate(cost + more, terms) >= sell_rate(cost, terms)


@given(cost=rates, terms=terms)
def test_a_minimum_holds_whatever_else_the_rule_says(cost: Decimal, terms: Terms) -> None:
    step = Decimal(1).scaleb(-terms.places) if terms.rounding == "nearest" else Decimal(0)
    assert sell_rate(cost, terms) >= terms.minimum - step


@given(cost=rates, percent=decimals("1000", 4))
def test_without_rounding_a_percentage_is_exact_to_eight_places(cost: Decimal, percent: Decimal) -> None:
    exact = Fraction(cost) * (100 + Fraction(percent)) / 100
    assert abs(Fraction(sell_rate(cost, Terms(percent=percent))) - exact) <= Fraction(1, 2 * 10**8)


@given(cost=positive_rates, places=st.integers(min_value=0, max_value=8))
def test_rounding_up_never_goes_down_and_less_than_one_step_up(cost: Decimal, places: int) -> None:
    rate = sell_rate(cost, Terms(rounding="up", places=places))
    step = Decimal(1).scaleb(-places)
    assert cost <= rate < cost + step
    assert has_places(rate, step)


@given(cost=rates, ending=decimals("0.999999", 6))
def test_a_price_ending_is_reached_within_one_unit_upwards(cost: Decimal, ending: Decimal) -> None:
    rate = sell_rate(cost, Terms(rounding="ending", ending=ending))
    assert rate % 1 == ending
    assert cost <= rate <= cost + 1


@pytest.mark.parametrize(
    ("cost", "terms", "expected"),
    [
        ("0.90", Terms(percent=Decimal(25)), "1.125"),
        ("0.90", Terms(percent=Decimal(0)), "0.90"),
        ("0.90", Terms(percent=Decimal(25), rounding="nearest"), "1.13"),
        ("0.90", Terms(percent=Decimal(24), rounding="up"), "1.12"),
        ("1.00", Terms(percent=Decimal(0), rounding="ending", ending=Decimal("0.99")), "1.99"),
        ("1.004", Terms(rounding="nearest"), "1.004"),  # 1.00 would be below cost
        ("0.10", Terms(percent=Decimal(50), fixed=Decimal("0.02"), minimum=Decimal("0.5")), "0.5"),
        ("0.00000001", Terms(percent=Decimal(25)), "0.00000001"),
        ("1", Terms(percent=Decimal(-40)), "1"),
    ],
)
def test_rules_as_an_admin_would_check_them(cost: str, terms: Terms, expected: str) -> None:
    assert sell_rate(Decimal(cost), terms) == Decimal(expected)


def test_below_cost_only_where_an_admin_allowed_it() -> None:
    loss = Terms(percent=Decimal(-40))
    assert sell_rate(Decimal(1), loss, below_cost=True) == Decimal("0.6")
    assert sell_rate(Decimal("0.001"), Terms(rounding="nearest"), below_cost=True) == Decimal("0.01")


@given(rate=rates, by=exchange)
def test_a_converted_cost_is_never_understated(rate: Decimal, by: Decimal) -> None:
    exact = Fraction(rate) * Fraction(by)
    cost = Fraction(converted(rate, by))
    assert exact <= cost < exact + Fraction(RATE)


@given(rate=positive_rates, total=totals, per_order=st.booleans())
def test_a_charge_is_positive_and_rounded_once(rate: Decimal, total: int, per_order: bool) -> None:
    charge = charge_for(rate, total, per_order=per_order)
    exact = Fraction(rate) * (1 if per_order else Fraction(total, 1000))
    assert charge > 0
    assert has_places(charge, AMOUNT)
    assert charge == AMOUNT or abs(Fraction(charge) - exact) <= Fraction(1, 2 * 10**6)


@given(rate=rates, one=totals, more=totals)
def test_more_never_costs_less(rate: Decimal, one: int, more: int) -> None:
    assert charge_for(rate, one + more, per_order=False) >= charge_for(rate, one, per_order=False)


@given(charge=charges, remains=st.integers(min_value=-5, max_value=2**31), total=totals)
def test_a_refund_is_within_the_charge_and_rounded_down(charge: Decimal, remains: int, total: int) -> None:
    refund = refund_target(charge, remains, total)
    within = min(max(remains, 0), total)
    assert 0 <= refund <= charge
    assert refund == (charge * within / total).quantize(AMOUNT, rounding=ROUND_FLOOR)
    assert refund_target(charge, total, total) == charge
    assert refund_target(charge, 0, total) == 0


@given(charge=charges, total=totals, data=st.data())
def test_a_refund_grows_with_what_remains(charge: Decimal, total: int, data: st.DataObject) -> None:
    less = data.draw(st.integers(min_value=0, max_value=total))
    more = data.draw(st.integers(min_value=less, max_value=total))
    assert refund_target(charge, less, total) <= refund_target(charge, more, total)


@given(cost=decimals("9999999999", 6), total=totals, data=st.data())
def test_the_cost_of_what_was_delivered_is_within_the_cost(
    cost: Decimal, total: int, data: st.DataObject
) -> None:
    remains = data.draw(st.integers(min_value=0, max_value=total))
    assert 0 <= cost_of_delivered(cost, remains, total) <= cost
    assert cost_of_delivered(cost, 0, total) == cost
    assert cost_of_delivered(cost, total, total) == 0


@given(rate=positive_rates, off=decimals("99.9999", 4))
def test_a_discount_never_makes_a_price_free_or_higher(rate: Decimal, off: Decimal) -> None:
    assert 0 < discounted(rate, off) <= rate


@given(cost=rates, rate=positive_rates)
def test_a_margin_is_negative_exactly_below_cost(cost: Decimal, rate: Decimal) -> None:
    margin = margin_percent(rate, cost)
    assert margin is not None
    assert margin <= 100
    if rate >= cost:
        assert margin >= 0
    exact = (rate - cost) / rate * 100
    assert abs(margin - exact.quantize(Decimal("0.1"), rounding=ROUND_CEILING)) <= Decimal("0.1")


def test_no_price_has_no_margin() -> None:
    assert margin_percent(Decimal(0), Decimal(0)) is None
