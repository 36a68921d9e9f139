"""The classic sentences, word for word; and what our own adapter concludes from them on the other side of a chain."""

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from customers.models import User
from orders.api import endpoint, errors
from orders.models import Order
from providers.adapters.classify import classify, refusal_kind
from providers.models import Service
from tests import world
from tests.api.conftest import ADDRESS, Caller

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"service": None}, "Incorrect service ID"),
        ({"service": "999999"}, "Incorrect service ID"),
        ({"service": "abc"}, "Incorrect service ID"),
        ({"link": ""}, "Bad link"),
        ({"link": "a\x00b"}, "Bad link"),
        ({"link": "x" * 2049}, "Bad link"),
        ({"link": "", "quantity": ""}, "Bad link"),
        ({"quantity": "9"}, "Quantity less than minimal 10"),
        ({"quantity": "1000001"}, "Quantity more than maximum 1000000"),
        ({"quantity": "9" * 40}, "Quantity more than maximum 1000000"),
        ({"quantity": ""}, "Quantity less than minimal 10"),
        ({"quantity": "-5"}, "Quantity less than minimal 10"),
        ({"quantity": "many"}, "Quantity less than minimal 10"),
        ({"quantity": "60000"}, "Not enough funds on balance"),
        ({"runs": "5"}, "Missing required parameter: interval"),
        ({"runs": "x", "interval": "5"}, "Incorrect parameter: runs"),
        ({"request_id": "x" * 129}, "Incorrect parameter: request_id"),
        ({"request_id": "a\x00"}, "Incorrect parameter: request_id"),
    ],
)
def test_add_says_what_is_wrong_in_the_classic_words(
    parameters: dict[str, str | None], sentence: str, call: Caller, shop: Service
) -> None:
    asked: dict[str, Any] = {"service": str(shop.pk), "link": "x", "quantity": "100"} | parameters
    assert call("add", **{name: value for name, value in asked.items() if value is not None}) == {
        "error": sentence
    }
    assert not Order.objects.exists()
    assert call("balance")["balance"] == "100.00"


def test_a_service_off_sale_is_an_incorrect_one(call: Caller, shop: Service) -> None:
    Service.objects.update(off_sale="Gone upstream")
    assert call("add", service=shop.pk, link="x", quantity=100) == {"error": "Incorrect service ID"}


def test_lines_count_as_the_quantity_in_the_limits(call: Caller, meridian: Any) -> None:
    offer = world.offer(meridian, service_type="custom comments", minimum=2, maximum=3)
    service = world.service(offer)
    assert call("add", service=service.pk, link="x", comments="a") == {
        "error": "Quantity less than minimal 2"
    }
    assert call("add", service=service.pk, link="x", comments="a\nb\nc\nd") == {
        "error": "Quantity more than maximum 3"
    }


def test_a_suspended_customer_may_read_and_not_order(call: Caller, shop: Service, alice: User) -> None:
    User.objects.update(orders_suspended=True)
    assert call("add", service=shop.pk, link="x", quantity=100) == {"error": "Account suspended"}
    assert call("balance")["balance"] == "100.00"


@pytest.mark.parametrize("how", [{"api_suspended": True}, {"is_active": False}])
def test_a_customer_without_the_api_is_told_so(how: dict[str, bool], call: Caller) -> None:
    User.objects.update(**how)
    assert call("balance") == {"error": "Account suspended"}


def test_a_database_that_is_away_is_503_and_says_when_to_come_back(
    call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(endpoint, "admit", away)
    response = Client().post(ADDRESS, {"key": call.key, "action": "balance"})
    assert response.status_code == 503
    assert response["Retry-After"] == "30"
    assert response.json() == {"error": "Service unavailable"}


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        (errors.INVALID_KEY, "auth"),
        (errors.ADDRESS, "auth"),
        (errors.SCOPE, "auth"),
        (errors.SUSPENDED, "auth"),
        (errors.FUNDS, "provider_funds"),
        (errors.SERVICE, "service"),
        (errors.LINK, "link"),
        (errors.less_than(10), "quantity"),
        (errors.more_than(10), "quantity"),
        (errors.missing("comments"), "missing_field"),
        (errors.RATE_LIMIT, "rate_limit"),
        (errors.INCORRECT_REQUEST, "protocol"),
        (errors.REQUEST_ID_REUSED, "protocol"),
    ],
)
def test_another_headwater_understands_our_refusals(sentence: str, kind: str) -> None:
    """A refusal that looked like a fault would leave the order unknown there, for a person to decide."""
    assert refusal_kind(sentence) == kind
    verdict = classify(True, 200, f'{{"error":"{sentence}"}}'.encode())
    assert (verdict.kind, verdict.refusal) == ("rejected", kind)


@pytest.mark.parametrize("sentence", [errors.ORDER, errors.REFILL])
def test_a_missing_order_is_no_information_there(sentence: str) -> None:
    assert refusal_kind(sentence) == "order"


def test_a_panel_without_database_leaves_the_order_in_doubt() -> None:
    assert classify(True, 503, b'{"error":"Service unavailable"}').kind == "unknown"
