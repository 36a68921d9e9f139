"""Reading a catalog of 8,000 services: first, unchanged, with every price changed; and publishing all of it.

The upstream is a server on this machine with no latency of its own. The bound stands beside each figure: reading and
parsing the same list by the adapter alone, which no way of storing it can undercut. Statements are counted in the
same run; of what can be repeated the median of five runs is shown. `more.limit_s` is the promise: 3 s, 1 s, 4 s.
Memory is measured in runs of its own, because tracing slows the work: the most that Python objects took at once,
beside the size of the list as it came.
"""

import gc
import json
import resource
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benches.figure import Figure

SERVICES = 8000
CATEGORIES = 120


class _List:
    """The price list that the upstream answers with, as bytes made once."""

    def __init__(self) -> None:
        self.body = b""
        self.set("1.00")

    def set(self, rate: str) -> None:
        rows = [
            {
                "service": number,
                "name": f"Placement {number}, region {number % 40}, delivered within a day",
                "type": "Default",
                "category": f"Placements of group {number % CATEGORIES}",
                "rate": rate,
                "min": "10",
                "max": "100000",
                "refill": True,
                "cancel": number % 2 == 0,
                "desc": "Starts within the hour. Runs evenly over the day. " * 4,
            }
            for number in range(1, SERVICES + 1)
        ]
        self.body = json.dumps(rows).encode()


@contextmanager
def _upstream(prices: _List) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(prices.body)))
            self.end_headers()
            self.wfile.write(prices.body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _timed(act: Callable[[], Any]) -> tuple[float, int, int, Any]:
    """(seconds, statements, of them writing offers, services or changes, what it returned)"""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    begun = time.perf_counter()
    with CaptureQueriesContext(connection) as statements:
        result = act()
    seconds = time.perf_counter() - begun
    writes = [
        row["sql"]
        for row in statements
        if row["sql"].lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE"))
        and any(
            table in row["sql"]
            for table in ("providers_offer", "providers_service", "providers_catalogchange")
        )
    ]
    return seconds, len(statements), len(writes), result


MB = 1 << 20


def _memory(name: str, act: Callable[[], Any], received: int) -> Figure:
    """The peak of what one run allocates, and the growth of the process's own peak, in MB."""
    gc.collect()
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    try:
        act()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident  # KB on Linux
    more = {"services": SERVICES, "peak_resident_grew_mb": round(grown / 1024, 1)}
    return Figure(name, peak / MB, "MB", received / MB, "the list as it came", more)


def run() -> list[Figure]:
    from django.conf import settings

    from providers.catalog import sync_catalog
    from providers.connecting import adapter_for, add_provider
    from providers.models import MarkupRule
    from providers.publishing import publish

    prices = _List()
    figures = []
    with _upstream(prices) as origin:
        settings.PROVIDER_ALLOWED_PRIVATE = frozenset({origin})
        provider = add_provider("Catalog bench", f"http://{origin}/api/v2", "bench-key-0123456789")
        MarkupRule.objects.create(scope="provider", provider=provider, percent=50)
        parse = min(_timed(lambda: adapter_for(provider).services())[0] for _ in range(3))

        def measured(name: str, limit_s: float, act: Callable[[], Any], times: int = 1) -> Any:
            runs = sorted((_timed(act) for _ in range(times)), key=lambda run: run[0])
            seconds, statements, writes, result = runs[times // 2]
            more = {"statements": statements, "writes": writes, "limit_s": limit_s, "services": SERVICES}
            bound_is = "reading and parsing alone"
            figures.append(Figure(name, seconds * 1000, "ms", parse * 1000, bound_is, more))
            return result

        def sync() -> Any:
            return sync_catalog(provider, apply=True)

        measured("catalog, first sync", 3, sync)
        measured("catalog, unchanged", 1, sync, times=5)
        measured("catalog, all published", 10, lambda: publish(provider))
        measured("catalog, unchanged, all on sale", 1, sync, times=5)
        prices.set("1.05")
        found = measured("catalog, all prices changed, all on sale", 4, sync)
        if found.changed != SERVICES or found.applied != SERVICES:
            raise SystemExit(
                f"{found.changed} changed and {found.applied} applied, not {SERVICES}: {found.error}"
            )
        figures.append(_memory("catalog, memory, unchanged", sync, len(prices.body)))
        prices.set("1.10")
        figures.append(_memory("catalog, memory, all prices changed", sync, len(prices.body)))
    return figures
