"""Do the tallies say what the ledger adds up to? Asked by the ledger check, because triggers may have been switched off.

A day (UTC) is one statement: everything of it is added up again and held against what is kept; spans of several days are
held against the days. Hours that are stale are left out: nobody believes their tallies.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from orders.tallying import BLOCKS, DAY, HOUR, KEPT, facts, summed_up, sums_by_hour

_LONG = "make_interval(hours => hours)"
_FIGURES = KEPT.split(", ")[5:]
_NOT_STALE = f"""NOT EXISTS (
            SELECT 1 FROM orders_stalehour x WHERE x.hour >= start AND x.hour < start + {_LONG})"""
_COMPARED = f"""
    SELECT start, of, key, {", ".join(f"e.{figure}" for figure in _FIGURES)}, {", ".join(f"k.{figure}" for figure in _FIGURES)}
    FROM expected e FULL JOIN kept k USING (of, hours, start, key, provider)
    WHERE ({", ".join(f"e.{figure}" for figure in _FIGURES)}) IS DISTINCT FROM ({", ".join(f"k.{figure}" for figure in _FIGURES)})
    ORDER BY start, of, key LIMIT %(most)s
"""
_DIFFERENT = f"""
    WITH span AS (SELECT %(start)s::timestamptz AS lo, %(end)s::timestamptz AS hi),
    believed AS MATERIALIZED (
        SELECT start, hours, keyed FROM orders_talliedspan
        WHERE start >= %(start)s AND start + {_LONG} <= %(end)s
            AND (hours = 1 OR (hours = 24 AND start = %(start)s AND start + {_LONG} = %(end)s)) AND {_NOT_STALE}),
    {facts()},
    by_hour ({KEPT}) AS MATERIALIZED ({sums_by_hour()}),
    summed ({KEPT}) AS (
        SELECT * FROM by_hour
        UNION ALL SELECT of, 24, %(start)s, key, provider, {", ".join(_FIGURES)}
            FROM ({summed_up("by_hour WHERE of IN (1, 2)")}) AS day (of, key, provider, {", ".join(_FIGURES)})),
    expected AS (SELECT s.* FROM summed s JOIN believed b ON b.start = s.start AND b.hours = s.hours AND b.keyed = (s.of > 0)),
    kept AS (SELECT t.* FROM believed b CROSS JOIN LATERAL (
        SELECT * FROM orders_tally t
        WHERE t.of IN (0, 1, 2, 3) AND (t.of > 0) = b.keyed AND t.hours = b.hours AND t.start = b.start OFFSET 0) t)
    {_COMPARED}
"""
# A span of several days against its parts, of which the shortest are days. Asked in the same statement whether it still
# is one: parts that are made anew take it away, and it is summed up again a little later.
_COMPARED_IF_STILL_SUMMED_UP = _COMPARED.replace(
    "WHERE (",
    """WHERE EXISTS (SELECT 1 FROM orders_talliedspan WHERE keyed AND hours = %(hours)s AND start = %(start)s) AND (""",
)
_BLOCKS = f"""
    SELECT start, hours FROM orders_talliedspan WHERE keyed AND hours > 24 AND {_NOT_STALE} ORDER BY hours, start
"""
_DIFFERENT_BLOCK = f"""
    WITH parts AS (
        SELECT t.* FROM orders_talliedspan s CROSS JOIN LATERAL (
            SELECT * FROM orders_tally t WHERE t.of IN (1, 2) AND t.hours = s.hours AND t.start = s.start OFFSET 0) t
        WHERE s.keyed AND s.hours = %(part)s AND s.start >= %(start)s AND s.start < %(end)s),
    expected ({KEPT}) AS (
        SELECT of, %(hours)s, %(start)s::timestamptz, key, provider, {", ".join(_FIGURES)}
        FROM ({summed_up("parts")}) AS summed (of, key, provider, {", ".join(_FIGURES)})),
    kept AS (SELECT * FROM orders_tally WHERE of IN (1, 2) AND hours = %(hours)s AND start = %(start)s)
    {_COMPARED_IF_STILL_SUMMED_UP}
"""


@dataclass(frozen=True)
class Wrong:
    """A tally (of a longer span: named by its first hour) that differs. What each side says, in one line."""

    hour: datetime
    expected: str
    found: str


def wrong_tallies(since: datetime | None, most: int) -> list[Wrong]:
    """At most `most`; of all spans that are tallied, or of the hours since `since`."""
    found: list[Wrong] = []
    with connection.cursor() as cursor:
        for _hours, rows in _differing(cursor, since, most):
            found += [Wrong(row[0], _told(row[1:], 2), _told(row[1:], 2 + len(_FIGURES))) for row in rows]
            if len(found) >= most:
                break
    return found[:most]


def make_anew(since: datetime | None) -> None:
    """Believe no tally of the spans in which one is wrong, until it is made anew."""
    with connection.cursor() as cursor:
        for hours, rows in list(_differing(cursor, since, 1)):
            if rows:
                cursor.execute(
                    "INSERT INTO orders_stalehour (hour) SELECT unnest(%s::timestamptz[])", [hours]
                )


def _differing(
    cursor: Any, since: datetime | None, most: int
) -> Iterator[tuple[list[datetime], list[tuple[Any, ...]]]]:
    """By span: the hours that must be made anew if it is wrong, and at most `most` rows that differ."""
    for start, end in list(_days(cursor, since)):
        cursor.execute(_DIFFERENT, {"start": start, "end": end, "most": most})
        yield [start + number * HOUR for number in range((end - start) // HOUR)], cursor.fetchall()
    if since is not None:
        return
    cursor.execute(_BLOCKS)
    part_of = dict(BLOCKS)
    for start, hours in cursor.fetchall():
        values = {
            "start": start,
            "hours": hours,
            "end": start + hours * HOUR,
            "part": part_of[hours],
            "most": most,
        }
        cursor.execute(_DIFFERENT_BLOCK, values)
        yield [start], cursor.fetchall()  # any one: what holds it is summed up again


def _days(cursor: Any, since: datetime | None) -> Iterator[tuple[datetime, datetime]]:
    """Days (UTC) with tallies; with `since` one span, of the whole hours since then."""
    if since is not None:
        cursor.execute("SELECT max(start) FROM orders_talliedspan WHERE NOT keyed AND hours = 1")
        last, start = cursor.fetchone()[0], since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        if last and start <= last:
            yield start, last + HOUR
        return
    cursor.execute(
        "SELECT DISTINCT date_trunc('day', start, 'UTC') AS day FROM orders_talliedspan WHERE hours <= 24 ORDER BY day"
    )
    for (day,) in cursor.fetchall():
        yield day, day + DAY


def _told(row: tuple[Any, ...], first: int) -> str:
    """One side of a row (of, key, figures expected, figures kept), from `first` on."""
    of, key = row[:2]
    figures = row[first : first + len(_FIGURES)]
    if figures[0] is None:
        return "no row"
    thing = ("all", f"service {key}", f"customer {key}", f"sent to provider {key}")[of]
    orders, failed, revenue, refunded, cost, units, *ended = figures
    told = f"{thing}: {orders} orders, {failed} failed, revenue {revenue:f}, refunded {refunded:f}, cost {cost:f}"
    return told if of != 1 else f"{told}, {units} units, ended {'/'.join(map(str, ended))}"
