"""Orders submitted per second by a real worker process to a provider that takes 50 ms, with 16 calls in flight.

Worker and clock are started as ./run does (one worker process, 32 threads); the sandbox provider is a process of its own,
PostgreSQL has fsync on. Orders are placed while the provider is paused; it is resumed, the worker gets its hint, and the
time is the database's: from just before the hint (so before the first claim) to the end of the last accepted attempt.
T2 and T3 are one commit per order each; `commits_per_order` are all transactions that PostgreSQL counted meanwhile,
those of waking, counting and heartbeats among them. Every order must then be upstream once.

The bound is calls in flight ÷ latency: 16 / 0.05 s = 320 orders/s. Options set: concurrency 16, rate limit off.
`WORKER_PROCESSES=2 python -m benches submission` starts two workers (a provider's lane runs in one of them at a time).
"""

import os
import time
import uuid
from datetime import datetime
from typing import Any

from django.db import connection

from benches.figure import Figure
from benches.workers import workers

ORDERS, WARM = 3000, 200
CONCURRENCY, LATENCY_MS = 16, 50
OPTIONS = {"concurrency": CONCURRENCY, "rate_per_minute": 0}
GIVE_UP_S = 300


def run() -> list[Figure]:
    from django.conf import settings

    from tests import world
    from tests.sandbox import Sandbox

    processes = int(os.environ.get("WORKER_PROCESSES") or 1)
    with Sandbox(latency_ms=LATENCY_MS, truth_log=settings.STATE_DIR / "truth.jsonl") as sandbox:
        settings.PROVIDER_ALLOWED_PRIVATE = frozenset({sandbox.origin})
        os.environ["PROVIDER_ALLOWED_PRIVATE"] = sandbox.origin
        row = next(row for row in sandbox.ask("services") if row["name"].startswith("Video pre-roll"))
        provider = world.provider(sandbox.url, sandbox.key, name="Submission", options=OPTIONS)
        shop = world.service(world.offer(provider, str(row["service"]), minimum=100, maximum=100_000))
        customer = world.customer("submission@example.org", "1000000")
        with workers(processes):
            send(provider, customer, shop, WARM)  # connections, caches, threads
            figure = _figure(*send(provider, customer, shop, ORDERS), processes)
        links = [line["link"] for line in sandbox.truth("order")]
    if len(links) != len(set(links)) or len(links) != ORDERS + WARM:
        raise RuntimeError(f"{ORDERS + WARM} orders are upstream {len(links)} times.")
    return [figure]


def _figure(
    rows: list[tuple[datetime, datetime]], asked_at: datetime, commits: int, processes: int
) -> Figure:
    begun, ended = min(row[0] for row in rows), max(row[1] for row in rows)
    more = {
        "orders": ORDERS,
        "accepted": len(rows),
        "seconds": round((ended - asked_at).total_seconds(), 2),
        "first_begun_after_ms": round((begun - asked_at).total_seconds() * 1000),
        "commits_per_order": round(commits / len(rows), 2),
        "worker_processes": processes,
        "options": OPTIONS,
        "load": round(os.getloadavg()[0], 1),
    }
    rate = len(rows) / (ended - asked_at).total_seconds()
    bound = CONCURRENCY / (LATENCY_MS / 1000)
    return Figure("orders submitted by a worker, 50 ms, 16 in flight", rate, "orders/s", bound, "16 calls / 50 ms", more)  # fmt: skip


def send(
    provider: Any, customer: Any, shop: Any, count: int
) -> tuple[list[tuple[datetime, datetime]], datetime, int]:
    """Place so many orders, let the worker send them; (begin and end of each accepted attempt, when the worker was
    called, transactions committed until the last was accepted). RuntimeError when it does not happen."""
    from orders.mass_lines import read_lines
    from orders.mass_placing import place_all
    from orders.models import Submission, SubmissionAttempt
    from orders.tasks import submit_lane
    from providers.pausing import pause_by_hand, resume_by_hand

    pause_by_hand(provider, "The bench places orders first.")
    links = (f"{shop.pk} | https://example.org/{uuid.uuid4().hex} | 100" for _number in range(count))
    placed = place_all(customer, read_lines("\n".join(links)), token=uuid.uuid4().hex)
    numbers = [order.pk for order in placed]
    resume_by_hand(provider)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        asked_at, before = cursor.fetchone()[0], _commits()
    submit_lane.apply_async(args=[provider.pk])
    give_up = time.monotonic() + GIVE_UP_S
    waiting = Submission.objects.filter(provider=provider, state__in=["queued", "claimed", "sending"])
    while waiting.exists():
        if time.monotonic() > give_up:
            raise RuntimeError(f"{waiting.count()} of {count} orders were not sent.")
        time.sleep(0.25)
    commits = _commits() - before
    accepted = SubmissionAttempt.objects.filter(submission__in=numbers, state="accepted")
    rows = [(begun, ended) for begun, ended in accepted.values_list("started_at", "ended_at") if ended]
    if len(rows) != count:
        raise RuntimeError(f"{len(rows)} of {count} orders were accepted.")
    return rows, asked_at, commits


def _commits() -> int:
    """PostgreSQL's own count for this database; a session adds its share within a second or when it is idle."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])
