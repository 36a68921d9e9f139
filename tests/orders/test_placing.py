"""Placing: one transaction that charges once, or nothing at all."""

import threading
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers import wallet
from customers.models import PriceGroup, Transfer
from customers.wallet import InsufficientFunds
from orders.models import Order, OrderEvent, Submission
from orders.placing import NotOnSale, PriceChanged, RequestIdReused, Suspended, place_order
from providers.models import MarkupRule, Offer, Provider, Service, SpecialRate
from providers.service_types import InvalidOrder
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)
ASKED = {"link": "https://example.org/a", "quantity": "1000"}


@pytest.fixture
def impressions() -> Service:
    return world.service(world.offer(world.provider()), rate="2.00")


def test_an_order_is_charged_once_and_waits_to_be_sent(impressions: Service) -> None:
    alice = world.customer(balance="10")
    order = place_order(alice, impressions.pk, ASKED, source="web", reference="Spring")
    assert (order.charge, order.cost, order.total) == (Decimal("2.000000"), Decimal("1.000000"), 1000)
    assert wallet.balance_of(alice) == 8
    assert world.state_of(order) == "queued"
    assert OrderEvent.objects.get(order=order).amount == order.charge
    world.sane()


def test_drip_feed_is_charged_for_all_runs(impressions: Service) -> None:
    order = place_order(
        world.customer(), impressions.pk, ASKED | {"runs": "5", "interval": "60"}, source="web"
    )
    assert (order.quantity, order.total, order.charge) == (1000, 5000, Decimal("10.000000"))


def test_several_runs_are_not_sold_by_an_offer_that_takes_none(impressions: Service) -> None:
    """Its service may still say that it takes them: what it says follows the offer a moment later."""
    raw, alice = ASKED | {"runs": "5", "interval": "60"}, world.customer()
    Offer.objects.update(dripfeed=False)
    with pytest.raises(InvalidOrder, match="several runs"):
        place_order(alice, impressions.pk, raw, source="web")
    assert place_order(alice, impressions.pk, ASKED, source="web").runs is None
    Provider.objects.update(adapter="manual")
    assert place_order(alice, impressions.pk, raw, source="web").runs == 5, "staff see how many were paid for"


def test_lines_are_counted_and_blank_ones_dropped() -> None:
    service = world.service(
        world.offer(world.provider(), service_type="custom comments", minimum=1), rate="100"
    )
    order = place_order(
        world.customer(), service.pk, {"link": "x", "comments": "one\r\n\r\n two \n"}, source="web"
    )
    assert (order.quantity, order.charge, order.fields) == (2, Decimal("0.200000"), {"comments": "one\ntwo"})


def test_a_package_costs_its_rate_once() -> None:
    service = world.service(world.offer(world.provider(), service_type="package"), rate="45")
    order = place_order(world.customer(), service.pk, {"link": "x"}, source="web")
    assert (order.quantity, order.charge, order.per_order) == (1, 45, True)


def test_too_little_money_charges_nothing_and_says_what_is_missing(impressions: Service) -> None:
    alice = world.customer(balance="1.50")
    with pytest.raises(InsufficientFunds) as error:
        place_order(alice, impressions.pk, ASKED, source="web")
    assert error.value.missing == Decimal("0.50")
    assert (Order.objects.count(), wallet.balance_of(alice)) == (0, Decimal("1.50"))
    world.sane()


@pytest.mark.parametrize("raw", [{}, {"link": "x"}, {"link": "x", "quantity": "9"}, {"link": "x", "quantity": "-5"}, {"link": "", "quantity": "50"},
                                 {"link": "x", "quantity": "1e9"}, {"link": "x", "quantity": "50", "runs": "2"}])  # fmt: skip
def test_bad_input_names_the_field_and_charges_nothing(impressions: Service, raw: dict[str, str]) -> None:
    alice = world.customer()
    with pytest.raises(InvalidOrder) as error:
        place_order(alice, impressions.pk, raw, source="web")
    assert error.value.errors
    assert wallet.balance_of(alice) == 100
    assert not Order.objects.exists()


def test_what_is_not_on_sale_cannot_be_ordered(impressions: Service) -> None:
    alice = world.customer()
    for change in ({"published": False}, {"off_sale": "price rose"}):
        Service.objects.filter(pk=impressions.pk).update(**({"published": True, "off_sale": ""} | change))
        with pytest.raises(NotOnSale):
            place_order(alice, impressions.pk, ASKED, source="web")
    Service.objects.filter(pk=impressions.pk).update(published=True, off_sale="")
    Offer.objects.update(on_hold="price rose by 40 %")
    with pytest.raises(NotOnSale):
        place_order(alice, impressions.pk, ASKED, source="web")
    with pytest.raises(NotOnSale):
        place_order(alice, 999_999, ASKED, source="web")


