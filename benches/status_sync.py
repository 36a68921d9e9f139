"""1,000 orders followed at one provider that takes 50 ms: seconds, calls and statements.

The bound is calls × latency ÷ calls in flight: 10 calls of 100 ids, 8 side by side. Options: rate limit off.
"""

import time

from django.db import connection, reset_queries
from django.test.utils import CaptureQueriesContext

from benches.figure import Figure

ORDERS, LATENCY_MS, CONCURRENCY = 1000, 50, 8


def run() -> list[Figure]:
    from django.conf import settings

    from orders.status_lane import status_lane
    from orders.submission import submit_lane
    from tests import world
    from tests.sandbox import Sandbox

    figures = []
    with Sandbox(
        speed=0, partial_share=0, cancel_share=0, truth_log=settings.STATE_DIR / "sync.jsonl"
    ) as sandbox:
        settings.PROVIDER_ALLOWED_PRIVATE = frozenset({sandbox.origin})
        row = next(row for row in sandbox.ask("services") if row["name"].startswith("Video pre-roll"))
        options = {"concurrency": CONCURRENCY, "rate_per_minute": 0}
        provider = world.provider(sandbox.url, sandbox.key, name="Status sync", options=options)
        shop = world.service(world.offer(provider, str(row["service"]), minimum=100, maximum=100_000))
        customer = world.customer("sync@example.org", "1000000")
        for number in range(ORDERS):
            world.order(customer, shop, f"https://example.org/{number}", 100)
        while submit_lane(provider.pk, budget_s=60).accepted:
            pass
        sandbox.control(latency_ms=LATENCY_MS)
        rounds = -(-ORDERS // 100 // CONCURRENCY)
        bound = rounds * LATENCY_MS / 1000
        for name, seconds_later in (("changed", 3), ("unchanged", 0)):
            sandbox.control(advance=seconds_later)
            reset_queries()
            begun = time.perf_counter()
            with CaptureQueriesContext(connection) as queries:
                tally = status_lane(provider.pk, force=True)
            seconds = time.perf_counter() - begun
            more = {
                "seconds": round(seconds, 3),
                "calls": tally.calls,
                "changed": tally.changed,
                "statements": len(queries),
            }
            figures.append(
                Figure(
                    f"statuses of 1,000 orders, {name}",
                    ORDERS / seconds,
                    "orders/s",
                    ORDERS / bound,
                    "calls × latency ÷ in flight",
                    more,
                )
            )
    return figures
