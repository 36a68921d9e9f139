"""Approval by rule, per service: only inside the rules; whatever the rules warn about goes to a person."""

from datetime import timedelta

import pytest
from django.utils import timezone

from customers.models import User
from orders.models import Order, Request, Submission
from orders.requests import ask_cancel, ask_refill
from orders.sweeping import sweep
from providers.models import Service
from tests import staff_world, world

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return world.customer()


@pytest.fixture
def impressions() -> Service:
    offer = world.offer(world.provider())
    return world.service(offer, cancel_rule="rules", auto_refill=True)


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
    Service.objects.update(cancel_rule="pending", auto_refill=False)
    running = staff_world.accepted(world.order(alice, impressions), remains=400)
    assert ask_cancel(running.pk, by="customer").state == "requested"
    assert ask_refill(completed(alice, impressions).pk, by="customer").state == "requested"


@pytest.mark.parametrize(
    ("rule", "pending", "later"),
    [("review", "requested", "requested"), ("pending", "approved", "requested"), ("rules", "approved", "approved")],
)  # fmt: skip
def test_a_service_says_which_cancels_need_no_review(
    alice: User, impressions: Service, rule: str, pending: str, later: str
) -> None:
    Service.objects.update(cancel_rule=rule)
    waits = staff_world.accepted(world.order(alice, impressions), status="Pending")
    runs = staff_world.accepted(world.order(alice, impressions), remains=400)
    made = [ask_cancel(order.pk, by="customer") for order in (waits, runs)]
    assert [request.state for request in made] == [pending, later]
    assert [request.by_rule for request in made] == [pending == "approved", later == "approved"]


def test_without_a_choice_a_pending_cancel_is_approved_and_others_are_reviewed(alice: User) -> None:
    assert world.service(world.offer(world.provider())).cancel_rule == "pending"


@pytest.mark.parametrize("rule", ["review", "pending", "rules"])
@pytest.mark.parametrize("state", ["queued", "held"])
def test_an_order_of_which_nothing_was_sent_is_canceled_at_once_whatever_the_service_says(
    alice: User, impressions: Service, rule: str, state: str
) -> None:
    Service.objects.update(cancel_rule=rule, hold_for_review=state == "held")
    order = world.order(alice, impressions)
    assert world.state_of(order) == state
    assert ask_cancel(order.pk, by="customer").state == "done"
    order.refresh_from_db()
    assert (order.status, order.refunded, world.state_of(order)) == ("Canceled", order.charge, "withdrawn")
    world.sane()


def test_a_reviewed_cancel_of_an_order_that_comes_back_unsent_is_done_without_a_review(
    alice: User, impressions: Service
) -> None:
    Service.objects.update(cancel_rule="review")
    order = world.order(alice, impressions)
    Submission.objects.filter(pk=order.pk).update(
        state="claimed", lease_until=timezone.now() - timedelta(minutes=1)
    )
    asked = ask_cancel(order.pk, by="customer")
    assert asked.state == "requested", "a worker has it: it may be sent this moment"
    sweep()
    asked.refresh_from_db()
    order.refresh_from_db()
    assert (asked.state, order.status, order.refunded) == ("done", "Canceled", order.charge)
    world.sane()
