"""Customers' own prices: set, copied, taken back."""

import json
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.models import AuditEntry, PriceGroup, User
from providers.models import MarkupRule, Service, SpecialRate
from providers.rates import CustomerRates
from providers.special_rates import (
    InvalidRate,
    copy_special_rates,
    prices_of,
    reset_special_rates,
    set_special_rate,
)
from tests import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return world.customer()


@pytest.fixture
def services() -> list[Service]:
    provider = world.provider()
    return [world.service(world.offer(provider, str(number))) for number in (1, 2, 3)]


def pays(customer: User, service: Service) -> Decimal:
    return CustomerRates(customer).rate(service)


def test_a_price_of_his_own_replaces_the_earlier_one(alice: User, services: list[Service]) -> None:
    adam = world.admin()
    set_special_rate(alice, services[0], discount_percent=Decimal("10"))
    assert pays(alice, services[0]) == Decimal("1.80")
    set_special_rate(alice, services[0], rate=Decimal("1.50"), note=" agreed  by mail ", by=adam)
    assert pays(alice, services[0]) == Decimal("1.50")
    assert pays(world.bob(), services[0]) == pays(alice, services[1]) == Decimal("2.00")
    entry = AuditEntry.objects.filter(verb="special_rate.set").latest("pk")
    assert entry.details == {
        "service": services[0].pk,
        "before": "10 % off",
        "after": "1.5",
        "note": "agreed by mail",
    }
    assert entry.actor_label == adam.email


def test_a_discount_is_off_the_price_of_his_group_and_never_below_cost(
    alice: User, services: list[Service]
) -> None:
    group = PriceGroup.objects.create(name="Agencies")
    MarkupRule.objects.create(scope="everything", percent=60, price_group=group)
    alice.price_group = group
    alice.save()
    set_special_rate(alice, services[0], discount_percent=Decimal("25"))
    set_special_rate(alice, services[1], rate=Decimal("0.40"))
    first, second = prices_of(alice)
    assert (first.list_rate, first.pays, first.below_cost) == (Decimal("2.00"), Decimal("1.20"), False)
    assert (second.pays, second.below_cost) == (Decimal("1.00"), True)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"rate": Decimal("1"), "discount_percent": Decimal("1")},
        {"rate": Decimal("0")},
        {"rate": Decimal("-1")},
        {"rate": Decimal("0.000000001")},
        {"rate": Decimal("1e12")},
        {"discount_percent": Decimal("100")},
        {"discount_percent": Decimal("-1")},
        {"discount_percent": Decimal("1.00001")},
    ],
)
def test_what_is_no_price_is_not_saved(
    alice: User, services: list[Service], values: dict[str, Decimal]
) -> None:
    with pytest.raises(InvalidRate) as raised:
        set_special_rate(alice, services[0], **values)
    assert all(sentence.endswith(".") for sentence in raised.value.errors.values())
    assert not SpecialRate.objects.exists()


def test_copying_replaces_the_same_services_keeps_others_and_is_one_statement(
    alice: User, services: list[Service]
) -> None:
    bob = world.bob()
    for service, rate in zip(services[:2], ("1.10", "1.20"), strict=True):
        set_special_rate(alice, service, rate=Decimal(rate))
    set_special_rate(bob, services[1], discount_percent=Decimal("5"))
    set_special_rate(bob, services[2], discount_percent=Decimal("6"))
    with CaptureQueriesContext(connection) as statements:
        assert copy_special_rates(alice, bob) == 2
    assert len([row for row in statements if "providers_specialrate" in row["sql"]]) == 1
    assert [price.pays for price in prices_of(bob)] == [Decimal("1.10"), Decimal("1.20"), Decimal("1.88")]
    assert [price.pays for price in prices_of(alice)] == [Decimal("1.10"), Decimal("1.20")]
    with pytest.raises(InvalidRate):
        copy_special_rates(bob, bob)


def test_resetting_ends_one_or_all_and_says_what_there_was(alice: User, services: list[Service]) -> None:
    for service in services:
        set_special_rate(alice, service, rate=Decimal("1.10"))
    assert reset_special_rates(alice, services[0]) == 1
    assert pays(alice, services[0]) == Decimal("2.00")
    assert reset_special_rates(alice) == 2
    assert reset_special_rates(alice) == 0
    entries = AuditEntry.objects.filter(verb="special_rate.reset").order_by("pk")
    assert [len(entry.details["before"]) for entry in entries] == [1, 2]


def test_the_prices_of_a_page_cost_the_same_for_many(alice: User, services: list[Service]) -> None:
    counts = []
    for service in services:
        set_special_rate(alice, service, rate=Decimal("1.10"))
        with CaptureQueriesContext(connection) as statements:
            prices_of(alice)
        counts.append(len(statements))
    assert counts == [4, 4, 4]


def said(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("special_rate", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_the_command(alice: User, services: list[Service]) -> None:
    bob, number = world.bob(), str(services[0].pk)
    told = json.loads(said(alice.email, "set", "--service", number, "--rate", "1.25", "--json")[0])
    assert (told["service"], told["rate"], told["pays"]) == (services[0].pk, "1.25000000", "1.25000000")
    assert said(bob.email, "copy", "--from", alice.email) == ["1 special rate copied."]
    assert said(bob.email) == [f"{services[0]}: pays 1.25, listed 2"]
    assert said(bob.email, "reset") == ["1 special rate ended."]
    for wrong in (
        ["set", "--service", "999", "--rate", "1"],
        ["set", "--service", number],
        ["copy"],
        ["set"],
    ):
        with pytest.raises(CommandError):
            said(bob.email, *wrong)


def test_a_discount_counts_from_the_rule_of_his_list_for_the_provider_as_an_order_does(
    alice: User, services: list[Service]
) -> None:
    vip = PriceGroup.objects.create(name="VIP")
    route = services[0].routes.get()
    MarkupRule.objects.create(
        scope="provider", provider=route.offer.provider, price_group=vip, percent=Decimal(40)
    )
    User.objects.filter(pk=alice.pk).update(price_group=vip)
    alice.refresh_from_db()
    set_special_rate(alice, services[0], discount_percent=Decimal(10))
    (price,) = prices_of(alice)
    assert price.pays == Decimal("1.26")  # 1 + 40 %, less 10 %
    placed = world.order(alice, services[0], quantity=1000)
    assert placed.charge == price.pays
