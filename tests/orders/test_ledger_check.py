"""check_ledger finds what is broken: each invariant is violated once, past the constraints, and named."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from orders.ledger_check import INVARIANTS, check_ledger
from orders.models import Order
from tests import world

pytestmark = pytest.mark.django_db


@contextmanager
def unguarded() -> Iterator[None]:
    """As the tables' owner with a shell and bad luck: our triggers off."""
    tables = ("customers_transfer", "orders_order", "orders_submission", "orders_submissionattempt")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # pending ones would forbid ALTER TABLE
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


@pytest.fixture
def order() -> Order:
    return world.order(world.customer(), world.service(world.offer(world.provider())))


BREAKAGE = {
    "wallet_is_sum": "UPDATE customers_account SET balance = balance + 1 WHERE kind = 'wallet'",
    "balance_after": "UPDATE customers_transfer SET balance_after = balance_after + 1 WHERE cause LIKE 'order:%%'",
    "one_charge": "DELETE FROM customers_transfer WHERE cause LIKE 'order:%%'",
    "one_submission": "DELETE FROM orders_submission",
    "charge_of_no_order": "UPDATE customers_transfer SET order_number = 999999 WHERE cause LIKE 'order:%%'",
    "refunds_are_posted": "UPDATE orders_order SET refunded = 0.5",
    "canceled_is_refunded": "UPDATE orders_order SET refunded = charge, status = 'Completed', ended_at = now()",
    "no_refund_while_accepted": """
        UPDATE orders_order SET refunded = 0.5;
        INSERT INTO orders_submissionattempt
            (submission_id, fence, provider_id, offer_id, cost, state, reason, message, candidate_id, params_hash, excerpt, started_at)
        SELECT order_id, 1, provider_id, offer_id, 1, 'accepted', '', '', '', '', '', now() FROM orders_submission""",
    "ended_without_delivery": "UPDATE orders_submission SET state = 'rejected'",
    "accepted_has_attempt": "UPDATE orders_submission SET state = 'accepted', provider_order_id = '1'",
}


def test_a_clean_ledger_is_ok(order: Order) -> None:
    report = check_ledger()
    assert (report.ok, report.broken, report.warnings) == (True, [], [])
    assert (report.checked["orders"], report.checked["transfers"]) == (1, 2)


@pytest.mark.parametrize("name", BREAKAGE)
def test_a_broken_invariant_is_named_with_its_row(order: Order, name: str) -> None:
    with unguarded(), connection.cursor() as cursor:
        cursor.execute(BREAKAGE[name])
    assert name in {row["invariant"] for row in check_ledger().broken}
    assert name in {row["invariant"] for row in check_ledger(timezone.now() - timedelta(hours=1)).broken}


def test_every_invariant_that_constraints_do_not_already_keep_was_broken_here() -> None:
    assert set(INVARIANTS) - set(BREAKAGE) == {"wallet_not_negative"}  # a CHECK that no role can pass
