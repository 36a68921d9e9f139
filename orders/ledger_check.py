"""check_ledger: the invariants of money and submissions, recomputed from the rows.

Broken ones mean that money is wrong or may become so; warnings are things a person should look at.
Each check is one statement, so the whole runs in a handful of scans; `since` limits it to orders and wallets
that changed after a time (hourly), None takes all (nightly, and after every test that moves money). What changed is found
by the times of creation, status and transfer, each by its index: an hourly check does not grow with history.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from orders.balance_witness import unexplained_falls
from orders.tally_check import wrong_tallies

MOST_ROWS = 50  # named per broken invariant; the count tells the rest
TALLY = "tally_is_sum"


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


# What is looked at: everything, or what changed since %(since)s. MATERIALIZED, so that the LIMIT of broken rows cannot
# talk the planner into reading the whole history in search of them.
_ALL = """WITH changed_orders AS NOT MATERIALIZED (SELECT * FROM orders_order),
    changed_transfers AS NOT MATERIALIZED (SELECT * FROM customers_transfer),
    changed_wallets AS NOT MATERIALIZED (SELECT id, balance FROM customers_account WHERE kind = 'wallet')"""
_CHANGED = """WITH changed_orders AS MATERIALIZED (
        SELECT * FROM orders_order WHERE created_at >= %(since)s OR status_at >= %(since)s),
    changed_transfers AS MATERIALIZED (SELECT * FROM customers_transfer WHERE at >= %(since)s),
    changed_wallets AS MATERIALIZED (
        SELECT id, balance FROM customers_account WHERE kind = 'wallet' AND id IN (
            SELECT source_id FROM changed_transfers UNION SELECT target_id FROM changed_transfers))"""
_EACH = "FROM changed_orders o WHERE true"
# What the wallet `a` held after its last transfer, or after the one before `t`: each side has an index of its own.
_BEFORE = """coalesce((
                SELECT balance_after FROM (
                    (SELECT id, balance_after FROM customers_transfer b WHERE b.source_id = a.id {below} ORDER BY id DESC LIMIT 1)
                    UNION ALL
                    (SELECT id, balance_after FROM customers_transfer b WHERE b.target_id = a.id {below} ORDER BY id DESC LIMIT 1)
                ) sides ORDER BY id DESC LIMIT 1), 0)"""
_CHAIN = """
        SELECT id, before + change, balance_after FROM (
            SELECT t.id, t.balance_after, t.change, {before} AS before
            FROM (SELECT id, balance_after, source_id AS wallet, -amount AS change FROM {transfers}
                  UNION ALL SELECT id, balance_after, target_id, amount FROM {transfers}) t
            JOIN changed_wallets a ON a.id = t.wallet
        ) w WHERE before + change <> balance_after
