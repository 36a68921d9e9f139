"""Orders accepted per second over HTTP: gunicorn as deployed, 16 clients that keep their connections.

The bound is the serial rate of single-row commits, as for placing. Clients and server share this machine's cores, so
the figure is a floor: the clients' own work is part of it.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from benches.figure import Figure, spread
from benches.placing import raw_commits
from panel.local.places import ROOT, free_port, port_is_free

if TYPE_CHECKING:
    from providers.models import Service

SECONDS = 8.0
CLIENTS = 16
CUSTOMERS = 20
HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}


def run() -> list[Figure]:
    from customers.api_keys import create_api_key
    from orders.ledger_check import check_ledger
    from tests import world

    shop = world.service(world.offer(world.provider(name="API orders")))
    keys = [create_api_key(world.customer(f"api{n}@example.org", "1000000"))[1] for n in range(CUSTOMERS)]
    bound = raw_commits()
    with _web() as port:
        _load(port, keys, shop, 1.0)  # connections, caches
        figures = [
            _figure(f"API orders, {CLIENTS} clients, {CUSTOMERS} customers", port, keys, shop, bound),
            _figure(f"API orders, {CLIENTS} clients, one customer", port, keys[:1], shop, bound),
            _statuses(port, keys[0]),
        ]
    report = check_ledger()
    if not report.ok:
        raise RuntimeError(f"The ledger is broken after the bench: {report.broken[:3]}")
    return figures


def _figure(name: str, port: int, keys: list[str], shop: "Service", bound: float) -> Figure:
    times, other = _load(port, keys, shop, SECONDS)
    more = spread(times) | ({"refused": other} if other else {})
    return Figure(name, len(times) / SECONDS, "orders/s", bound, "serial single-row commits/s", more)


def _load(port: int, keys: list[str], shop: "Service", seconds: float) -> tuple[list[float], int]:
    """Seconds of each accepted order, and how many answers were something else."""
    times: list[float] = []
    refused: list[str] = []
    until = time.perf_counter() + seconds

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        turn = number
        while time.perf_counter() < until:
            form = {"key": keys[turn % len(keys)], "action": "add", "service": shop.pk,
                    "link": f"https://example.org/{number}/{turn}", "quantity": 10}  # fmt: skip
            turn += CLIENTS
            begun = time.perf_counter()
            connection.request("POST", "/api/v2", urlencode(form), HEADERS)
            answer = connection.getresponse().read()
            if answer.startswith(b'{"order":'):
                times.append(time.perf_counter() - begun)
            else:
                refused.append(answer.decode()[:80])
        connection.close()

    _together(client)
    return times, len(refused)


def _statuses(port: int, key: str) -> Figure:
    """100 orders asked about in each call."""
    from orders.models import Order

    ids = ",".join(
        map(str, Order.objects.filter(source="api").order_by("id").values_list("pk", flat=True)[:100])
    )
    times: list[float] = []
    until = time.perf_counter() + SECONDS / 2

    def client(_number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.perf_counter() < until:
            begun = time.perf_counter()
            connection.request(
                "POST", "/api/v2", urlencode({"key": key, "action": "status", "orders": ids}), HEADERS
            )
            if len(json.loads(connection.getresponse().read())) == 100:
                times.append(time.perf_counter() - begun)
        connection.close()

    _together(client)
    return Figure(
        "API status of 100 ids, 16 clients", len(times) / (SECONDS / 2), "calls/s", more=dict(spread(times))
    )


def _together(client: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextmanager
def _web() -> Iterator[int]:
    port = free_port()
    environment = os.environ | {"PORT": str(port), "SITE_URL": f"http://127.0.0.1:{port}", "WEB_WORKERS": "2"}
    command = [sys.executable, "-m", "gunicorn", "-c", "python:panel.gunicorn", "panel.wsgi"]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        give_up = time.monotonic() + 30
        while port_is_free(port):
            if server.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError("gunicorn did not start")
            time.sleep(0.1)
        yield port
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)
