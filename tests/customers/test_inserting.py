"""Rows that are inserted together are those that the ORM would have written one after another."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.inserting import insert_together
from customers.models import PriceGroup
from orders.models import Order, OrderEvent, Submission
from orders.placing import order_of, placed_event, quote, submission_of
from tests import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows() -> Any:
    """Makes the three rows of an order, not saved; what differs from one to the next is given."""
    user = world.customer("alice@example.org", "100")
    service = world.service(world.offer(world.provider()))

    def make(request_id: str | None = None, **changed: Any) -> tuple[Order, Submission, OrderEvent]:
        asked = quote(user, service.pk, {"link": "https://example.org/ä", "quantity": "100"})
        order = order_of(user, asked, timezone.now(), "api", request_id, "f" * 64, " mine ")
        for name, value in changed.items():
            setattr(order, name, value)
        return order, submission_of(order, asked.route), placed_event(order)

    return make


def stored(row: Model) -> dict[str, Any]:
    return type(row)._default_manager.values().get(pk=row.pk)


def test_the_rows_are_those_of_the_orm_and_cost_one_statement(rows: Any) -> None:
    theirs = rows(fields={"comments": "a\nb", "percent": "100 %s"}, runs=3, remains=2**40)
    for row in theirs:
        row.save(force_insert=True)
    mine = rows(fields={"comments": "a\nb", "percent": "100 %s"}, runs=3, remains=2**40)
    with CaptureQueriesContext(connection) as statements:
        insert_together(*mine)
    assert len(statements) == 1

    order, submission, event = mine
    assert order.pk == submission.pk == submission.order_id == event.order_id > theirs[0].pk
    assert not any(row._state.adding for row in mine)
    for made, orm in zip((order, submission, OrderEvent.objects.get(order=order)), theirs, strict=True):
        expected = stored(orm) | {"id": made.pk, "order_id": order.pk}
        written = stored(made)
        own = {"created_at", "status_at", "at", "state_at", "next_at", "queued_since", "request_key"}
        assert {k: v for k, v in written.items() if k not in own} == {
            k: expected[k] for k in written if k not in own
        }
        # What is each one's own is what the object held.
        assert all(written[name] == getattr(made, name) for name in own & written.keys())


def test_every_order_of_many_gets_its_own_rows(rows: Any) -> None:
    made = [rows(charge=Decimal(number)) for number in range(1, 8)]
    for three in made:
        insert_together(*three)
    assert len({order.pk for order, _, _ in made}) == 7
    amounts = dict(OrderEvent.objects.values_list("order_id", "amount"))
    assert amounts == {order.pk: order.charge for order, _, _ in made}


def test_the_saved_order_can_be_saved_again(rows: Any) -> None:
    order, submission, event = rows()
    insert_together(order, submission, event)
    order.attention = "look"
    order.save(update_fields=["attention"])
    submission.next_at += timedelta(minutes=1)
    submission.save()
    assert Order.objects.get().attention == "look"
    assert Submission.objects.get().next_at == submission.next_at


def test_constraints_hold_and_nothing_is_written(rows: Any) -> None:
    insert_together(*rows(request_id="api:1"))
    for wrong in (rows(request_id="api:1"), rows(quantity=0), rows(charge=Decimal(0))):
        with pytest.raises(IntegrityError), transaction.atomic():
            insert_together(*wrong)
    order, submission, event = rows()
    submission.provider_order_id = "7"  # only what was accepted has one
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_together(order, submission, event)
    assert (Order.objects.count(), Submission.objects.count(), OrderEvent.objects.count()) == (1, 1, 1)


def test_a_text_that_is_too_long_is_refused_and_not_cut(rows: Any) -> None:
    for wrong in (rows(source="far too long"), rows(link="x" * 3000)):
        with pytest.raises(DataError), transaction.atomic():
            insert_together(*wrong)
    order, submission, event = rows()
    event.why = "x" * 501
    with pytest.raises(DataError), transaction.atomic():
        insert_together(order, submission, event)
    assert not Order.objects.exists()


def test_a_row_that_does_not_belong_to_the_first_is_refused(rows: Any) -> None:
    order, submission, event = rows()
    with pytest.raises(TypeError, match="belong"):
        insert_together(PriceGroup(name="x"), submission)
    with pytest.raises(TypeError, match="belong"):
        insert_together(order, rows()[1], event)
    assert not Order.objects.exists()


def test_what_is_empty_and_what_is_not_may_differ_from_row_to_row(rows: Any) -> None:
    for changed in ({}, {"runs": 2, "interval": 5}, {"request_id": "api:9"}, {"start_count": 0}, {}):
        made = rows(**changed)
        insert_together(*made)
        found = stored(made[0])
        names = ("runs", "interval", "request_id", "start_count", "ended_at")
        assert {name: found[name] for name in names} == {name: changed.get(name) for name in names}