"""
_IN_A_ROW = "coalesce(lag(t.balance_after) OVER (PARTITION BY a.id ORDER BY t.id), 0)"

# name → (sentence, SQL giving (id, expected, found)). It may read from changed_orders, changed_transfers, changed_wallets.
INVARIANTS: dict[str, tuple[str, str]] = {
    "wallet_is_sum": (
        "A wallet's balance is the sum of its transfers",
        """
        SELECT a.id, t.total, a.balance FROM changed_wallets a
        CROSS JOIN LATERAL (
            SELECT coalesce((SELECT sum(amount) FROM customers_transfer WHERE target_id = a.id), 0)
                 - coalesce((SELECT sum(amount) FROM customers_transfer WHERE source_id = a.id), 0) AS total
        ) t
        WHERE t.total <> a.balance
        """,
    ),
    "wallet_not_negative": (
        "No wallet is negative",
        "SELECT id, 0, balance FROM customers_account WHERE balance < 0",
    ),
    "balance_after": (
        "Each transfer's balance_after follows from the one before it",
        _CHAIN.format(transfers="customers_transfer", before=_IN_A_ROW),
    ),
    "one_charge": (
        "Every order has one charge, of its amount",
        f"""
        SELECT id, charge, coalesce(paid, 0) FROM (
            SELECT o.id, o.charge, (SELECT sum(amount) FROM customers_transfer t WHERE t.cause = 'order:' || o.id || ':charge') AS paid
            {_EACH}
        ) x WHERE paid IS DISTINCT FROM charge
        """,
    ),
    "one_submission": (
        "Every order has one submission",
        f"""
        SELECT o.id, 1, 0 {_EACH} AND NOT EXISTS (SELECT 1 FROM orders_submission s WHERE s.order_id = o.id)
        """,
    ),
    "charge_of_no_order": (
        "No charge without its order",
        """
        SELECT t.id, t.order_number, 0 FROM changed_transfers t
        WHERE t.order_number IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM orders_order o WHERE o.id = t.order_number)
        """,
    ),
    "refunds_are_posted": (
        "What an order says was refunded is what was transferred, and within the charge",
        f"""
        SELECT id, refunded, back FROM (
            SELECT o.id, o.charge, o.refunded,
                   coalesce((SELECT sum(amount) FROM customers_transfer t WHERE t.order_number = o.id AND t.cause LIKE 'order:%%:refunded-to:%%'), 0) AS back
            {_EACH}
        ) x WHERE back <> refunded OR back > charge
        """,
    ),
    "canceled_is_refunded": (
        "Canceled means refunded in full, and the reverse",
        f"SELECT o.id, o.charge, o.refunded {_EACH} AND (o.status = 'Canceled') <> (o.refunded = o.charge)",
    ),
    "no_refund_while_accepted": (
        "A refunded order has no accepted attempt unless it ended",
        f"""
        SELECT o.id, 0, o.refunded {_EACH} AND o.refunded > 0 AND o.ended_at IS NULL AND EXISTS (
            SELECT 1 FROM orders_submissionattempt a WHERE a.submission_id = o.id AND a.state = 'accepted')
        """,
    ),
    "ended_without_delivery": (
        "Rejected, withdrawn and written-off submissions are Canceled orders",
        f"""
        SELECT o.id, 0, 0 {_EACH} AND o.status <> 'Canceled' AND EXISTS (
            SELECT 1 FROM orders_submission s WHERE s.order_id = o.id AND s.state IN ('rejected', 'withdrawn', 'written_off'))
        """,
    ),
    "accepted_has_attempt": (
        "An accepted submission has one accepted attempt",
        f"""
        SELECT o.id, 1, 0 {_EACH}
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
# Of what changed only: each such transfer is held against the one before it, and a wallet against its last one, instead of
# adding up all that a wallet ever saw.
_OF_CHANGED = {
    "balance_after": _CHAIN.format(
        transfers="changed_transfers", before=_BEFORE.format(below="AND b.id < t.id")
    ),
    "wallet_is_sum": f"""
        SELECT id, last, balance FROM (
            SELECT a.id, a.balance, {_BEFORE.format(below="")} AS last FROM changed_wallets a
        ) w WHERE last <> balance
    """,
}
_COUNTS = {
    "orders": f"SELECT count(*) {_EACH}",
    "transfers": "SELECT count(*) FROM changed_transfers",
    "wallets": "SELECT count(*) FROM customers_account WHERE kind = 'wallet'",
}


def check_ledger(since: datetime | None = None) -> Report:
    """Run every check. Each broken row is {invariant, says, id, expected, found}; ids are order ids but for wallets
    and transfers (the invariant's name tells), and the hour for tallies."""
    report = Report()
    with connection.cursor() as cursor:
        for name, sql in _COUNTS.items():
            cursor.execute(_of(since, sql), {"since": since})
            report.checked[name] = cursor.fetchone()[0]
        for name, (says, sql) in INVARIANTS.items():
            changed = sql if since is None else _OF_CHANGED.get(name, sql)
            report.broken += _rows(cursor, name, says, changed, since)
        for name, (says, sql) in WARNINGS.items():
            report.warnings += _rows(cursor, name, says, sql, since)
    report.broken += [
        {
            "invariant": TALLY,
            "says": "A sum kept for reports is what the ledger adds up to",
            "id": f"{wrong.hour:%Y-%m-%dT%H}Z",
            "expected": wrong.expected,
            "found": wrong.found,
        }
        for wrong in wrong_tallies(since, MOST_ROWS)
    ]
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
    report.checked["invariants"] = len(INVARIANTS) + 1
    return report


def _of(since: datetime | None, sql: str) -> str:
    """The statement, with what it may read from."""
    return f"{_ALL if since is None else _CHANGED} {sql}"


def _rows(cursor: Any, name: str, says: str, sql: str, since: datetime | None) -> list[dict[str, Any]]:
    cursor.execute(f"{_of(since, sql)} LIMIT {MOST_ROWS}", {"since": since})
    return [
        {"invariant": name, "says": says, "id": pk, "expected": str(expected), "found": str(found)}
        for pk, expected, found in cursor.fetchall()
    ]
