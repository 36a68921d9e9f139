"""Orders accepted per second over HTTP: gunicorn as deployed, 16 clients that keep their connections.

The bound is the serial rate of single-row commits, as for placing. Clients and server share this machine's cores, so
the figure is a floor: the clients' own work is part of it. They are a real HTTP client of 16 connections, each with one
request in flight, written to cost little (api_client.py): sixteen threads of http.client took a fifth of the cores.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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
    times, others = _load(port, keys, shop, SECONDS)
    more = spread(times) | ({"refused": others} if others else {})
    return Figure(name, len(times) / SECONDS, "orders/s", bound, "serial single-row commits/s", more)


def _load(port: int, keys: list[str], shop: "Service", seconds: float) -> tuple[list[float], int]:
    """Seconds of each accepted order, and how many answers were something else."""
    forms = [
        {
            "key": key,
            "action": "add",
            "service": shop.pk,
            "quantity": 10,
            "link": "https://example.org/{turn}",
        }
        for key in keys
    ]
    return _ask(port, [urlencode(form, safe="{}") for form in forms], '{"order":', seconds)


def _statuses(port: int, key: str) -> Figure:
    """100 orders of the first customer asked about in each call."""
    from orders.models import Order

    mine = Order.objects.filter(source="api", user__email="api0@example.org").order_by("id")
    ids = [str(pk) for pk in mine.values_list("pk", flat=True)[:100]]
    form = urlencode({"key": key, "action": "status", "orders": ",".join(ids)})
    times, others = _ask(port, [form], f'{{"{ids[0]}":{{"charge":', SECONDS / 2)
    more = spread(times) | ({"refused": others} if others else {})
    return Figure("API status of 100 ids, 16 clients", len(times) / (SECONDS / 2), "calls/s", more=more)


def _ask(port: int, bodies: list[str], accepted: str, seconds: float) -> tuple[list[float], int]:
    """Send these bodies from CLIENTS connections for so long; the seconds of each answer that begins as `accepted`."""
    plan = {"port": port, "seconds": seconds, "clients": CLIENTS, "bodies": bodies, "accepted": accepted}
    program = [sys.executable, "-S", str(Path(__file__).with_name("api_client.py"))]
    done = subprocess.run(program, input=json.dumps(plan), stdout=subprocess.PIPE, text=True, check=True)
    said = json.loads(done.stdout)
    return said["times"], said["others"]


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
