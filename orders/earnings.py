"""What was earned: the one definition of revenue and cost, for the dashboard and for every report.

revenue  what customers were charged in the period, less what was given back to them in it (from the ledger;
         a write-off is given back too)
cost     the expected cost of the orders placed in the period, less the cost of what ended undelivered in it
Both sides are counted when they happen; over all time the cost is exactly the expected cost of what was delivered.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from customers.models import Account
from orders.models import Submission
from providers.pricing import margin_percent

FAILED = (Submission.State.REJECTED, Submission.State.UNKNOWN, Submission.State.WRITTEN_OFF)

# The part of an ended order's cost that was never incurred; `o` is the order.
UNDELIVERED = """CASE WHEN o.status = 'Canceled' THEN o.cost
    ELSE round(o.cost * coalesce(o.remains, 0) / o.total, 6) END"""


def moved(key: str = "0", join: str = "") -> str:
    """SQL: one row (at, key, placed, cost, revenue) for everything that changed revenue or cost in [start, end).

    `key` is what the row is counted under: an expression on the order `o`, or on what `join` adds to it. Three
    ranges of three indexes (transfer_at, order_created, order_ended): the work follows the period, not the history.
    """
    order = f"JOIN orders_order o ON o.id = t.order_number {join}" if key != "0" else ""
    return f"""
        SELECT t.at, {key} AS key, 0 AS placed, 0::numeric AS cost,
               CASE WHEN t.target_id = %(sales)s THEN t.amount ELSE -t.amount END AS revenue
        FROM customers_transfer t {order}
        WHERE t.at >= %(start)s AND t.at < %(end)s
              AND (t.target_id = %(sales)s OR t.source_id = ANY(%(gives_back)s))
      UNION ALL
        SELECT o.created_at, {key}, 1, o.cost, 0 FROM orders_order o {join}
        WHERE o.created_at >= %(start)s AND o.created_at < %(end)s
      UNION ALL
        SELECT o.ended_at, {key}, 0, -{UNDELIVERED}, 0 FROM orders_order o {join}
        WHERE o.ended_at >= %(start)s AND o.ended_at < %(end)s
    """


def asked(start: datetime, end: datetime) -> dict[str, Any]:
    """The values that `moved` takes."""
    return {
        "start": start,
        "end": end,
        "sales": Account.HOUSE_IDS[Account.Kind.SALES],
        "gives_back": [Account.HOUSE_IDS[Account.Kind.SALES], Account.HOUSE_IDS[Account.Kind.WRITE_OFF]],
    }


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
            SELECT coalesce(sum(placed), 0), coalesce(sum(revenue), 0), coalesce(sum(cost), 0),
                (SELECT count(*) FROM orders_order o JOIN orders_submission s ON s.order_id = o.id
                 WHERE o.created_at >= %(start)s AND o.created_at < %(end)s AND s.state = ANY(%(failed)s))
            FROM ({moved()}) AS moved
            """,
            asked(start, end) | {"failed": [str(state) for state in FAILED]},
        )
        return Totals(*cursor.fetchone())
