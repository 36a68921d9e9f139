"""What API clients read where the operator's rules refuse an order, and what our own adapter makes of it."""

import pytest

from customers import site_settings
from orders.models import Order
from providers.adapters.classify import refusal_kind
from providers.denying import deny
from providers.models import Service
from tests import world
from tests.api.conftest import Caller

pytestmark = pytest.mark.django_db


def test_a_denied_link_is_a_bad_link_that_says_so(call: Caller, shop: Service) -> None:
    deny("host", "casino.example", "Gambling")
    answer = call("add", service=shop.pk, link="https://casino.example/", quantity="100")
    assert answer == {"error": "Bad link: not accepted here"}
    assert refusal_kind(answer["error"]) == "link"  # a panel in front of ours gives the money back


def test_a_denied_word_names_the_parameter(call: Caller, shop: Service) -> None:
    deny("word", "lottery", "Gambling")
    by = world.offer(shop.routes.get().offer.provider, "2", service_type="custom comments", minimum=1)
    service = world.service(by)
    answer = call("add", service=service.pk, link="https://example.org/", comments="Win the lottery")
    assert answer == {"error": "Incorrect parameter: comments"}


def test_a_denied_customer_reads_that_the_account_is_suspended(call: Caller, shop: Service) -> None:
    deny("customer", "alice@example.org", "Charged back")
    answer = call("add", service=shop.pk, link="https://example.org/", quantity="100")
    assert answer == {"error": "Account suspended"}
    assert not Order.objects.exists()


def test_more_than_the_largest_charge_is_too_large_a_quantity(call: Caller, shop: Service) -> None:
    site_settings.change({"largest_charge": "5"})
    answer = call("add", service=shop.pk, link="https://example.org/", quantity="3000")
    assert answer == {"error": "Quantity more than maximum 2500"}


def test_an_order_held_for_review_is_pending_for_the_client(call: Caller, shop: Service) -> None:
    site_settings.change({"review_above": "1"})
    number = call("add", service=shop.pk, link="https://example.org/", quantity="1000")["order"]
    assert call("status", order=number)["status"] == "Pending"
    assert world.state_of(Order.objects.get(pk=number)) == "held"
