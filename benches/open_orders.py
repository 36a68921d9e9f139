"""100,000 open orders over 10 providers, followed once: a real worker, woken every 2 s as the clock does it.

Each provider answers after 50 ms, takes 100 ids a call and 8 calls at once (rate limit off); the worker is one process
with 32 threads, started as ./run does. First every order reports something new, then nothing new. A round ends when no order is
due that was due at its beginning. The bound is calls × latency ÷ calls in flight (the worker's threads); beside it stands
how busy the machine was. Transactions are those PostgreSQL counted, for each call. `limit_s` is the promise.

    BENCH_OPEN=10000 python -m benches open_orders      fewer orders
"""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection, transaction

from benches.figure import Figure
from benches.workers import workers

PROVIDERS, LATENCY_MS, THREADS, LIMIT_S = 10, 50, 32, 60
ROOT = Path(__file__).resolve().parent.parent


def run() -> list[Figure]:
    from django.conf import settings

    from orders.ledger_check import check_ledger
    from orders.management.commands.seed_scale import seed_orders
    from tests import world

    orders = int(os.environ.get("BENCH_OPEN") or 100_000)
    with _provider() as port:
        origin = f"127.0.0.1:{port}"
        settings.PROVIDER_ALLOWED_PRIVATE = frozenset({origin})
        os.environ["PROVIDER_ALLOWED_PRIVATE"] = origin
        shops = []
        for number in range(PROVIDERS):
            options = {"concurrency": 8, "rate_per_minute": 0}
            provider = world.provider(f"http://{origin}/{number}", name=f"Open {number}", options=options)
            shops.append(world.service(world.offer(provider), name=f"Open {number}").pk)
        users = [world.customer(f"open{number}@example.org", "1").pk for number in range(20)]
        with transaction.atomic():
            seed_orders(orders, users, shops, still_open=orders)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        with workers(clock=False):
            _rounds(500, 900, port)  # connections and caches, on a share of the orders
            figures = [_round("something new", orders, port, 600), _round("nothing new", orders, port, 600)]
    report = check_ledger()
    if not report.ok:
        raise RuntimeError(f"The ledger is broken after the bench: {report.broken[:3]}")
    return figures


def _round(what: str, orders: int, port: int, remains: int) -> Figure:
    seconds, calls, transactions, checked = _rounds(orders, remains, port)
    bound = calls * LATENCY_MS / 1000 / THREADS
    more = {
        "seconds": round(seconds, 1),
        "limit_s": LIMIT_S,
        "calls": calls,
        "asked_again_meanwhile": checked - orders,
        "transactions_per_call": round(transactions / calls, 1),
        "load": round(os.getloadavg()[0], 1),
    }
    name = f"statuses of {orders:,} open orders, {what}"
    return Figure(name, orders / seconds, "orders/s", orders / bound, "calls × latency ÷ in flight", more)


def _rounds(orders: int, remains: int, port: int) -> tuple[float, int, int, int]:
    """Make `orders` of them due now and follow them; (seconds, calls, committed transactions, orders checked)."""
    from orders.tasks import wake_lanes

    _say(port, remains)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("UPDATE orders_submission SET next_poll_at = clock_timestamp() + interval '1 hour'")
        cursor.execute(
            """UPDATE orders_submission SET next_poll_at = clock_timestamp(), polls = 0 WHERE order_id IN
               (SELECT order_id FROM orders_submission ORDER BY order_id LIMIT %s)""",
            [orders],
        )
        cursor.execute("VACUUM orders_submission")
        cursor.execute(
            "SELECT clock_timestamp(), coalesce((SELECT sum(calls) FROM providers_providerhour), 0)"
        )
        at, calls = cursor.fetchone()
        before = _transactions()
        begun, woken = time.perf_counter(), 0.0
        while True:
            if time.perf_counter() - woken >= 2:
                woken = time.perf_counter()
                wake_lanes.apply_async(expires=2)
            cursor.execute(
                "SELECT EXISTS (SELECT 1 FROM orders_submission WHERE state = 'accepted' AND next_poll_at <= %s)",
                [at],
            )
            if not cursor.fetchone()[0]:
                break
            if time.perf_counter() - begun > 600:
                raise RuntimeError("The open orders were not followed within ten minutes.")
            time.sleep(0.2)
        seconds = time.perf_counter() - begun
        until = time.monotonic() + 30
        while time.monotonic() < until:  # lanes count their calls when they end
            cursor.execute("SELECT count(*) FROM providers_lane WHERE holder IS NOT NULL")
            if cursor.fetchone()[0] == 0:
                break
            time.sleep(0.1)
        cursor.execute(
            """SELECT coalesce((SELECT sum(calls) FROM providers_providerhour), 0),
                      (SELECT sum(polls) FROM orders_submission)"""
        )
        calls_now, checked = cursor.fetchone()
    return seconds, int(calls_now - calls), _transactions() - before, int(checked)


def _transactions() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def _say(port: int, remains: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", f"/remains/{remains}", "x=")
    connection.getresponse().read()
    connection.close()


@contextmanager
def _provider() -> Iterator[int]:
    command = [sys.executable, "-m", "benches.slow_provider", str(LATENCY_MS)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield int((process.stdout.readline() if process.stdout else "").split()[1])
        finally:
            process.terminate()
