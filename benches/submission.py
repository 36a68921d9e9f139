"""Orders submitted per second to a provider that takes 50 ms, with 16 calls in flight.

The bound is connections ÷ latency: 16 / 0.05 s = 320 orders/s. Options set: concurrency 16, rate limit off.
One worker process's code (orders.submission.submit_lane), T2 and T3 one commit per order, fsync on.
"""

import time

from benches.figure import Figure

ORDERS = 3000
CONCURRENCY, LATENCY_MS = 16, 50


def run() -> list[Figure]:
    from django.conf import settings

    from orders.models import Submission
    from orders.submission import submit_lane
    from tests import world
    from tests.sandbox import Sandbox

    with Sandbox(latency_ms=LATENCY_MS, truth_log=settings.STATE_DIR / "truth.jsonl") as sandbox:
        settings.PROVIDER_ALLOWED_PRIVATE = frozenset({sandbox.origin})
        row = next(row for row in sandbox.ask("services") if row["name"].startswith("Video pre-roll"))
        options = {"concurrency": CONCURRENCY, "rate_per_minute": 0}
        provider = world.provider(sandbox.url, sandbox.key, name="Submission", options=options)
        shop = world.service(world.offer(provider, str(row["service"]), minimum=100, maximum=100_000))
        customer = world.customer("submission@example.org", "1000000")
        for number in range(ORDERS):
            world.order(customer, shop, f"https://example.org/{number}", 100)
        begun = time.perf_counter()
        accepted = 0
        while Submission.objects.filter(provider=provider, state="queued").exists():
            accepted += submit_lane(provider.pk, budget_s=60).accepted
        seconds = time.perf_counter() - begun
        sent = len(sandbox.truth("order"))
    bound = CONCURRENCY / (LATENCY_MS / 1000)
    more = {"orders": ORDERS, "accepted": accepted, "sent": sent}
    return [
        Figure(
            "orders submitted, 50 ms, 16 in flight",
            accepted / seconds,
            "orders/s",
            bound,
            "16 calls / 50 ms",
            more,
        )
    ]
