"""What a service cost before: recorded whoever changes the price, shown at the customer's own terms, never the cost."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from customers.models import PriceGroup, User
from providers.browsing import line, lines_with_prices, offered, price_changes
from providers.models import MarkupRule, RateChange, Service, SpecialRate
from providers.pruning import prune_prices
from providers.repricing import reprice
from tests import world
from tests.providers.test_services_page import ids, rows_of, text_of
from tests.staff_world import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return world.customer()


@pytest.fixture
def views() -> Service:
    return world.service(world.offer(world.provider()), rate="2.00")


def was(service: Service, *steps: tuple[int, str, str]) -> None:
    """The history is these (days ago, rate, cost), the last of them the present one."""
    RateChange.objects.filter(service=service).delete()
    for days, rate, cost in steps:
        at = timezone.now() - timedelta(days=days)
        RateChange.objects.create(service=service, at=at, rate=Decimal(rate), cost_rate=Decimal(cost))
    Service.objects.filter(pk=service.pk).update(rate=Decimal(steps[-1][1]), cost_rate=Decimal(steps[-1][2]))
    RateChange.objects.filter(service=service, at__gt=timezone.now() - timedelta(minutes=1)).delete()


def prices_of(user: User, service: Service) -> list[str]:
    [found] = lines_with_prices(user, offered().filter(pk=service.pk))
    return [f"{price.rate.normalize():f}" for price in found.prices]


def test_every_change_of_price_or_cost_is_recorded_once(views: Service) -> None:
    MarkupRule.objects.create(scope="everything", percent=Decimal(50))
    assert reprice() == 1 and reprice() == 0
    Service.objects.filter(pk=views.pk).update(name="Renamed", rate=Decimal("1.5"))
    recorded = RateChange.objects.filter(service=views).order_by("id").values_list("rate", "cost_rate")
    assert list(recorded) == [(Decimal(2), Decimal(1)), (Decimal("1.5"), Decimal(1))]


def test_a_customer_sees_the_list_prices(alice: User, views: Service) -> None:
    was(views, (90, "2", "1"), (30, "2", "1.2"), (3, "2.5", "1.2"))
    assert prices_of(alice, views) == ["2.5", "2"]


def test_own_terms_count_and_the_cost_stays_out_of_sight(alice: User, views: Service) -> None:
    was(views, (90, "2", "1"), (30, "3", "1.1"))
    special = SpecialRate.objects.create(user=alice, service=views, discount_percent=Decimal(10))
    assert prices_of(alice, views) == ["2.7", "1.8"]
    SpecialRate.objects.filter(pk=special.pk).update(discount_percent=None, rate=Decimal("1.7"))
    assert prices_of(alice, views) == ["1.7"]
    special.delete()
    group = PriceGroup.objects.create(name="Agencies")
    User.objects.filter(pk=alice.pk).update(price_group=group)
    MarkupRule.objects.create(scope="everything", price_group=group, percent=Decimal(30))
    alice.refresh_from_db()
    assert prices_of(alice, views) == ["1.43", "1.3"]
    assert prices_of(world.bob(), views) == ["3", "2"]
    assert "1.10" not in text_of(signed_in(alice).get("/services/"))


def test_the_page_tells_of_a_change_for_a_week(alice: User, views: Service) -> None:
    browser: Client = signed_in(alice)
    was(views, (90, "2", "1"))
    assert "changed" not in text_of(browser.get("/services/"))
    other = world.service(world.offer(views.routes.get().offer.provider, "2", name="New"), rate="9")
    was(views, (90, "2", "1"), (3, "2.5", "1"))
    assert list(price_changes(alice)) == [views.pk]  # a new service has not changed its price
    words = text_of(browser.get("/services/"))
    assert "One price changed" in words and "1 up, 0 down" in words
    changed = browser.get("/services/?changed=1")
    assert ids(changed) == [views.pk] and "$2.00 $2.50" in text_of(changed)
    assert [row["id"] for row in rows_of(browser.get("/services/prices.csv?changed=1"))] == [str(views.pk)]
    SpecialRate.objects.create(user=alice, service=views, rate=Decimal(2))
    assert "changed" not in text_of(browser.get("/services/"))  # not for her
    was(views, (90, "2", "1"), (8, "2.5", "1"))
    SpecialRate.objects.all().delete()
    assert price_changes(alice) == {}
    found = line(alice, other.pk)
    assert found is not None and found.prices == []  # only the price list asks for them


def test_old_prices_go_but_the_one_that_held_stays(views: Service, alice: User) -> None:
    was(views, (900, "1", "1"), (800, "2", "1"), (300, "3", "1"))
    assert prune_prices() == 1
    assert prices_of(alice, views) == ["3", "2"]
