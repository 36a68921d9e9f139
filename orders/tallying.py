"""Making tallies: the sums of hours and days that are over, so that reports need not read every order again.

Why a tally cannot be wrong unnoticed:

* An hour is tallied ten minutes after its end at the earliest, and only after every transaction that was writing to
  the tables it is made from at that moment has ended. So whoever writes into it later does so after its end, by
  the database's clock; then a trigger (migration 0007) marks the hour as stale in the same transaction: a new row
  with an earlier time, another cost, an end that was corrected, another provider, a submission that failed.
* A reader takes tallies, stale hours and the ledger in one statement. He sees a change together with its mark, or
  neither; a stale hour is added up from the ledger until it is tallied anew.
* Tallying reads the ledger and removes the marks it saw in one statement, for the same reason.
* What triggers cannot see (they were switched off, the clock went back by more than ten minutes) is found by the
  ledger check, which adds up everything and compares (orders.tally_check); hours that differ are marked as stale.

Sums by service, provider and customer are kept by the hour for some weeks, and by the day (UTC) for ever. Days are summed
up further by fours, aligned, so that a report of a month adds up some seven spans and one of two years some twenty.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from orders.earnings import FIGURES, from_ledger
from orders.models import Tally
from providers.sending import attempts_in

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SETTLES = timedelta(minutes=10)  # also how far the clock may go back
KEYED_HOURS_KEPT = timedelta(
    days=33
)  # a range of a month begins at its reader's midnight, which lies within a day
# Longer spans and the parts they are summed up from, in hours: 4, 16 and 64 days. Each begins at a multiple of itself.
BLOCKS = ((96, 24), (384, 96), (1536, 384))
_ORIGIN = "timestamptz '2000-01-01 00:00:00+00'"
WAIT_FOR_WRITERS = 20.0  # seconds
_LOCK = 7_202_611  # advisory: one tallies at a time


@dataclass
class Tallied:
    """What a run did. `more`: days that it left for the next one."""

    days: int = 0
    more: int = 0


def tally(seconds: float = 120) -> Tallied:
    """Tally what is over and not tallied, or stale, the newest day first, for about `seconds`. May run anywhere, twice."""
    done, until = Tallied(), time.monotonic() + seconds
    upto = _settled()
    if upto is None:
        return done
    due = _due(upto)
    for number, day in enumerate(due):
        if time.monotonic() > until:
            done.more = len(due) - number
            break
        if not _tally_day(day, min(day + DAY, upto), upto):
            break  # another one is at it
        done.days += 1
    _sum_up_blocks(until)
    _forget_old_hours(upto - KEYED_HOURS_KEPT)
    return done


def _settled() -> datetime | None:
    """The end of the last hour that may be tallied; None while somebody may still write into it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now = cursor.fetchone()[0]
        writers = _writers(cursor)
        until = time.monotonic() + WAIT_FOR_WRITERS
        while writers:
            if time.monotonic() > until:
                return None
            time.sleep(0.05)
            writers &= _writers(cursor)
    upto: datetime = (now - SETTLES).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return upto


def _writers(cursor: Any) -> set[str]:
    """Transactions that have begun to write into what tallies are made from. Who writes holds the table's lock to its end."""
    cursor.execute(
        """
        SELECT virtualtransaction FROM pg_locks
        WHERE locktype = 'relation' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND relation IN ('orders_order'::regclass, 'orders_submission'::regclass, 'orders_submissionattempt'::regclass,
                           'customers_transfer'::regclass)
          AND mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
          AND granted AND pid IS DISTINCT FROM pg_backend_pid()
        """
    )
    return {row[0] for row in cursor.fetchall()}


def _due(upto: datetime) -> list[datetime]:
    """Days (UTC midnights) before `upto` with an hour that is not tallied or stale, or whose own sum is missing."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH first AS (
                SELECT least((SELECT min(created_at) FROM orders_order), (SELECT min(at) FROM customers_transfer)) AS at
            ), there AS (
                SELECT date_trunc('day', start, 'UTC') AS day, count(*) FILTER (WHERE NOT keyed) AS hours,
                       count(*) FILTER (WHERE keyed AND hours = 24) AS whole,
                       count(*) FILTER (WHERE keyed AND hours = 1) AS keyed_hours
                FROM orders_talliedspan GROUP BY day
            )
            SELECT day FROM first, generate_series(date_trunc('day', first.at, 'UTC'), %(upto)s, interval '24 hours') AS day
            LEFT JOIN there USING (day)
            WHERE day < %(upto)s AND (
                coalesce(hours, 0) < least(24, extract(epoch FROM %(upto)s - day) / 3600)
                OR (day + interval '24 hours' <= %(upto)s AND coalesce(whole, 0) = 0)
                OR (coalesce(whole, 0) = 0 AND coalesce(keyed_hours, 0) < coalesce(hours, 0)))
            UNION SELECT date_trunc('day', hour, 'UTC') FROM orders_stalehour WHERE hour < %(upto)s
            ORDER BY day DESC
            """,
            {"upto": upto},
        )
        return [row[0].astimezone(UTC) for row in cursor.fetchall()]


