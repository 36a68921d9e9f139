"""Pages and API answers as the server makes them, at a growing history: median and 95th percentile per size.

Each address (benches/page_asks.py) is asked through the whole of Django (middleware, session, database, template), without
the network. The reference in the same run is a bare view behind the same middleware. `BENCH_SIZES=1000,10000,1000000`
(numbers of orders, the default) says how much history there is at each look; a fifth of it belongs to the customer who
looks. 10,000 customers, 5,000 services; what waits for people and what they decided is in benches/page_world.py.

A row's ratio is its median beside its median at 10,000 orders (at the first size, where 10,000 is not among the sizes);
`of_first` is the same beside the first size. `over` says what is above 1.5 × or 60 ms. The CPU of Python and of the page's
PostgreSQL session stands beside the time, because it stays the same on a busy machine.

    BENCH_PAGES=services,order python -m benches pages      only names that begin so
    BENCH_LOOKS=5 python -m benches pages                   fewer looks at each (25 by default)
    BENCH_FILES=no python -m benches pages                  without the downloads, which take minutes at millions of orders
"""

import io
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from benches.cpu import spent
from benches.figure import Figure, percentile, table
from benches.page_asks import Ask, asks, exports
from panel.memory import freeze_what_is_loaded

SIZES = tuple(int(size) for size in os.environ.get("BENCH_SIZES", "1000,10000,1000000").split(","))
ONLY = tuple(name for name in os.environ.get("BENCH_PAGES", "").split(",") if name)
FILES = os.environ.get("BENCH_FILES") != "no"
COMPARED = 10_000 if 10_000 in SIZES else SIZES[0]
CUSTOMERS, SERVICES, OPEN = 10_000, 5_000, 100
LOOKS = int(os.environ.get("BENCH_LOOKS") or 25)
MOST_RATIO, MOST_MS = 1.5, 60.0
Asked = TypeVar("Asked")


def run() -> list[Figure]:
    figures: list[Figure] = []
    medians: dict[str, dict[int, float]] = {}
    for size in grown():
        freeze_what_is_loaded()  # as the web process does before its first request
        for name, ask in _chosen(asks(_admin())).items():
            times, more = _times(ask)
            figures.append(_page(name, size, times, more, medians.setdefault(name, {})))
            print(table(figures[-1:]).split("\n")[1], file=sys.stderr, flush=True)
        for name, download in _chosen(exports() if FILES else {}).items():
            figures.append(_export(name, size, download, medians.setdefault(name, {})))
        stored = _sizes(size)
        figures.append(
            Figure(f"{size:,} orders: stored per order", sum(stored.values()), "bytes", more=stored)
        )
    return figures


def grown() -> Iterator[int]:
    """Each size, when the database has that many orders and what belongs to them, vacuumed and tallied."""
    from benches.page_world import set_up
    from orders.models import Order
    from orders.tallying import tally

    seeded = 0
    for size in SIZES:
        before = Order.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        made = {"customers": 0, "services": 0} if seeded else {"customers": CUSTOMERS, "services": SERVICES}
        call_command("seed_scale", **made, orders=size - seeded, biggest=20, open=OPEN, stdout=io.StringIO())
        set_up(_admin(), before, first=not seeded)
        seeded = size
        tally(seconds=600)  # as the clock's task does every ten minutes
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("VACUUM (ANALYZE)")
            cursor.execute("RESET statement_timeout")
        yield size


def _admin() -> Any:
    from customers.models import User
    from tests import world

    return User.objects.filter(email="adam@example.org").first() or world.admin()


def _chosen(named: dict[str, Asked]) -> dict[str, Asked]:
    return {name: one for name, one in named.items() if not ONLY or name.startswith(ONLY)}


def _page(
    name: str, size: int, times: list[float], measured: dict[str, Any], medians: dict[int, float]
) -> Figure:
    median, slow = statistics.median(times) * 1000, percentile(times, 0.95) * 1000
    medians[size] = median
    more = {"p95_ms": round(slow, 1)} | measured
    compared = medians.get(COMPARED) if size != COMPARED else None
    if size != SIZES[0]:
        more["of_first"] = round(median / medians[SIZES[0]], 2)
    over = ["ratio"] if size > COMPARED and compared and median / compared > MOST_RATIO else []
    over += ["p95"] if slow > MOST_MS else []
    if over:
        more["over"] = "+".join(over)
    return Figure(f"{size:,} orders: {name}", median, "ms", compared, f"ms at {COMPARED:,}", more)


def _times(ask: Ask) -> tuple[list[float], dict[str, Any]]:
    """Seconds of each look, after two that warm up; the statements of one, and the CPU that a look took on average."""
    ask(), ask()
    with CaptureQueriesContext(connection) as queries:
        ask()
    statements = len(queries)  # now: the next request empties what was captured
    times, before = [], spent()
    for _ in range(LOOKS):
        begun = time.perf_counter()
        ask()
        times.append(time.perf_counter() - begun)
    python, postgres = (
        round((now - then) * 1000 / LOOKS, 1) for now, then in zip(spent(), before, strict=True)
    )
    return times, {"statements": statements, "python_cpu_ms": python, "postgres_cpu_ms": postgres}


def _export(name: str, size: int, download: Callable[[], Any], medians: dict[int, float]) -> Figure:
    """Milliseconds to the first row of data (the header comes before anything was read), and rows per second to its end."""
    firsts, rows, seconds = [], 0, 0.0
    for _ in range(3):
        begun = time.perf_counter()
        pieces = iter(download().streaming_content)
        next(pieces), next(pieces)
        firsts.append(time.perf_counter() - begun)
        rows = 1 + sum(1 for _piece in pieces)
        seconds = time.perf_counter() - begun
    first = statistics.median(firsts) * 1000
    medians[size] = first
    compared = medians.get(COMPARED) if size != COMPARED else None
    more: dict[str, Any] = {
        "rows": rows,
        "seconds": round(seconds, 2),
        "rows_per_second": round(rows / seconds),
    }
    if size > COMPARED and compared and first / compared > MOST_RATIO:
        more["over"] = "ratio"
    title = f"{size:,} orders: {name}, first row"
    return Figure(title, first, "ms", compared, f"ms at {COMPARED:,}", more)


HISTORY = (
    "orders_order", "orders_submission", "orders_submissionattempt", "orders_orderevent", "customers_transfer",
    "orders_tally",
)  # fmt: skip


def _sizes(orders: int) -> dict[str, int]:
    """Bytes per order of each table of history, with its indexes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, pg_total_relation_size(name) FROM unnest(%s::text[]) AS name", [[*HISTORY]]
        )
        return {name: size // orders for name, size in cursor.fetchall()}
