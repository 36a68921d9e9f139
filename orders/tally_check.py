"""Do the tallies say what the ledger adds up to? Asked by the ledger check, because triggers may have been switched off.

A day (UTC) is one statement: everything of it is added up again and held against what is kept. Hours that are stale
are left out: nobody believes their tallies.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from orders.tallying import DAY, HOUR, facts, sums_by_hour

_LONG = "make_interval(hours => hours)"
_KEPT = "of, hours, start, key, provider, orders, failed, revenue, refunded, cost"
_DIFFERENT = f"""
    WITH span AS (SELECT %(start)s::timestamptz AS lo, %(end)s::timestamptz AS hi),
    believed AS MATERIALIZED (
        SELECT start, hours, keyed FROM orders_talliedspan
        WHERE start >= %(start)s AND start + {_LONG} <= %(end)s AND NOT EXISTS (
            SELECT 1 FROM orders_stalehour x WHERE x.hour >= start AND x.hour < start + {_LONG})),
    {facts()},
    by_hour ({_KEPT}) AS MATERIALIZED ({sums_by_hour()}),
    summed ({_KEPT}) AS (
        SELECT * FROM by_hour
        UNION ALL SELECT of, 24, %(start)s, key, provider, sum(orders), 0, sum(revenue), sum(refunded), sum(cost)
            FROM by_hour WHERE of > 0 GROUP BY of, key, provider),
    expected AS (SELECT s.* FROM summed s JOIN believed b ON b.start = s.start AND b.hours = s.hours AND b.keyed = (s.of > 0)),
    kept AS (SELECT t.* FROM believed b JOIN orders_tally t
             ON t.start = b.start AND t.hours = b.hours AND (t.of > 0) = b.keyed AND t.of IN (0, 1, 2))
    SELECT start, of, key, e.orders, e.failed, e.revenue, e.refunded, e.cost, k.orders, k.failed, k.revenue, k.refunded, k.cost
    FROM expected e FULL JOIN kept k USING (of, hours, start, key, provider)
    WHERE (e.orders, e.failed, e.revenue, e.refunded, e.cost) IS DISTINCT FROM (k.orders, k.failed, k.revenue, k.refunded, k.cost)
    ORDER BY start, of, key LIMIT %(most)s
"""


@dataclass(frozen=True)
class Wrong:
    """A tally (of a day: named by its first hour) that differs. What each side says, in one line."""

    hour: datetime
    expected: str
    found: str


def wrong_tallies(since: datetime | None, most: int) -> list[Wrong]:
    """At most `most`, oldest first; of all days that have tallies, or of the hours since `since`."""
    found: list[Wrong] = []
    with connection.cursor() as cursor:
        for start, end in list(_days(cursor, since)):
            if len(found) >= most:
                break
            cursor.execute(_DIFFERENT, {"start": start, "end": end, "most": most - len(found)})
            found += [
                Wrong(row[0], _told(row[1], row[2], row[3:8]), _told(row[1], row[2], row[8:]))
                for row in cursor.fetchall()
            ]
    return found


def make_anew(since: datetime | None) -> None:
    """Believe no tally of the days in which one is wrong, until it is made anew."""
    with connection.cursor() as cursor:
        for start, end in list(_days(cursor, since)):
            cursor.execute(_DIFFERENT, {"start": start, "end": end, "most": 1})
            if cursor.fetchone():
                cursor.execute(
                    "INSERT INTO orders_stalehour (hour) SELECT generate_series(%s, %s - interval '1 hour', interval '1 hour')",
                    [start, end],
                )


def _days(cursor: Any, since: datetime | None) -> Iterator[tuple[datetime, datetime]]:
    """Days (UTC) with tallies; with `since` one span, of the whole hours since then."""
    if since is not None:
        cursor.execute("SELECT max(start) FROM orders_talliedspan WHERE NOT keyed AND hours = 1")
        last, start = cursor.fetchone()[0], since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        if last and start <= last:
            yield start, last + HOUR
        return
    cursor.execute(
        "SELECT DISTINCT date_trunc('day', start, 'UTC') AS day FROM orders_talliedspan ORDER BY day"
    )
    for (day,) in cursor.fetchall():
        yield day, day + DAY


def _told(of: int, key: int, sums: tuple[Any, ...]) -> str:
    if sums[0] is None:
        return "no row"
    thing = ("all", f"service {key}", f"customer {key}")[of]
    orders, failed, revenue, refunded, cost = sums
    return f"{thing}: {orders} orders, {failed} failed, revenue {revenue:f}, refunded {refunded:f}, cost {cost:f}"
