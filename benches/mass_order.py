"""A mass order of 5,000 lines: reading, judging and placing in one transaction, beside what writing its rows costs.

The bound is the same number of rows written by bulk inserts alone: orders, submissions and events copied within the
database, without any judging or money.
"""

import time
import uuid

from django.db import connection, transaction

from benches.figure import Figure

LINES = 5000


def run() -> list[Figure]:
    from orders.mass_lines import read_lines
    from orders.mass_placing import judge, place_all
    from tests import world

    shop = world.service(world.offer(world.provider(name="Mass")))
    user = world.customer("mass@example.org", "1000000")
    text = "\n".join(f"{shop.pk} | https://example.org/page/{n} | {10 + n % 500}" for n in range(LINES))
    place_all(user, read_lines(f"{shop.pk}|https://example.org/warm|10"), token=uuid.uuid4().hex)
    begun = time.perf_counter()
    lines = read_lines(text)
    judge(user, lines)
    checked = time.perf_counter()
    place_all(user, lines, token=uuid.uuid4().hex)
    placed = time.perf_counter()
    bound = _rows_alone()
    return [
        Figure(f"mass order, {LINES} lines, checking", (checked - begun) * 1000, "ms"),
        Figure(
            f"mass order, {LINES} lines, placing",
            (placed - checked) * 1000,
            "ms",
            bound * 1000,
            "rows alone, ms",
        ),
    ]


def _rows_alone() -> float:
    """Seconds to copy the rows of the last LINES orders into tables of the same shape."""
    begun = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        for table in ("orders_order", "orders_submission", "orders_orderevent", "customers_transfer"):
            cursor.execute(f"CREATE TABLE bench_{table} (LIKE {table} INCLUDING ALL)")
            cursor.execute(f"INSERT INTO bench_{table} SELECT * FROM {table} ORDER BY 1 DESC LIMIT {LINES}")
            cursor.execute(f"DROP TABLE bench_{table}")
    return time.perf_counter() - begun