def test_a_suspended_customer_cannot_order(impressions: Service) -> None:
    with pytest.raises(Suspended):
        place_order(world.customer(orders_suspended=True), impressions.pk, ASKED, source="web")


def test_a_price_that_changed_asks_again(impressions: Service) -> None:
    alice = world.customer()
    with pytest.raises(PriceChanged) as error:
        place_order(alice, impressions.pk, ASKED, source="web", shown_charge=Decimal("1.90"))
    assert (error.value.shown, error.value.now) == (Decimal("1.90"), Decimal("2.000000"))
    assert wallet.balance_of(alice) == 100


def test_a_repeated_request_id_is_the_first_order_and_other_content_is_an_error(impressions: Service) -> None:
    alice = world.customer()
    first = place_order(alice, impressions.pk, ASKED, source="api", request_id="api:k1")
    assert place_order(alice, impressions.pk, ASKED, source="api", request_id="api:k1") == first
    with pytest.raises(RequestIdReused):
        place_order(alice, impressions.pk, ASKED | {"quantity": "2000"}, source="api", request_id="api:k1")
    assert place_order(world.bob(), impressions.pk, ASKED, source="api", request_id="api:k1") != first
    assert wallet.balance_of(alice) == 98
    world.sane()


def in_threads(count: int, act: Any) -> list[Any]:
    """Run `act` in threads at once; its results or exceptions."""
    results: list[Any] = []
    barrier = threading.Barrier(count)

    def run() -> None:
        barrier.wait()
        try:
            results.append(act())
        except Exception as error:
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_twenty_requests_with_one_id_at_once_make_one_order(impressions: Service) -> None:
    alice = world.customer()
    results = in_threads(
        20, lambda: place_order(alice, impressions.pk, ASKED, source="api", request_id="api:same")
    )
    assert len({order.pk for order in results}) == 1
    assert wallet.balance_of(alice) == 98
    world.sane()


def test_fifty_orders_at_once_on_a_balance_for_twenty(impressions: Service) -> None:
    alice = world.customer(balance="40")
    results = in_threads(50, lambda: place_order(alice, impressions.pk, ASKED, source="api"))
    assert sum(isinstance(result, Order) for result in results) == 20
    assert all(isinstance(result, Order | InsufficientFunds) for result in results)
    assert wallet.balance_of(alice) == 0
    world.sane()


def test_a_special_rate_comes_before_the_price_group_and_the_list(impressions: Service) -> None:
    alice, group = world.customer(), PriceGroup.objects.create(name="Agencies")
    MarkupRule.objects.create(scope="everything", price_group=group, percent=50)
    alice.price_group = group
    alice.save()
    assert place_order(alice, impressions.pk, ASKED, source="web").charge == Decimal("1.5")
    SpecialRate.objects.create(user=alice, service=impressions, rate="1.20")
    assert place_order(alice, impressions.pk, ASKED, source="web").charge == Decimal("1.2")
    SpecialRate.objects.update(rate=None, discount_percent=90)
    assert place_order(alice, impressions.pk, ASKED, source="web").charge == Decimal(
        "1.0"
    )  # never below cost


def test_orders_of_a_service_held_for_review_wait_for_staff(impressions: Service) -> None:
    Service.objects.update(hold_for_review=True)
    assert world.state_of(world.order(world.customer(), impressions)) == "held"


def test_a_dead_broker_is_no_error(
    impressions: Service, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orders import hints
    from panel.celery import app

    monkeypatch.setattr(hints, "_broker_down_until", 0.0)
    monkeypatch.setattr(hints, "_sent", {})
    monkeypatch.setattr(app.conf, "broker_url", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(app, "amqp", app.amqp)
    order = world.order(world.customer(), impressions)
    assert world.state_of(order) == "queued"


def test_placing_takes_a_constant_number_of_statements(impressions: Service) -> None:
    alice = world.customer()
    world.order(alice, impressions)
    with CaptureQueriesContext(connection) as queries:
        world.order(alice, impressions)
    statements = [
        query["sql"]
        for query in queries
        if not query["sql"].startswith(("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT"))
    ]
    assert len(statements) == 4, statements  # route, special rate, the rows, the money
    assert Transfer.objects.filter(cause__startswith="order:").count() == 2
    assert Submission.objects.count() == 2
