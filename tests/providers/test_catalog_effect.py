"""What accepting catalog changes would do, told before anybody accepts them."""

import json
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from providers.catalog import sync_catalog
from providers.catalog_effect import effect_of
from providers.models import CatalogChange, Provider
from providers.publishing import publish
from tests import world
from tests.providers.shop import Upstream, connected, everything_at, offer_of, service_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def selling(shop: Upstream) -> Provider:
    shop.list_many(4)
    everything_at(50)
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    publish(provider, ["1", "2", "3"])
    return provider


def test_the_effect_on_margins_and_on_last_months_orders(shop: Upstream, selling: Provider) -> None:
    alice = world.customer()
    world.order(alice, service_of(selling, 1), quantity=2000)
    pinned = service_of(selling, 2)
    type(pinned).objects.filter(pk=pinned.pk).update(pinned_rate=Decimal("1.50"), rate=Decimal("1.50"))
    shop.list(1, rate="2.00")
    shop.list(2, rate="3.00")
    shop.list(4, rate="3.00")
    sync_catalog(selling, apply=False)
    with CaptureQueriesContext(connection) as statements:
        effect = effect_of(selling)
    assert len(statements) <= 11
    assert (effect.changes, effect.touched, effect.below_cost, effect.large_rises) == (3, 2, 1, 1)
    assert (effect.margin_before, effect.margin_after) == (Decimal("33.3"), Decimal("33.3"))
    # 2,000 at a price of 3.00 instead of 1.50, at a cost of 2.00 instead of 1.00
    assert effect.profit_change == Decimal("1.00")
    assert effect.sentence == (
        "3 changes would touch 2 services on sale: 1 would cost more than they are sold for; 1 would go off sale; "
        "1 would get dearer by more than 20 %; the average margin goes from 33.3 % to 33.3 %; "
        "on the orders of the last 30 days the profit would have been 1.00 USD higher."
    )
    assert (
        effect_of(selling, ["4"]).sentence
        == "1 change would be applied; no price of a service on sale changes."
    )


def test_the_number_of_statements_does_not_depend_on_the_changes(shop: Upstream, selling: Provider) -> None:
    counts = []
    for many in (["1"], ["1", "2", "3", "4"]):
        for number in many:
            shop.list(number, rate="2.00")
        sync_catalog(selling, apply=False)
        with CaptureQueriesContext(connection) as statements:
            effect_of(selling)
        counts.append(len(statements))
    assert counts[0] == counts[1]


def test_a_dry_run_says_it_and_decides_nothing(shop: Upstream, selling: Provider) -> None:
    shop.list(1, rate="2.00")
    sync_catalog(selling, apply=False)
    out = StringIO()
    call_command("catalog_accept", "Meridian", "--dry-run", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert (told["changes"], told["touched"], told["below_cost"]) == (1, 1, 0)
    assert told["sentence"].startswith("1 change would touch 1 service on sale: ")
    assert CatalogChange.objects.filter(state="staged").count() == 1
    assert offer_of(selling, 1).rate == Decimal("1.00")


def test_a_service_that_leaves_the_list_is_told_with_its_open_orders(
    shop: Upstream, selling: Provider
) -> None:
    world.order(world.customer(), service_of(selling, 3))
    shop.drop(3)
    sync_catalog(selling, apply=False)
    effect = effect_of(selling)
    assert (effect.leaving, effect.leaving_orders) == (1, 1)
    assert effect.sentence == (
        "1 change would touch 1 service on sale: 1 would go off sale; on the orders of the last 30 days the profit "
        "would have been 0.50 USD lower. 1 service on sale would lose the offer that delivers it; 1 open order of "
        "them would go on."
    )
