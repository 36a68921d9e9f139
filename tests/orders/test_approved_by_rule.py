"""Approval by rule, per service: only inside the rules; whatever the rules warn about goes to a person."""

import pytest

from customers.models import User
from orders.models import Order, Request
from orders.requests import ask_cancel, ask_refill
from providers.models import Service
from tests import staff_world, world

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return world.customer()


@pytest.fixture
def impressions() -> Service:
    offer = world.offer(world.provider())
    return world.service(offer, auto_cancel=True, auto_refill=True)


def completed(alice: User, impressions: Service) -> Order:
    return staff_world.completed(world.order(alice, impressions), start_count=10)


def test_a_refill_inside_the_rules_needs_nobody(alice: User, impressions: Service) -> None:
    order = completed(alice, impressions)
    asked = ask_refill(order.pk, by="customer", current_count=500)
    assert (asked.state, asked.by_rule, asked.decided_by) == ("approved", True, None)


def test_a_second_refill_and_one_without_a_loss_are_looked_at(alice: User, impressions: Service) -> None:
    order = completed(alice, impressions)
    assert ask_refill(order.pk, by="customer", current_count=5000).state == "requested"
    again = completed(alice, impressions)
    Request.objects.filter(pk=ask_refill(again.pk, by="customer").pk).update(state="done")
    assert ask_refill(again.pk, by="customer").state == "requested"


def test_a_cancel_with_something_left_needs_nobody_and_one_with_nothing_left_is_looked_at(
    alice: User, impressions: Service
) -> None:
    running = staff_world.accepted(world.order(alice, impressions), remains=400)
    assert ask_cancel(running.pk, by="customer").by_rule
    delivered = staff_world.accepted(world.order(alice, impressions), remains=0)
    assert ask_cancel(delivered.pk, by="customer").state == "requested"


def test_without_the_switches_a_person_decides(alice: User, impressions: Service) -> None:
    Service.objects.update(auto_cancel=False, auto_refill=False)
    running = staff_world.accepted(world.order(alice, impressions), remains=400)
    assert ask_cancel(running.pk, by="customer").state == "requested"
    assert ask_refill(completed(alice, impressions).pk, by="customer").state == "requested"
