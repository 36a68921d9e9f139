"""Which sums of hours and days that are over can be believed, as SQL to be read together with the ledger.

orders.tallying writes the tallies and notes their spans; orders.earnings reads them, and so do this room's figures of what
was sold and delivered. A span counts only where it is noted as whole and no stale hour lies in it. Whoever takes
the tallies of `units` and adds up `gaps` from the ledger, in one statement, has every moment of [start, end) once.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

ALWAYS = datetime(2999, 1, 1, tzinfo=UTC)  # an end for "up to now": nothing lies behind it

_LONG = "make_interval(hours => s.hours)"


def units_and_gaps(*, keyed: bool) -> str:
    """SQL for WITH: `units` (start, upto, hours), the spans whose tallies count, and `gaps` (lo, hi), all other time.

    Spans are aligned, so that of two that meet one lies within the other: where a longer one counts, what lies
    in it is left out. Sums of everything are kept by the hour only, since days differ from reader to reader.
    """
    return f"""believed AS MATERIALIZED (
        SELECT s.start, s.start + {_LONG} AS upto, s.hours FROM orders_talliedspan s
        WHERE {"keyed" if keyed else "NOT keyed"} AND s.start >= %(start)s AND s.start + {_LONG} <= %(end)s
            AND (s.hours > 1 OR s.start <> ALL(%(cut)s::timestamptz[]))
            AND NOT EXISTS (SELECT 1 FROM orders_stalehour x WHERE x.hour >= s.start AND x.hour < s.start + {_LONG})),
    units AS MATERIALIZED (
        SELECT start, upto, hours FROM (
            SELECT *, max(upto) OVER (ORDER BY start, hours DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
            FROM believed) AS laid
        WHERE reached IS NULL OR reached <= start),
    gaps AS MATERIALIZED (
        SELECT lo, hi FROM (
            SELECT upto AS lo, lead(start, 1, %(end)s::timestamptz) OVER (ORDER BY start, upto) AS hi
            FROM (SELECT %(start)s::timestamptz AS start, %(start)s::timestamptz AS upto
                  UNION ALL SELECT start, upto FROM units) AS covered
        ) AS between_them WHERE lo < hi)"""


def tallies(of: int, also: str = "") -> str:
    """SQL for FROM: the tallies of `units` as `r`, of one kind of orders.models.Tally.Of.

    Laid down (LATERAL, OFFSET 0): the planner cannot know how few spans there are and would rather read the whole table.
    The condition is always true; a volatile function in it keeps the planner from copying every row into a Memoize.
    """
    return f"""units JOIN LATERAL (
            SELECT * FROM orders_tally t WHERE t.of = {int(of)} AND t.hours = units.hours AND t.start = units.start {also} OFFSET 0
        ) r ON r.hours > 0 OR random() > 2"""


def asked(start: datetime, end: datetime, cuts: Iterable[datetime] = ()) -> dict[str, Any]:
    """The values that the SQL takes. `cuts`: where the reader's days or hours begin; no unit of an hour has one inside."""
    return {"start": start, "end": end, "cut": [hour_of(at) for at in cuts if hour_of(at) != at]}


def hour_of(at: datetime) -> datetime:
    """The beginning of its hour by UTC, as tallies have it."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def day_of(at: datetime) -> datetime:
    """The beginning of its day by UTC: a range of days that begins there reads no hours of its first day."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
