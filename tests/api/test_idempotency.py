"""The same key twice is the same order, whoever is first; races on a short balance never overdraw it."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from customers.models import User
from orders.models import Order
from providers.models import Service
from tests import world
from tests.api.conftest import ADDRESS, Caller


@pytest.mark.django_db
def test_a_repeated_request_id_answers_the_first_order(call: Caller, shop: Service) -> None:
    form = {"service": shop.pk, "link": "x", "quantity": 100, "request_id": "shop-17"}
    first = call("add", **form)
    assert call("add", **form) == first
    assert call("add", **(form | {"quantity": " 100 ", "runs": "undefined", "extra": "1"})) == first
    assert Order.objects.get().request_id == "api:shop-17"
    assert call("balance")["balance"] == "99.80"


@pytest.mark.django_db
def test_it_is_replayed_whatever_happened_to_the_service_since(call: Caller, shop: Service) -> None:
    form = {"service": shop.pk, "link": "x", "quantity": 100, "request_id": "k"}
    first = call("add", **form)
    Service.objects.update(off_sale="gone")
    assert call("add", **form) == first


@pytest.mark.django_db
@pytest.mark.parametrize("change", [{"quantity": 101}, {"link": "y"}, {"runs": 2, "interval": 5}])
def test_the_same_key_for_something_else_is_an_error(
    change: dict[str, Any], call: Caller, shop: Service
) -> None:
    form = {"service": shop.pk, "link": "x", "quantity": 100, "request_id": "k"}
    call("add", **form)
    answer = call("add", **(form | change))
    assert answer == {"error": "Incorrect request: request_id was used for another order"}
    assert Order.objects.count() == 1


@pytest.mark.django_db
def test_only_successes_are_kept(call: Caller, shop: Service) -> None:
    form = {"service": shop.pk, "link": "x", "request_id": "k"}
    assert call("add", quantity=1, **form) == {"error": "Quantity less than minimal 10"}
    assert "order" in call("add", quantity=100, **form)


@pytest.mark.django_db
def test_the_header_does_the_same_and_the_parameter_wins(call: Caller, shop: Service) -> None:
    form = {"action": "add", "service": shop.pk, "link": "x", "quantity": 100}
    first = call.post(form, HTTP_IDEMPOTENCY_KEY="h1").json()
    assert call.post(form, HTTP_IDEMPOTENCY_KEY="h1").json() == first
    assert call.post(form | {"request_id": "h1"}, HTTP_IDEMPOTENCY_KEY="h2").json() == first
    assert call.post(form, HTTP_IDEMPOTENCY_KEY="h2").json() != first


@pytest.mark.django_db
def test_keys_of_two_customers_do_not_meet(call: Caller, key_of: Callable[..., str], shop: Service) -> None:
    form = {"service": shop.pk, "link": "x", "quantity": 100, "request_id": "k"}
    assert call("add", **form) != Caller(key_of(world.bob()))("add", **form)


@pytest.mark.django_db
def test_without_a_key_every_call_is_an_order(call: Caller, shop: Service) -> None:
    form = {"service": shop.pk, "link": "x", "quantity": 100}
    assert call("add", **form) != call("add", **form)


def at_once(number: int, act: Callable[[int], Any]) -> list[Any]:
    """Run `act` in so many threads that all start together; each closes its connection."""
    start = threading.Barrier(number)

    def run(n: int) -> Any:
        start.wait(20)
        try:
            return act(n)
        finally:
            connection.close()

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(run, range(number)))


@pytest.mark.django_db(transaction=True)
def test_the_same_key_20_times_at_once_is_one_order(alice: User, key_of: Any, shop: Service) -> None:
    form = {"key": key_of(alice), "action": "add", "service": shop.pk, "link": "x", "quantity": 100, "request_id": "k"}  # fmt: skip
    answers = at_once(20, lambda _n: Client().post(ADDRESS, form).json())
    assert answers == [{"order": Order.objects.get().pk}] * 20
    world.sane()


@pytest.mark.django_db(transaction=True)
def test_50_adds_at_once_on_a_balance_for_20_are_20_orders(key_of: Any, shop: Service) -> None:
    carol = world.customer("carol@example.org", "4.00")
    form = {"key": key_of(carol), "action": "add", "service": shop.pk, "quantity": 100}
    answers = at_once(50, lambda n: Client().post(ADDRESS, form | {"link": f"https://e/{n}"}).json())
    placed = [answer["order"] for answer in answers if "order" in answer]
    refused = [answer for answer in answers if "order" not in answer]
    assert len(set(placed)) == len(placed) == 20 == Order.objects.count()
    assert refused == [{"error": "Not enough funds on balance"}] * 30
    assert Caller(form["key"])("balance")["balance"] == "0.00"
    world.sane()
