"""python -m benches.load_test [--minutes 30] [--rate 15]: a whole panel under a constant load, and what became of it.

A stack of its own: durable PostgreSQL, Valkey, gunicorn and the Celery worker and beat as deployed, the sandbox provider
(50 ms) with its demo catalog. Requests arrive at a constant rate whether or not earlier ones were answered, and their
latency runs from the moment they were due (no coordinated omission). What arrives is in benches/load_traffic.py.

Printed are a line a minute, then a table, one line of JSON and the verdict. Exit code 1: any error, a broken ledger, an
order that the provider has twice or not at all, or one that was not sent or not brought to its end.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from benches.load_report import Ending, Memory, Sample, report
from benches.load_traffic import MIX, REQUESTS, Customer, Tally, Traffic
from panel.local.places import ROOT, free_port, port_is_free

if TYPE_CHECKING:
    from customers.models import User

LATENCY_MS = 50
CUSTOMERS = 40
CLIENT_THREADS = 128
SETTLE_S = 600.0  # for the last orders to be sent and followed to their end
BAD_LOG = ('"level": "error"', '"level": "critical"', "Traceback (most recent call last)")


def main() -> int:
    parser = argparse.ArgumentParser("python -m benches.load_test", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=15.0, help="requests per second in all (default 15)")
    options = parser.parse_args()

    from benches import stack

    stack.start()
    from django.conf import settings
    from django.core.management import call_command

    from tests.sandbox import Sandbox

    state = Path(settings.STATE_DIR)
    os.environ.pop("STATUS_CONFIRM_SECONDS", None)  # as deployed: an end with money is looked at twice
    os.environ.update(LOG_LEVEL="INFO", API_RATE_LIMITS="on")
    truth = state / "truth.jsonl"
    with Sandbox(latency_ms=LATENCY_MS, balance=10_000_000, truth_log=truth) as sandbox:
        settings.PROVIDER_ALLOWED_PRIVATE = frozenset({sandbox.origin})
        os.environ["PROVIDER_ALLOWED_PRIVATE"] = sandbox.origin
        with (state / "demo.txt").open("w") as quiet:
            call_command("load_demo", sandbox_url=sandbox.url, sandbox_key=sandbox.key, stdout=quiet)
        port = free_port()
        traffic = _people(port)
        with _panel(port, state) as processes:
            samples = _load(traffic, processes, options.minutes * 60, options.rate)
            ending = _settle()
            samples.append((time.monotonic(), _memory(processes)))
            _judge(ending, traffic.tally, truth, state)
    about = {
        "minutes": options.minutes,
        "requests a second": options.rate,
        "customers": CUSTOMERS,
        "provider ms": LATENCY_MS,
    }
    return report(about, traffic.tally, ending, samples)


# ── the world ───────────────────────────────────────────────────────────────────────────────────────


def _people(port: int) -> Traffic:
    """Customers with money, a key, a session and two orders each; one admin; what they may order."""
    from customers.api_keys import create_api_key
    from customers.enrolling import enrol_totp
    from providers.models import Service
    from tests import world

    shops = Service.objects.filter(published=True, service_type="default", minimum__lte=1000)
    Service.objects.filter(published=True, refill=True).update(auto_refill=True)
    Service.objects.filter(published=True, cancel=True).update(cancel_rule=Service.CancelRule.RULES)
    services = [(shop.pk, shop.minimum) for shop in shops.order_by("pk")[:40]]
    customers = []
    for number in range(CUSTOMERS):
        user = world.customer(f"load{number}@example.org", "1000000")
        customer = Customer(create_api_key(user)[1], _cookie(user))
        for turn in range(2):
            shop = shops.get(pk=services[(number + turn) % len(services)][0])
            order = world.order(user, shop, f"https://example.org/before/{number}/{turn}", shop.minimum)
            customer.orders.append(order.pk)
        customers.append(customer)
    admin = world.admin()
    enrol_totp(admin, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    return Traffic(port, customers, _cookie(admin), services)


def _cookie(user: "User") -> str:
    """The cookies of a person who has signed in."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.utils.crypto import get_random_string

    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    return f"{settings.SESSION_COOKIE_NAME}={store.session_key}; {settings.CSRF_COOKIE_NAME}={get_random_string(32)}"


@contextmanager
def _panel(port: int, state: Path) -> Iterator[dict[str, int]]:
    """gunicorn, worker and beat with their default settings; yields their process ids."""
    from customers.models import Heartbeat

    environment = os.environ | {"PORT": str(port), "SITE_URL": f"http://127.0.0.1:{port}"}
    celery = [sys.executable, "-m", "celery", "-A", "panel.celery"]
    plan = {
        "web": [sys.executable, "-m", "gunicorn", "-c", "python:panel.gunicorn", "panel.wsgi"],
        "worker": [*celery, "worker", "-n", "worker@load", "-P", "threads", "-c", "32", "-Q", "submit,sync",
                   "--without-gossip", "--without-mingle", "-l", "WARNING"],
        "beat": [*celery, "beat", "-s", str(state / "beat-schedule"), "--pidfile=", "-l", "WARNING"],
    }  # fmt: skip
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in plan.items():
            with (state / f"{name}.log").open("ab") as log:
                running[name] = subprocess.Popen(
                    command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
                )
        give_up = time.monotonic() + 60
        while port_is_free(port) or not Heartbeat.objects.filter(name="worker@load").exists():
            if time.monotonic() > give_up or any(process.poll() is not None for process in running.values()):
                raise RuntimeError("The panel did not start")
            time.sleep(0.1)
        yield {name: process.pid for name, process in running.items()}
    finally:
        for process in running.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


