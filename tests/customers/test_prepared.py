"""A prepared statement gives the same answers, also after errors, and is known to its connection only."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from psycopg import Cursor

from customers.models import PriceGroup
from customers.prepared import rows_of
from tests import world

pytestmark = pytest.mark.django_db
ANSWER = "SELECT %(number)s * 2, %(text)s::text, %(number)s"


def prepared() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return {row[0] for row in cursor.fetchall()}


def test_it_is_planned_once_whatever_the_size_of_a_number() -> None:
    before = prepared()
    for number in (1, 40_000, 3_000_000_000):
        assert rows_of(ANSWER, {"number": number, "text": "100 % 'ä'"}) == [(number * 2, "100 % 'ä'", number)]
    assert len(prepared() - before) == 1


def test_ordinary_statements_are_not_prepared() -> None:
    rows_of("SELECT %s::int", [1])
    before = prepared()
    for _ in range(10):
        PriceGroup.objects.filter(name="x").exists()
    assert prepared() == before
    assert connection.connection.prepare_threshold is None


def test_off_means_that_nothing_is_prepared(settings: pytest.FixtureRequest) -> None:
    settings.DB_PREPARED_STATEMENTS = False  # type: ignore[attr-defined]
    before = prepared()
    for number in range(10):
        assert rows_of("SELECT %s + 1000", [number]) == [(number + 1000,)]
    assert prepared() == before


def test_it_is_logged_and_counted_like_every_other_statement() -> None:
    with CaptureQueriesContext(connection) as statements:
        rows_of("SELECT %s::numeric", [Decimal("0.10")])
    assert [row["sql"] for row in statements] == ["SELECT 0.10::numeric"]


def test_it_goes_on_after_an_error_and_a_rollback() -> None:
    insert = "INSERT INTO customers_pricegroup (name, note) VALUES (%s, '') RETURNING name"
    for _ in range(3):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows_of(insert, ["twice"])
            rows_of(insert, ["twice"])
    assert rows_of(insert, ["twice"]) == [("twice",)]
    assert PriceGroup.objects.filter(name="twice").count() == 1


@pytest.mark.parametrize("on", [True, False])
def test_an_order_is_placed_with_and_without(settings: pytest.FixtureRequest, on: bool) -> None:
    settings.DB_PREPARED_STATEMENTS = on  # type: ignore[attr-defined]
    alice = world.customer("alice@example.org", "100")
    shop = world.service(world.offer(world.provider()))
    placed = [world.order(alice, shop, quantity=10) for _ in range(3)]
    assert {order.submission.state for order in placed} == {"queued"}
    assert alice.accounts.get(kind="wallet").balance == 100 - sum(order.charge for order in placed)


def test_no_other_connection_has_the_same_names() -> None:
    def names() -> set[str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM pg_prepared_statements")
            return {row[0] for row in cursor.fetchall()}

    rows_of("SELECT %s + 1", [1])
    here = names()
    other = connection.copy()
    try:
        other.ensure_connection()
        other.connection.prepare_threshold = 0
        Cursor(other.connection).execute("SELECT %s::int + 1", [1])
        there = {row[0] for row in other.connection.execute("SELECT name FROM pg_prepared_statements")}
    finally:
        other.close()
    assert here
    assert there
    assert not here & there


@pytest.mark.django_db(transaction=True)
def test_a_column_that_a_migration_changed_meanwhile_is_read_all_the_same() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE widened (word varchar(5)); INSERT INTO widened VALUES ('here')")
    try:
        assert rows_of("SELECT word FROM widened WHERE word = %s", ["here"]) == [("here",)]
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE widened ALTER COLUMN word TYPE text")
        assert rows_of("SELECT word FROM widened WHERE word = %s", ["here"]) == [("here",)]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE widened")
