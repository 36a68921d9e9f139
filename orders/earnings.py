"""What was earned: the one definition of revenue and cost, for the dashboard and for every report.

revenue  what customers were charged in the period, less what was given back to them in it (from the ledger;
         a write-off is given back too)
cost     the expected cost of the orders placed in the period, less the cost of what ended undelivered in it
Both sides are counted when they happen; over all time the cost is exactly the expected cost of what was delivered.

Hours and days that are over are read from tallies, everything else from the ledger, in one statement and so in one
view of the database (providers.tallied says which tallies count, orders.tallying why they can never be wrong); hours that
a reader's day cuts, as in zones with half hours, are read from the ledger.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection

from customers.models import Account
from orders.models import Submission, Tally
from providers.pricing import margin_percent
from providers.tallied import asked, tallies, units_and_gaps

FAILED = (Submission.State.REJECTED, Submission.State.UNKNOWN, Submission.State.WRITTEN_OFF)
_FAILED = ", ".join(f"'{state}'" for state in FAILED)  # as text: the partial index says the same words
_SALES = Account.HOUSE_IDS[Account.Kind.SALES]
_GIVES_BACK = f"{_SALES}, {Account.HOUSE_IDS[Account.Kind.WRITE_OFF]}"

# The part of an ended order's cost that was never incurred; `o` is the order.
UNDELIVERED = """CASE WHEN o.status = 'Canceled' THEN o.cost
    ELSE round(o.cost * coalesce(o.remains, 0) / o.total, 6) END"""

# What a tally keeps, in this order; `orders` is called placed where single orders are meant.
FIGURES = ("placed", "failed", "revenue", "refunded", "cost", "units", "completed", "partial", "canceled")

# ── from the ledger ─────────────────────────────────────────────────────────────────────────────────

_ORDER_OF_TRANSFER = """CROSS JOIN LATERAL (
            SELECT service_id, user_id FROM orders_order WHERE id = t.order_number OFFSET 0) o"""
_PROVIDER_NOW = """LEFT JOIN LATERAL (
            SELECT provider_id, state FROM orders_submission WHERE order_id = {order} OFFSET 0) s ON true"""
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
    """SQL: rows (at, key, provider, FIGURES) of what changed revenue or cost, or ended, in `spans`.

    `spans` names a relation of (lo, hi), times without overlap. Three ranges of three indexes (transfer_at,
    order_created, order_ended) for each; every look-up is laid down (LATERAL, OFFSET 0), because the planner cannot know
    how short the spans are and would rather read whole tables. `of` None: (service_id, user_id) instead of the key.
    Units, and how orders ended that their provider took, are counted by service and provider only.
    """
    key, provider, of_transfer, of_order = _COUNTED[of]
    failed = (
        f"""CASE WHEN EXISTS (SELECT 1 FROM orders_submission f WHERE f.order_id = o.id AND f.state IN ({_FAILED}))
                    THEN 1 ELSE 0 END"""
        if of in (Tally.Of.ALL, None)
        else "0"
    )
    columns = "id, user_id, service_id, created_at, ended_at, status, cost, remains, total"
    by_supply = of in (Tally.Of.SUPPLY, None)
    ended = ", ".join(
        f"(o.status = '{status}' AND s.state IS NOT DISTINCT FROM 'accepted')::int AS {status.lower()}"
        if by_supply
        else f"0 AS {status.lower()}"
        for status in ("Completed", "Partial", "Canceled")
    )
    what_ended = (
        "" if by_supply else "AND (status = 'Canceled' OR remains > 0)"
    )  # who was delivered in full moves nothing
    return f"""
        SELECT t.at, {key}, {provider}, 0 AS placed, 0 AS failed,
               CASE WHEN t.target_id = {_SALES} THEN t.amount ELSE -t.amount END AS revenue,
               CASE WHEN t.target_id = {_SALES} THEN 0 ELSE t.amount END AS refunded, 0::numeric AS cost,
               0::bigint AS units, 0 AS completed, 0 AS partial, 0 AS canceled
        FROM {spans} CROSS JOIN LATERAL (
            SELECT at, order_number, amount, target_id FROM customers_transfer
            WHERE at >= {spans}.lo AND at < {spans}.hi AND (target_id = {_SALES} OR source_id IN ({_GIVES_BACK})) OFFSET 0) t
        {of_transfer} {of_order.format(order="t.order_number")}
      UNION ALL
        SELECT o.created_at, {key}, {provider}, 1, {failed}, 0, 0, o.cost, {"o.total" if by_supply else "0"}, 0, 0, 0
        FROM {spans} CROSS JOIN LATERAL (
            SELECT {columns} FROM orders_order WHERE created_at >= {spans}.lo AND created_at < {spans}.hi OFFSET 0) o
        {of_order.format(order="o.id")}
      UNION ALL
        SELECT o.ended_at, {key}, {provider}, 0, 0, 0, 0, -{UNDELIVERED}, 0, {ended}
        FROM {spans} CROSS JOIN LATERAL (
            SELECT {columns} FROM orders_order WHERE ended_at >= {spans}.lo AND ended_at < {spans}.hi {what_ended} OFFSET 0) o
        {of_order.format(order="o.id")}
    """


# ── from tallies where they can be believed ─────────────────────────────────────────────────────────


def moved(of: Tally.Of) -> str:
    """SQL: rows (at, key, provider, placed, failed, revenue, refunded, cost) that add up to what changed in [start, end).

    `at` lies in the hour in which it happened; of services and customers it says no more than that it lies in the range.
    Values: providers.tallied.asked.
    """
    return f"""
        WITH {units_and_gaps(keyed=of != Tally.Of.ALL)}
        SELECT r.start AS at, r.key, r.provider, r.orders AS placed, r.failed, r.revenue, r.refunded, r.cost
        FROM {tallies(of)}
      UNION ALL SELECT at, key, provider, placed, failed, revenue, refunded, cost FROM ({from_ledger(of, "gaps")}) AS ledger
    """


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