def _tally_day(day: datetime, end: datetime, upto: datetime) -> bool:
    """Tally the hours of [day, end) that want it, from the first to the last of them. False: another one is at it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return False
        if day < upto - KEYED_HOURS_KEPT:  # its sums by service and customer are kept as a day only
            _tally_hours(cursor, day, day, end)
            _sum_up(cursor, day, 24, 1)
            _forget_hours(cursor, day, end)
            return True
        if wanted := _hours_wanting(cursor, day, end):
            _tally_hours(cursor, day, wanted[0], wanted[-1] + HOUR)
        if end == day + DAY:
            _sum_up(cursor, day, 24, 1)
    return True


def _hours_wanting(cursor: Any, day: datetime, end: datetime) -> list[datetime]:
    cursor.execute(
        """
        SELECT hour FROM generate_series(%(day)s, %(end)s - interval '1 hour', interval '1 hour') AS hour
        WHERE (SELECT count(*) FROM orders_talliedspan WHERE start = hour AND hours = 1) < 2
           OR EXISTS (SELECT 1 FROM orders_stalehour x WHERE x.hour >= hour AND x.hour < hour + interval '1 hour')
        ORDER BY hour
        """,
        {"day": day, "end": end},
    )
    return [row[0] for row in cursor.fetchall()]


KEPT = f"of, hours, start, key, provider, {', '.join(FIGURES).replace('placed', 'orders', 1)}"
# As their key has them, so that the sums of a span lie side by side: a reader of thousands then visits each page once.
_IN_ORDER = "ORDER BY 1, 2, 3, 4, 5"
_SUMS = ", ".join(f"sum({figure})" for figure in FIGURES)
_SUMS_OF_SUMS = _SUMS.replace("placed", "orders", 1)
_KEYED_SUMS = _SUMS.replace("sum(failed)", "0")
_ALL_SUMS = ", ".join(f"sum({figure})" if number < 5 else "0" for number, figure in enumerate(FIGURES))
_MONEY_SUMS = _ALL_SUMS.replace("sum(failed)", "0")
# Most orders end some hours after they were placed, and that moves none of their customer's money: no row for that.
_MOVED_SOMETHING = "HAVING sum(placed) > 0 OR sum(revenue) <> 0 OR sum(refunded) <> 0 OR sum(cost) <> 0"


def facts(name: str = "span") -> str:
    """SQL for WITH: `facts`, what the ledger says of the spans in `name`, with the hour of each row; `begun`, the attempts."""
    return f"""facts AS MATERIALIZED (SELECT date_trunc('hour', at, 'UTC') AS hour, * FROM ({from_ledger(None, name)}) AS ledger),
        begun AS MATERIALIZED ({attempts_in(name, "providers_provider")})"""


def sums_by_hour() -> str:
    """SQL: rows (KEPT) of `facts` and `begun`."""
    return f"""
        SELECT {int(Tally.Of.ALL)}, 1, hour, 0::bigint, 0::bigint, {_ALL_SUMS} FROM facts GROUP BY hour
        UNION ALL SELECT {int(Tally.Of.SUPPLY)}, 1, hour, service_id, provider, {_KEYED_SUMS}
            FROM facts WHERE service_id IS NOT NULL GROUP BY hour, service_id, provider
        UNION ALL SELECT {int(Tally.Of.CUSTOMER)}, 1, hour, user_id, 0, {_MONEY_SUMS}
            FROM facts WHERE user_id IS NOT NULL GROUP BY hour, user_id {_MOVED_SOMETHING}
        UNION ALL SELECT {int(Tally.Of.SENDING)}, 1, hour, provider_id, 0, count(*), count(*) FILTER (WHERE trouble), 0, 0, 0, 0, 0, 0, 0
            FROM begun GROUP BY hour, provider_id
    """


def summed_up(parts: str) -> str:
    """SQL: rows (of, key, provider, the figures) of `parts`, rows (KEPT) of spans that lie together."""
    return f"SELECT of, key, provider, {_SUMS_OF_SUMS} FROM {parts} GROUP BY of, key, provider"


def _tally_hours(cursor: Any, day: datetime, start: datetime, end: datetime) -> None:
    """Tally [start, end) of `day` anew. The ledger is read and the marks are removed in one statement."""
    values = {"start": start, "end": end}
    _forget_hours(cursor, start, end, all_sums=True)
    cursor.execute(  # and all that was summed up from them
        f"""
        DELETE FROM orders_talliedspan s USING unnest(%s::smallint[]) AS whole(hours)
        WHERE s.keyed AND s.hours = whole.hours AND s.start = date_bin(make_interval(hours => whole.hours), %s, {_ORIGIN})
        """,
        [[24, *(hours for hours, _part in BLOCKS)], day],
    )
    cursor.execute(
        f"""
        WITH span AS (SELECT %(start)s::timestamptz AS lo, %(end)s::timestamptz AS hi),
        seen AS (DELETE FROM orders_stalehour WHERE hour >= %(start)s AND hour < %(end)s),
        {facts()}
        INSERT INTO orders_tally ({KEPT}) {sums_by_hour()} {_IN_ORDER}
        """,
        values,
    )
    # The triggers remember per transaction which hour they marked last; those marks are gone now.
    cursor.execute(
        "SELECT set_config('headwater.stale_' || name, '', true) FROM unnest(ARRAY['created', 'ended', 'moved', 'sent']) AS name"
    )
    cursor.execute(
        """
        INSERT INTO orders_talliedspan (start, hours, keyed, at) SELECT hour, 1, keyed, clock_timestamp()
        FROM generate_series(%(start)s, %(end)s - interval '1 hour', interval '1 hour') AS hour, (VALUES (true), (false)) AS kinds(keyed)
        """,
        values,
    )


def _sum_up(cursor: Any, start: datetime, hours: int, part: int) -> None:
    """The sums by service, provider and customer of a span of `hours`, from those of its parts if all are there."""
    values = {"start": start, "end": start + timedelta(hours=hours), "hours": hours, "part": part}
    cursor.execute(
        "SELECT count(*) FILTER (WHERE hours = %(part)s), count(*) FILTER (WHERE hours = %(hours)s AND start = %(start)s) "
        "FROM orders_talliedspan WHERE keyed AND start >= %(start)s AND start < %(end)s",
        values,
    )
    parts, whole = cursor.fetchone()
    if parts < hours // part or whole:
        return
    cursor.execute(
        "DELETE FROM orders_tally WHERE of IN (1, 2) AND hours = %(hours)s AND start = %(start)s", values
    )
    parts_of_it = f"""(SELECT {KEPT} FROM orders_tally
        WHERE of IN (1, 2) AND hours = %(part)s AND start >= %(start)s AND start < %(end)s) AS parts"""
    cursor.execute(
        f"""
        INSERT INTO orders_tally ({KEPT})
        SELECT of, %(hours)s, %(start)s, key, provider, {", ".join(KEPT.split(", ")[5:])}
        FROM ({summed_up(parts_of_it)}) AS summed (of, key, provider, {", ".join(KEPT.split(", ")[5:])})
        {_IN_ORDER}
        """,
        values,
    )
    cursor.execute(
        "INSERT INTO orders_talliedspan (start, hours, keyed, at) VALUES (%(start)s, %(hours)s, true, clock_timestamp())",
        values,
    )


def _sum_up_blocks(until: float) -> None:
    """Spans of several days whose parts are all there and that are missing, the newest first, each on its own."""
    for hours, part in BLOCKS:
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                SELECT block FROM (
                    SELECT date_bin(make_interval(hours => %(hours)s), start, {_ORIGIN}) AS block, count(*) AS parts
                    FROM orders_talliedspan WHERE keyed AND hours = %(part)s GROUP BY block) AS blocks
                WHERE parts = %(parts)s AND NOT EXISTS (
                    SELECT 1 FROM orders_talliedspan s WHERE s.keyed AND s.hours = %(hours)s AND s.start = block)
                ORDER BY block DESC
                """,
                {"hours": hours, "part": part, "parts": hours // part},
            )
            missing = [row[0] for row in cursor.fetchall()]
        for start in missing:
            if time.monotonic() > until:
                return
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
                if not cursor.fetchone()[0]:
                    return
                _sum_up(cursor, start, hours, part)


def _forget_hours(cursor: Any, start: datetime, end: datetime, *, all_sums: bool = False) -> None:
    """Hourly sums of [start, end) by service and customer, or all of them."""
    of = [Tally.Of.ALL] * all_sums + [Tally.Of.SUPPLY, Tally.Of.CUSTOMER, Tally.Of.SENDING]
    cursor.execute(
        "DELETE FROM orders_tally WHERE of = ANY(%s) AND hours = 1 AND start >= %s AND start < %s",
        [[int(each) for each in of], start, end],
    )
    cursor.execute(
        "DELETE FROM orders_talliedspan WHERE hours = 1 AND start >= %s AND start < %s AND (keyed OR %s)",
        [start, end, all_sums],
    )


def _forget_old_hours(before: datetime) -> None:
    """Hours by service and customer of the oldest day that has them still; each run takes one."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return
        cursor.execute(
            "SELECT min(start) FROM orders_talliedspan WHERE keyed AND hours = 1 AND start < %s",
            [before - DAY],
        )
        if first := cursor.fetchone()[0]:
            day = first.astimezone(UTC).replace(hour=0)
            _forget_hours(cursor, day, day + DAY)
