"""A canary for the provider's key: every answer echoes it, a whole run goes by, and then it is looked for in
every table and every log line."""

import json
from typing import Any
from urllib.parse import quote

import pytest
import redis
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from orders.models import Submission
from orders.request_lane import refills_lane, requests_lane
from orders.requests import ask_cancel, ask_refill, decide
from orders.status_lane import status_lane
from orders.submission import submit_lane
from providers.balances import read_balance
from providers.catalog import sync_catalog
from providers.connecting import add_provider, change_connection
from providers.grading import test_connection as graded
from providers.models import Alert, MarkupRule, Offer, Provider, Service
from providers.publishing import publish
from tests import world

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("confirm_at_once")]

KEY = "Canary/KEY+0123456789abcdef"
FORMS = (KEY, KEY.lower(), quote(KEY, safe=""), KEY.replace("/", "\\/"))
PIECE = "0123456789abcdef"
"""A part of the key that no other text here has: half a key is a leak, too."""


class Echo:
    """An upstream that answers every question properly, or with an error, and writes the key into it either way."""

    def __init__(self, server: HTTPServer) -> None:
        self.mode = "proper"
        self.number = 100
        self.asked: list[str] = []
        server.expect_request("/api/v2", method="POST").respond_with_handler(self.answer)
        self.url = f"http://127.0.0.1:{server.port}/api/v2"
        self.origin = f"127.0.0.1:{server.port}"

    def answer(self, request: Request) -> Response:
        action, form = request.form["action"], request.form
        self.asked.append(action)
        echo = FORMS[len(self.asked) % len(FORMS)]
        if self.mode == "page":
            body = f"<html>{'x' * 480}{echo}</html>"
            return Response(body, status=500, content_type="text/html", headers={"X-Key": KEY})
        if self.mode == "error":
            body = json.dumps({"error": f"Something odd about {echo} happened"})
            return Response(body.replace("\\\\/", "\\/"), content_type="application/json")
        if self.mode == "redirect":
            return Response("", status=302, headers={"Location": f"https://new.example/?key={quote(KEY)}"})
        return Response(
            json.dumps(getattr(self, action)(form, echo)).replace("\\\\/", "\\/"),
            content_type="application/json",
        )

    def services(self, form: Any, echo: str) -> Any:
        rows = [
            {"service": number, "name": f"Placement {echo}", "type": kind, "category": f"About {echo}", "rate": "1",
             "min": "1", "max": "1000", "refill": True, "cancel": True, "desc": f"See {echo}", echo: echo}
            for number, kind in ((1, "Default"), (2, f"Odd {echo}"))
        ]  # fmt: skip
        return [*rows, {"service": echo, "name": "x", "rate": "?"}]

    def add(self, form: Any, echo: str) -> Any:
        self.number += 1
        return {"order": self.number, "note": echo}

    def status(self, form: Any, echo: str) -> Any:
        ids = (form.get("orders") or form.get("order")).split(",")
        entry = {"charge": "9", "start_count": "1", "status": self.word(echo), "remains": "0", "key": echo}
        return dict.fromkeys(ids, entry)

    def word(self, echo: str) -> str:
        return "Completed" if self.asked.count("status") > 2 else f"Odd {echo}"

    def refill(self, form: Any, echo: str) -> Any:
        return {"refill": "501", "key": echo}

    def refill_status(self, form: Any, echo: str) -> Any:
        return {"status": f"Odd {echo}"}

    def cancel(self, form: Any, echo: str) -> Any:
        return [{"order": number, "cancel": {"error": f"No {echo}"}} for number in form["orders"].split(",")]

    def balance(self, form: Any, echo: str) -> Any:
        return {"balance": "1000", "currency": "USD", "key": echo}


def everything_kept() -> str:
    """Every row of every table, as text, and what Valkey holds."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            found += [f"{table}: {row[0]}" for row in cursor.fetchall()]
    store = redis.Redis.from_url(django_settings.REDIS_URL)
    for name in store.scan_iter():
        found.append(f"valkey: {name!r} {store.dump(name)!r}")
    return "\n".join(found)


def test_the_key_of_a_provider_that_echoes_it_is_kept_nowhere(
    httpserver: HTTPServer, settings: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(0)
    echo, said = Echo(httpserver), []
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({echo.origin})
    provider = add_provider("Echo", echo.url, KEY, options={"rate_per_minute": "0", "deadline_s": "3"})
    MarkupRule.objects.create(scope="everything", percent=100)
    alice = world.customer()

    said += [repr(graded(provider)), repr(sync_catalog(provider, apply=True)), repr(publish(provider))]
    service = Service.objects.get(published=True)
    orders = [world.order(alice, service, f"https://example.org/{number}", 100) for number in range(3)]
    assert submit_lane(provider.pk).accepted == 3
    for _ in range(3):
        status_lane(provider.pk, force=True)
    cancel_of, refill_of = world.order(alice, service, quantity=200), orders[0]
    submit_lane(provider.pk)
    for request in (ask_refill(refill_of.pk, by="customer"), ask_cancel(cancel_of.pk, by="customer")):
        if request.state == "requested":
            decide(request.pk, approve=True, user=None)
    requests_lane(provider.pk, force=True)
    refills_lane(provider.pk, force=True)
    said.append(repr(read_balance(provider)))
    assert Submission.objects.filter(state="accepted").count() == 4
    assert {"balance", "services", "status", "add", "refill", "refill_status", "cancel"} <= set(echo.asked)

    for mode in ("error", "page", "redirect"):
        echo.mode = mode
        world.order(alice, service, f"https://example.org/{mode}", 100)
        submit_lane(provider.pk, force=True)
        status_lane(provider.pk, force=True)
        said += [
            repr(graded(provider)),
            repr(sync_catalog(provider, apply=True)),
            repr(read_balance(provider)),
        ]
        for command in ("test_provider", "sync_balances", "provider_show"):
            try:
                call_command(command, "Echo")
            except CommandError as error:
                said.append(str(error))
    change_connection(provider, options={"rate_per_minute": "0"})

    # the run did leave the traces in which a key could stand
    assert Offer.objects.filter(name__contains="[key]").exists()
    assert Alert.objects.filter(text__contains="[key]").exists()
    assert "[key]" in Provider.objects.get().last_error + "".join(said)
    out, err = capfd.readouterr()
    places = {
        "tables": everything_kept(),
        "logs": caplog.text,
        "answers": "\n".join(said),
        "output": out + err,
    }
    for place, text in places.items():
        lines = [line for line in text.splitlines() if PIECE in line.lower()]
        assert lines == [], f"the key stands in {place}"
    assert Provider.objects.get().key == KEY  # it was there to be found
    world.sane()
