"""Cost, price and the reason for being off sale; the effect of a rule before it is applied."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.models import PriceGroup, User
from providers.exchange import exchange_rates
from providers.models import (
    Category,
    ExchangeRate,
    MarkupRule,
    Offer,
    Provider,
    Route,
    Service,
    SpecialRate,
)
from providers.rate_setting import set_rate
from providers.rates import RuleBook
from providers.repricing import reprice, reprice_provider, supplies_of
from providers.simulating import compared, simulate_rule
from tests import world
from tests.providers.shop import everything_at

pytestmark = pytest.mark.django_db


@pytest.fixture
def meridian() -> Provider:
    return world.provider()


def made(provider: Provider, external_id: str = "1", **values: Any) -> Service:
    """A service by an offer at 2.00, with a price of 9 that the rules do not give."""
    offer = world.offer(provider, external_id, **({"rate": Decimal(2)} | values))
    return world.service(offer, rate="9", cost_rate=Decimal(2))


def fresh(service: Service) -> Service:
    service.refresh_from_db()
    return service


def test_the_most_specific_rule_wins_and_within_a_scope_the_lowest_position(meridian: Provider) -> None:
    service = made(meridian)
    rules = [
        ({"scope": "everything", "percent": 10}, "2.2"),
        ({"scope": "provider", "provider": meridian, "percent": 20}, "2.4"),
        ({"scope": "category", "category": service.category, "percent": 30, "position": 2}, "2.6"),
        ({"scope": "category", "category": service.category, "percent": 35, "position": 1}, "2.7"),
        ({"scope": "service", "service": service, "percent": 0}, "2"),
    ]
    for values, expected in rules:
        MarkupRule.objects.create(**values)
        reprice()
        assert fresh(service).rate == Decimal(expected)
    MarkupRule.objects.filter(scope="service").update(enabled=False)
    reprice()
    assert fresh(service).rate == Decimal("2.7")


def test_percent_fixed_minimum_and_rounding_work_together(meridian: Provider) -> None:
    service = made(meridian, rate=Decimal("1.234"))
    rule = everything_at(10, fixed=Decimal("0.1"), rounding="ending", ending=Decimal("0.99"))
    reprice()
    assert fresh(service).rate == Decimal("1.99")
    rule.minimum, rule.rounding = Decimal("3.5"), "none"
    rule.save()
    reprice()
    assert fresh(service).rate == Decimal("3.5")


def test_a_rule_for_a_price_group_does_not_touch_the_list_price(meridian: Provider) -> None:
    service = made(meridian)
    everything_at(10)
    everything_at(90, price_group=PriceGroup.objects.create(name="Agencies"))
    reprice()
    assert fresh(service).rate == Decimal("2.2")


def test_a_foreign_rate_is_converted_by_the_latest_exchange_rate_and_never_understated(
    meridian: Provider,
) -> None:
    Provider.objects.update(currency="EUR")
    service = made(meridian, rate=Decimal("0.33333333"))
    everything_at(0)
    reprice()
    assert fresh(service).off_sale == "There is no exchange rate for EUR."
    today = timezone.now().date()
    for days, rate in ((-2, "9"), (1, "7")):
        ExchangeRate.objects.create(currency="EUR", rate=rate, date=today + timedelta(days=days))
    set_rate("eur", Decimal("1.1"))
    service = fresh(service)
    assert (service.off_sale, service.cost_rate, service.rate) == (
        "",
        Decimal("0.36666667"),
        Decimal("0.36666667"),
    )


def test_the_panels_own_currency_and_nonsense_have_no_rate_to_set() -> None:
    for currency, rate in (("USD", "1"), ("EURO", "1"), ("EUR", "0"), ("EUR", "-1"), ("EUR", "0.000000001")):
        with pytest.raises(ValueError):
            set_rate(currency, Decimal(rate))
    assert not ExchangeRate.objects.exists()


def test_a_service_without_a_rule_is_off_sale_with_a_reason(meridian: Provider) -> None:
    service = made(meridian)
    reprice()
    assert (fresh(service).off_sale, service.rate) == ("No markup rule applies to it.", Decimal(9))
    everything_at(5)
    reprice()
    assert fresh(service).on_sale


def test_a_pinned_price_stands_above_the_rules_but_not_below_cost_without_a_reason(
    meridian: Provider,
) -> None:
    service = made(meridian)
    everything_at(10)
    Service.objects.update(pinned_rate=Decimal("1.5"))
    reprice()
    assert "below the cost" in fresh(service).off_sale
    Service.objects.update(below_cost_reason="An offer for new customers")
    reprice()
    assert (fresh(service).off_sale, service.rate) == ("", Decimal("1.5"))
    Service.objects.update(pinned_rate=Decimal("4"), below_cost_reason="")
    reprice()
    assert (fresh(service).off_sale, service.rate) == ("", Decimal("4"))


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"gone_at": timezone.now(), "missing_since": timezone.now()}, "no longer lists it"),
        ({"on_hold": "The price rose."}, "The price rose."),
        ({"service_type": ""}, "cannot be sold"),
        ({"service_type": "subscriptions"}, "cannot be sold"),
        ({"service_type": "package"}, "another unit"),
        ({"rate": 0}, "rate is zero"),
        ({"minimum": 9, "maximum": 3}, "make no sense"),
    ],
)
def test_an_offer_that_cannot_be_sold_takes_its_service_off_sale_and_back(
    meridian: Provider, broken: dict[str, Any], says: str
) -> None:
    service = made(meridian)
    everything_at(10)
    reprice()
    whole = Offer.objects.values(*broken).get()
    Offer.objects.update(**broken)
    reprice_provider(meridian.pk)
    assert says in fresh(service).off_sale
    assert service.rate == Decimal("2.2")
    Offer.objects.update(**whole)
    reprice_provider(meridian.pk)
    assert fresh(service).on_sale


def test_an_archived_provider_and_a_missing_route_take_a_service_off_sale(meridian: Provider) -> None:
    service = made(meridian)
    everything_at(10)
    Provider.objects.update(archived_at=timezone.now())
    reprice()
    assert fresh(service).off_sale == "Its provider is archived."
    Provider.objects.update(archived_at=None)
    Route.objects.update(enabled=False)
    reprice()
    assert fresh(service).off_sale == "No provider delivers it."


def test_a_paused_providers_services_stay_on_sale(meridian: Provider) -> None:
    service = made(meridian)
    everything_at(10)
    Provider.objects.update(paused_at=timezone.now(), pause_kind="manual")
    reprice()
    assert fresh(service).on_sale


def test_the_cost_is_that_of_the_first_usable_route(meridian: Provider) -> None:
    service = made(meridian)
    Route.objects.create(
        service=service, offer=world.offer(meridian, "2", rate=Decimal(3), service_type="default"), position=1
    )
    everything_at(10)
    reprice()
    assert fresh(service).cost_rate == Decimal(2)
    Offer.objects.filter(external_id="1").update(on_hold="The price rose.")
    reprice()
    assert (fresh(service).cost_rate, service.rate, service.on_sale) == (Decimal(3), Decimal("3.3"), True)


def test_a_price_too_large_for_its_column_is_off_sale_not_an_error(meridian: Provider) -> None:
    service = made(meridian, rate=Decimal("9999999999"))
    everything_at(900)
    reprice()
    assert "too large" in fresh(service).off_sale


def test_repricing_what_is_right_writes_nothing_and_statements_are_constant(meridian: Provider) -> None:
    everything_at(10)
    for number in range(30):
        made(meridian, str(number))
    with CaptureQueriesContext(connection) as first:
        assert reprice() == 30
    with CaptureQueriesContext(connection) as second:
        assert reprice() == 0
    assert not any("UPDATE" in query["sql"] for query in second)
    for number in range(30, 90):
        made(meridian, str(number))
    Service.objects.update(rate=9)
    with CaptureQueriesContext(connection) as third:
        assert reprice() == 90
    assert len(third) == len(first)


# ── the effect beforehand ───────────────────────────────────────────────────────────────────────────


def test_a_simulation_shows_the_effect_and_writes_nothing(meridian: Provider) -> None:
    service = made(meridian)
    other = made(meridian, "2", category="Elsewhere")
    everything_at(10)
    reprice()
    world.order(world.customer(), service, quantity=5000)
    rule = MarkupRule(scope="category", category=service.category, percent=Decimal(50))
    with CaptureQueriesContext(connection) as queries:
        effect = simulate_rule(rule)
    assert not any(query["sql"].lstrip().startswith(("INSERT", "UPDATE")) for query in queries)
    (row,) = effect.rows
    assert (row.service_id, row.cost, row.price_now, row.new_price) == (
        service.pk,
        Decimal(2),
        Decimal("2.2"),
        Decimal(3),
    )
    assert (row.change_percent, row.margin_before, row.margin_after) == (
        Decimal("36.4"),
        Decimal("9.1"),
        Decimal("33.3"),
    )
    assert row.profit_change == Decimal("4.000000")  # 5,000 sold, 0.80 more for each thousand
    assert (effect.touched, effect.changed, effect.large_rises, effect.below_cost) == (1, 1, 1, 0)
    assert fresh(other).rate == Decimal("2.2")
    assert MarkupRule.objects.count() == 1
    rule.save()
    reprice()
    assert fresh(service).rate == row.new_price


def test_a_simulation_of_a_rules_end_shows_what_the_next_rule_gives(meridian: Provider) -> None:
    service = made(meridian)
    everything_at(10)
    special = MarkupRule.objects.create(scope="service", service=service, percent=100)
    reprice()
    effect = simulate_rule(special, removed=True)
    assert [(row.price_now, row.new_price) for row in effect.rows] == [(Decimal(4), Decimal("2.2"))]
    changed = MarkupRule(scope="service", service=service, percent=Decimal(1))
    effect = simulate_rule(changed, replaces=special)
    assert [row.new_price for row in effect.rows] == [Decimal("2.02")]
    assert fresh(service).rate == Decimal(4)


def test_a_simulation_for_a_price_group_compares_with_what_its_customers_pay_now(meridian: Provider) -> None:
    made(meridian)
    everything_at(10)
    reprice()
    group = PriceGroup.objects.create(name="Agencies")
    rule = MarkupRule(scope="everything", percent=Decimal(5), price_group=group)
    (row,) = simulate_rule(rule).rows
    assert (row.price_now, row.new_price) == (Decimal("2.2"), Decimal("2.1"))


def test_a_simulation_of_a_price_list_counts_the_orders_of_those_who_pay_by_it(meridian: Provider) -> None:
    service = made(meridian)
    everything_at(10)
    reprice()
    group = PriceGroup.objects.create(name="Agencies")
    member, agreed, outsider = (world.customer(f"{name}@example.org") for name in ("m", "a", "o"))
    User.objects.filter(pk__in=[member.pk, agreed.pk]).update(price_group=group)
    SpecialRate.objects.create(user=agreed, service=service, rate=Decimal(2))
    for customer, quantity in ((member, 1000), (agreed, 2000), (outsider, 4000)):
        world.order(customer, service, quantity=quantity)
    listed = MarkupRule(scope="everything", percent=Decimal(60), price_group=group)
    assert simulate_rule(listed).profit_change == Decimal("1.000000")  # 1.00 more for the member's thousand
    standard = MarkupRule(scope="category", category=service.category, percent=Decimal(60))
    assert simulate_rule(standard).profit_change == Decimal("4.000000")  # for the outsider's four
    SpecialRate.objects.create(user=outsider, service=service, rate=Decimal(2))
    assert simulate_rule(standard).profit_change == 0


def test_what_a_change_takes_off_sale_brings_no_profit(meridian: Provider) -> None:
    service = made(meridian)
    rule = everything_at(10)
    reprice()
    world.order(world.customer(), service, quantity=5000)
    effect = simulate_rule(rule, removed=True)
    assert effect.rows[0].off_sale
    assert effect.profit_change == Decimal("-1.000000"), "0.20 of each thousand is gone"
    currency = compared(
        [(supply, replace(supply, currency="XXX")) for supply in supplies_of()],
        book=RuleBook(),
        exchange=exchange_rates(),
    )
    assert currency.profit_change == Decimal("-1.000000")


def test_a_simulation_leaves_alone_what_the_rule_does_not_price(meridian: Provider) -> None:
    made(meridian)
    everything_at(10)
    rule = MarkupRule(scope="category", category=Category.objects.create(name="Empty"), percent=Decimal(50))
    assert simulate_rule(rule).rows == ()