# ── the load ────────────────────────────────────────────────────────────────────────────────────────


def _load(traffic: Traffic, processes: Mapping[str, int], seconds: float, rate: float) -> list[Sample]:
    """Visits at a constant rate for so long; the memory of each process at the start and every minute."""
    samples: list[Sample] = [(time.monotonic(), _memory(processes))]
    begun = time.monotonic()
    pause = 1 / (rate * sum(often for often, _ in MIX.values()) / REQUESTS)
    credit = dict.fromkeys(MIX, 0.0)
    number, minute = 0, 1
    with ThreadPoolExecutor(CLIENT_THREADS) as clients:
        while (due := begun + number * pause) < begun + seconds:
            time.sleep(max(0.0, due - time.monotonic()))
            clients.submit(traffic.visit, _next_kind(credit), due)
            number += 1
            if time.monotonic() - begun >= minute * 60:
                samples.append((time.monotonic(), _memory(processes)))
                clients.submit(_say, minute, traffic.tally, samples[-1][1])
                minute += 1
    samples.append((time.monotonic(), _memory(processes)))
    return samples


def _next_kind(credit: dict[str, float]) -> str:
    """Each kind as often as MIX says, evenly spread: who has waited longest for his share is next."""
    for kind, (often, _) in MIX.items():
        credit[kind] += often
    kind = max(credit, key=lambda name: credit[name])
    credit[kind] -= sum(often for often, _ in MIX.values())
    return kind


def _say(minute: int, tally: Tally, memory: Mapping[str, Memory]) -> None:
    unsent, still_open = _waiting()
    with tally.lock:
        sent, errors, refused = tally.sent, tally.errors.total(), tally.refused.total()
    sizes = ", ".join(f"{name} {one.pss:.0f}/{one.rss:.0f}" for name, one in memory.items())
    print(
        f"minute {minute:3}: {sent} requests, {errors} errors, {refused} refused as they should be, "
        f"{unsent} orders unsent, {still_open} open; PSS/RSS MB: {sizes}",
        flush=True,
    )


def _waiting() -> tuple[int, int]:
    """Orders not yet sent, and orders not yet at their end."""
    from django.db import close_old_connections, connection

    from orders.models import Order, Submission

    unsent = Submission.objects.filter(state__in=["queued", "claimed", "sending"]).count()
    still_open = Order.objects.filter(status__in=Order.OPEN).count()
    close_old_connections()
    connection.close()
    return unsent, still_open


def _memory(processes: Mapping[str, int]) -> dict[str, Memory]:
    found = {}
    for name, pid in processes.items():
        for number, child in enumerate(_children(pid), 1):
            found[f"{name}{number}"] = _memory_of(child)
        found[f"{name} master" if name == "web" else name] = _memory_of(pid)
    return found


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _memory_of(pid: int) -> Memory:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return Memory(kilobytes["Pss"] / 1024, kilobytes["Rss"] / 1024)


# ── afterwards ──────────────────────────────────────────────────────────────────────────────────────


def _settle() -> Ending:
    begun, ending = time.monotonic(), Ending()
    while any(waiting := _waiting()) and time.monotonic() - begun < SETTLE_S:
        time.sleep(1)
    ending.left = dict(zip(("unsent", "open"), waiting, strict=True))
    ending.settled_s = time.monotonic() - begun
    return ending


def _judge(ending: Ending, tally: Tally, truth: Path, state: Path) -> None:
    """The books against the answers, against themselves, and against what truly exists upstream."""
    from django.db.models import Count

    from orders.ledger_check import check_ledger
    from orders.models import Order, Submission

    ids = set(Order.objects.values_list("pk", flat=True))
    ending.placed, ending.placed_by_answer = len(ids), len(tally.placed)
    ending.accepted, ending.placed_before = tally.accepted, 2 * CUSTOMERS
    ending.missing = sorted(tally.placed - ids)
    ending.finished = dict(Order.objects.values_list("status").annotate(n=Count("pk")).order_by("status"))
    states = dict(Submission.objects.values_list("state").annotate(n=Count("pk")).order_by("state"))
    ending.sent, ending.withdrawn = states.pop("accepted", 0), states.pop("withdrawn", 0)
    ending.left |= {f"as {word}": count for word, count in states.items()}
    ending.ledger = check_ledger().broken

    links: dict[str, list[str]] = {}
    for line in map(json.loads, truth.read_text().splitlines()):
        if line["event"] == "order":
            links.setdefault(line["link"], []).append(str(line["order"]))
    ours = dict(Submission.objects.filter(state="accepted").values_list("provider_order_id", "order__link"))
    ending.upstream = sum(map(len, links.values()))
    ending.doubles = [link for link, orders in links.items() if len(orders) > 1]
    ending.strangers = [
        order for link, orders in links.items() for order in orders if ours.get(order) != link
    ]
    ending.absent = sorted(
        str(order) for order, link in ours.items() if str(order) not in links.get(link, [])
    )
    for log in state.glob("*.log"):
        bad = [line for line in log.read_text().splitlines() if any(word in line for word in BAD_LOG)]
        if bad:
            ending.bad_log_lines[log.stem] = len(bad)
            ending.first_bad_lines += [line[:400] for line in bad[:3]]


if __name__ == "__main__":
    sys.exit(main())
