"""A panel that buys from a panel: our instance, a second one with its own database and processes, and the sandbox.

    customer of A → A (this process) → /api/v2 of B (its own gunicorn, database, commands) → sandbox provider

Whatever the sandbox decides about an order must reach A's customer with the same words and the right money.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.conf import settings
from django.db import connection

from customers.wallet import balance_of
from orders.asking_again import providers_to_ask
from orders.models import Order, Submission
from orders.request_lane import refills_lane, requests_lane
from orders.requests import ask_cancel, ask_refill, decide
from orders.status_lane import status_lane
from orders.submission import submit_lane
from panel.local.places import free_port, port_is_free
from providers.adapters.http import Door, Reply
from providers.catalog import sync_catalog
from providers.connecting import add_provider
from providers.models import Offer, Provider, Service
from tests import world
from tests.conftest import ROOT, process_environment, running, wait_until
from tests.orders.test_asking_again import began_earlier
from tests.sandbox import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
PRICE = Decimal("10")  # per 1000 at A
REAL_POST = Door.post


@dataclass
class Panel:
    """The second instance, driven as an operator would: by its commands, and by HTTP."""

    environment: dict[str, str]
    url: str
    log: Path
    key: str = ""

    def __call__(self, *command: str) -> Any:
        """Run `manage.py …` there; the JSON of its last line."""
        done = subprocess.run(
            [sys.executable, "manage.py", *command, *(() if command[0] == "migrate" else ("--json",))],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr[-1500:]}"
        lines = done.stdout.strip().splitlines()
        return json.loads(lines[-1]) if lines and command[0] != "migrate" else None

    def order(self, number: str) -> Any:
        return self("order_show", number)


@pytest.fixture
def upstream(transactional_db: None, start_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return start_sandbox(speed=0)


@pytest.fixture
def other_panel(upstream: Sandbox, tmp_path: Path) -> Iterator[Panel]:
    """Panel B, migrated, with the sandbox's catalog on sale at 25 % more, a customer with 100 and his key."""
    given = connection.settings_dict
    name = f"{given['NAME']}_b"
    server = psycopg.connect(
        host=given["HOST"], port=given["PORT"], user=given["USER"], password=given["PASSWORD"],
        dbname="postgres", autocommit=True,
    )  # fmt: skip
    server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    server.execute(f'CREATE DATABASE "{name}"')
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = process_environment(
        PORT=str(port), SITE_URL=url, WEB_WORKERS="1", STATUS_CONFIRM_SECONDS="0"
    )
    environment |= {
        "DATABASE_URL": environment["DATABASE_URL"].rsplit("/", 1)[0] + f"/{name}",
        "REDIS_URL": settings.REDIS_URL.rsplit("/", 1)[0] + "/15",
        "STATE_DIR": str(tmp_path / "state-b"),
        "PROVIDER_ALLOWED_PRIVATE": upstream.origin,
    }
    redis.Redis.from_url(
        environment["REDIS_URL"]
    ).flushdb()  # a counter of an earlier test would mean "restored"
    panel = Panel(environment, f"{url}/api/v2", tmp_path / "b.log")
    panel("migrate", "--skip-checks", "-v", "0")
    panel("add_provider", "Sandbox", upstream.url, "--key", upstream.key, "--option", "rate_per_minute=0")
    panel("sync_catalog", "Sandbox", "--apply")
    assert panel("publish_services", "Sandbox", "--all", "--markup", "25")["published"] > 10
    panel(
        "create_customer", "reseller@example.org", "--password", "correct horse battery", "--balance", "100"
    )
    panel.key = panel("create_api_key", "reseller@example.org")["key"]
    command = [sys.executable, "-m", "gunicorn", "-c", "python:panel.gunicorn", "panel.wsgi"]
    with running(command, environment, panel.log):
        wait_until(lambda: not port_is_free(port), 30, "the second panel")
        yield panel
    server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    server.close()


@pytest.fixture
def headwater(other_panel: Panel, settings: Any) -> Provider:
    """Panel B as a provider of A, with its idempotency key."""
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({other_panel.url.removeprefix("http://").split("/")[0]})
    settings.STATUS_CONFIRM_SECONDS = 0
    options = {"request_id": True, "rate_per_minute": 0}
    return add_provider("Other Headwater", other_panel.url, other_panel.key, options=options)


@pytest.fixture
def views(headwater: Provider) -> Service:
    """One of B's services, read through its API and sold by A at 10.00."""
    found = sync_catalog(headwater, apply=True)
    assert found.new > 10, found.error
    offer = Offer.objects.get(provider=headwater, name="Video pre-roll views, 15 seconds")
    assert (offer.service_type, offer.refill, offer.cancel) == ("default", True, True)
    return world.service(offer, rate=PRICE)


def number_there(order: Order) -> str:
    submission = Submission.objects.get(pk=order.pk)
    assert submission.state == "accepted", submission.waits_for
    assert submission.provider_order_id
    return submission.provider_order_id


