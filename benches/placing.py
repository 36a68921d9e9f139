"""Orders placed per second through placing.place_order, beside the raw commits per second of the same database.

The bound is the serial rate of single-row commits: one connection, one INSERT, one fsync each. Placing does
seven statements and one commit.
"""

import threading
import time

from django.db import connection

from benches.figure import Figure, spread

SECONDS = 5.0


def raw_commits(seconds: float = SECONDS) -> float:
    """Single-row commits per second on one connection."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS bench_commits (id bigserial, at timestamptz DEFAULT now())"
        )
        count, until = 0, time.perf_counter() + seconds
        while time.perf_counter() < until:
            cursor.execute("INSERT INTO bench_commits DEFAULT VALUES")
            count += 1
        cursor.execute("DROP TABLE bench_commits")
    return count / seconds


def run() -> list[Figure]:
    from tests import world

    shop = world.service(world.offer(world.provider(name="Placing")))
    customers = [world.customer(f"placing{n}@example.org", "1000000") for n in range(8)]
    bound = raw_commits()
    return [
        _place("orders placed, one after another", customers[:1], shop, bound),
        _place("orders placed, 8 threads, 8 customers", customers, shop, bound),
        _place("orders placed, 8 threads, one customer", customers[:1] * 8, shop, bound),
    ]


def _place(name: str, customers: list, shop, bound: float) -> Figure:  # type: ignore[no-untyped-def, type-arg]
    from tests import world

    times: list[float] = []
    until = time.perf_counter() + SECONDS

    def work(customer) -> None:  # type: ignore[no-untyped-def]
        number = 0
        while time.perf_counter() < until:
            begun = time.perf_counter()
            world.order(customer, shop, f"https://example.org/{number}", 100)
            times.append(time.perf_counter() - begun)
            number += 1
        connection.close()

    threads = [threading.Thread(target=work, args=(customer,)) for customer in customers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Figure(name, len(times) / SECONDS, "orders/s", bound, "serial single-row commits/s", spread(times))
