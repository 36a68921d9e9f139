"""What was earned: the one definition of revenue and cost, for the dashboard and for every report.

revenue  what customers were charged in the period, less what was given back to them in it (from the ledger;
         a write-off is given back too)
cost     the expected cost of the orders placed in the period, less the cost of what ended undelivered in it
Both sides are counted when they happen; over all time the cost is exactly the expected cost of what was delivered.

Hours and days that are over are read from tallies, everything else from the ledger, in one statement and so in one
view of the database. A tally counts only where its span is noted as whole and no stale hour lies in it (see
orders.tallying for why that can never be wrong); hours that a reader's day cuts, as in zones with half hours, are
read from the ledger.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from customers.models import Account
from orders.models import Submission, Tally
from providers.pricing import margin_percent

FAILED = (Submission.State.REJECTED, Submission.State.UNKNOWN, Submission.State.WRITTEN_OFF)
_FAILED = ", ".join(f"'{state}'" for state in FAILED)  # as text: the partial index says the same words
_SALES = Account.HOUSE_IDS[Account.Kind.SALES]
_GIVES_BACK = f"{_SALES}, {Account.HOUSE_IDS[Account.Kind.WRITE_OFF]}"

# The part of an ended order's cost that was never incurred; `o` is the order.
UNDELIVERED = """CASE WHEN o.status = 'Canceled' THEN o.cost
    ELSE round(o.cost * coalesce(o.remains, 0) / o.total, 6) END"""

# ── from the ledger ─────────────────────────────────────────────────────────────────────────────────

_ORDER_OF_TRANSFER = """CROSS JOIN LATERAL (
            SELECT service_id, user_id FROM orders_order WHERE id = t.order_number OFFSET 0) o"""
_PROVIDER_NOW = """LEFT JOIN LATERAL (
            SELECT provider_id FROM orders_submission WHERE order_id = {order} OFFSET 0) s ON true"""
# of → key, provider, what a transfer needs to know its order by, and an order its provider
_COUNTED: dict[int | None, tuple[str, str, str, str]] = {
    Tally.Of.ALL: ("0::bigint AS key", "0::bigint AS provider", "", ""),
    Tally.Of.SUPPLY: (
        "o.service_id AS key",
        "coalesce(s.provider_id, 0) AS provider",
        _ORDER_OF_TRANSFER,
        _PROVIDER_NOW,
    ),
    Tally.Of.CUSTOMER: ("o.user_id AS key", "0::bigint AS provider", _ORDER_OF_TRANSFER, ""),
    # all of them at once, for who makes tallies
    None: (
        "o.service_id, o.user_id",
        "coalesce(s.provider_id, 0) AS provider",
        f"LEFT {_ORDER_OF_TRANSFER.removeprefix('CROSS ')} ON true",
        _PROVIDER_NOW,
    ),
}


def from_ledger(of: int | None, spans: str) -> str:
    """SQL: rows (at, key, provider, placed, failed, revenue, refunded, cost) of what changed revenue or cost in `spans`.

    `spans` names a relation of (lo, hi), times without overlap. Three ranges of three indexes (transfer_at,
    order_created, order_ended) for each; every look-up is laid down (LATERAL, OFFSET 0), because the planner cannot know
    how short the spans are and would rather read whole tables. `of` None: (service_id, user_id) instead of the key.
    """
    key, provider, of_transfer, of_order = _COUNTED[of]
    failed = (
        f"""CASE WHEN EXISTS (SELECT 1 FROM orders_submission f WHERE f.order_id = o.id AND f.state IN ({_FAILED}))
                    THEN 1 ELSE 0 END"""
        if of in (Tally.Of.ALL, None)
        else "0"
    )
    columns = "id, user_id, service_id, created_at, ended_at, status, cost, remains, total"
    return f"""
        SELECT t.at, {key}, {provider}, 0 AS placed, 0 AS failed,
               CASE WHEN t.target_id = {_SALES} THEN t.amount ELSE -t.amount END AS revenue,
               CASE WHEN t.target_id = {_SALES} THEN 0 ELSE t.amount END AS refunded, 0::numeric AS cost
        FROM {spans} CROSS JOIN LATERAL (
            SELECT at, order_number, amount, target_id FROM customers_transfer
            WHERE at >= {spans}.lo AND at < {spans}.hi AND (target_id = {_SALES} OR source_id IN ({_GIVES_BACK})) OFFSET 0) t
        {of_transfer} {of_order.format(order="t.order_number")}
      UNION ALL
        SELECT o.created_at, {key}, {provider}, 1, {failed}, 0, 0, o.cost
        FROM {spans} CROSS JOIN LATERAL (
            SELECT {columns} FROM orders_order WHERE created_at >= {spans}.lo AND created_at < {spans}.hi OFFSET 0) o
        {of_order.format(order="o.id")}
      UNION ALL
        SELECT o.ended_at, {key}, {provider}, 0, 0, 0, 0, -{UNDELIVERED}
        FROM {spans} CROSS JOIN LATERAL (
            SELECT {columns} FROM orders_order WHERE ended_at >= {spans}.lo AND ended_at < {spans}.hi OFFSET 0) o
        {of_order.format(order="o.id")}
    """


# ── from tallies where they can be believed ─────────────────────────────────────────────────────────

_HOUR, _DAY = "interval '1 hour'", "interval '24 hours'"


def units_and_gaps(*, keyed: bool) -> str:
    """SQL for WITH: `units` (start, upto, hours), the spans whose tallies count, and `gaps` (lo, hi), all other time.

    Together they are [start, end) once. Days before hours, the larger unit first; sums of all are kept by hour only.
    """
    believed = """start >= %(start)s AND start + {long} <= %(end)s
            AND NOT EXISTS (SELECT 1 FROM orders_stalehour x WHERE x.hour >= start AND x.hour < start + {long})"""
    days = f"""
        SELECT start, start + {_DAY} AS upto, 24 AS hours FROM orders_talliedspan
        WHERE keyed AND hours = 24 AND {believed.format(long=_DAY)}"""
    hours = f"""
        SELECT start, start + {_HOUR} AS upto, 1 AS hours FROM orders_talliedspan h
        WHERE {"keyed" if keyed else "NOT keyed"} AND hours = 1 AND start <> ALL(%(cut)s::timestamptz[])
            AND {believed.format(long=_HOUR)}"""
    if keyed:
        hours += " AND NOT EXISTS (SELECT 1 FROM days WHERE days.start <= h.start AND days.upto > h.start)"
        units = f"days AS MATERIALIZED ({days}), units AS MATERIALIZED (SELECT * FROM days UNION ALL {hours})"
    else:
        units = f"units AS MATERIALIZED ({hours})"
    return f"""{units}, gaps AS MATERIALIZED (
        SELECT lo, hi FROM (
            SELECT upto AS lo, lead(start, 1, %(end)s::timestamptz) OVER (ORDER BY start, upto) AS hi
            FROM (SELECT %(start)s::timestamptz AS start, %(start)s::timestamptz AS upto
                  UNION ALL SELECT start, upto FROM units) AS covered
        ) AS between_them WHERE lo < hi)"""


def moved(of: Tally.Of) -> str:
    """SQL: rows (at, key, provider, placed, failed, revenue, refunded, cost) that add up to what changed in [start, end).

    `at` lies in the hour, and for services and customers only in the day, in which it happened.
    """
    return f"""
        WITH {units_and_gaps(keyed=of != Tally.Of.ALL)}
        SELECT r.start AS at, r.key, r.provider, r.orders AS placed, r.failed, r.revenue, r.refunded, r.cost
        FROM units JOIN orders_tally r ON r.of = {int(of)} AND r.hours = units.hours AND r.start = units.start
      UNION ALL {from_ledger(of, "gaps")}
    """


def asked(start: datetime, end: datetime, cuts: Iterable[datetime] = ()) -> dict[str, Any]:
    """The values that `moved` takes. `cuts`: where the reader's days or hours begin; rows of `moved` lie between them."""
    return {"start": start, "end": end, "cut": [_hour_of(at) for at in cuts if _hour_of(at) != at]}


def _hour_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


# ── totals ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Earned:
    """Amounts in panel currency, 6 decimals; `orders` is how many were placed."""

    orders: int
    revenue: Decimal
    cost: Decimal

    @property
    def profit(self) -> Decimal:
        return self.revenue - self.cost

    @property
    def margin(self) -> Decimal | None:
        """Share of the revenue, percent with one place; None without revenue."""
        return margin_percent(self.revenue, self.cost)


@dataclass(frozen=True)
class Totals(Earned):
    failed: int  # of the orders placed, those that could not be sent, or of which nobody knows


def totals(start: datetime, end: datetime) -> Totals:
    """Of [start, end). One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT coalesce(sum(placed), 0), coalesce(sum(revenue), 0), coalesce(sum(cost), 0), coalesce(sum(failed), 0)
            FROM ({moved(Tally.Of.ALL)}) AS moved
            """,
            asked(start, end),
        )
        placed, revenue, cost, failed = cursor.fetchone()
    return Totals(int(placed), revenue, cost, int(failed))
