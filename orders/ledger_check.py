"""check_ledger: the invariants of money and submissions, recomputed from the rows.

Broken ones mean that money is wrong or may become so; warnings are things a person should look at.
Each check is one statement, so the whole runs in a handful of scans; `since` limits it to orders and wallets
that changed after a time (hourly), None takes all (nightly, and after every test that moves money).
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from orders.balance_witness import unexplained_falls

MOST_ROWS = 50  # named per broken invariant; the count tells the rest


@dataclass
class Report:
    checked: dict[str, int] = field(default_factory=dict)
    broken: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.broken

    def as_json(self) -> dict[str, Any]:
        return {"ok": self.ok, "checked": self.checked, "broken": self.broken, "warnings": self.warnings}


# name → (sentence, SQL giving (id, expected, found)). %(since)s is NULL for all rows.
_TOUCHED = "(%(since)s::timestamptz IS NULL OR {at} >= %(since)s)"
_RECENT_ORDERS = f"FROM orders_order o WHERE {_TOUCHED.format(at='greatest(o.created_at, o.status_at)')}"
INVARIANTS: dict[str, tuple[str, str]] = {
    "wallet_is_sum": (
        "A wallet's balance is the sum of its transfers",
        f"""
        SELECT a.id, t.total, a.balance FROM customers_account a
        CROSS JOIN LATERAL (
            SELECT coalesce((SELECT sum(amount) FROM customers_transfer WHERE target_id = a.id), 0)
                 - coalesce((SELECT sum(amount) FROM customers_transfer WHERE source_id = a.id), 0) AS total
        ) t
        WHERE a.kind = 'wallet' AND t.total <> a.balance
          AND (%(since)s::timestamptz IS NULL OR EXISTS (
              SELECT 1 FROM customers_transfer x WHERE (x.source_id = a.id OR x.target_id = a.id) AND {_TOUCHED.format(at="x.at")}))
        """,
    ),
    "wallet_not_negative": (
        "No wallet is negative",
        "SELECT id, 0, balance FROM customers_account WHERE balance < 0",
    ),
    "balance_after": (
        "Each transfer's balance_after follows from the one before it",
        f"""
        SELECT id, before + change, balance_after FROM (
            SELECT t.id, t.balance_after, t.at,
                   CASE WHEN a.id = t.target_id THEN t.amount ELSE -t.amount END AS change,
                   coalesce(lag(t.balance_after) OVER (PARTITION BY a.id ORDER BY t.id), 0) AS before
            FROM customers_transfer t JOIN customers_account a ON a.id IN (t.source_id, t.target_id) AND a.kind = 'wallet'
        ) w WHERE before + change <> balance_after AND {_TOUCHED.format(at="w.at")}
        """,
    ),
    "one_charge": (
        "Every order has one charge, of its amount",
        f"""
        SELECT id, charge, coalesce(paid, 0) FROM (
            SELECT o.id, o.charge, (SELECT sum(amount) FROM customers_transfer t WHERE t.cause = 'order:' || o.id || ':charge') AS paid
            {_RECENT_ORDERS}
        ) x WHERE paid IS DISTINCT FROM charge
        """,
    ),
    "one_submission": (
        "Every order has one submission",
        f"""
        SELECT o.id, 1, 0 {_RECENT_ORDERS} AND NOT EXISTS (SELECT 1 FROM orders_submission s WHERE s.order_id = o.id)
        """,
    ),
    "charge_of_no_order": (
        "No charge without its order",
        f"""
        SELECT t.id, t.order_number, 0 FROM customers_transfer t
        WHERE t.order_number IS NOT NULL AND {_TOUCHED.format(at="t.at")}
          AND NOT EXISTS (SELECT 1 FROM orders_order o WHERE o.id = t.order_number)
        """,
    ),
    "refunds_are_posted": (
        "What an order says was refunded is what was transferred, and within the charge",
        f"""
        SELECT id, refunded, back FROM (
            SELECT o.id, o.charge, o.refunded,
                   coalesce((SELECT sum(amount) FROM customers_transfer t WHERE t.order_number = o.id AND t.cause LIKE 'order:%%:refunded-to:%%'), 0) AS back
            {_RECENT_ORDERS}
        ) x WHERE back <> refunded OR back > charge
        """,
    ),
    "canceled_is_refunded": (
        "Canceled means refunded in full, and the reverse",
        f"SELECT o.id, o.charge, o.refunded {_RECENT_ORDERS} AND (o.status = 'Canceled') <> (o.refunded = o.charge)",
    ),
    "no_refund_while_accepted": (
        "A refunded order has no accepted attempt unless it ended",
        f"""
        SELECT o.id, 0, o.refunded {_RECENT_ORDERS} AND o.refunded > 0 AND o.ended_at IS NULL AND EXISTS (
            SELECT 1 FROM orders_submissionattempt a WHERE a.submission_id = o.id AND a.state = 'accepted')
        """,
    ),
    "ended_without_delivery": (
        "Rejected, withdrawn and written-off submissions are Canceled orders",
        f"""
        SELECT o.id, 0, 0 {_RECENT_ORDERS} AND o.status <> 'Canceled' AND EXISTS (
            SELECT 1 FROM orders_submission s WHERE s.order_id = o.id AND s.state IN ('rejected', 'withdrawn', 'written_off'))
        """,
    ),
    "accepted_has_attempt": (
        "An accepted submission has one accepted attempt",
        f"""
        SELECT o.id, 1, 0 {_RECENT_ORDERS}
          AND EXISTS (SELECT 1 FROM orders_submission s JOIN providers_provider p ON p.id = s.provider_id
                      WHERE s.order_id = o.id AND s.state = 'accepted' AND p.adapter <> 'manual')
          AND NOT EXISTS (SELECT 1 FROM orders_submissionattempt a WHERE a.submission_id = o.id AND a.state = 'accepted')
        """,
    ),
}
WARNINGS: dict[str, tuple[str, str]] = {
    "sending_for_minutes": (
        "An attempt has been sending for more than 5 minutes",
        "SELECT submission_id, 0, extract(epoch FROM now() - started_at)::int FROM orders_submissionattempt "
        "WHERE state = 'sending' AND started_at < now() - interval '5 minutes'",
    ),
    "unknown_waits": (
        "A submission has been unknown for more than a day",
        "SELECT order_id, 0, extract(epoch FROM now() - state_at)::int FROM orders_submission "
        "WHERE state = 'unknown' AND state_at < now() - interval '1 day'",
    ),
}
_COUNTS = {
    "orders": f"SELECT count(*) {_RECENT_ORDERS}",
    "transfers": f"SELECT count(*) FROM customers_transfer t WHERE {_TOUCHED.format(at='t.at')}",
    "wallets": "SELECT count(*) FROM customers_account WHERE kind = 'wallet'",
}


def check_ledger(since: datetime | None = None) -> Report:
    """Run every check. Each broken row is {invariant, says, id, expected, found}; ids are order ids but for wallets
    and transfers (the invariant's name tells)."""
    report = Report()
    with connection.cursor() as cursor:
        for name, sql in _COUNTS.items():
            cursor.execute(sql, {"since": since})
            report.checked[name] = cursor.fetchone()[0]
        for name, (says, sql) in INVARIANTS.items():
            report.broken += _rows(cursor, name, says, sql, since)
        for name, (says, sql) in WARNINGS.items():
            report.warnings += _rows(cursor, name, says, sql, since)
    report.warnings += [
        {
            "invariant": "unexplained_spend",
            "says": f"A provider's balance fell by more than our orders cost, between {fall.since:%H:%M:%S} and"
            f" {fall.until:%H:%M:%S} UTC on {fall.until:%Y-%m-%d}",
            "id": fall.provider_id,
            "expected": f"{fall.expected:f}",
            "found": f"{fall.found:f}",
        }
        for fall in unexplained_falls()[:MOST_ROWS]
    ]
    report.checked["invariants"] = len(INVARIANTS)
    return report


def _rows(cursor: Any, name: str, says: str, sql: str, since: datetime | None) -> list[dict[str, Any]]:
    cursor.execute(f"{sql} LIMIT {MOST_ROWS}", {"since": since})
    return [
        {"invariant": name, "says": says, "id": pk, "expected": str(expected), "found": str(found)}
        for pk, expected, found in cursor.fetchall()
    ]
