"""1,000 orders followed by a real worker process at one provider that takes 50 ms: seconds, calls and statements.

Worker and clock are started as ./run does (one worker process, 32 threads), the sandbox provider is a process of its own.
All orders are made due at one moment of the database's clock, then the worker gets its hint. The time runs from that
moment to the `checked_at` of the order that was updated last, both by the database's clock; calls are those that the lane
counted. Once every order reports something new, then nothing changed.

Statements are counted in a run of their own, of the same lane in this process: a worker's cannot be counted from outside.
It is the last row; its time is not the worker's.

The bound is calls × latency ÷ calls in flight: 10 calls of 100 ids, 8 side by side, so two rounds. Options set: concurrency
8, rate limit off, STATUS_CONFIRM_SECONDS=0.
"""

import os
import time
from datetime import datetime
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from benches.figure import Figure
from benches.submission import send
from benches.workers import workers

ORDERS, LATENCY_MS, CONCURRENCY, LIMIT_S = 1000, 50, 8, 0.6
OPTIONS = {"concurrency": CONCURRENCY, "rate_per_minute": 0}
ROUNDS = -(-ORDERS // 100 // CONCURRENCY)
BOUND = ORDERS / (ROUNDS * LATENCY_MS / 1000)
GIVE_UP_S = 120


def run() -> list[Figure]:
    from django.conf import settings

    from orders.status_lane import status_lane
    from tests import world
    from tests.sandbox import Sandbox

    truth = settings.STATE_DIR / "sync.jsonl"
    with Sandbox(speed=0, partial_share=0, cancel_share=0, truth_log=truth) as sandbox:
        settings.PROVIDER_ALLOWED_PRIVATE = frozenset({sandbox.origin})
        os.environ["PROVIDER_ALLOWED_PRIVATE"] = sandbox.origin
        row = next(row for row in sandbox.ask("services") if row["name"].startswith("Video pre-roll"))
        provider = world.provider(sandbox.url, sandbox.key, name="Status sync", options=OPTIONS)
        shop = world.service(world.offer(provider, str(row["service"]), minimum=100, maximum=100_000))
        customer = world.customer("sync@example.org", "1000000")
        with workers():
            send(provider, customer, shop, ORDERS)
            _due(provider, "clock_timestamp() + interval '1 hour'")
            sandbox.control(latency_ms=LATENCY_MS)
            _follow(provider)  # connections, caches, threads
            sandbox.control(advance=3)
            figures = [_figure("changed", *_follow(provider)), _figure("unchanged", *_follow(provider))]
        sandbox.control(advance=3)
        for what in ("changed", "unchanged"):
            begun = time.perf_counter()
            with CaptureQueriesContext(connection) as queries:
                tally = status_lane(provider.pk, force=True)
            seconds = time.perf_counter() - begun
            more = {"calls": tally.calls, "changed": tally.changed, "seconds_in_process": round(seconds, 3)}
            figures.append(Figure(f"statements of 1,000 statuses, {what}", len(queries), "statements", more=more))  # fmt: skip
    return figures


def _figure(what: str, seconds: float, calls: int, changed: int) -> Figure:
    more = {
        "seconds": round(seconds, 3),
        "limit_s": LIMIT_S,
        "calls": calls,
        "changed": changed,
        "options": OPTIONS,
        "load": round(os.getloadavg()[0], 1),
    }
    name = f"statuses of 1,000 orders by a worker, {what}"
    return Figure(name, ORDERS / seconds, "orders/s", BOUND, "calls × latency ÷ in flight", more)


def _follow(provider: Any) -> tuple[float, int, int]:
    """Make every order due, wake the worker; (seconds until the last was updated, calls, orders that changed).

    RuntimeError when they are not all followed.
    """
    from orders.tasks import status_lane

    mine = [provider.pk]
    before, calls = _remains(mine), _calls(mine)
    _due(provider, "clock_timestamp()")
    at: datetime = _one("SELECT clock_timestamp()", [])
    status_lane.apply_async(args=mine)
    give_up = time.monotonic() + GIVE_UP_S
    while (checked := _one("SELECT count(*) FROM orders_submission WHERE provider_id = %s AND checked_at >= %s", [*mine, at])) < ORDERS:  # fmt: skip
        if time.monotonic() > give_up:
            raise RuntimeError(f"{checked} of {ORDERS} orders were followed.")
        time.sleep(0.1)
    ended: datetime = _one("SELECT max(checked_at) FROM orders_submission WHERE provider_id = %s", mine)
    while _one("SELECT count(*) FROM providers_lane WHERE provider_id = %s AND holder IS NOT NULL", mine):
        time.sleep(0.05)  # a lane counts its calls when it ends
    _due(provider, "clock_timestamp() + interval '1 hour'")
    after = _remains(mine)
    changed = sum(1 for pk, told in after.items() if told != before[pk])
    return (ended - at).total_seconds(), _calls(mine) - calls, changed


def _due(provider: Any, when: str) -> None:
    """Set when its open orders are to be asked about; far away between two measurements, so that the clock wakes nobody."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE orders_submission SET next_poll_at = {when} WHERE provider_id = %s AND next_poll_at IS NOT NULL", [provider.pk])  # fmt: skip


def _remains(mine: list[int]) -> dict[int, Any]:
    """What the customer sees of each order."""
    sql = """SELECT o.id, (o.status, o.remains, o.start_count)::text FROM orders_order o
             JOIN orders_submission s ON s.order_id = o.id WHERE s.provider_id = %s"""
    with connection.cursor() as cursor:
        cursor.execute(sql, mine)
        return dict(cursor.fetchall())


def _calls(mine: list[int]) -> int:
    return int(_one("SELECT coalesce(sum(calls), 0) FROM providers_providerhour WHERE provider_id = %s AND kind = 'status'", mine))  # fmt: skip


def _one(sql: str, values: list[Any]) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone()[0]