def test_order_partial_refund_refill_and_cancel_pass_through_both(
    upstream: Sandbox, other_panel: Panel, headwater: Provider, views: Service
) -> None:
    alice = world.customer(balance="100")
    partial, refilled, canceled = (world.order(alice, views, f"https://e/{n}", 1000) for n in range(3))

    # A → B → sandbox
    assert submit_lane(headwater.pk).accepted == 3
    there = {order.pk: number_there(order) for order in (partial, refilled, canceled)}
    assert other_panel("submit_pending")["accepted"] == 3
    book = {row["link"]: row for row in upstream.truth("order")}
    assert {order.link for order in (partial, refilled, canceled)} == set(book)
    cost_at_b = Decimal(other_panel.order(there[partial.pk])["charge"])
    assert cost_at_b > 0

    # partial: the sandbox delivers 600 of 1000; both customers get 400 back at their own prices
    upstream.control(set_order={"id": int(book["https://e/0"]["order"]), "status": "Partial", "remains": 400})
    upstream.control(set_order={"id": int(book["https://e/1"]["order"]), "status": "Completed", "remains": 0, "start_count": 7})  # fmt: skip
    upstream.control(
        set_order={"id": int(book["https://e/2"]["order"]), "status": "In progress", "remains": 900}
    )
    other_panel("sync_statuses", "--force")
    status_lane(headwater.pk, force=True)
    for order in (partial, refilled, canceled):
        order.refresh_from_db()
    assert (partial.status, partial.remains, partial.refunded) == ("Partial", 400, Decimal("4"))
    shown = other_panel.order(there[partial.pk])
    assert (shown["status"], Decimal(shown["refunded"])) == ("Partial", cost_at_b * 400 / 1000)
    assert (refilled.status, refilled.start_count) == ("Completed", 7)
    assert canceled.status == "In progress"

    # refill: asked at A, reviewed at A, then at B, then taken by the sandbox; its end comes back the same way
    request = ask_refill(refilled.pk, by="customer")
    decide(request.pk, approve=True, user=None)
    requests_lane(headwater.pk)
    request.refresh_from_db()
    assert request.state == "accepted"
    other_panel("review_request", request.upstream_id, "approve")
    other_panel("submit_requests")
    (taken,) = upstream.truth("refill")
    assert taken["link"] == "https://e/1"
    upstream.control(set_refill={"id": int(taken["refill"]), "status": "Completed"})
    other_panel("sync_refills", "--force")
    refills_lane(headwater.pk, force=True)
    request.refresh_from_db()
    assert request.state == "done"

    # cancel: taken by both, and the money comes back only when the sandbox says Canceled
    request = ask_cancel(canceled.pk, by="customer")
    decide(request.pk, approve=True, user=None)
    requests_lane(headwater.pk)
    canceled.refresh_from_db()
    assert (canceled.status, canceled.refunded) == ("In progress", 0)
    reviewed = [row for row in other_panel.order(there[canceled.pk])["requests"] if row["kind"] == "cancel"]
    other_panel("review_request", str(reviewed[0]["id"]), "approve")
    other_panel("submit_requests")
    assert [line["link"] for line in upstream.truth("cancel")] == ["https://e/2"]
    upstream.control(
        set_order={"id": int(book["https://e/2"]["order"]), "status": "Canceled", "remains": 1000}
    )
    other_panel("sync_statuses", "--force")
    status_lane(headwater.pk, force=True)
    canceled.refresh_from_db()
    assert (canceled.status, canceled.refunded) == ("Canceled", Decimal("10"))

    assert balance_of(alice) == Decimal("100") - 30 + 4 + 10
    assert len(upstream.truth("order")) == 3
    assert other_panel("check_ledger")["ok"] is True
    world.sane()


def test_an_answer_that_got_lost_between_two_headwaters_is_settled_by_key(
    upstream: Sandbox,
    other_panel: Panel,
    headwater: Provider,
    views: Service,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """B has the order, A never heard of it: asked again with the same key, B answers the same number."""
    order = world.order(world.customer(), views)
    with monkeypatch.context() as patched:
        patched.setattr(Door, "post", _answer_lost)
        assert submit_lane(headwater.pk).unknown == 1
    began_earlier(order, timedelta(minutes=2))
    assert providers_to_ask() == [headwater.pk]
    assert submit_lane(headwater.pk).accepted == 1
    assert other_panel("submit_pending")["accepted"] == 1
    assert len(upstream.truth("order")) == 1
    assert other_panel.order(number_there(order))["charge"]
    world.sane()


def _answer_lost(self: Door, *args: Any, **kwargs: Any) -> Reply:
    """The POST is made; a gateway's error page comes back instead of the answer."""
    return replace(REAL_POST(self, *args, **kwargs), http_status=502, body=b"<html>Bad gateway</html>")
