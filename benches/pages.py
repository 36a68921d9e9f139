"""Pages and API answers as the server makes them, at a growing history: median and 95th percentile per size.

Each address is asked through the whole of Django (middleware, session, database, template), without the network. The
reference in the same run is a bare view behind the same middleware. `BENCH_SIZES=10000,1000000` (numbers of orders) says
how much history there is at each look; a fifth of it belongs to the customer who looks. 10,000 customers, 5,000
services. The ratio of a row is its median beside its median at the first size.
"""

import io
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.management import call_command
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path

from benches.figure import Figure, percentile

SIZES = tuple(int(size) for size in os.environ.get("BENCH_SIZES", "10000,1000000").split(","))
CUSTOMERS, SERVICES = 10_000, 5_000
LOOKS = 25
Ask = Callable[[], object]


def run() -> list[Figure]:
    from orders.tallying import tally

    figures: list[Figure] = []
    first: dict[str, float] = {}
    seeded = 0
    for size in SIZES:
        made = {"customers": 0, "services": 0} if seeded else {"customers": CUSTOMERS, "services": SERVICES}
        call_command("seed_scale", **made, orders=size - seeded, biggest=20, stdout=io.StringIO())
        seeded = size
        tally(seconds=600)  # as the clock's task does every ten minutes
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("VACUUM (ANALYZE)")
            cursor.execute("RESET statement_timeout")
        for name, ask in _asks().items():
            times, statements = _times(ask)
            median = statistics.median(times) * 1000
            more = {"p95_ms": round(percentile(times, 0.95) * 1000, 1), "statements": statements}
            compared = first.get(name)
            first.setdefault(name, median)
            figures.append(
                Figure(f"{size:,} orders: {name}", median, "ms", compared, f"ms at {SIZES[0]:,}", more)
                if compared
                else Figure(f"{size:,} orders: {name}", median, "ms", more=more)
            )
        figures.append(
            Figure(
                f"{size:,} orders: stored per order",
                sum((stored := _sizes(size)).values()),
                "bytes",
                more=stored,
            )
        )
    return figures


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


def _asks() -> dict[str, Ask]:
    """What is asked, by name; each raises when the answer is not 200."""
    from customers.api_keys import create_api_key
    from customers.models import User
    from orders.models import Order
    from panel import urls
    from tests import world
    from tests.staff_world import signed_in

    settings.ALLOWED_HOSTS = ["testserver"]
    if not any(getattr(pattern, "name", "") == "bare" for pattern in urls.urlpatterns):
        urls.urlpatterns.append(path("bench/bare", login_not_required(bare), name="bare"))
    biggest = User.objects.filter(email__startswith="scale-").order_by("id")[0]
    admin = User.objects.filter(email="adam@example.org").first() or world.admin()
    customer, staff, script = signed_in(biggest), signed_in(admin), Client()
    key = create_api_key(biggest)[1]
    newest = list(Order.objects.for_user(biggest).order_by("-id")[:100])
    some = newest[50]
    ids = ",".join(str(order.pk) for order in newest)

    def page(client: Client, address: str) -> Ask:
        return lambda: _fine(client.get(address, follow=False))

    def call(**form: object) -> Ask:
        return lambda: _fine(script.post("/api/v2", {"key": key, **form}))

    def placed() -> object:
        form = {"service": some.service_id, "link": "https://example.org/bench", "quantity": 10}
        return _fine(script.post("/api/v2", {"key": key, "action": "add", **form}))

    return {
        "a bare view": page(script, "/bench/bare"),
        "orders": page(customer, "/orders/"),
        "orders, Partial": page(customer, "/orders/?status=Partial"),
        "orders, by id": page(customer, f"/orders/?q={some.pk}"),
        "orders, by link": page(customer, f"/orders/?q={some.link}"),
        "order": page(customer, f"/orders/{some.pk}"),
        "new order": page(customer, "/orders/new"),
        "services": page(customer, "/services/"),
        "wallet": page(customer, "/wallet/"),
        "API add": placed,
        "API status of 100": call(action="status", orders=ids),
        "API balance": call(action="balance"),
        "staff: dashboard": page(staff, "/manage/"),
        "staff: orders": page(staff, "/staff/orders"),
        "staff: orders, by link": page(staff, f"/staff/orders?q={some.link}"),
        "staff: order": page(staff, f"/staff/orders/{some.pk}"),
        "staff: review": page(staff, "/staff/review"),
        "staff: customers": page(staff, "/staff/customers"),
        "staff: customer": page(staff, f"/staff/customers/{biggest.pk}"),
        "staff: ledger": page(staff, "/manage/money/ledger"),
        "staff: audit": page(staff, "/manage/audit"),
        "staff: reports": page(staff, "/manage/reports"),
    }


def bare(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


def _fine(response: Any) -> object:
    """The answer, read to its end. RuntimeError when it is not what was asked for."""
    body = b"".join(response.streaming_content) if response.streaming else response.content
    if response.status_code != 200 or body.startswith(b'{"error"'):
        raise RuntimeError(
            f"{response.request['PATH_INFO']}: {response.status_code} {response.get('Location', '')} {body[:200]!r}"
        )
    return body


def _times(ask: Ask) -> tuple[list[float], int]:
    ask(), ask()
    with CaptureQueriesContext(connection) as queries:
        ask()
    statements = len(queries)
    times = []
    for _ in range(LOOKS):
        begun = time.perf_counter()
        ask()
        times.append(time.perf_counter() - begun)
    return times, statements
