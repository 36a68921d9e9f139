"""One sick provider among five: what it costs the other four.

Five providers, a real worker and beat. Orders come in evenly; first all are well, then the fifth accepts connections
and never answers (deadline 45 s, 8 in flight, as by default). Compared are the 95th percentiles of the other four:

    dispatch   from the commit of the order to its point of no return
    status     from the provider's acceptance to the first status that the customer sees

Rounds alternate, each on fresh worker processes, so that a busy machine bears on both alike. The bound is 10 %.
"""

import os
import signal
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benches.figure import Figure, percentile

ROUNDS, SECONDS, PER_SECOND = 4, 20, 8
MOST_PERCENT = 10.0


def run() -> list[Figure]:
    from django.conf import settings

    from providers.models import Provider
    from tests import world
    from tests.sandbox import Sandbox

    well = [f"well-{number}" for number in range(4)]
    state = Path(settings.STATE_DIR)
    with (
        Sandbox(key=well, latency_ms=50, speed=5, truth_log=state / "well.jsonl") as good,
        Sandbox(key="sick", latency_ms=50, speed=5, truth_log=state / "sick.jsonl") as sick,
    ):
        allowed = frozenset({good.origin, sick.origin})
        settings.PROVIDER_ALLOWED_PRIVATE = allowed
        os.environ["PROVIDER_ALLOWED_PRIVATE"] = ",".join(allowed)
        row = next(row for row in good.ask("services") if row["name"].startswith("Video pre-roll"))
        shops = []
        for number, (sandbox, key) in enumerate([(good, key) for key in well] + [(sick, "sick")]):
            provider = world.provider(sandbox.url, key, name=f"Isolation {number}", options={})
            offer = world.offer(provider, str(row["service"]), minimum=100, maximum=100_000)
            shops.append(world.service(offer, name=f"Isolation {number}"))
        customer = world.customer("isolation@example.org", "10000000")
        seen: dict[str, dict[str, list[float]]] = {name: {"dispatch": [], "status": []} for name in ("well", "sick")}  # fmt: skip
        for number in range(ROUNDS * 2):
            name = ("well", "sick")[number % 2]
            sick.control(faults="hang_before" if name == "sick" else "")
            Provider.objects.update(breaker="closed", breaker_marks=[], breaker_until=None, paused_at=None)
            begun = _round(customer, shops, number)
            found = _latencies(shops[:4], begun)
            for what, values in found.items():
                seen[name][what].append(percentile(values, 0.95))
    return [_figure(what, seen["well"][what], seen["sick"][what]) for what in ("dispatch", "status")]


def _figure(what: str, well: list[float], sick: list[float]) -> Figure:
    """From the 95th percentiles of the rounds, in seconds: the medians are compared, the spread is shown."""
    before, after = statistics.median(well), statistics.median(sick)
    more = {
        "p95_well_ms": [round(value * 1000) for value in well],
        "p95_sick_ms": [round(value * 1000) for value in sick],
        "orders_a_round": SECONDS * PER_SECOND * 4 // 5,
    }
    change = 100 * (after - before) / before
    return Figure(
        f"{what} p95 of four, the fifth hangs", change, "% change", MOST_PERCENT, "10 % at most", more
    )


def _round(customer: Any, shops: list[Any], number: int) -> Any:
    """One round of orders on fresh processes; returns when it began, after all was accepted and looked at once."""
    from django.utils import timezone

    from tests import world

    celery = [sys.executable, "-m", "celery", "-A", "panel.celery"]
    worker = [*celery, "worker", "-n", f"bench{number}@bench", "-P", "threads", "-c", "32", "-Q", "submit,sync",
              "--without-gossip", "--without-mingle", "-l", "ERROR"]  # fmt: skip
    beat = [*celery, "beat", "-s", f"{os.environ['STATE_DIR']}/bench-beat-{number}", "--pidfile=", "-l", "ERROR"]  # fmt: skip
    processes = [
        subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for command in (worker, beat)
    ]
    try:
        _await_heartbeat(f"bench{number}@bench")
        # The sick one is sick before it is measured what it costs.
        for first in range(16):
            world.order(customer, shops[4], f"https://example.org/{number}/first/{first}", 100)
        time.sleep(3)
        begun = timezone.now()
        start = time.monotonic()
        for count in range(SECONDS * PER_SECOND):
            time.sleep(max(0.0, start + count / PER_SECOND - time.monotonic()))
            world.order(customer, shops[count % 5], f"https://example.org/{number}/{count}", 100)
        time.sleep(12)
        return begun
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        _free_lanes()


def _free_lanes() -> None:
    """The next round shall not wait for leases of processes that we killed."""
    from providers.models import Lane

    Lane.objects.update(holder=None, lease_until=None, slow_since=None)


def _await_heartbeat(name: str) -> None:
    from customers.models import Heartbeat

    until = time.monotonic() + 60
    while not Heartbeat.objects.filter(name=name).exists():
        if time.monotonic() > until:
            raise RuntimeError("the worker did not start")
        time.sleep(0.1)


def _latencies(shops: list[Any], begun: Any) -> dict[str, list[float]]:
    """Seconds, of the orders of these services placed since `begun`."""
    from django.db import connection

    sql = """
        SELECT extract(epoch FROM a.started_at - o.created_at),
               extract(epoch FROM (SELECT min(e.at) FROM orders_orderevent e
                                   WHERE e.order_id = o.id AND e.kind = 'status' AND e.before <> '') - a.ended_at)
        FROM orders_order o JOIN orders_submissionattempt a ON a.submission_id = o.id AND a.state = 'accepted'
        WHERE o.created_at >= %s AND o.service_id = ANY(%s)
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [begun, [shop.pk for shop in shops]])
        rows = cursor.fetchall()
    return {
        "dispatch": [float(row[0]) for row in rows],
        "status": [float(row[1]) for row in rows if row[1] is not None],
    }
